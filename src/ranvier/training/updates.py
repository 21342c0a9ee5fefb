"""The last stage of a training step: from gradients to new parameters and new optimizer state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ranvier.foundation.errors import DTypeError, ShapeError
from ranvier.ops.value import Value, input_value
from ranvier.optimizers import Optimizer


@dataclass
class Updates:
    """What the stage reads beside parameters, and what it replaces.

    Attributes:
        inputs: leaves of the optimizer's state, by input name.
        first: the number that each of them starts from.
        values: new values, by the name of the parameter or state that each replaces.
    """

    inputs: dict[str, Value] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)


def updated(
    optimizer: Optimizer,
    parameters: Mapping[str, Value],
    gradients: Sequence[Value],
    scalars: Mapping[str, Value],
) -> Updates:
    """One update of every trained parameter.

    Args:
        optimizer: of all of them.
        parameters: those that are trained, by name.
        gradients: of the loss, in the same order.
        scalars: what the loops around a step set, by name.

    Raises:
        ShapeError, DTypeError: an update that is not of the shape and dtype of what it replaces.
    """
    stage = Updates()
    for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
        kept = optimizer.state(tuple(gradient.shape), parameter.dtype)  # type: ignore[arg-type]
        own = {key: f"state.{name}.{key}" for key in kept}
        for key, number in kept.items():
            stage.inputs[own[key]] = input_value(own[key], parameter.shape, parameter.dtype)
            stage.first[own[key]] = number
        new, new_state = optimizer.update(
            parameter,
            gradient,
            {key: stage.inputs[own[key]] for key in kept},
            scalars["control.step_real"],
            scalars["control.rate"],
        )
        for value, target in [(new, name), *((new_state[key], own[key]) for key in kept)]:
            _check_update(optimizer, value, target, parameter)
            stage.values[target] = value
    return stage


def _check_update(optimizer: Optimizer, value: Value, target: str, parameter: Value) -> None:
    """An update must be of the shape and dtype of what it replaces.

    Raises:
        DTypeError: for another dtype.
        ShapeError: for another shape.
    """
    if value.spec == parameter.spec:
        return
    headline = f"The optimizer {type(optimizer).__name__} changes what {target} is."
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
