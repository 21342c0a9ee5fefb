"""The last stage of a training step: from gradients to new parameters and new optimizer state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ranvier import ops
from ranvier.foundation.errors import DTypeError, ShapeError
from ranvier.layers.constraints import Constraint
from ranvier.ops.value import Value, input_value
from ranvier.optimizers import Clock, Optimizer, ParameterGroups
from ranvier.training.rules import (
    AVERAGE,
    CLIP_NORM,
    CLIP_VALUE,
    EPOCH,
    TOTAL_EPOCHS,
    TOTAL_STEPS,
    UpdateRules,
    is_scheduled,
    rate_name,
)

#: What PyTorch's clip_grad_norm_ adds to the norm.
NORM_EPSILON = 1e-6


@dataclass
class Updates:
    """What the stage reads beside parameters, and what it replaces.

    Attributes:
        inputs: leaves of the optimizer's state, by input name; averages come first.
        first: the number that each of them starts from, averages left out.
        averages: from a parameter to the input with its average, which starts from the parameter.
        values: new values, by the name of the parameter or state that each replaces.
    """

    inputs: dict[str, Value] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    averages: dict[str, str] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    def keep(self, name: str, like: Value, start: float | None) -> Value:
        """A new leaf of the state, of the shape and dtype of a parameter."""
        self.inputs[name] = input_value(name, like.shape, like.dtype)
        if start is not None:
            self.first[name] = start
        return self.inputs[name]


def average_name(parameter: str) -> str:
    """The input that holds a parameter's running average."""
    return f"average.{parameter}"


def updated(
    optimizer: Optimizer | ParameterGroups,
    parameters: Mapping[str, Value],
    gradients: Sequence[Value],
    scalars: Mapping[str, Value],
    rules: UpdateRules | None = None,
    constraints: Mapping[str, Constraint | None] | None = None,
) -> Updates:
    """One update of every trained parameter.

    Args:
        optimizer: of all of them, or groups.
        parameters: those that are trained, by name.
        gradients: of the loss, in the same order.
        scalars: what the loops around a step and the host set, by name.
        rules: what is done beside the optimizer's update; left out: nothing.
        constraints: what the new value of some parameters must meet, by name.

    Raises:
        ShapeError, DTypeError: an update that is not of the shape and dtype of what it replaces.
    """
    rules, constraints = rules or UpdateRules(), constraints or {}
    stage = Updates()
    if rules.average is not None:
        for name, parameter in parameters.items():
            stage.averages[name] = average_name(name)
            stage.keep(average_name(name), parameter, None)
    slopes = dict(zip(parameters, gradients, strict=True))
    step, due = scalars["control.step_real"], None
    if rules.accumulate > 1:
        # The batch that completes the k-th group makes the k-th update.
        step, due = _grouped(step, rules.accumulate)
        slopes = _accumulated(stage, slopes, due, rules.accumulate)
    slopes = _clipped(slopes, rules, scalars)
    rates = _rates(optimizer, scalars, step)
    for name, parameter in parameters.items():
        group = optimizer.of(name) if isinstance(optimizer, ParameterGroups) else 0
        one = optimizer.optimizers[group] if isinstance(optimizer, ParameterGroups) else optimizer
        new = _one(stage, one, (name, parameter), slopes[name], (step, rates[group]))
        constraint = constraints.get(name)
        if constraint is not None:
            new[name] = constraint(new[name])
            _check_update(constraint, "constraint", new[name], name, parameter)
        if rules.average is not None:
            own = stage.inputs[stage.averages[name]]
            new[stage.averages[name]] = _averaged(own, new[name], scalars[AVERAGE])
        for target, value in new.items():
            old = parameter if target == name else stage.inputs[target]
            stage.values[target] = value if due is None else ops.where(due, value, old)
    return stage


def _one(
    stage: Updates,
    optimizer: Optimizer,
    named: tuple[str, Value],
    gradient: Value,
    step_and_rate: tuple[Any, Any],
) -> dict[str, Any]:
    """The optimizer's update of one parameter: new values by what each replaces."""
    name, parameter = named
    kept = optimizer.state(tuple(parameter.shape), parameter.dtype)  # type: ignore[arg-type]
    own = {key: f"state.{name}.{key}" for key in kept}
    leaves = {key: stage.keep(own[key], parameter, start) for key, start in kept.items()}
    new, new_state = optimizer.update(parameter, gradient, leaves, *step_and_rate)
    values = {name: new, **{own[key]: new_state[key] for key in kept}}
    for target, value in values.items():
        _check_update(optimizer, "optimizer", value, target, parameter)
    return values


