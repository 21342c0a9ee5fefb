"""The perceptron criterion: its gradient is Rosenblatt's rule."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.losses.base import LOSSES, check_same_shape
from ranvier.losses.binary import BinaryLoss
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LOSSES.register("perceptron")
class PerceptronLoss(BinaryLoss):
    """How far an output lies on the wrong side of 0 (Rosenblatt, 1958).

    Formula: ``max(0, -s output)`` where ``s`` is 1 for the second class and -1 for the first; the
    sum over outputs if there are several, so that each is a unit with a rule of its own. Its
    gradient is ``-s`` where the output is wrong and 0 where it is right; an output of exactly 0
    is wrong for both classes, or weights of zero would never move.

    **Shapes**: ``outputs: (N, 1), targets: (N,) integers 0 or 1 -> (N,)``, or
    ``outputs: (N, K), targets: (N, K) floats 0 or 1 -> (N,)``

    Example:
        >>> import numpy as np
        >>> PerceptronLoss()(np.array([[0.5], [0.5]]), np.array([1, 0], "int32")).tolist()
        [0.0, 0.5]
    """

    name = "perceptron"
    shares = False

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        if not is_float(dtype_of(targets)):
            return super().__call__(outputs, targets)
        check_same_shape(self.name, outputs, targets)
        losses = self.of_elements(outputs, ops.cast(targets, dtype_of(outputs)))
        return ops.sum(losses, axis=tuple(range(1, len(shape_of(losses)))))

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        signed = ops.multiply(ops.subtract(ops.multiply(2.0, targets), 1.0), outputs)
        # Asked this way round, 0 counts as wrong and a NaN is passed on.
        return ops.where(ops.less(0.0, signed), 0.0, ops.negative(signed))
