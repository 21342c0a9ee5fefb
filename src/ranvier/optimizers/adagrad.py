"""AdaGrad: each weight with a rate of its own, from all its gradients so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("adagrad")
class AdaGrad(Optimizer):
    """Divides each step by the root of the sum of all squared gradients, with PyTorch's defaults.

    Formula: ``sum = sum + g^2``, ``w = w - rate * g / (sqrt(sum) + epsilon)``.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 2011.

    **Shapes**: ``w, g, sum: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        epsilon: added to the root, at least 0.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"sum": np.zeros(1)}
        >>> w, _ = AdaGrad(0.1).update(np.array([1.0]), np.array([3.0]), state, 1.0, 0.1)
        >>> w.round(6).tolist()
        [0.9]
    """

    name = "adagrad"

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-2,
        epsilon: float = 1e-10,
    ) -> None:
        self.learning_rate = rate_from("AdaGrad", learning_rate)
        self.epsilon = number("AdaGrad", "epsilon", epsilon, 0.0)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The sum of the squares of g, from 0."""
        return {"sum": 0.0}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`AdaGrad`."""
        total = ops.add(state["sum"], ops.multiply(g, g))
        divisor = ops.add(ops.sqrt(total), self.epsilon)
        move = ops.multiply(ops.cast(rate, dtype_of(w)), ops.divide(g, divisor))
        return ops.subtract(w, move), {"sum": total}
