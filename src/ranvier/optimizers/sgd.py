"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import flag, number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("sgd")
class SGD(Optimizer):
    """Goes down the gradient; with momentum, down a sum of past gradients that fades.

    Formula (PyTorch's, without dampening): ``buffer = momentum * buffer + g``,
    ``w = w - rate * buffer``; with Nesterov's momentum ``w = w - rate * (g + momentum * buffer)``;
    without momentum ``w = w - rate * g``; with weight decay ``g + weight_decay * w`` in the place
    of g.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever,
    Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013 (Nesterov's momentum in this form).

    **Shapes**: ``w, g, buffer: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        momentum: the part of the buffer that stays, at least 0 and below 1.
        nesterov: look one step of the buffer ahead; needs a momentum above 0.
        weight_decay: the part of w that is added to its gradient, at least 0.

    Raises:
        ArgumentError: for an argument outside its domain, or nesterov without momentum.

    Example:
        >>> import numpy as np
        >>> w, _ = SGD(0.5).update(np.array([1.0]), np.array([0.5]), {}, 1.0, 0.5)
        >>> w.tolist()
        [0.75]
    """

    name = "sgd"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.learning_rate = rate_from("SGD", learning_rate)
        self.momentum = number("SGD", "momentum", momentum, 0.0, 1.0, below_high=True)
        self.nesterov = flag("SGD", "nesterov", nesterov)
        self.weight_decay = number("SGD", "weight_decay", weight_decay, 0.0)
        if self.nesterov and not self.momentum:
            raise ArgumentError(
                "SGD: Nesterov's momentum needs a momentum.",
                happened="nesterov is True and momentum is 0",
                needed="a momentum above 0 and below 1",
                fix="write for example SGD(momentum=0.9, nesterov=True)",
            )

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
        if self.weight_decay:
            g = ops.add(g, ops.multiply(self.weight_decay, w))
        if not self.momentum:
            return ops.subtract(w, ops.multiply(rate, g)), {}
        buffer = ops.add(ops.multiply(self.momentum, state["buffer"]), g)
        ahead = ops.add(g, ops.multiply(self.momentum, buffer)) if self.nesterov else buffer
        return ops.subtract(w, ops.multiply(rate, ahead)), {"buffer": buffer}
