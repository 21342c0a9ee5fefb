"""The mean squared error as a metric."""

from __future__ import annotations

from typing import Any

from ranvier.losses import MeanSquaredError
from ranvier.metrics.base import METRICS, Metric
from ranvier.ops import Tensor


@METRICS.register("mse")
class MeanSquaredErrorMetric(Metric):
    """The mean over rows and outputs of the squared difference.

    Formula: ``mean((outputs - targets) ** 2)``.

    **Shapes**: ``outputs: (N, K), targets: (N, K)``

    Example:
        >>> import numpy as np
        >>> terms = MeanSquaredErrorMetric().terms(np.array([[1.0], [3.0]]), np.zeros((2, 1)))
        >>> [float(term) for term in terms]
        [10.0, 2.0]
    """

    name = "mse"

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The squared error of each row."""
        return MeanSquaredError()(outputs, targets)
