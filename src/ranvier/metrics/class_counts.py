"""What metrics of classes share: how often each class is found, is right, and both at once."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.foundation.shapes import known
from ranvier.layers.arguments import number, one_of
from ranvier.losses.base import does_not_fit
from ranvier.metrics.base import Metric, ratio, weighted_sum
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of

AVERAGES = ("binary", "micro", "macro", "weighted")


class ClassCounts(Metric):
    """Base of metrics that are made from counts of the classes.

    With one output the second class is found where ``output > threshold``; with several, the class
    is the largest output, the first among equals.

    **Shapes**: ``outputs: (N, 1) or (N, C), targets: (N,) integers``

    Args:
        threshold: 0 for logits, 0.5 for probabilities.

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

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Of each class: rows that are found and right, rows that are found, rows of the class.

        **Shapes**: ``outputs: (N, 1) or (N, C), targets: (N,) -> (C,), (C,), (C,)``, C at least 2

        Raises:
            ShapeError: for other shapes, and for targets that are not integers.
        """
        shape, dtype = shape_of(outputs), dtype_of(outputs)
        if len(shape) != 2 or shape_of(targets) != shape[:1] or is_float(dtype_of(targets)):
            needed = "outputs (N, 1) or (N, C) and integers of shape (N,)"
            raise does_not_fit(self.name, shape, shape_of(targets), needed)
        if shape[1] == 1:
            classes = ops.cast(ops.less(self.threshold, ops.reshape(outputs, shape[:1])), "int32")
        else:
            classes = ops.argmax(outputs)
        count = max(known(shape[1]), 2)
        found, right = ops.is_class(classes, count), ops.is_class(targets, count)
        both = ops.logical_and(found, right)
        return tuple(weighted_sum(ops.cast(rows, dtype), weights) for rows in (both, found, right))


class AveragedRatio(ClassCounts):
    """Base of ratios of counts: of the second class of two, or averaged over all classes.

    Classes that no row has and that are found nowhere do not count. A ratio without a denominator
    is 0.

    **Shapes**: ``outputs: (N, 1) or (N, C), targets: (N,) integers``

    Args:
        threshold: with one output the second class is found where ``output > threshold``: 0 for
            logits, 0.5 for probabilities. With several outputs the largest one is the class.
        average: ``"binary"``: of the second class of two; ``"micro"``: of the counts of all classes
            together; ``"macro"``: the mean over the classes; ``"weighted"``: the same, each
            class weighted by its rows. The metric's name then ends in ``_micro`` and so on.

    Raises:
        ArgumentError: if the threshold is not a finite number, or another average.
        ShapeError: if the average is "binary" and there are more classes than two.
    """

    def __init__(self, threshold: float = 0.0, average: str = "binary") -> None:
        super().__init__(threshold)
        self.average = one_of(type(self).__name__, "average", average, AVERAGES)
        if average != "binary":
            self.name = f"{type(self).name}_{average}"

    @abstractmethod
    def part_and_whole(self, both: Tensor, found: Tensor, right: Tensor) -> tuple[Any, Any]:
        """Numerator and denominator of each class.

        **Shapes**: ``both: (C,), found: (C,), right: (C,) -> (C,), (C,)``
        """

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """The counts of each class."""
        shape = shape_of(outputs)
        if self.average == "binary" and len(shape) == 2 and shape[1] not in (1, 2):
            needed = f"two classes, or an average, such as {type(self).__name__}(average='macro')"
            raise does_not_fit(self.name, shape, shape_of(targets), needed)
        return super().statistics(outputs, targets, weights)

    def result(self, sums: tuple[Any, ...]) -> Any:
        """The ratio of the second class, or the average over the classes."""
        _, found, right = sums
        part, whole = self.part_and_whole(*sums)
        if self.average == "binary":
            return ratio(*(ops.sum(ops.slice_axis(count, 0, 1, 2)) for count in (part, whole)))
        if self.average == "micro":
            return ratio(ops.sum(part), ops.sum(whole))
        if self.average == "macro":
            shares = ops.cast(ops.less(0.0, ops.add(found, right)), "float64")
        else:
            shares = right
        return ratio(ops.sum(ops.multiply(ratio(part, whole), shares)), ops.sum(shares))
