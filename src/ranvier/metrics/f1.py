"""The harmonic mean of precision and recall."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.metrics.base import METRICS
from ranvier.metrics.binary import BinaryRatio
from ranvier.ops import Tensor


@METRICS.register("f1")
class F1(BinaryRatio):
    """The harmonic mean of precision and recall.

    Formula: ``2 TP / (2 TP + FP + FN)``. It is 0 where nothing is found and nothing sought.

    **Shapes**: ``outputs: (N, 1), targets: (N,) integers 0 or 1``

    Args:
        threshold: the second class is found where ``output > threshold``: 0 for logits, 0.5 for
            probabilities.

    Raises:
        ArgumentError: if the threshold is not a finite number.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[1.0], [2.0], [-1.0], [-1.0], [-1.0]])
        >>> terms = F1().terms(outputs, np.array([1, 0, 1, 1, 0], "int32"))
        >>> [float(term) for term in terms]
        [2.0, 5.0]
    """

    name = "f1"

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """2 for a row of the second class that is found, else 0."""
        found, right = self.found_and_right(outputs, targets)
        return ops.multiply(2.0, ops.multiply(found, right))

    def counts_of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """1 for a row that is found and 1 for one of the second class, together up to 2."""
        found, right = self.found_and_right(outputs, targets)
        return ops.add(found, right)
