"""How many of the rows that are sought are found."""

from __future__ import annotations

from typing import Any

from ranvier.metrics.base import METRICS
from ranvier.metrics.class_counts import AveragedRatio
from ranvier.ops import Tensor


@METRICS.register("recall")
class Recall(AveragedRatio):
    """The share of rows that are found among all rows of a class.

    Formula: ``TP / (TP + FN)``, and 0 where no row is of the class. Arguments, shapes and errors
    are those of :class:`~ranvier.metrics.class_counts.AveragedRatio`.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[1.0], [2.0], [-1.0], [-1.0], [-1.0]])
        >>> round(Recall().score(outputs, np.array([1, 0, 1, 1, 0], "int32")), 4)
        0.3333
    """

    name = "recall"

    def part_and_whole(self, both: Tensor, found: Tensor, right: Tensor) -> tuple[Any, Any]:
        """Rows that are found and right, among the rows of the class."""
        return both, right
