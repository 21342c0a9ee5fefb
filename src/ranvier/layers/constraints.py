"""Constraints: what a weight must meet after each update."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ShapeError
from ranvier.foundation.registry import Registry
from ranvier.layers.arguments import number, whole_number
from ranvier.layers.configured import Configured, thing_or_none
from ranvier.ops import Tensor
from ranvier.ops.value import shape_of

CONSTRAINTS: Registry[type[Constraint]] = Registry("constraint")

#: What Keras adds to norms before dividing by them.
EPSILON = 1e-7


class Constraint(Configured):
    """A function from the values of one parameter to values that meet it.

    It is applied to the new value at the end of each update, not to the initial numbers.
    """

    @abstractmethod
    def __call__(self, weight: Tensor) -> Any:
        """The values that meet it. **Shapes**: ``weight: any -> the same``"""


@CONSTRAINTS.register("MaxNorm")
class MaxNorm(Constraint):
    """Each unit's incoming weights have at most a norm; longer ones are scaled down.

    Formula: ``weight * min(norm, max_value) / (norm + 1e-7)``, with the norm along ``axis``, as in
    Keras. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15, 2014.

    Args:
        max_value: the largest norm, at least 0.
        axis: along which norms are taken: 0 is the inputs of a Dense weight ``(F, U)``.

    Raises:
        ArgumentError: for an argument outside its domain.
        ShapeError: for a weight without that axis.

    Example:
        >>> import numpy as np
        >>> MaxNorm(1.0)(np.array([[3.0, 0.1], [4.0, 0.2]])).round(3).tolist()
        [[0.6, 0.1], [0.8, 0.2]]
    """

    def __init__(self, max_value: float = 2.0, axis: int = 0) -> None:
        self.max_value = number("MaxNorm", "max_value", max_value, 0.0)
        self.axis = whole_number("MaxNorm", "axis", axis, 0)

    def __call__(self, weight: Tensor) -> Any:
        """The scaled weight. **Shapes**: ``weight: any -> the same``"""
        norm = _norm(self, weight, self.axis)
        share = ops.divide(ops.minimum(norm, self.max_value), ops.add(norm, EPSILON))
        return ops.multiply(weight, share)


@CONSTRAINTS.register("UnitNorm")
class UnitNorm(Constraint):
    """Each unit's incoming weights have norm 1.

    Formula: ``weight / (norm + 1e-7)``, with the norm along ``axis``, as in Keras.

    Args:
        axis: along which norms are taken: 0 is the inputs of a Dense weight ``(F, U)``.

    Raises:
        ArgumentError: for an argument outside its domain.
        ShapeError: for a weight without that axis.

    Example:
        >>> import numpy as np
        >>> UnitNorm()(np.array([[3.0], [4.0]])).round(3).tolist()
        [[0.6], [0.8]]
    """

    def __init__(self, axis: int = 0) -> None:
        self.axis = whole_number("UnitNorm", "axis", axis, 0)

    def __call__(self, weight: Tensor) -> Any:
        """The scaled weight. **Shapes**: ``weight: any -> the same``"""
        return ops.divide(weight, ops.add(_norm(self, weight, self.axis), EPSILON))


@CONSTRAINTS.register("NonNegative")
class NonNegative(Constraint):
    """No weight is below 0.

    Formula: ``max(weight, 0)``, as in Keras; a NaN stays a NaN.

    Example:
        >>> import numpy as np
        >>> NonNegative()(np.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __call__(self, weight: Tensor) -> Any:
        """The weight without what is below 0. **Shapes**: ``weight: any -> the same``"""
        return ops.where(ops.less(weight, 0.0), 0.0, weight)


def _norm(constraint: Constraint, weight: Tensor, axis: int) -> Any:
    """Lengths along an axis, which stays with length 1."""
    if axis >= len(shape_of(weight)):
        raise ShapeError(
            f"{constraint.describe()} cannot be put on this weight.",
            happened=f"the weight has {len(shape_of(weight))} axes; axis {axis} is asked for",
            needed=f"a weight with axis {axis}",
            fix="choose one of its axes, from 0",
        )
    return ops.sqrt(ops.sum(ops.multiply(weight, weight), axis=axis, keepdims=True))


def constraint_from(
    place: str, name: str, value: Constraint | Mapping[str, Any] | None
) -> Constraint | None:
    """A constraint as it is, or made from ``{"name": ..., "config": {...}}`` of a model file.

    Raises:
        ArgumentError: for anything else.
        UnknownNameError: for a name that is not registered.
    """
    return thing_or_none(place, name, value, Constraint, CONSTRAINTS, "MaxNorm(2.0)")  # type: ignore[type-abstract]
