"""The mean squared error as a metric."""

from __future__ import annotations

from typing import Any

from ranvier.losses import MeanSquaredError
from ranvier.metrics.base import METRICS, MeanMetric
from ranvier.ops import Tensor


@METRICS.register("mse")
class MeanSquaredErrorMetric(MeanMetric):
    """The mean over rows and outputs of the squared difference; its column is always ``"mse"``.

    Formula: ``mean((outputs - targets) ** 2)``.

    **Shapes**: ``outputs: (N, K), targets: (N, K)``

    Example:
        >>> import numpy as np
        >>> MeanSquaredErrorMetric().score(np.array([[1.0], [3.0]]), np.zeros((2, 1)))
        5.0
    """

    name = "mse"

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The squared error of each row."""
        return MeanSquaredError()(outputs, targets)


METRICS.register("mean_squared_error")(MeanSquaredErrorMetric)
