"""The mean absolute error as a share of the targets."""

from __future__ import annotations

from typing import Any

import numpy as np

import ranvier.ops as ops
from ranvier.losses.base import check_same_shape
from ranvier.metrics.base import METRICS, MeanMetric
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of

#: Targets nearer to 0 than this count as this, as in scikit-learn.
SMALLEST = float(np.finfo(np.float64).eps)


@METRICS.register("mape")
class MeanAbsolutePercentageError(MeanMetric):
    """The mean of the error relative to the target; its column is always ``"mape"``.

    Formula: ``mean(abs(outputs - targets) / max(abs(targets), 2.22e-16))``: a share, 0.1 and not
    10 for ten percent, as in scikit-learn. Targets of 0 make it huge.

    **Shapes**: ``outputs: (N, K), targets: (N, K)``

    Example:
        >>> import numpy as np
        >>> targets = np.array([[10.0], [-4.0]])
        >>> MeanAbsolutePercentageError().score(np.array([[5.0], [-3.0]]), targets)
        0.375
    """

    name = "mape"

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The relative error of each row."""
        check_same_shape(self.name, outputs, targets)
        right = ops.cast(targets, dtype_of(outputs))
        size = ops.maximum(ops.absolute(right), SMALLEST)
        shares = ops.divide(ops.absolute(ops.subtract(outputs, right)), size)
        return ops.mean(shares, axis=tuple(range(1, len(shape_of(shares)))))


METRICS.register("mean_absolute_percentage_error")(MeanAbsolutePercentageError)
