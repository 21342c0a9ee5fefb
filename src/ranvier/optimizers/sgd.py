"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer


@OPTIMIZERS.register("sgd")
class SGD(Optimizer):
    """Goes down the gradient; with momentum, down a sum of past gradients that fades.

    Formula (PyTorch's, without dampening): ``buffer = momentum * buffer + g``,
    ``w = w - rate * buffer``; without momentum ``w = w - rate * g``.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever,
    Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013.

    **Shapes**: ``w, g, buffer: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0.
        momentum: the part of the buffer that stays, at least 0 and below 1.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> w, _ = SGD(0.5).update(np.array([1.0]), np.array([0.5]), {}, 1.0, 0.5)
        >>> w.tolist()
        [0.75]
    """

    name = "sgd"

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0) -> None:
        self.learning_rate = number("SGD", "learning_rate", learning_rate, 0.0)
        self.momentum = number("SGD", "momentum", momentum, 0.0, 1.0, below_high=True)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """With momentum a buffer that starts from 0."""
        return {"buffer": 0.0} if self.momentum else {}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`SGD`."""
        rate = ops.cast(rate, dtype_of(w))
        if not self.momentum:
            return ops.subtract(w, ops.multiply(rate, g)), {}
        buffer = ops.add(ops.multiply(self.momentum, state["buffer"]), g)
        return ops.subtract(w, ops.multiply(rate, buffer)), {"buffer": buffer}
