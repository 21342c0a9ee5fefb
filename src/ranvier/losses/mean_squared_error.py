"""The mean squared error."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import LOSSES
from ranvier.losses.elementwise import ElementwiseLoss
from ranvier.ops import Tensor


@LOSSES.register("mean_squared_error")
class MeanSquaredError(ElementwiseLoss):
    """The mean over outputs of the squared difference.

    Formula: ``mean((outputs - targets) ** 2)`` of each row.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too

    Example:
        >>> import numpy as np
        >>> MeanSquaredError()(np.array([[1.0, 4.0]]), np.array([[0.0, 2.0]])).tolist()
        [2.5]
    """

    name = "mean_squared_error"

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        difference = ops.subtract(outputs, targets)
        return ops.multiply(difference, difference)


LOSSES.register("mse")(MeanSquaredError)
