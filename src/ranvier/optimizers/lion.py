"""Lion: steps of one size, by the sign of a running mean of the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.moments import shrunk, two_betas
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("lion")
class Lion(Optimizer):
    """Moves every weight by the rate, in the direction of a mean of past and present gradients.

    Formula: ``u = sign(b1 m + (1 - b1) g)``, ``w = (1 - rate * weight_decay) w - rate * u``,
    ``m = b2 m + (1 - b2) g``; sign(0) is 0, and NaN stays NaN. A good rate is 3 to 10 times
    smaller than Adam's.

    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.

    **Shapes**: ``w, g, m: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        betas: b1 and b2, at least 0 and below 1: what the past counts for in the direction, and
            what stays of it.
        weight_decay: the part of w that goes with each step of rate 1, at least 0.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"mean": np.zeros(1)}
        >>> w, _ = Lion(0.1).update(np.array([1.0]), np.array([3.0]), state, 1.0, 0.1)
        >>> w.round(6).tolist()
        [0.9]
    """

    name = "lion"

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-4,
        betas: Sequence[float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        self.learning_rate = rate_from("Lion", learning_rate)
        self.betas = two_betas("Lion", betas)
        self.weight_decay = number("Lion", "weight_decay", weight_decay, 0.0)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The running mean of g, from 0."""
        return {"mean": 0.0}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`Lion`."""
        first, second = self.betas
        past = state["mean"]
        mixed = ops.add(ops.multiply(first, past), ops.multiply(1.0 - first, g))
        sign = ops.where(ops.less(0.0, mixed), 1.0, ops.where(ops.less(mixed, 0.0), -1.0, mixed))
        move = ops.multiply(ops.cast(rate, dtype_of(w)), sign)
        mean = ops.add(ops.multiply(second, past), ops.multiply(1.0 - second, g))
        return ops.subtract(shrunk(w, rate, self.weight_decay), move), {"mean": mean}
