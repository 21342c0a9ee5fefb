"""The schedule that falls along half a cosine and starts again."""

from __future__ import annotations

import math
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number, whole_number
from ranvier.optimizers.schedules.base import SCHEDULES, Clock, Schedule, power, unit, waved


@SCHEDULES.register("CosineRestarts")
class CosineRestarts(Schedule):
    """Half a cosine again and again, as PyTorch's CosineAnnealingWarmRestarts.

    Formula: ``rate = end + (learning_rate - end) (1 + cos(pi s / length)) / 2``, with s the epochs
    (or updates) since the last restart and the length from this restart to the next: ``first`` at
    first, and ``growth`` times as long each time.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    **Shapes**: ``() -> ()``

    Args:
        learning_rate: the largest rate, at least 0.
        first: the length of the first cycle, at least 1 (PyTorch's T_0).
        growth: how many times as long each cycle is as the one before, at least 1 (T_mult).
        end: what each cycle falls towards, at least 0.
        every: ``"epoch"`` or ``"step"``: what cycles are counted in.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> CosineRestarts(0.8, first=2, growth=2).rates(epochs=6).round(6).tolist()
        [0.8, 0.4, 0.8, 0.682843, 0.4, 0.117157]
    """

    def __init__(
        self,
        learning_rate: float,
        first: int,
        growth: int = 1,
        end: float = 0.0,
        every: str = "epoch",
    ) -> None:
        self.learning_rate = number("CosineRestarts", "learning_rate", learning_rate, 0.0)
        self.first = whole_number("CosineRestarts", "first", first)
        self.growth = whole_number("CosineRestarts", "growth", growth)
        self.end = number("CosineRestarts", "end", end, 0.0)
        self.every = unit("CosineRestarts", every)

    def rate(self, clock: Clock) -> Any:
        """The rate of one step; see :class:`CosineRestarts`."""
        start, length = self._cycle(clock.now(self.every))
        share = ops.divide(ops.subtract(clock.now(self.every), start), length)
        return waved(self.learning_rate, self.end, share)

    def _cycle(self, now: Any) -> tuple[Any, Any]:
        """When the present cycle began, and its length: whole numbers."""
        first, growth = float(self.first), float(self.growth)
        if self.growth == 1:
            return ops.multiply(ops.floor(ops.divide(now, first)), first), first
        # Cycle n begins at first (growth^n - 1) / (growth - 1). The logarithm that is solved for
        # n may fall just short of a whole number: it is lifted, and one that was lifted too far
        # is taken back.
        grown = ops.add(ops.multiply(ops.divide(now, first), growth - 1.0), 1.0)
        number_ = ops.floor(ops.add(ops.multiply(ops.log(grown), 1.0 / math.log(growth)), 1e-6))
        too_far = ops.less(now, self._begin(number_))
        number_ = ops.subtract(number_, ops.cast(too_far, "float64"))
        return self._begin(number_), ops.multiply(first, self._grown(number_))

    def _grown(self, cycle: Any) -> Any:
        return ops.floor(ops.add(power(float(self.growth), cycle), 0.5))

    def _begin(self, cycle: Any) -> Any:
        # A whole number times first, over growth - 1: exact, as growth^n - 1 is a multiple of it.
        ratio = ops.divide(ops.subtract(self._grown(cycle), 1.0), float(self.growth - 1))
        return ops.multiply(float(self.first), ratio)
