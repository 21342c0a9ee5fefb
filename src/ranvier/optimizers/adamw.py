"""AdamW: Adam whose weight decay does not pass through the moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.ops import Tensor
from ranvier.optimizers.adam import Adam
from ranvier.optimizers.base import OPTIMIZERS
from ranvier.optimizers.moments import shrunk
from ranvier.optimizers.schedules import Schedule


@OPTIMIZERS.register("adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay, in PyTorch's order and with its defaults.

    Formula: ``w = (1 - rate * weight_decay) w``, then a step of :class:`Adam` without weight decay,
    with the gradient from before.

    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.

    **Shapes**: ``w, g and the state of Adam: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        betas: b1 and b2, at least 0 and below 1: what stays of each moment from step to step.
        epsilon: added to the root, at least 0.
        weight_decay: the part of w that goes with each step of rate 1, at least 0.
        amsgrad: divide by the root of the largest second moment so far.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> state = {"mean": np.zeros(1), "square": np.zeros(1)}
        >>> w, _ = AdamW(0.1).update(np.array([1.0]), np.array([3.0]), state, 1.0, 0.1)
        >>> w.round(6).tolist()
        [0.899]
    """

    name = "adamw"

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(learning_rate, betas, epsilon, weight_decay, amsgrad)

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`AdamW`."""
        return self._moved(shrunk(w, rate, self.weight_decay), g, state, step, rate)
