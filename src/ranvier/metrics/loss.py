"""A loss as a metric: what each of several outputs contributes."""

from __future__ import annotations

from typing import Any

from ranvier.losses import Loss
from ranvier.metrics.base import MeanMetric
from ranvier.ops import Tensor


class LossMetric(MeanMetric):
    """The mean of a loss over the rows.

    **Shapes**: ``outputs, targets: as the loss reads them``

    Args:
        loss: of one output.

    Example:
        >>> import numpy as np
        >>> from ranvier.losses import MeanSquaredError
        >>> LossMetric(MeanSquaredError()).score(np.array([[1.0], [3.0]]), np.zeros((2, 1)))
        5.0
    """

    name = "loss"

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        return self.loss(outputs, targets)
