"""The hinge loss: right answers with a margin cost nothing."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import flag
from ranvier.losses.base import LOSSES
from ranvier.losses.binary import BinaryLoss
from ranvier.ops import Tensor


@LOSSES.register("hinge")
class Hinge(BinaryLoss):
    """What an output lacks of a margin of 1 on the right side of 0 (Cortes and Vapnik, 1995).

    Formula: ``max(0, 1 - s output)`` where ``s`` is 1 for the second class and -1 for the first;
    the mean over outputs if there are several. Its gradient at the margin is 0.

    **Shapes**: ``outputs: (N, 1), targets: (N,) integers 0 or 1 -> (N,)``, or
    ``outputs: (N, K), targets: (N, K) floats 0 or 1 -> (N,)``

    Args:
        squared: whether the square of it is taken, which is smooth at the margin.

    Raises:
        ArgumentError: if squared is not a boolean.

    Example:
        >>> import numpy as np
        >>> Hinge()(np.array([[0.5], [0.5], [2.0]]), np.array([1, 0, 1], "int32")).tolist()
        [0.5, 1.5, 0.0]
    """

    name = "hinge"
    shares = False

    def __init__(self, squared: bool = False) -> None:
        self.squared = flag("Hinge", "squared", squared)

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        sign = ops.subtract(ops.multiply(2.0, targets), 1.0)
        lacking = ops.relu(ops.subtract(1.0, ops.multiply(sign, outputs)))
        return ops.multiply(lacking, lacking) if self.squared else lacking
