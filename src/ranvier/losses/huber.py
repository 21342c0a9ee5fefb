"""The Huber loss: squared near the target, linear far away."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.losses.base import LOSSES
from ranvier.losses.elementwise import ElementwiseLoss
from ranvier.ops import Tensor


@LOSSES.register("huber")
class Huber(ElementwiseLoss):
    """Half the squared difference up to ``delta``, and from there on a straight line (Huber, 1964).

    Formula: with ``a = abs(outputs - targets)``, the mean of ``a ** 2 / 2`` where ``a <= delta``,
    else of ``delta (a - delta / 2)``.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too

    Args:
        delta: where the line begins, above 0.

    Raises:
        ArgumentError: if delta is not a finite number above 0.

    Example:
        >>> import numpy as np
        >>> Huber()(np.array([[0.5], [3.0]]), np.zeros((2, 1))).tolist()
        [0.125, 2.5]
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = number("Huber", "delta", delta, 0.0, above_low=True)

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        distance = ops.absolute(ops.subtract(outputs, targets))
        near = ops.minimum(distance, self.delta)
        return ops.multiply(near, ops.subtract(distance, ops.multiply(0.5, near)))
