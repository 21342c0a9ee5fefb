"""How many of the rows that are found are right."""

from __future__ import annotations

from typing import Any

from ranvier.metrics.base import METRICS
from ranvier.metrics.class_counts import AveragedRatio
from ranvier.ops import Tensor


@METRICS.register("precision")
class Precision(AveragedRatio):
    """The share of a class's rows among those that are found to be of it.

    Formula: ``TP / (TP + FP)``, and 0 where nothing is found. Arguments, shapes and errors are
    those of :class:`~ranvier.metrics.class_counts.AveragedRatio`.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[1.0], [2.0], [-1.0], [-1.0], [-1.0]])
        >>> Precision().score(outputs, np.array([1, 0, 1, 1, 0], "int32"))
        0.5
    """

    name = "precision"

    def part_and_whole(self, both: Tensor, found: Tensor, right: Tensor) -> tuple[Any, Any]:
        """Rows that are found and right, among those that are found."""
        return both, found
