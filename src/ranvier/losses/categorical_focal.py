"""The focal loss for several classes, from logits: rows that are right already count less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.foundation.shapes import known, show_shape
from ranvier.layers.arguments import number
from ranvier.losses.base import LOSSES
from ranvier.losses.categorical import CategoricalLoss
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LOSSES.register("categorical_focal")
class CategoricalFocal(CategoricalLoss):
    """Cross-entropy, scaled down where the right class is found already (Lin et al., 2017).

    Formula: ``-(1 - p) ** gamma log(p)`` where ``p`` is the probability that softmax gives to the
    right class, times ``alpha[target]``. ``1 - p`` is the sum of the other probabilities, so that
    it stays exact where ``p`` is almost 1.

    **Shapes**: ``outputs: (N, C) logits, targets: (N,) integers from 0 to C - 1 -> (N,)``

    Args:
        gamma: how fast easy rows lose weight, 0 or more; 0 is cross-entropy.
        alpha: one weight of at least 0 for each class, or None: all weigh 1.

    Raises:
        ArgumentError: for other numbers.
        ShapeError: when it is called, if alpha has another length than a row of outputs.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[0.0, 0.0], [9.0, 0.0]])
        >>> CategoricalFocal()(logits, np.array([1, 0], "int32")).round(4).tolist()
        [0.1733, 0.0]
    """

    name = "categorical_focal"
    logits_of = "softmax"

    def __init__(self, gamma: float = 2.0, alpha: Sequence[float] | None = None) -> None:
        self.gamma = number("CategoricalFocal", "gamma", gamma, 0.0)
        self.alpha = None if alpha is None else _weights(alpha)

    def of_classes(self, outputs: Tensor, classes: Tensor) -> Any:
        """The loss of each row."""
        count = known(shape_of(outputs)[-1])
        hit = ops.is_class(classes, count)
        logarithms = ops.log_softmax(outputs)
        right = ops.sum(ops.where(hit, logarithms, 0.0), axis=-1)
        loss = -right
        if self.gamma > 0.0:
            loss = ops.multiply(self._doubt(logarithms, hit), loss)
        if self.alpha is None:
            return loss
        if len(self.alpha) != count:
            raise ShapeError(
                f"The weights of the loss {self.name} do not fit the outputs.",
                happened=f"alpha has {len(self.alpha)} numbers, outputs are "
                f"{show_shape(shape_of(outputs))}",
                needed=f"{count} numbers in alpha, one for each class",
                fix="give alpha one number for each class, or leave it out",
            )
        weights = np.asarray([self.alpha], dtype_of(outputs))
        chosen = ops.sum(ops.multiply(ops.cast(hit, dtype_of(outputs)), weights), axis=-1)
        return ops.multiply(chosen, loss)

    def _doubt(self, logarithms: Tensor, hit: Tensor) -> Any:
        """(1 - p) ** gamma, without the infinite slope of a power at 0."""
        others = ops.sum(ops.where(hit, 0.0, ops.exp(logarithms)), axis=-1)
        smallest = float(np.finfo(dtype_of(logarithms)).tiny)
        return ops.exp(ops.multiply(self.gamma, ops.log(ops.maximum(others, smallest))))


def _weights(alpha: object) -> list[float]:
    if not isinstance(alpha, Sequence | np.ndarray) or isinstance(alpha, str) or not len(alpha):
        raise ArgumentError(
            "CategoricalFocal: the argument alpha is not understood.",
            happened=f"alpha is {alpha!r:.80}",
            needed="one number for each class, or None",
            fix="write for example alpha=[1.0, 0.5, 2.0] for three classes",
        )
    return [number("CategoricalFocal", "alpha", one, 0.0) for one in alpha]
