"""What metrics of a ranking share: which rows should come first, and by which number they are put
in order.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.layers.arguments import flag
from ranvier.losses.base import check_same_shape, does_not_fit
from ranvier.metrics.base import WholeSetMetric

Reals = NDArray[np.float64]


class Ranking(WholeSetMetric):
    """Base of metrics that put rows in order by an output and see which come first.

    With one output, or two, it is asked how well rows of the second class come before the others.
    With more, each class is ranked against the rest by its probability, and the mean over the
    classes is taken; of several yes/no labels a row, the mean over the labels. Where a class has no
    rows it is NaN.

    **Shapes**: ``outputs: (N, 1) or (N, C), targets: (N,) integers``; or ``outputs: (N, K),
    targets: (N, K) floats``

    Args:
        probabilities: whether outputs are probabilities instead of logits.

    Raises:
        ArgumentError: if probabilities is not a boolean.
        ShapeError: for other shapes.
    """

    larger_is_better = True
    undefined = "a class has no rows, or an output is not a number"

    def __init__(self, probabilities: bool = False) -> None:
        self.probabilities = flag(type(self).__name__, "probabilities", probabilities)

    @classmethod
    def of_probabilities(cls) -> Self:
        """Without softmax."""
        return cls(probabilities=True)

    @abstractmethod
    def of_order(self, wanted: Reals, others: Reals) -> float:
        """The metric of one ranking.

        **Shapes**: ``wanted: (G,), others: (G,)``: the weight of the rows that should come first,
        and of the others, in each group of rows with equal outputs, the largest outputs first.
        Neither is 0 everywhere.
        """

    def score(
        self, outputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> float:
        """The metric of all rows."""
        outputs, targets = np.asarray(outputs), np.asarray(targets)
        numbers, right = self._rankings(outputs, targets)
        heavy = np.ones(len(right)) if weights is None else np.asarray(weights, np.float64)
        # Rows without weight take no part, not even as a threshold.
        counted = heavy > 0.0
        numbers, right, heavy = numbers[counted], right[counted], heavy[counted]
        found = [self._one(numbers[:, k], right[:, k], heavy) for k in range(numbers.shape[1])]
        return float(np.mean(found))

    def _one(self, numbers: NDArray[Any], right: NDArray[np.bool_], weights: Reals) -> float:
        if np.isnan(numbers).any() or right.all() or not right.any():
            return float("nan")
        # Equal numbers are one group below, so their order does not matter; not asking for it is
        # six times as quick.
        order = np.argsort(-numbers)
        numbers, right, weights = numbers[order], right[order], weights[order]
        first = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
        return self.of_order(
            np.add.reduceat(weights * right, first), np.add.reduceat(weights * ~right, first)
        )

    def _rankings(
        self, outputs: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The numbers to put rows in order by, and which rows should come first; both (N, K)."""
        if targets.dtype.kind == "f":
            check_same_shape(self.name, outputs, targets)
            return outputs.reshape(len(outputs), -1), targets.reshape(len(outputs), -1) > 0.5
        if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
            needed = "outputs (N, 1) or (N, C) and integers of shape (N,)"
            raise does_not_fit(self.name, outputs.shape, targets.shape, needed)
        classes = outputs.shape[1]
        if classes == 1:
            return outputs, targets[:, None] == 1
        numbers = outputs.astype(np.float64)
        if classes == 2:
            second = numbers[:, 1:] if self.probabilities else numbers[:, 1:] - numbers[:, :1]
            return second, targets[:, None] == 1
        if not self.probabilities:
            numbers = np.asarray(ops.softmax(numbers))
        return numbers, targets[:, None] == np.arange(classes)
