"""The logarithm of the hyperbolic cosine: a smooth relative of the Huber loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import LOSSES
from ranvier.losses.elementwise import ElementwiseLoss
from ranvier.ops import Tensor, Value


def _gradient(node: Value, d: Value) -> Sequence[Any]:
    return (d * ops.tanh(node.inputs[0]),)


@ops.with_gradient(_gradient)
def log_cosh(x: Tensor) -> Any:
    """log(cosh(x)), computed as x + softplus(-2x) - log(2), which cannot overflow.

    Its gradient is tanh(x).

    **Shapes**: ``x: (...) -> (...)``
    """
    return ops.subtract(ops.add(x, ops.softplus(ops.multiply(-2.0, x))), math.log(2.0))


@LOSSES.register("log_cosh")
class LogCosh(ElementwiseLoss):
    """About half the squared difference near 0, and the distance less log(2) far away.

    Formula: ``mean(log(cosh(outputs - targets)))`` of each row; its gradient is
    ``tanh(outputs - targets)``.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too

    Example:
        >>> import numpy as np
        >>> LogCosh()(np.array([[0.0], [1000.0]]), np.zeros((2, 1))).round(2).tolist()
        [0.0, 999.31]
    """

    name = "log_cosh"

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        return log_cosh(ops.subtract(outputs, targets))
