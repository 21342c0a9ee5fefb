"""How many of the rows that are found are right."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.metrics.base import METRICS
from ranvier.metrics.binary import BinaryRatio
from ranvier.ops import Tensor


@METRICS.register("precision")
class Precision(BinaryRatio):
    """The share of rows of the second class among those that are found.

    Formula: ``TP / (TP + FP)``. It is 0 where nothing is found.

    **Shapes**: ``outputs: (N, 1), targets: (N,) integers 0 or 1``

    Args:
        threshold: the second class is found where ``output > threshold``: 0 for logits, 0.5 for
            probabilities.

    Raises:
        ArgumentError: if the threshold is not a finite number.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[1.0], [2.0], [-1.0], [-1.0], [-1.0]])
        >>> terms = Precision().terms(outputs, np.array([1, 0, 1, 1, 0], "int32"))
        >>> [float(term) for term in terms]
        [1.0, 2.0]
    """

    name = "precision"

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """1 for a row of the second class that is found, else 0."""
        found, right = self.found_and_right(outputs, targets)
        return ops.multiply(found, right)

    def counts_of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """1 for a row that is found, else 0."""
        found, _ = self.found_and_right(outputs, targets)
        return found
