"""The root of the mean squared error as a metric."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import check_same_shape
from ranvier.metrics.base import METRICS, Metric, ratio, sum_of_weights, weighted_sum
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of


@METRICS.register("rmse")
class RootMeanSquaredError(Metric):
    """The root of the mean over the rows of the squared error; its column is always ``"rmse"``.

    Formula: ``sqrt(mean over rows of (outputs - targets) ** 2)``, the mean of it over the outputs,
    as in scikit-learn.

    **Shapes**: ``outputs: (N, K), targets: (N, K)``

    Example:
        >>> import numpy as np
        >>> RootMeanSquaredError().score(np.array([[1.0], [7.0]]), np.zeros((2, 1)))
        5.0
    """

    name = "rmse"

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Rows, and the sum of the squared errors of each output."""
        check_same_shape(self.name, outputs, targets)
        error = ops.subtract(outputs, ops.cast(targets, dtype_of(outputs)))
        squares = ops.multiply(error, error)
        return sum_of_weights(squares, weights), weighted_sum(squares, weights)

    def result(self, sums: tuple[Any, ...]) -> Any:
        """The root for each output, averaged."""
        count, squares = sums
        return ops.mean(ops.sqrt(ratio(squares, count)))


METRICS.register("root_mean_squared_error")(RootMeanSquaredError)
