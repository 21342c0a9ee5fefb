"""The share of right answers."""

from __future__ import annotations

from typing import Any, Self

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.layers.arguments import number
from ranvier.losses.base import check_same_shape, does_not_fit
from ranvier.metrics.base import METRICS, MeanMetric
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@METRICS.register("accuracy")
class Accuracy(MeanMetric):
    """The share of rows whose class is found.

    With one output the second class is found where ``output > threshold``; with several, the class
    is the largest output. Targets of several yes/no labels a row count label by label.

    **Shapes**: ``outputs: (N, C), targets: (N,) integers``; ``outputs: (N, 1), targets: (N,)
    integers``; or ``outputs: (N, K), targets: (N, K) floats``

    Args:
        threshold: 0 for logits, 0.5 for probabilities.

    Raises:
        ArgumentError: if the threshold is not a finite number.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[2.0, 1.0], [0.0, 3.0]])
        >>> Accuracy().score(logits, np.array([0, 0], "int32"))
        0.5
    """

    name = "accuracy"
    larger_is_better = True

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = number("Accuracy", "threshold", threshold)

    @classmethod
    def of_probabilities(cls) -> Self:
        """With the threshold in the middle of 0 and 1."""
        return cls(threshold=0.5)

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """1 for a right row, 0 for a wrong one."""
        shape, dtype = shape_of(outputs), dtype_of(outputs)
        if is_float(dtype_of(targets)):
            return self._labels(outputs, targets)
        if len(shape) != 2 or shape_of(targets) != shape[:1]:
            needed = "outputs (N, C) and targets (N,)"
            raise does_not_fit("accuracy", shape, shape_of(targets), needed)
        if shape[1] == 1:
            found = ops.less(self.threshold, ops.reshape(outputs, shape[:1]))
        else:
            found = ops.argmax(outputs)
        return ops.cast(ops.equal(ops.cast(found, dtype_of(targets)), targets), dtype)

    def _labels(self, outputs: Tensor, targets: Tensor) -> Any:
        check_same_shape("accuracy", outputs, targets)
        found = ops.cast(ops.less(self.threshold, outputs), "int32")
        right = ops.cast(ops.less(0.5, targets), "int32")
        hits = ops.cast(ops.equal(found, right), dtype_of(outputs))
        return ops.mean(hits, axis=tuple(range(1, len(shape_of(outputs)))))
