"""RMSprop: steps divided by a running root mean square of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import flag, number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("rmsprop")
class RMSprop(Optimizer):
    """Divides each gradient by the root of a running mean of its square, with PyTorch's defaults.

    Formula: ``v = alpha v + (1 - alpha) g^2``, ``d = g / (sqrt(v) + epsilon)``,
    ``w = w - rate * d``; with momentum ``b = momentum * b + d``, ``w = w - rate * b``; centered
    ``m = m + (1 - alpha) (g - m)`` and ``v - m^2``, the variance, in the place of v in the root
    (0 where rounding makes it less).

    Tieleman and Hinton, "Lecture 6.5: rmsprop", Coursera, 2012; centered: Graves, "Generating
    sequences with recurrent neural networks", 2013.

    **Shapes**: ``w, g, v, b, m: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        alpha: the part of the running means that stays, at least 0 and below 1.
        epsilon: added to the root, at least 0.
        momentum: the part of the buffer of steps that stays, at least 0 and below 1.
        centered: divide by the root of the variance.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"square": np.zeros(1)}
        >>> w, _ = RMSprop(0.01).update(np.array([1.0]), np.array([3.0]), state, 1.0, 0.01)
        >>> w.round(6).tolist()
        [0.9]
    """

    name = "rmsprop"

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-2,
        alpha: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        self.learning_rate = rate_from("RMSprop", learning_rate)
        self.alpha = number("RMSprop", "alpha", alpha, 0.0, 1.0, below_high=True)
        self.epsilon = number("RMSprop", "epsilon", epsilon, 0.0)
        self.momentum = number("RMSprop", "momentum", momentum, 0.0, 1.0, below_high=True)
        self.centered = flag("RMSprop", "centered", centered)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The running mean of the square of g, of g if centered, and a buffer with momentum."""
        return {
            "square": 0.0,
            **({"mean": 0.0} if self.centered else {}),
            **({"buffer": 0.0} if self.momentum else {}),
        }

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`RMSprop`."""
        alpha, rate = self.alpha, ops.cast(rate, dtype_of(w))
        square = ops.add(
            ops.multiply(alpha, state["square"]), ops.multiply(1.0 - alpha, ops.multiply(g, g))
        )
        new_state, spread = {"square": square}, square
        if self.centered:
            mean = ops.add(state["mean"], ops.multiply(1.0 - alpha, ops.subtract(g, state["mean"])))
            new_state["mean"] = mean
            spread = ops.maximum(ops.subtract(square, ops.multiply(mean, mean)), 0.0)
        move = ops.divide(g, ops.add(ops.sqrt(spread), self.epsilon))
        if self.momentum:
            move = new_state["buffer"] = ops.add(ops.multiply(self.momentum, state["buffer"]), move)
        return ops.subtract(w, ops.multiply(rate, move)), new_state
