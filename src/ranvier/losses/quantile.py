"""The quantile loss, also called the pinball loss."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.losses.base import LOSSES
from ranvier.losses.elementwise import ElementwiseLoss
from ranvier.ops import Tensor


@LOSSES.register("quantile")
class Quantile(ElementwiseLoss):
    """Trains outputs towards a quantile of the targets (Koenker and Bassett, 1978).

    Formula: with ``d = targets - outputs``, the mean of ``max(q d, (q - 1) d)``: an output that is
    too small costs ``q`` a unit, one that is too large ``1 - q``. Its gradient at 0 is 0.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too

    Args:
        q: the quantile, between 0 and 1; 0.5 is the median.

    Raises:
        ArgumentError: if q is not a number between 0 and 1.

    Example:
        >>> import numpy as np
        >>> Quantile(0.75)(np.array([[0.0], [0.0]]), np.array([[2.0], [-2.0]])).tolist()
        [1.5, 0.5]
    """

    name = "quantile"

    def __init__(self, q: float = 0.5) -> None:
        self.q = number("Quantile", "q", q, 0.0, 1.0, above_low=True, below_high=True)

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        missing = ops.subtract(targets, outputs)
        under, over = ops.relu(missing), ops.relu(-missing)
        return ops.add(ops.multiply(self.q, under), ops.multiply(1.0 - self.q, over))
