"""AdaDelta: steps in the units of the weights, from their own past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("adadelta")
class AdaDelta(Optimizer):
    """Scales the gradient by the ratio of two running roots: of past steps and of past gradients.

    Formula: ``v = rho v + (1 - rho) g^2``, ``d = sqrt(u + epsilon) / sqrt(v + epsilon) * g``,
    ``u = rho u + (1 - rho) d^2``, ``w = w - rate * d``, in PyTorch's order and with its defaults.

    Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    **Shapes**: ``w, g, u, v: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        rho: the part of both running means that stays, at least 0 and at most 1.
        epsilon: added inside both roots, above 0: without it the first step would be 0.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"square": np.zeros(1), "moved": np.zeros(1)}
        >>> w, _ = AdaDelta().update(np.array([1.0]), np.array([3.0]), state, 1.0, 1.0)
        >>> w.round(6).tolist()
        [0.996838]
    """

    name = "adadelta"

    def __init__(
        self,
        learning_rate: float | Schedule = 1.0,
        rho: float = 0.9,
        epsilon: float = 1e-6,
    ) -> None:
        self.learning_rate = rate_from("AdaDelta", learning_rate)
        self.rho = number("AdaDelta", "rho", rho, 0.0, 1.0)
        self.epsilon = number("AdaDelta", "epsilon", epsilon, 0.0, above_low=True)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The running means of the squares of g and of the steps, from 0."""
        return {"square": 0.0, "moved": 0.0}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`AdaDelta`."""
        rho, epsilon = self.rho, self.epsilon
        square = ops.add(
            ops.multiply(rho, state["square"]), ops.multiply(1.0 - rho, ops.multiply(g, g))
        )
        past = ops.sqrt(ops.add(state["moved"], epsilon))
        move = ops.multiply(ops.divide(past, ops.sqrt(ops.add(square, epsilon))), g)
        moved = ops.add(
            ops.multiply(rho, state["moved"]), ops.multiply(1.0 - rho, ops.multiply(move, move))
        )
        new = ops.subtract(w, ops.multiply(ops.cast(rate, dtype_of(w)), move))
        return new, {"square": square, "moved": moved}
