"""The schedule that falls by the same factor again and again."""

from __future__ import annotations

from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.optimizers.schedules.base import SCHEDULES, Clock, Schedule, power, unit


@SCHEDULES.register("ExponentialDecay")
class ExponentialDecay(Schedule):
    """The rate times a factor after each epoch, as PyTorch's ExponentialLR.

    Formula: ``rate = learning_rate * factor ** t``, with t the epochs (or updates) done so far. A
    factor above 1 makes it grow, as a search for the largest useful rate does.

    **Shapes**: ``() -> ()``

    Args:
        learning_rate: the first rate, at least 0.
        factor: what the rate is multiplied by, above 0.
        every: ``"epoch"`` or ``"step"``: what t counts.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> ExponentialDecay(0.8, 0.5).rates(epochs=4).round(6).tolist()
        [0.8, 0.4, 0.2, 0.1]
    """

    def __init__(self, learning_rate: float, factor: float = 0.95, every: str = "epoch") -> None:
        self.learning_rate = number("ExponentialDecay", "learning_rate", learning_rate, 0.0)
        self.factor = number("ExponentialDecay", "factor", factor, 0.0, above_low=True)
        self.every = unit("ExponentialDecay", every)

    def rate(self, clock: Clock) -> Any:
        """The rate of one step; see :class:`ExponentialDecay`."""
        return ops.multiply(self.learning_rate, power(self.factor, clock.now(self.every)))
