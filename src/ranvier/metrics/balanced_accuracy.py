"""Accuracy in which each class counts the same."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.metrics.base import METRICS, ratio
from ranvier.metrics.class_counts import ClassCounts


@METRICS.register("balanced_accuracy")
class BalancedAccuracy(ClassCounts):
    """The mean over the classes of the share of their rows that are found.

    Formula: ``mean over classes of TP / (TP + FN)``; classes without rows do not count. Arguments,
    shapes and errors are those of :class:`~ranvier.metrics.class_counts.ClassCounts`.

    Source: Brodersen et al., The balanced accuracy and its posterior distribution, 2010.

    Example:
        Always saying "no" is right for nine rows of ten, and for one class of two:

        >>> import numpy as np
        >>> targets = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "int32")
        >>> BalancedAccuracy().score(np.full((10, 1), -1.0), targets)
        0.5
    """

    name = "balanced_accuracy"

    def result(self, sums: tuple[Any, ...]) -> Any:
        """The mean of the recalls of the classes that have rows."""
        both, _, right = sums
        present = ops.cast(ops.less(0.0, right), "float64")
        return ratio(ops.sum(ratio(both, right)), ops.sum(present))
