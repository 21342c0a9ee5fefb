"""The Brier score: the squared error of probabilities."""

from __future__ import annotations

from typing import Any, Self

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.foundation.shapes import known
from ranvier.layers.arguments import flag
from ranvier.losses.base import check_same_shape, does_not_fit
from ranvier.metrics.base import METRICS, MeanMetric
from ranvier.metrics.binary import yes_or_no
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@METRICS.register("brier")
class Brier(MeanMetric):
    """How far probabilities are from what happened (Brier, 1950); 0 is best.

    Formula: with one output ``(p - t) ** 2`` with ``p = sigmoid(output)``; with several
    ``sum((softmax(outputs) - one_hot(target)) ** 2)``, which for two classes is twice as much. Of
    several yes/no labels a row, the mean over them.

    **Shapes**: ``outputs: (N, C), targets: (N,) integers``; ``outputs: (N, 1), targets: (N,)
    integers``; or ``outputs: (N, K), targets: (N, K) floats``

    Args:
        probabilities: whether outputs are probabilities of yes instead of logits.

    Raises:
        ArgumentError: if probabilities is not a boolean.

    Example:
        >>> import numpy as np
        >>> Brier().score(np.zeros((2, 1)), np.array([0, 1], "int32"))
        0.25
    """

    name = "brier"

    def __init__(self, probabilities: bool = False) -> None:
        self.probabilities = flag("Brier", "probabilities", probabilities)

    @classmethod
    def of_probabilities(cls) -> Self:
        """Without sigmoid."""
        return cls(probabilities=True)

    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The squared error of each row's probabilities."""
        labels = is_float(dtype_of(targets))
        if not labels and not self.probabilities and shape_of(outputs)[1:] != (1,):
            return self._of_classes(outputs, targets)
        if labels:
            check_same_shape(self.name, outputs, targets)
            t = ops.cast(targets, dtype_of(outputs))
        else:
            outputs, t = yes_or_no(self.name, outputs, targets)
        p = outputs if self.probabilities else ops.sigmoid(outputs)
        difference = ops.subtract(p, t)
        squared = ops.multiply(difference, difference)
        return ops.mean(squared, axis=tuple(range(1, len(shape_of(squared)))))

    def _of_classes(self, outputs: Tensor, targets: Tensor) -> Any:
        shape = shape_of(outputs)
        if len(shape) != 2 or shape_of(targets) != shape[:1]:
            needed = "outputs (N, C) and targets (N,)"
            raise does_not_fit(self.name, shape, shape_of(targets), needed)
        hot = ops.one_hot(targets, known(shape[1]), dtype_of(outputs))
        difference = ops.subtract(ops.softmax(outputs), hot)
        return ops.sum(ops.multiply(difference, difference), axis=-1)
