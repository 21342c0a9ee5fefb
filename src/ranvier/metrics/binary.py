"""What metrics of two classes share: rows found, and rows that are of the second class."""

from __future__ import annotations

from typing import Any, Self

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.layers.arguments import number
from ranvier.losses.base import does_not_fit
from ranvier.metrics.base import Metric
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


def yes_or_no(name: str, outputs: Tensor, targets: Tensor) -> tuple[Any, Any]:
    """One output a row and its target, as numbers of the outputs' dtype.

    **Shapes**: ``outputs: (N, 1), targets: (N,) integers 0 or 1 -> (N,), (N,)``

    Raises:
        ShapeError: for other shapes, and for targets that are not integers.
    """
    shape = shape_of(outputs)
    if (
        len(shape) != 2
        or shape[1] != 1
        or shape_of(targets) != shape[:1]
        or is_float(dtype_of(targets))
    ):
        needed = "outputs (N, 1) and integers 0 or 1 of shape (N,)"
        raise does_not_fit(name, shape, shape_of(targets), needed)
    return ops.reshape(outputs, shape[:1]), ops.cast(targets, dtype_of(outputs))


class BinaryRatio(Metric):
    """Base of metrics that count rows of two classes: a row is found if its output is large.

    Args:
        threshold: the second class is found where ``output > threshold``: 0 for logits, 0.5 for
            probabilities.

    Raises:
        ArgumentError: if the threshold is not a finite number.
    """

    larger_is_better = True

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = number(type(self).__name__, "threshold", threshold)

    @classmethod
    def of_probabilities(cls) -> Self:
        """With the threshold in the middle of 0 and 1."""
        return cls(threshold=0.5)

    def found_and_right(self, outputs: Tensor, targets: Tensor) -> tuple[Any, Any]:
        """1 for rows that are found, and 1 for rows of the second class; 0 for the others.

        **Shapes**: ``outputs: (N, 1), targets: (N,) integers -> (N,), (N,)``
        """
        rows, right = yes_or_no(self.name, outputs, targets)
        return ops.cast(ops.less(self.threshold, rows), dtype_of(outputs)), right
