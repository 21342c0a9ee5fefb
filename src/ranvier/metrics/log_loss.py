"""Minus the logarithm of the probability of the right class, as a metric."""

from __future__ import annotations

from typing import Any, Self

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.layers.arguments import flag
from ranvier.losses import BinaryCrossEntropy, CategoricalCrossEntropy
from ranvier.losses.base import check_same_shape
from ranvier.metrics.base import METRICS, MeanMetric
from ranvier.metrics.binary import yes_or_no
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@METRICS.register("log_loss")
class LogLoss(MeanMetric):
    """Cross-entropy without penalties, smoothing or weights of classes, whatever the loss is.

    Formula: ``-log(p)`` of the right class, with ``p`` from softmax, or from sigmoid if there is
    one output; of several yes/no labels a row, the mean over them.

    **Shapes**: ``outputs: (N, C), targets: (N,) integers``; ``outputs: (N, 1), targets: (N,)
    integers``; or ``outputs: (N, K), targets: (N, K) floats``

    Args:
        probabilities: whether outputs are probabilities of yes instead of logits.

    Raises:
        ArgumentError: if probabilities is not a boolean.

    Example:
        >>> import numpy as np
        >>> round(LogLoss().score(np.zeros((2, 3)), np.array([0, 2], "int32")), 4)
        1.0986
    """

    name = "log_loss"

    def __init__(self, probabilities: bool = False) -> None:
        self.probabilities = flag("LogLoss", "probabilities", probabilities)

    @classmethod
    def of_probabilities(cls) -> Self:
        """Without sigmoid."""
        return cls(probabilities=True)

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        labels = is_float(dtype_of(targets))
        if self.probabilities:
            return self._from_probabilities(outputs, targets, labels)
        if labels or shape_of(outputs)[1:] == (1,):
            return BinaryCrossEntropy()(outputs, targets)
        return CategoricalCrossEntropy()(outputs, targets)

    def _from_probabilities(self, outputs: Tensor, targets: Tensor, labels: bool) -> Any:
        if labels:
            check_same_shape(self.name, outputs, targets)
            p, t = outputs, ops.cast(targets, dtype_of(outputs))
        else:
            p, t = yes_or_no(self.name, outputs, targets)
        losses = -ops.add(_share(t, p), _share(ops.subtract(1.0, t), ops.subtract(1.0, p)))
        return ops.mean(losses, axis=tuple(range(1, len(shape_of(losses)))))


def _share(t: Tensor, p: Tensor) -> Any:
    """t log(p), and 0 where t is 0, whatever p is."""
    return ops.where(ops.equal(t, 0.0), 0.0, ops.multiply(t, ops.log(p)))