# --- around the optimizer


def _grouped(batch: Value, count: int) -> tuple[Any, Any]:
    """From the number of a batch, from 1: of which update it is part, and whether it is its last.

    Numbers are whole, so no rounding reaches them.
    """
    update = ops.floor(ops.divide(ops.add(batch, count - 1.0), float(count)))
    return update, ops.equal(ops.multiply(update, float(count)), batch)


def _accumulated(
    stage: Updates, gradients: Mapping[str, Value], due: Value, count: int
) -> dict[str, Value]:
    """The mean of the gradients since the last update; the sum so far is kept as state."""
    means = {}
    for name, gradient in gradients.items():
        own = f"accumulated.{name}"
        total = ops.add(stage.keep(own, gradient, 0.0), gradient)
        stage.values[own] = ops.where(due, 0.0, total)
        means[name] = ops.multiply(total, 1.0 / count)
    return means


def _clipped(
    gradients: Mapping[str, Value], rules: UpdateRules, scalars: Mapping[str, Value]
) -> dict[str, Value]:
    """Gradients within their bounds: each number first, then the norm of all of them."""
    found = dict(gradients)
    if rules.clip_value is not None:
        for name, gradient in found.items():
            bound = ops.cast(scalars[CLIP_VALUE], gradient.dtype)
            found[name] = ops.minimum(ops.maximum(gradient, ops.negative(bound)), bound)
    if rules.clip_norm is not None and found:
        norm = ops.add(ops.sqrt(_squares(list(found.values()))), NORM_EPSILON)
        share = ops.minimum(ops.divide(scalars[CLIP_NORM], norm), 1.0)
        for name, gradient in found.items():
            found[name] = ops.multiply(gradient, ops.cast(share, gradient.dtype))
    return found


def _squares(gradients: Sequence[Value]) -> Any:
    """The sum of all squares, a float64 scalar; parameters in order, each in the tree of a sum."""
    total: Any = None
    for gradient in gradients:
        wide = ops.cast(gradient, "float64")
        part = ops.sum(ops.multiply(wide, wide))
        total = part if total is None else ops.add(total, part)
    return total


def _rates(
    optimizer: Optimizer | ParameterGroups, scalars: Mapping[str, Value], step: Any
) -> list[Any]:
    """The rate of each group in this step, float64 scalars."""
    clock = None
    if is_scheduled(optimizer):
        clock = Clock(
            ops.subtract(step, 1.0), scalars[EPOCH], scalars[TOTAL_STEPS], scalars[TOTAL_EPOCHS]
        )
    common = scalars["control.rate"]
    if isinstance(optimizer, Optimizer):
        return [optimizer.rate_of(common, clock)]
    return [
        one.rate_of(ops.multiply(common, scalars[rate_name(k)]), clock)
        for k, one in enumerate(optimizer.optimizers)
    ]


def _averaged(average: Value, new: Value, decay: Value) -> Any:
    """``decay * average + (1 - decay) * new``, the coefficients rounded once a step."""
    stays = ops.multiply(ops.cast(decay, average.dtype), average)
    return ops.add(stays, ops.multiply(ops.cast(ops.subtract(1.0, decay), average.dtype), new))


def _check_update(what: object, kind: str, value: Value, target: str, parameter: Value) -> None:
    """An update must be of the shape and dtype of what it replaces.

    Raises:
        DTypeError: for another dtype.
        ShapeError: for another shape.
    """
    if value.spec == parameter.spec:
        return
    headline = f"The {kind} {type(what).__name__} changes what {target} is."
    happened, needed = f"its update gives {value.spec}", f"{parameter.spec}, as before the update"
    if value.shape != parameter.shape:
        raise ShapeError(
            headline,
            happened=happened,
            needed=needed,
            fix="compute each new value with the shape of the old one",
        )
    raise DTypeError(
        headline,
        happened=happened,
        needed=needed,
        fix="keep scalars in the parameter's dtype with ops.cast(x, w.dtype)",
    )
