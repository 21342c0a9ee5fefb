"""Half the mean squared error."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import LOSSES
from ranvier.losses.elementwise import ElementwiseLoss
from ranvier.ops import Tensor


@LOSSES.register("half_squared_error")
class HalfSquaredError(ElementwiseLoss):
    """The mean over outputs of half the squared difference; its gradient is the difference itself.

    Formula: ``mean((outputs - targets) ** 2 / 2)`` of each row.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too

    Example:
        >>> import numpy as np
        >>> HalfSquaredError()(np.array([[1.0, 4.0]]), np.array([[0.0, 2.0]])).tolist()
        [1.25]
    """

    name = "half_squared_error"

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        difference = ops.subtract(outputs, targets)
        return ops.multiply(0.5, ops.multiply(difference, difference))
