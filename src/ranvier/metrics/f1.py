"""The harmonic mean of precision and recall."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.metrics.base import METRICS
from ranvier.metrics.class_counts import AveragedRatio
from ranvier.ops import Tensor


@METRICS.register("f1")
class F1(AveragedRatio):
    """The harmonic mean of precision and recall.

    Formula: ``2 TP / (2 TP + FP + FN)``, and 0 where nothing is found and nothing sought.
    Arguments, shapes and errors are those of :class:`~ranvier.metrics.class_counts.AveragedRatio`.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[1.0], [2.0], [-1.0], [-1.0], [-1.0]])
        >>> F1().score(outputs, np.array([1, 0, 1, 1, 0], "int32"))
        0.4
    """

    name = "f1"

    def part_and_whole(self, both: Tensor, found: Tensor, right: Tensor) -> tuple[Any, Any]:
        """Twice the rows that are found and right; the rows found, and those of the class."""
        return ops.multiply(2.0, both), ops.add(found, right)
