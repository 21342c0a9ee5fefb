"""The mean absolute error as a metric."""

from __future__ import annotations

from typing import Any

from ranvier.losses import MeanAbsoluteError
from ranvier.metrics.base import METRICS, MeanMetric
from ranvier.ops import Tensor


@METRICS.register("mae")
class MeanAbsoluteErrorMetric(MeanMetric):
    """The mean over rows and outputs of the distance; its column is always ``"mae"``.

    Formula: ``mean(abs(outputs - targets))``.

    **Shapes**: ``outputs: (N, K), targets: (N, K)``

    Example:
        >>> import numpy as np
        >>> MeanAbsoluteErrorMetric().score(np.array([[1.0], [-3.0]]), np.zeros((2, 1)))
        2.0
    """

    name = "mae"

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The absolute error of each row."""
        return MeanAbsoluteError()(outputs, targets)


METRICS.register("mean_absolute_error")(MeanAbsoluteErrorMetric)
