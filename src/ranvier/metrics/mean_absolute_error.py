"""The mean absolute error as a metric."""

from __future__ import annotations

from typing import Any

from ranvier.losses import MeanAbsoluteError
from ranvier.metrics.base import METRICS, Metric
from ranvier.ops import Tensor


@METRICS.register("mae")
class MeanAbsoluteErrorMetric(Metric):
    """The mean over rows and outputs of the distance; its column is ``"mae"`` under both names.

    Formula: ``mean(abs(outputs - targets))``.

    **Shapes**: ``outputs: (N, K), targets: (N, K)``

    Example:
        >>> import numpy as np
        >>> terms = MeanAbsoluteErrorMetric().terms(np.array([[1.0], [-3.0]]), np.zeros((2, 1)))
        >>> [float(term) for term in terms]
        [4.0, 2.0]
    """

    name = "mae"

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The absolute error of each row."""
        return MeanAbsoluteError()(outputs, targets)


METRICS.register("mean_absolute_error")(MeanAbsoluteErrorMetric)
