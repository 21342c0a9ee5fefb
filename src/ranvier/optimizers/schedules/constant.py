"""The schedule that stays where it is."""

from __future__ import annotations

from typing import Any

from ranvier.layers.arguments import number
from ranvier.optimizers.schedules.base import SCHEDULES, Clock, Schedule


@SCHEDULES.register("ConstantSchedule")
class ConstantSchedule(Schedule):
    """The same rate in every step; a plain number does the same.

    Formula: ``rate = learning_rate``.

    **Shapes**: ``() -> ()``

    Args:
        learning_rate: the rate per step, at least 0.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> ConstantSchedule(0.1).rates(epochs=3).tolist()
        [0.1, 0.1, 0.1]
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = number("ConstantSchedule", "learning_rate", learning_rate, 0.0)

    def rate(self, clock: Clock) -> Any:
        """The rate of one step; see :class:`ConstantSchedule`."""
        return self.learning_rate
