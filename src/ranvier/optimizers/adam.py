"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import flag, number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.moments import bias_correction, two_betas
from ranvier.optimizers.schedules import Schedule, rate_from


@OPTIMIZERS.register("adam")
class Adam(Optimizer):
    """Adam, in PyTorch's order of operations and with its defaults.

    Formula: ``m = m + (1 - b1) (g - m)``, ``v = b2 v + (1 - b2) g^2``,
    ``w = w - rate / (1 - b1^step) * m / (sqrt(v) / sqrt(1 - b2^step) + epsilon)``; with weight
    decay ``g + weight_decay * w`` in the place of g; with amsgrad the largest v so far in the
    place of v in the last line.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015; amsgrad: Reddi, Kale
    and Kumar, "On the convergence of Adam and beyond", ICLR 2018.

    **Shapes**: ``w, g, m, v, largest v: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        betas: b1 and b2, at least 0 and below 1: what stays of each moment from step to step.
        epsilon: added to the root, at least 0.
        weight_decay: the part of w that is added to its gradient, at least 0.
        amsgrad: divide by the root of the largest v so far, so that no step grows again.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"mean": np.zeros(1), "square": np.zeros(1)}
        >>> w, _ = Adam(0.1).update(np.array([1.0]), np.array([3.0]), state, 1.0, 0.1)
        >>> w.round(6).tolist()
        [0.9]
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        place = type(self).__name__
        self.learning_rate = rate_from(place, learning_rate)
        self.betas = two_betas(place, betas)
        self.epsilon = number(place, "epsilon", epsilon, 0.0)
        self.weight_decay = number(place, "weight_decay", weight_decay, 0.0)
        self.amsgrad = flag(place, "amsgrad", amsgrad)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The running means of g and of its square, from 0; with amsgrad the largest of these."""
        return {"mean": 0.0, "square": 0.0} | ({"largest": 0.0} if self.amsgrad else {})

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`Adam`."""
        if self.weight_decay:
            g = ops.add(g, ops.multiply(self.weight_decay, w))
        return self._moved(w, g, state, step, rate)

    def _moved(
        self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], step: Tensor, rate: Tensor
    ) -> tuple[Any, dict[str, Any]]:
        """One step without weight decay."""
        first, second = self.betas
        dtype = dtype_of(w)
        # Scalars, in float64 and once a step.
        step_size = ops.cast(ops.divide(rate, bias_correction(first, step)), dtype)
        root = ops.sqrt(bias_correction(second, step))
        inverse_root = ops.cast(ops.divide(1.0, root), dtype)
        mean = ops.add(state["mean"], ops.multiply(1.0 - first, ops.subtract(g, state["mean"])))
        square = ops.add(
            ops.multiply(second, state["square"]), ops.multiply(1.0 - second, ops.multiply(g, g))
        )
        new_state = {"mean": mean, "square": square}
        if self.amsgrad:
            square = new_state["largest"] = ops.maximum(state["largest"], square)
        divisor = ops.add(ops.multiply(ops.sqrt(square), inverse_root), self.epsilon)
        return ops.subtract(w, ops.multiply(step_size, ops.divide(mean, divisor))), new_state
