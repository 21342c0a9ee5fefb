"""The share of rows whose class is among the k largest outputs."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.foundation.shapes import known
from ranvier.layers.arguments import whole_number
from ranvier.losses.base import does_not_fit
from ranvier.metrics.base import METRICS, MeanMetric
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@METRICS.register("top_k_accuracy")
class TopKAccuracy(MeanMetric):
    """The share of rows where fewer than k outputs are larger than that of the right class.

    Outputs that are equal to it do not count against it. With k of at least C all rows are right.

    **Shapes**: ``outputs: (N, C), targets: (N,) integers``

    Args:
        k: how many outputs may hold the right class.

    Raises:
        ArgumentError: if k is not an integer of at least 1.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
        >>> TopKAccuracy(2).score(logits, np.array([1, 2], "int32"))
        0.5
    """

    name = "top_k_accuracy"
    larger_is_better = True

    def __init__(self, k: int = 5) -> None:
        self.k = whole_number("TopKAccuracy", "k", k)

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """1 for a row whose class is among the k largest outputs, else 0."""
        shape, dtype = shape_of(outputs), dtype_of(outputs)
        if len(shape) != 2 or shape[1] == 1 or shape_of(targets) != shape[:1]:
            needed = "outputs (N, C) of two or more classes and targets (N,)"
            raise does_not_fit(self.name, shape, shape_of(targets), needed)
        count = known(shape[1])
        own = ops.sum(ops.where(ops.is_class(targets, count), outputs, 0.0), axis=-1)
        # Counted from below: a NaN is never less or equal, so it makes no row right.
        others = ops.cast(ops.less_equal(outputs, ops.expand(own, -1)), dtype)
        return ops.cast(ops.less(float(count - self.k), ops.sum(others, axis=-1)), dtype)
