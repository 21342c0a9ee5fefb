"""Adamax: Adam with the largest recent gradient in the place of the root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.moments import bias_correction, two_betas
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("adamax")
class Adamax(Optimizer):
    """Adam by the infinity norm, in PyTorch's order of operations and with its defaults.

    Formula: ``m = m + (1 - b1) (g - m)``, ``u = max(b2 u, |g| + epsilon)``,
    ``w = w - rate / (1 - b1^step) * m / u``.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.

    **Shapes**: ``w, g, m, u: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        betas: b1 and b2, at least 0 and below 1: what stays of each number from step to step.
        epsilon: added to the size of each gradient, at least 0.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"mean": np.zeros(1), "largest": np.zeros(1)}
        >>> w, _ = Adamax(0.1).update(np.array([1.0]), np.array([3.0]), state, 1.0, 0.1)
        >>> w.round(6).tolist()
        [0.9]
    """

    name = "adamax"

    def __init__(
        self,
        learning_rate: float | Schedule = 2e-3,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.learning_rate = rate_from("Adamax", learning_rate)
        self.betas = two_betas("Adamax", betas)
        self.epsilon = number("Adamax", "epsilon", epsilon, 0.0)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The running mean of g and its largest size, which fades, from 0."""
        return {"mean": 0.0, "largest": 0.0}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`Adamax`."""
        first, second = self.betas
        step_size = ops.cast(ops.divide(rate, bias_correction(first, step)), dtype_of(w))
        mean = ops.add(state["mean"], ops.multiply(1.0 - first, ops.subtract(g, state["mean"])))
        size = ops.add(ops.absolute(g), self.epsilon)
        largest = ops.maximum(ops.multiply(second, state["largest"]), size)
        new = ops.subtract(w, ops.multiply(step_size, ops.divide(mean, largest)))
        return new, {"mean": mean, "largest": largest}
