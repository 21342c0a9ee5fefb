"""The loss of an epoch as scikit-learn counts it: every row as much as every other.

A history's loss is the mean over batches, in which the rows of a short last batch count more; where
batches are few, this alone can look like an epoch that got no better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.metrics.base import ratio, weighted_sum
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of

NAME = "row_loss_correction"


class RowLossCorrection(Metric):
    """What has to be added to the mean over batches to get the mean over rows.

    Formula: ``factor * (sum of losses / rows - mean over batches of the mean over their rows)``

    Args:
        loss: of outputs and targets.
        factor: what the loss is multiplied by.

    Example:
        >>> import numpy as np
        >>> from ranvier.losses import MeanSquaredError
        >>> metric = RowLossCorrection(MeanSquaredError(), 1.0)
        >>> long = metric.statistics(np.ones((3, 1)), np.zeros((3, 1)))
        >>> short = metric.statistics(np.full((1, 1), 3.0), np.zeros((1, 1)))
        >>> float(metric.result(tuple(np.add(a, b) for a, b in zip(long, short))))
        -2.0
    """

    name = NAME

    def __init__(self, loss: Loss, factor: float) -> None:
        self.loss, self.factor = loss, factor

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Of a batch: sum of losses, rows, their mean, and 1."""
        rows = self.loss(outputs, targets)
        total = weighted_sum(rows, weights)
        count = ops.cast(ops.length(rows, 0, dtype_of(rows)), dtype_of(rows))
        return total, count, ops.divide(total, count), ops.divide(count, count)

    def result(self, sums: tuple[Any, ...]) -> Any:
        """The correction."""
        total, rows, means, batches = sums
        off = ops.subtract(ratio(total, rows), ratio(means, batches))
        return ops.multiply(self.factor, off)


def corrected(columns: Mapping[str, float]) -> float:
    """The loss of an epoch's line of the history, every row counted once."""
    return columns["loss"] + columns.get(NAME, 0.0)
