"""The focal loss for yes and no, from logits: answers that are right already count less."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.losses.base import LOSSES
from ranvier.losses.binary import BinaryLoss
from ranvier.ops import Tensor


@LOSSES.register("binary_focal")
class BinaryFocal(BinaryLoss):
    """Binary cross-entropy, scaled down where the answer is right already (Lin et al., 2017).

    Formula: ``-(1 - p) ** gamma log(p)`` where ``p`` is the probability that sigmoid gives to the
    right answer, times ``alpha`` for the second class and ``1 - alpha`` for the first; of a target
    between 0 and 1, the mean of both answers weighted by it. It is computed from
    ``log(p) = -softplus(-s)`` and ``log(1 - p) = -softplus(s)`` with ``s`` the logit with its sign.

    **Shapes**: ``outputs: (N, 1) logits, targets: (N,) integers 0 or 1 -> (N,)``, or
    ``outputs: (N, K) logits, targets: (N, K) floats from 0 to 1 -> (N,)``

    Args:
        gamma: how fast easy answers lose weight, 0 or more; 0 is cross-entropy.
        alpha: weight of the second class from 0 to 1, or None: both weigh 1.

    Raises:
        ArgumentError: for other numbers.

    Example:
        >>> import numpy as np
        >>> BinaryFocal()(np.array([[0.0], [9.0]]), np.array([1, 1], "int32")).round(4).tolist()
        [0.1733, 0.0]
    """

    name = "binary_focal"
    logits_of = "sigmoid"

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        self.gamma = number("BinaryFocal", "gamma", gamma, 0.0)
        self.alpha = None if alpha is None else number("BinaryFocal", "alpha", alpha, 0.0, 1.0)

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        # -log of the probabilities of yes and of no.
        yes, no = ops.softplus(-outputs), ops.softplus(outputs)
        first, second = (1.0, 1.0) if self.alpha is None else (1.0 - self.alpha, self.alpha)
        loss_yes = ops.multiply(second, ops.multiply(ops.exp(ops.multiply(-self.gamma, no)), yes))
        loss_no = ops.multiply(first, ops.multiply(ops.exp(ops.multiply(-self.gamma, yes)), no))
        return ops.add(
            ops.multiply(targets, loss_yes), ops.multiply(ops.subtract(1.0, targets), loss_no)
        )
