"""The schedule that falls in stairs."""

from __future__ import annotations

from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.optimizers.schedules.base import SCHEDULES, Clock, Schedule, power, unit


@SCHEDULES.register("StepDecay")
class StepDecay(Schedule):
    """The rate times a factor after every so many epochs, as PyTorch's StepLR.

    Formula: ``rate = learning_rate * factor ** floor(t / length)``, with t the epochs (or updates)
    done so far.

    **Shapes**: ``() -> ()``

    Args:
        learning_rate: the first rate, at least 0.
        length: how long each stair is, above 0.
        factor: what the rate is multiplied by, above 0.
        every: ``"epoch"`` or ``"step"``: what t and the length count.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> StepDecay(0.8, length=2, factor=0.5).rates(epochs=5).round(6).tolist()
        [0.8, 0.8, 0.4, 0.4, 0.2]
    """

    def __init__(
        self, learning_rate: float, length: float, factor: float = 0.1, every: str = "epoch"
    ) -> None:
        self.learning_rate = number("StepDecay", "learning_rate", learning_rate, 0.0)
        self.length = number("StepDecay", "length", length, 0.0, above_low=True)
        self.factor = number("StepDecay", "factor", factor, 0.0, above_low=True)
        self.every = unit("StepDecay", every)

    def rate(self, clock: Clock) -> Any:
        """The rate of one step; see :class:`StepDecay`."""
        stairs = ops.floor(ops.divide(clock.now(self.every), self.length))
        return ops.multiply(self.learning_rate, power(self.factor, stairs))
