"""A training program: compiled once, run for as many epochs as one likes, state kept inside."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.backends import control as words
from ranvier.backends.native.profile import profile
from ranvier.backends.native.profile_record import Profile
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.random import permuted_rows
from ranvier.foundation.shapes import known_shape
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.networks.network import Network
from ranvier.optimizers import LBFGS, Optimizer, ParameterGroups
from ranvier.training.callbacks import Callback
from ranvier.training.checkpoint import Fingerprint, fill, keeper_of
from ranvier.training.engines import Engine, batch_bounds, planned_rows, scalars_now
from ranvier.training.failure import failure_of
from ranvier.training.graphs import (
    DataSpec,
    Recipe,
    StepGraph,
    columns_of,
    several,
    source_arrays,
    step_graph,
    validation_graph,
)
from ranvier.training.lbfgs import LBFGSEngine, check_driven
from ranvier.training.native import NativeEngine
from ranvier.training.prediction import PredictionProgram
from ranvier.training.profiling import training_subject
from ranvier.training.records import History, Monitor, Progress
from ranvier.training.reference import ReferenceEngine
from ranvier.training.rules import UpdateRules, check_unchanged, host_numbers, host_rate
from ranvier.training.run_state import RunState
from ranvier.training.watch import UNLIMITED, Watch
from ranvier.training.whole_set import WholeSet

__all__ = ["History", "Monitor", "PredictionProgram", "Progress", "TrainingProgram", "several"]

#: Rows of a validation batch.
VALIDATION_BATCH = 256


#: One array, or one for each input or output.
Rows: TypeAlias = NDArray[Any] | tuple[NDArray[Any], ...]


class TrainingProgram:
    """One network, one loss, one optimizer, one data set, compiled to one native loop.

    Args:
        network: built; its parameters are read now and written back after each run.
        loss: of the outputs and targets.
        optimizer: of every trainable parameter, or groups.
        metrics: added up over each epoch.
        x: ``(N, ...)`` examples, in any data dtype; converted as batches are loaded. A tuple for a
            network with several inputs.
        y: ``(N,)`` class indices or ``(N, outputs)`` numbers. A tuple for several outputs; then
            there are as many losses and lists of metrics.
        weights: ``(N,)`` weights of the rows with mean 1, or None.
        validation: the same pair for validation, or None.
        batch_size: rows of a step; None: all rows.
        shuffle: whether each epoch has an order of its own.
        seed: of the order of rows and of random layers.
        monitor: what to watch between epochs, or None.
        engine: "native" or "reference".
        callbacks: who listens to runs.
        loss_weights: of the losses of several outputs; left out: 1 each.
        rules: what is done to gradients and weights beside the optimizer's update.

        threads: how many at most work on a step; None: what the settings say, else all there are.

    Raises:
        ArgumentError: an engine or batch size that does not exist, or layers without an optimizer.
        UnknownNameError: a group of the optimizer for layers that do not exist.
        UnsupportedOperationError: an operation that the native engine cannot run.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss | Sequence[Loss],
        optimizer: Optimizer | ParameterGroups,
        metrics: Sequence[Metric] | Sequence[Sequence[Metric]],
        x: Rows,
        y: Rows,
        weights: NDArray[Any] | None = None,
        validation: tuple[Rows, Rows] | None = None,
        batch_size: int | None = 32,
        shuffle: bool = True,
        seed: int = 0,
        monitor: Monitor | None = None,
        engine: str = "native",
        callbacks: Sequence[Callback] = (),
        loss_weights: Sequence[float] = (),
        rules: UpdateRules | None = None,
        threads: int | None = None,
    ) -> None:
        xs, ys = several(x), several(y)
        rows = len(xs[0])
        self.network = network
        driven = check_driven(optimizer, rules or UpdateRules(), network)
        size = rows if batch_size is None or driven else min(batch_size, rows)
        self._check(rows, size, engine)
        self.optimizer, self.rules = optimizer, rules or UpdateRules()
        self._monitor, self._callbacks = monitor, tuple(callbacks)
        self._recipe = _recipe(
            network, loss, optimizer, metrics, xs, ys, weights, loss_weights, self.rules
        )
        self._columns = columns_of(
            self._recipe.metrics, network.wiring.output_names, validation is not None
        )
        self.names = tuple(self._columns)
        self._step: StepGraph = step_graph(self._recipe)
        checked = validation_graph(self._recipe) if validation is not None else None
        train, held = source_arrays((*xs, *ys), weights, validation, network.dtype)
        held_rows = len(held[0]) if held else 0
        joined = size + 1 if size > 1 and rows > size else planned_rows(size)
        capacity = (joined, planned_rows(max(1, min(VALIDATION_BATCH, held_rows))))
        kind = NativeEngine if engine == "native" else ReferenceEngine
        self._sources = (train, held)
        self._engine: Engine = kind(
            self._step, checked, capacity, (train, held),
            [*network.parameters, *self._step.averages.values()], threads,
        )  # fmt: skip
        if isinstance(optimizer, LBFGS):
            self._engine = LBFGSEngine(
                self._engine, optimizer, network.trainable, [*network.parameters]
            )
        self._steps = len(batch_bounds(rows, size))
        self._prepare(rows, held_rows, size, shuffle, seed)
        native = engine == "native"
        self._whole_set = WholeSet(self._recipe, self._engine, native, self.names, held)
        settings = {"batch size": size, "shuffle": shuffle, "seed": seed, "engine": engine}
        self._keeper = keeper_of(
            self._engine, self._recipe, self._step, monitor, self._whole_set.said,
            Fingerprint(self._recipe, monitor, self._sources, settings),
        )  # fmt: skip
        self._resumed: RunState | None = None

    @staticmethod
    def _check(rows: int, size: int, engine: str) -> None:
        if engine not in ("native", "reference"):
            raise ArgumentError(
                f"There is no engine called {engine!r}.",
                happened=f"engine={engine!r}",
                needed="'native' or 'reference'",
                fix="leave the engine out",
            )
        if rows < 1 or size < 1:
            raise ArgumentError(
                "A training program needs rows to train on.",
                happened=f"there are {rows} rows and batches of {size}",
                needed="at least one row, and batches of at least one",
                fix="give data, and a batch_size of 1 or more",
            )

    def _prepare(self, rows: int, held: int, size: int, shuffle: bool, seed: int) -> None:
        """Fill the control block and the state."""
        c = self._engine.control
        c["rows"], c["validation_rows"], c["batch_size"] = rows, held, size
        c["shuffle"], c["seed"] = int(shuffle), seed
        c["columns"] = len(self.names)
        c["monitor_column"], c["patience"] = -1, UNLIMITED
        self._engine.load(self.network.parameters)
        averages = self._step.averages.items()
        self._engine.load({own: self.network.parameters[name] for name, own in averages})
        shapes = {v.name: v.shape for v in self._step.graph.inputs}
        self._engine.load(
            {
                name: np.full(known_shape(shapes[name]), number, self.network.dtype)
                for name, number in self._step.state.items()
            }
        )
        if self._monitor is not None:
            self._start_monitor(self._monitor)

    def _start_monitor(self, monitor: Monitor) -> None:
        c = self._engine.control
        c["monitor_column"] = monitor.column(self.names)
        rising = monitor.mode == "max" or (monitor.mode == "auto" and monitor.metric in self.rising)
        c["monitor_sign"] = -1.0 if rising else 1.0
        c["best_value"] = float("-inf") if rising else float("inf")
        c["best_epoch"] = -1
        c["tolerance"] = monitor.tolerance
        c["patience"] = UNLIMITED if monitor.patience is None else monitor.patience
        if monitor.keep_best:
            self._engine.keep_best()

    @property
    def rising(self) -> frozenset[str]:
        """Columns of the history where larger is better."""
        metrics = self._columns.items()
        return frozenset(name for name, m in metrics if m is not None and m.larger_is_better)

    # --- running

    def run(
        self,
        epochs: int,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        time_limit: float | None = None,
    ) -> History:
        """Train for some more epochs; weights, optimizer state and counters go on.

        After :meth:`go_on_from` the epochs are those of the whole run, the earlier ones included.

        Ctrl-C ends the run cleanly: the network has the weights so far (the best ones, if a
        monitor keeps them), and ``history.interrupted`` is True.

        Args:
            epochs: how many more.
            on_progress: called about twenty times a second, and once at the end.
            time_limit: seconds after which the run is stopped cleanly.

        Raises:
            TrainingError: if the loss is not a finite number; the weights are those before.
        """
        c, resumed, self._resumed = self._engine.control, self._resumed, None
        first = c["epoch"] if resumed is None else resumed.counts["first"]
        begin = time.perf_counter()
        self._set_numbers(first + epochs)
        history = History(self.names)
        if resumed is not None:
            c["learning_rate"] = resumed.reals["learning_rate"]
            fill(history, resumed)
        watch = Watch(
            self._engine, history, tuple(self.network.parameters), self._steps, epochs,
            self._callbacks, on_progress, time_limit, self.rising, self._whole_set.after_epoch,
            self._keeper, resumed,
        )  # fmt: skip
        try:
            watch.run()
        finally:
            # Also behind a callback's own error: the weights so far are kept.
            history.seconds = watch.earlier + time.perf_counter() - begin
            history.interrupted = watch.interrupted
            history.stopped_early = c["status"] == words.NO_PATIENCE
            history.notes += self._whole_set.notes()
            self._leave(history, first)
        if isinstance(self._engine, LBFGSEngine):
            history.notes += self._engine.notes
        watch.end()
        if c["status"] == words.NOT_FINITE:
            raise failure_of(self._recipe, self._inputs_now(), c["step"])
        return history

    def _set_numbers(self, epochs: int) -> None:
        """Give the update its numbers as they are now; ``epochs`` are those of all runs so far."""
        compiled, every = self._step.numbers, self._recipe.rules.accumulate
        check_unchanged(self.optimizer, self.rules, compiled, every)
        steps = epochs * self._steps // every
        now = host_numbers(self.optimizer, self.rules, steps, epochs)
        self._engine.control["learning_rate"] = host_rate(self.optimizer)
        self._engine.control.numbers()[:] = [now[name] for name in compiled]

    def _leave(self, history: History, first: int) -> None:
        """Write parameters back to the network: the best ones if they were kept."""
        c, kept = self._engine.control, {}
        if self._monitor is not None and c["best_epoch"] >= 0:
            history.best_epoch = c["best_epoch"] - first
            if self._monitor.keep_best:
                kept = dict(self._engine.best())
                self._engine.load(kept)
        for name, array in self.network.parameters.items():
            source = self._step.averages.get(name, name)
            array[...] = kept[source] if kept else self._engine.view(source)
        waiting = c["step"] % self._recipe.rules.accumulate
        if waiting:
            history.notes.append(
                f"The gradients of the last {waiting} batches are no part of an update yet: "
                f"{self._recipe.rules.accumulate} batches make one."
            )

    def _inputs_now(self) -> dict[str, Any]:
        """All inputs of the step that failed."""
        c = self._engine.control
        bounds = batch_bounds(c["rows"], c["batch_size"])
        rows = np.arange(c["rows"])
        if c["shuffle"]:
            rows = permuted_rows(c["seed"], c["epoch"], c["rows"])
        low, high = bounds[c["batch"]]
        inputs: dict[str, Any] = {
            name: source[rows[low:high]]
            for name, source in zip(self._step.data, self._sources[0], strict=True)
        }
        kept = [*self.network.parameters, *self._step.averages.values(), *self._step.state]
        for name in kept:
            inputs[name] = np.array(self._engine.view(name))
        inputs |= scalars_now(c, self._step.numbers)
        inputs["rows"] = rows[low:high]
        return inputs

    def state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's numbers as they are now, by name, and how many steps led to them."""
        found = {name: np.array(self._engine.view(name)) for name in self._step.state}
        return {**found, "step": np.array(self._engine.control["step"], np.int64)}

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on with what :meth:`state` gave for a program of the same network and optimizer."""
        self._engine.load({name: state[name] for name in self._step.state})
        self._engine.control["step"] = int(state["step"])

    def go_on_from(self, state: RunState) -> None:
        """Have the next run go on where a run of the same network, data and settings was.

        Raises:
            ArgumentError: naming what differs from that run.
            ModelFileError: a state that does not fit.
        """
        self._keeper.put_back(state)
        self._resumed = state

    # --- looking at it

    def hash(self) -> str:
        """A short hash of all parameters: equal hashes mean equal bits."""
        digest = hashlib.sha256()
        for name, array in self.network.parameters.items():
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def passes(self) -> str:
        """What each pass of the compiler made of the training step, in order."""
        return self._native().step.show_passes()

    def source(self) -> str:
        """The LLVM text of the whole program."""
        return self._native().code.text

    def assembly(self) -> str:
        """The machine code as text."""
        return self._native().code.assembly()

    def memory(self) -> MemoryPlan:
        """Where every byte lies; ``.bytes`` is exactly what is allocated."""
        return self._native().memory

    def profile(self, seconds: float = 0.3) -> Profile:
        """Time each group of a step, on a copy of the state: the training does not notice.

        Args:
            seconds: about how long to measure.

        Returns:
            A record; ``print`` it. Times, shares of this machine's ceilings, why loops are so.
        """
        self._set_numbers(self._engine.control["epoch"] + 1)
        return profile(training_subject(self._native(), self._engine.control), seconds)

    def _native(self) -> NativeEngine:
        engine = self._engine
        if isinstance(engine, LBFGSEngine):
            engine = engine.inner
        if isinstance(engine, NativeEngine):
            return engine
        raise ArgumentError(
            "The reference engine has no program to look at.",
            happened='the program was made with engine="reference"',
            needed='engine="native"',
            fix="leave the engine out",
        )


def _recipe(
    network: Network,
    loss: Loss | Sequence[Loss],
    optimizer: Optimizer | ParameterGroups,
    metrics: Sequence[Metric] | Sequence[Sequence[Metric]],
    xs: Sequence[NDArray[Any]],
    ys: Sequence[NDArray[Any]],
    weights: NDArray[Any] | None,
    loss_weights: Sequence[float],
    rules: UpdateRules,
) -> Recipe:
    """What is trained, with one loss, list of metrics and weight for each output."""
    if isinstance(optimizer, ParameterGroups):
        optimizer.check(network.declared, network.trainable)
    own: list[tuple[Metric, ...]] = []
    for group in metrics if len(ys) > 1 else [metrics]:
        own.append(several(group))
    specs = [tuple(DataSpec(a.shape[1:], a.dtype.name) for a in part) for part in (xs, ys)]
    return Recipe(
        network, several(loss), optimizer, tuple(own), specs[0], specs[1],
        weights is not None, tuple(loss_weights) or (1.0,) * len(ys), rules,
    )  # fmt: skip
