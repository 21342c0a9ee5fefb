"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of
from ranvier.optimizers.base import OPTIMIZERS, Optimizer


@OPTIMIZERS.register("adam")
class Adam(Optimizer):
    """Adam, in PyTorch's order of operations and with its defaults.

    Formula: ``m = m + (1 - b1) (g - m)``, ``v = b2 v + (1 - b2) g^2``,
    ``w = w - rate / (1 - b1^step) * m / (sqrt(v) / sqrt(1 - b2^step) + epsilon)``.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    **Shapes**: ``w, g, m, v: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0.
        betas: b1 and b2, at least 0 and below 1: what stays of each moment from step to step.
        epsilon: added to the root, at least 0.

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
        learning_rate: float = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.learning_rate = number("Adam", "learning_rate", learning_rate, 0.0)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ArgumentError(
                "Adam: the argument betas is not understood.",
                happened=f"betas is {betas!r:.80}",
                needed="two numbers, each at least 0 and below 1",
                fix="write for example betas=(0.9, 0.999)",
            )
        self.betas = tuple(
            number("Adam", f"betas[{i}]", beta, 0.0, 1.0, below_high=True)
            for i, beta in enumerate(betas)
        )
        self.epsilon = number("Adam", "epsilon", epsilon, 0.0)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The running means of g and of its square, from 0."""
        return {"mean": 0.0, "square": 0.0}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`Adam`."""
        first, second = self.betas
        dtype = dtype_of(w)
        # Scalars, in float64 and once a step.
        step_size = ops.cast(ops.divide(rate, _bias_correction(first, step)), dtype)
        root = ops.sqrt(_bias_correction(second, step))
        inverse_root = ops.cast(ops.divide(1.0, root), dtype)
        mean = ops.add(state["mean"], ops.multiply(1.0 - first, ops.subtract(g, state["mean"])))
        square = ops.add(
            ops.multiply(second, state["square"]), ops.multiply(1.0 - second, ops.multiply(g, g))
        )
        divisor = ops.add(ops.multiply(ops.sqrt(square), inverse_root), self.epsilon)
        new = ops.subtract(w, ops.multiply(step_size, ops.divide(mean, divisor)))
        return new, {"mean": mean, "square": square}


def _bias_correction(beta: float, step: Tensor) -> Any:
    """``1 - beta ** step`` as a float64 scalar."""
    if beta == 0.0:
        return 1.0
    return ops.subtract(1.0, ops.exp(ops.multiply(step, math.log(beta))))
