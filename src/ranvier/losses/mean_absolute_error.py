"""The mean absolute error."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import LOSSES
from ranvier.losses.elementwise import ElementwiseLoss
from ranvier.ops import Tensor


@LOSSES.register("mean_absolute_error")
class MeanAbsoluteError(ElementwiseLoss):
    """The mean over outputs of the distance; outliers weigh less than in the squared error.

    Formula: ``mean(abs(outputs - targets))`` of each row; the gradient at 0 is 0, as PyTorch's.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too

    Example:
        >>> import numpy as np
        >>> MeanAbsoluteError()(np.array([[1.0, 4.0]]), np.array([[0.0, 2.0]])).tolist()
        [1.5]
    """

    name = "mean_absolute_error"

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        difference = ops.subtract(outputs, targets)
        # Not ops.absolute, whose gradient at 0 is 1: what is right already must not move.
        return ops.add(ops.relu(difference), ops.relu(-difference))


LOSSES.register("mae")(MeanAbsoluteError)
