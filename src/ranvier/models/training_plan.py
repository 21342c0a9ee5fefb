"""The training loop as it will run, in words: what `model.training_plan` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ranvier.foundation.shapes import show_shape
from ranvier.layers.arguments import number, whole_number
from ranvier.metrics import Metric, WholeSetMetric
from ranvier.models.plan import FitPlan
from ranvier.models.progress_line import show_seconds
from ranvier.models.request import FitRequest
from ranvier.models.summary import show_bytes
from ranvier.networks.network import Network
from ranvier.optimizers import LBFGS, Optimizer, ParameterGroups, Schedule
from ranvier.training.callbacks import METHODS, Callback, FunctionCallback, subscriptions
from ranvier.training.engines import batch_bounds
from ranvier.training.program import VALIDATION_BATCH, Monitor, TrainingProgram
from ranvier.training.rules import UpdateRules

#: Columns of the words on the left.
WIDTH = 16


def training_plan_text(
    request: FitRequest,
    plan: FitPlan,
    network: Network,
    program: TrainingProgram,
    epochs: int,
    time_limit: float | None = None,
) -> str:
    """The loop of a fit as text.

    Args:
        request: what was asked for.
        plan: how it was understood.
        network: built.
        program: that would run.
        epochs: of the fit.
        time_limit: in seconds, or None.

    Raises:
        ArgumentError: epochs below 1 or a time limit below 0.
    """
    whole_number("training_plan", "epochs", epochs)
    if time_limit is not None:
        number("training_plan", "time_limit", time_limit, 0.0)
    driven = isinstance(plan.optimizer, LBFGS)
    size = plan.data.rows if request.batch_size is None or driven else request.batch_size
    bounds = batch_bounds(plan.data.rows, size)
    return "\n".join(
        [
            *_rows(request, plan, network, bounds),
            "",
            *_told(plan.listeners, "on_start", "before the first step"),
            f"repeat {_count(epochs, 'epoch')}" + ("" if driven else f", {_order(request)}"),
            *_indented(_epoch(request, plan, network, program, bounds)),
            *_told(plan.listeners, "on_end", "at the end"),
            "",
            *_engine(request, plan, program, time_limit),
        ]
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _line(label: str, text: str) -> str:
    return label.ljust(WIDTH) + text


def _indented(lines: Iterator[str]) -> list[str]:
    return ["    " + line for line in lines]


# --- what is there before the loop


def _rows(
    request: FitRequest, plan: FitPlan, network: Network, bounds: Sequence[tuple[int, int]]
) -> Iterator[str]:
    data = plan.data
    held = "" if data.validation is None else f", {len(data.validation[0][0]):,} to validate on"
    yield _line("rows", f"{data.rows:,} to learn from{held}")
    for name, array in zip(network.wiring.inputs, data.x, strict=True):
        same = array.dtype.name == network.dtype
        label = "X" if len(data.x) == 1 else f"X {name!r}"
        converted = "" if same else f", converted to {network.dtype} as batches are loaded"
        yield _line(label, f"{show_shape(array.shape[1:])} {array.dtype} a row{converted}")
    for name, targets in zip(network.wiring.output_names, data.targets, strict=True):
        label = "y" if len(data.targets) == 1 else f"y {name!r}"
        if targets.kind == "classes":
            yield _line(label, f"one of {len(targets.class_names)} classes")
        else:
            yield _line(label, f"numbers, {show_shape(targets.values.shape[1:])} a row")
    if data.weights is not None:
        low, high = float(np.min(data.weights)), float(np.max(data.weights))
        yield _line("weights", f"of rows, from {low:.4g} to {high:.4g}, 1 in the mean")
    sizes = [high - low for low, high in bounds]
    last = "" if sizes[0] == sizes[-1] else f", {sizes[-1]:,} in the last"
    yield _line("batches", f"{_count(sizes[0], 'row')} a step{last}")
    yield _line("steps", f"{len(bounds):,} an epoch")


def _order(request: FitRequest) -> str:
    if request.shuffle:
        return f"each with an order of rows of its own (from seed {request.seed})"
    return "the rows always in the order given"


def _told(listeners: Sequence[Callback], method: str, when: str) -> Iterator[str]:
    names = [
        _name(listener)
        for listener in listeners
        if getattr(type(listener), method) is not getattr(Callback, method)
    ]
    if names:
        yield f"{when}: Python hears it: {', '.join(names)}"


# --- an epoch


def _epoch(
    request: FitRequest,
    plan: FitPlan,
    network: Network,
    program: TrainingProgram,
    bounds: Sequence[tuple[int, int]],
) -> Iterator[str]:
    if isinstance(plan.optimizer, LBFGS):
        yield "one iteration of L-BFGS:"
        yield from _indented(_iteration(plan, network, plan.optimizer))
        yield from _listeners(plan.listeners, "step")
    else:
        yield f"repeat {_count(len(bounds), 'step')}"
        yield from _indented(_step(request, plan, network))
        yield from _indented(_listeners(plan.listeners, "step"))
    if plan.data.validation is not None:
        rows = len(plan.data.validation[0][0])
        text = f"{rows:,} rows, {min(VALIDATION_BATCH, rows):,} at a time: loss"
        names = _metric_names(plan, False)
        yield _line("validate", ", ".join([text, *names]) + "; layers not in training")
        whole = _metric_names(plan, True)
        if whole:
            yield _line("", f"{', '.join(whole)}: of all rows at once, in Python (NumPy)")
    yield _line("history", "one line: " + ", ".join(program.names))
    if plan.monitor is not None:
        yield _line("monitor", _monitor(plan.monitor, program.rising))
    yield from _listeners(plan.listeners, "epoch")
    yield from _listeners(plan.listeners, "second")


def _step(request: FitRequest, plan: FitPlan, network: Network) -> Iterator[str]:
    yield from _forward(plan, network)
    trained = sum(network.parameters[name].size for name in network.trainable)
    yield _line("backward", f"gradients of {_count(trained, 'trained number')}")
    yield from _rules(request.rules)
    yield from _updates(plan.optimizer)
    if request.rules.average is not None:
        factor = request.rules.average
        yield _line("average", f"a = {factor:g} a + {1 - factor:.4g} w: what is validated and kept")


def _forward(plan: FitPlan, network: Network) -> Iterator[str]:
    rows = network.layer_table()
    flops = sum(row.flops for row in rows)
    parameters = sum(row.parameters for row in rows)
    yield _line("load", "the rows of the batch")
    yield _line(
        "forward",
        f"{_count(len(rows), 'layer')}, {_count(parameters, 'parameter')}, "
        f"{flops:,} operations a row",
    )
    names = network.wiring.output_names
    for name, loss, weight in zip(names, plan.losses, plan.loss_weights, strict=True):
        times = "" if weight == 1.0 else f" times {weight:g}"
        label = loss.name if len(names) == 1 else f"{loss.name} of {name!r}"
        yield _line("loss", f"{label}, the mean over the rows{times}")
    if any(p.regularizer is not None for p in network.declared.values()):
        yield _line("", "and the penalties on weights")
    metrics = [n for n in _metric_names(plan, False) if not n.startswith("loss")]
    if metrics:
        yield _line("metrics", ", ".join(metrics) + ": counted in passing, natively")


def _rules(rules: UpdateRules) -> Iterator[str]:
    if rules.accumulate > 1:
        yield _line("accumulate", f"the mean of {rules.accumulate} steps' gradients is one update")
    if rules.clip_value is not None:
        yield _line("clip", f"each number of a gradient to ±{rules.clip_value:g}")
    if rules.clip_norm is not None:
        yield _line("clip", f"the norm of all gradients together to {rules.clip_norm:g}")


def _updates(optimizer: Optimizer | ParameterGroups) -> Iterator[str]:
    if isinstance(optimizer, Optimizer):
        yield _line("update", f"{optimizer.describe()}, {_rate(optimizer)}")
        return
    for path, one in zip(optimizer.paths, optimizer.optimizers, strict=True):
        yield _line("update", f"{path}: {one.describe()}, {_rate(one)}")


def _rate(optimizer: Optimizer) -> str:
    rate = optimizer.learning_rate
    if isinstance(rate, Schedule):
        return "the rate of each step by its schedule"
    return f"learning rate {rate:g}"


def _iteration(plan: FitPlan, network: Network, optimizer: LBFGS) -> Iterator[str]:
    yield _line("direction", f"from the last {optimizer.history} steps and gradients, in float64")
    yield f"repeat up to {_count(optimizer.max_evaluations, 'time')}, until the step is right:"
    yield from _indented(_forward(plan, network))
    trained = sum(network.parameters[name].size for name in network.trainable)
    yield "    " + _line("backward", f"gradients of {_count(trained, 'trained number')}")
    yield _line("update", "to the point that was found")
    yield _line("ends", f"when no entry of the gradient is above {optimizer.tolerance_gradient:g}")


def _metric_names(plan: FitPlan, whole: bool) -> list[str]:
    found: list[Metric] = [metric for own in plan.metrics for metric in own]
    return [m.name for m in found if isinstance(m, WholeSetMetric) == whole]


def _monitor(monitor: Monitor, rising: frozenset[str]) -> str:
    up = monitor.mode == "max" or (monitor.mode == "auto" and monitor.metric in rising)
    end = "never ends the run"
    if monitor.patience is not None:
        end = f"ends the run after {_count(monitor.patience, 'epoch')} without an improvement"
    more = f" of more than {monitor.tolerance:g}" if monitor.tolerance else ""
    kept = "; the best epoch's weights are put back" if monitor.keep_best else ""
    way = "larger is better" if up else "smaller is better"
    return f"{monitor.metric}, {way}, {end}{more}{kept}"


def _listeners(listeners: Sequence[Callback], unit: str) -> Iterator[str]:
    for listener in listeners:
        for one in subscriptions(listener):
            if one.unit == unit:
                yield f"{one}: Python hears it: {_name(listener)}.{METHODS[unit]}"


def _name(listener: Callback) -> str:
    """A callback in a few words: its class, or the function that it calls."""
    own = isinstance(listener, FunctionCallback)
    return repr(listener) if own else type(listener).__name__


# --- what runs it


def _engine(
    request: FitRequest, plan: FitPlan, program: TrainingProgram, time_limit: float | None
) -> Iterator[str]:
    if request.engine == "native":
        yield _line("engine", "native: " + _entered(plan))
        yield _line("memory", f"{show_bytes(program.memory().bytes)}, all of it planned")
    else:
        yield _line("engine", "reference: NumPy, operation by operation")
    if time_limit is not None:
        yield _line("time limit", f"{show_seconds(time_limit)}: then it ends after a step")


def _entered(plan: FitPlan) -> str:
    """Where Python comes in."""
    if isinstance(plan.optimizer, LBFGS):
        return "loss and gradient are one call; Python chooses the steps"
    units = {one.unit for listener in plan.listeners for one in subscriptions(listener)}
    if "step" in units:
        return "from one step that somebody hears to the next is one call"
    if plan.data.validation is not None and _metric_names(plan, True):
        return "an epoch is one call"
    if "epoch" in units:
        return "from one epoch that somebody hears to the next is one call"
    return "all epochs are one call; Python only looks on"
