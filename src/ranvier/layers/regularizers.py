"""Penalties on weights that are added to the loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.registry import Registry
from ranvier.layers.arguments import number
from ranvier.layers.configured import Configured, thing_or_none
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of

REGULARIZERS: Registry[type[Regularizer]] = Registry("regularizer")


class Regularizer(Configured):
    """A penalty on one parameter: a function from its values to one number."""

    @abstractmethod
    def __call__(self, weight: Tensor) -> Any:
        """The penalty. **Shapes**: ``weight: any -> ()``"""


@REGULARIZERS.register("L2")
class L2(Regularizer):
    """The sum of squares (ridge, weight decay as a penalty).

    Formula: ``factor * sum(weight ** 2)``, as in Keras: its gradient is ``2 * factor * weight``.

    Args:
        factor: how strong it is, at least 0.

    Raises:
        ArgumentError: if factor is negative or not finite.

    Example:
        >>> import numpy as np
        >>> float(L2(0.5)(np.array([1.0, 2.0])))
        2.5
    """

    def __init__(self, factor: float = 0.01) -> None:
        self.factor = number("L2", "factor", factor, 0.0)

    def __call__(self, weight: Tensor) -> Any:
        """The penalty. **Shapes**: ``weight: any -> ()``"""
        return ops.multiply(self.factor, ops.sum(ops.multiply(weight, weight)))


def _sizes(weight: Tensor) -> Any:
    """The sum of absolute values, as weight * sign(weight): its gradient at 0 is 0, not 1."""
    dtype = dtype_of(weight)
    sign = ops.subtract(
        ops.cast(ops.less(0.0, weight), dtype), ops.cast(ops.less(weight, 0.0), dtype)
    )
    return ops.sum(ops.multiply(weight, sign))


@REGULARIZERS.register("L1")
class L1(Regularizer):
    """The sum of absolute values (lasso): it draws weights to 0.

    Formula: ``factor * sum(abs(weight))``; its gradient is ``factor * sign(weight)``, 0 at 0.
    Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996.

    Args:
        factor: how strong it is, at least 0.

    Raises:
        ArgumentError: if factor is negative or not finite.

    Example:
        >>> import numpy as np
        >>> float(L1(0.5)(np.array([1.0, -2.0])))
        1.5
    """

    def __init__(self, factor: float = 0.01) -> None:
        self.factor = number("L1", "factor", factor, 0.0)

    def __call__(self, weight: Tensor) -> Any:
        """The penalty. **Shapes**: ``weight: any -> ()``"""
        return ops.multiply(self.factor, _sizes(weight))


@REGULARIZERS.register("L1L2")
class L1L2(Regularizer):
    """The sum of absolute values and the sum of squares (elastic net).

    Formula: ``l1 * sum(abs(weight)) + l2 * sum(weight ** 2)``, as in Keras. Zou and Hastie,
    "Regularization and variable selection via the elastic net", JRSS B 67, 2005.

    Args:
        l1: how strong the absolute values are, at least 0.
        l2: how strong the squares are, at least 0.

    Raises:
        ArgumentError: if a factor is negative or not finite.

    Example:
        >>> import numpy as np
        >>> float(L1L2(1.0, 0.5)(np.array([1.0, -2.0])))
        5.5
    """

    def __init__(self, l1: float = 0.01, l2: float = 0.01) -> None:
        self.l1 = number("L1L2", "l1", l1, 0.0)
        self.l2 = number("L1L2", "l2", l2, 0.0)

    def __call__(self, weight: Tensor) -> Any:
        """The penalty. **Shapes**: ``weight: any -> ()``"""
        return ops.add(L1(self.l1)(weight), L2(self.l2)(weight))


def regularizer_from(
    place: str, name: str, value: Regularizer | Mapping[str, Any] | None
) -> Regularizer | None:
    """A regularizer as it is, or made from ``{"name": ..., "config": {...}}`` of a model file.

    Raises:
        ArgumentError: for anything else.
        UnknownNameError: for a name that is not registered.
    """
    return thing_or_none(place, name, value, Regularizer, REGULARIZERS, "L2(1e-4)")  # type: ignore[type-abstract]
