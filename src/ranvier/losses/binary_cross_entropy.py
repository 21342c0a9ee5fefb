"""Cross-entropy between yes and no, from logits."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import LOSSES
from ranvier.losses.binary import BinaryLoss
from ranvier.ops import Tensor


@LOSSES.register("binary_cross_entropy")
class BinaryCrossEntropy(BinaryLoss):
    """Minus the logarithm of the probability that sigmoid gives to the right answer.

    Formula: ``-t log(p) - (1 - t) log(1 - p)`` with ``p = sigmoid(logit)``, computed as
    ``softplus(logit) - t logit``; the mean over outputs if there are several. Its gradient is
    ``p - t``.

    **Shapes**: ``outputs: (N, 1) logits, targets: (N,) integers 0 or 1 -> (N,)``, or
    ``outputs: (N, K) logits, targets: (N, K) floats from 0 to 1 -> (N,)``

    Example:
        >>> import numpy as np
        >>> loss = BinaryCrossEntropy()(np.array([[0.0], [50.0]]), np.array([1, 1], "int32"))
        >>> loss.round(4).tolist()
        [0.6931, 0.0]
    """

    name = "binary_cross_entropy"
    logits_of = "sigmoid"

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        return ops.binary_cross_entropy(outputs, targets)
