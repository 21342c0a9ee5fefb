"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.moments import bias_correction, two_betas
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("nadam")
class NAdam(Optimizer):
    """Adam with Nesterov's momentum, in PyTorch's order of operations and with its defaults.

    Formula: ``mu(t) = b1 (1 - 0.96^(t * momentum_decay) / 2)``, ``p = p * mu(step)``,
    ``m = m + (1 - b1) (g - m)``, ``v = b2 v + (1 - b2) g^2``,
    ``r = sqrt(v / (1 - b2^step)) + epsilon``,
    ``w = w - rate ((1 - mu(step)) / (1 - p) * g / r
    + mu(step + 1) / (1 - p * mu(step + 1)) * m / r)``.

    The product p is one number, kept here for each weight, as all state has the weight's shape.

    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.

    **Shapes**: ``w, g, m, v, p: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        betas: b1 and b2, at least 0 and below 1: what stays of each moment from step to step.
        epsilon: added to the root, at least 0.
        momentum_decay: how soon the momentum nears b1, at least 0.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"mean": np.zeros(1), "square": np.zeros(1), "product": np.ones(1)}
        >>> w, _ = NAdam(0.1).update(np.array([1.0]), np.array([3.0]), state, 1.0, 0.1)
        >>> w.round(6).tolist()
        [0.894355]
    """

    name = "nadam"

    def __init__(
        self,
        learning_rate: float | Schedule = 2e-3,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        momentum_decay: float = 4e-3,
    ) -> None:
        self.learning_rate = rate_from("NAdam", learning_rate)
        self.betas = two_betas("NAdam", betas)
        self.epsilon = number("NAdam", "epsilon", epsilon, 0.0)
        self.momentum_decay = number("NAdam", "momentum_decay", momentum_decay, 0.0)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The running means of g and of its square, from 0; the product of momenta, from 1."""
        return {"mean": 0.0, "square": 0.0, "product": 1.0}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`NAdam`."""
        first, second = self.betas
        dtype = dtype_of(w)
        # Scalars, in float64 and once a step.
        now, then = self._momentum(step), self._momentum(ops.add(step, 1.0))
        of_slope = ops.cast(ops.multiply(rate, ops.subtract(1.0, now)), dtype)
        of_mean = ops.cast(ops.multiply(rate, then), dtype)
        inverse_root = ops.cast(ops.divide(1.0, ops.sqrt(bias_correction(second, step))), dtype)
        product = ops.multiply(state["product"], ops.cast(now, dtype))
        mean = ops.add(state["mean"], ops.multiply(1.0 - first, ops.subtract(g, state["mean"])))
        square = ops.add(
            ops.multiply(second, state["square"]), ops.multiply(1.0 - second, ops.multiply(g, g))
        )
        divisor = ops.add(ops.multiply(ops.sqrt(square), inverse_root), self.epsilon)
        product_then = ops.multiply(product, ops.cast(then, dtype))
        move = ops.add(
            ops.multiply(ops.divide(of_slope, ops.subtract(1.0, product)), g),
            ops.multiply(ops.divide(of_mean, ops.subtract(1.0, product_then)), mean),
        )
        new = ops.subtract(w, ops.divide(move, divisor))
        return new, {"mean": mean, "square": square, "product": product}

    def _momentum(self, step: Tensor) -> Any:
        """``mu(step)`` as a float64 scalar."""
        faded = ops.exp(ops.multiply(step, self.momentum_decay * math.log(0.96)))
        return ops.multiply(self.betas[0], ops.subtract(1.0, ops.multiply(0.5, faded)))
