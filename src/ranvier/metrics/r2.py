"""The share of the targets' variance that is explained."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import check_same_shape
from ranvier.metrics.base import METRICS, Metric, ratio, sum_of_weights, weighted_sum
from ranvier.ops import Tensor

#: A variance below this share of the mean square is what rounding leaves of none.
CONSTANT = 1e-12


@METRICS.register("r2")
class R2(Metric):
    """The coefficient of determination: 1 is best, 0 is as good as the targets' mean.

    Formula: ``1 - sum((outputs - targets) ** 2) / sum((targets - mean(targets)) ** 2)``, the mean
    of it over the outputs. Sums are made in float64 in one pass. Where targets are constant (their
    variance is below 1e-12 of their mean square) it is 1 for outputs without an error, else 0, as
    in scikit-learn.

    **Shapes**: ``outputs: (N, K), targets: (N, K)``

    Example:
        >>> import numpy as np
        >>> R2().score(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [5.0]]))
        0.75
    """

    name = "r2"
    larger_is_better = True

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Rows; sums of the targets, their squares and the squared errors, for each output."""
        check_same_shape(self.name, outputs, targets)
        # In float64: the variance is a small difference of large sums.
        right = ops.cast(targets, "float64")
        error = ops.subtract(ops.cast(outputs, "float64"), right)
        weights = None if weights is None else ops.cast(weights, "float64")
        rows = (right, ops.multiply(right, right), ops.multiply(error, error))
        return sum_of_weights(right, weights), *(weighted_sum(row, weights) for row in rows)

    def result(self, sums: tuple[Any, ...]) -> Any:
        """One less the share of the variance that is left, averaged over the outputs."""
        count, total, squares, errors = sums
        variance = ops.subtract(squares, ratio(ops.multiply(total, total), count))
        constant = ops.less_equal(variance, ops.multiply(CONSTANT, squares))
        explained = ops.subtract(1.0, ops.divide(errors, ops.where(constant, 1.0, variance)))
        # Zero times the errors and not zero: a NaN stays a NaN.
        flat = ops.where(ops.equal(errors, 0.0), 1.0, ops.multiply(0.0, errors))
        return ops.mean(ops.where(constant, flat, explained))
