"""The schedule that falls along a straight line, or a power of one."""

from __future__ import annotations

from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number
from ranvier.optimizers.schedules.base import SCHEDULES, Clock, Schedule, length_or_none, unit


@SCHEDULES.register("PolynomialDecay")
class PolynomialDecay(Schedule):
    """From the first rate to the last along a power of a straight line, then level.

    Formula: ``rate = end + (learning_rate - end) * (1 - min(t / length, 1)) ** exponent``, with t
    the updates (or epochs) done so far; with ``end`` 0 PyTorch's PolynomialLR.

    **Shapes**: ``() -> ()``

    Args:
        learning_rate: the first rate, at least 0.
        length: when the end is reached, above 0; None: at the end of the run.
        exponent: 1 is a straight line; above 0.
        end: the last rate, at least 0.
        every: ``"step"`` or ``"epoch"``: what t and the length count.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> PolynomialDecay(0.8, every="epoch").rates(epochs=4).round(6).tolist()
        [0.8, 0.6, 0.4, 0.2]
    """

    def __init__(
        self,
        learning_rate: float,
        length: float | None = None,
        exponent: float = 1.0,
        end: float = 0.0,
        every: str = "step",
    ) -> None:
        self.learning_rate = number("PolynomialDecay", "learning_rate", learning_rate, 0.0)
        self.length = length_or_none("PolynomialDecay", "length", length)
        self.exponent = number("PolynomialDecay", "exponent", exponent, 0.0, above_low=True)
        self.end = number("PolynomialDecay", "end", end, 0.0)
        self.every = unit("PolynomialDecay", every)

    def rate(self, clock: Clock) -> Any:
        """The rate of one step; see :class:`PolynomialDecay`."""
        length = clock.end(self.every) if self.length is None else self.length
        left = ops.subtract(1.0, ops.minimum(ops.divide(clock.now(self.every), length), 1.0))
        if self.exponent != 1.0:
            # At the end log(0) is -inf, and exp(-inf) is the 0 that is meant.
            left = ops.exp(ops.multiply(self.exponent, ops.log(left)))
        return ops.add(self.end, ops.multiply(self.learning_rate - self.end, left))
