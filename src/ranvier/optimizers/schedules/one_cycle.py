"""The schedule of one cycle: up to a large rate, then down to nearly nothing."""

from __future__ import annotations

from typing import Any

from ranvier import ops
from ranvier.layers.arguments import number, one_of
from ranvier.ops import Tensor
from ranvier.optimizers.schedules.base import (
    SCHEDULES,
    Clock,
    Schedule,
    length_or_none,
    unit,
    waved,
)


@SCHEDULES.register("OneCycle")
class OneCycle(Schedule):
    """Up to a large rate and down to nearly nothing, as PyTorch's OneCycleLR with its defaults.

    Formula: with ``top = rising * length - 1``, from ``learning_rate / divisor`` to
    ``learning_rate`` while t goes from 0 to top, then to
    ``learning_rate / divisor / final_divisor`` while t goes on to ``length - 1``, along halves of
    a cosine or straight lines; t is the updates (or epochs) done so far. Where PyTorch also cycles
    momentum, this one leaves it alone (its ``cycle_momentum=False``).

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018.

    **Shapes**: ``() -> ()``

    Args:
        learning_rate: the largest rate, at least 0 (PyTorch's max_lr).
        length: of the cycle, above 0; None: the whole run.
        rising: the part of the cycle in which the rate rises, at least 0 and at most 1.
        divisor: the largest rate over the first one, above 0.
        final_divisor: the first rate over the last one, above 0.
        shape: ``"cosine"`` or ``"linear"``.
        every: ``"step"`` or ``"epoch"``: what t and the length count.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> OneCycle(0.1, rising=0.5, shape="linear").rates(epochs=6).round(3).tolist()
        [0.004, 0.052, 0.1, 0.067, 0.033, 0.0]
    """

    def __init__(
        self,
        learning_rate: float,
        length: float | None = None,
        rising: float = 0.3,
        divisor: float = 25.0,
        final_divisor: float = 1e4,
        shape: str = "cosine",
        every: str = "step",
    ) -> None:
        place = "OneCycle"
        self.learning_rate = number(place, "learning_rate", learning_rate, 0.0)
        self.length = length_or_none(place, "length", length)
        self.rising = number(place, "rising", rising, 0.0, 1.0)
        self.divisor = number(place, "divisor", divisor, 0.0, above_low=True)
        self.final_divisor = number(place, "final_divisor", final_divisor, 0.0, above_low=True)
        self.shape = one_of(place, "shape", shape, ("cosine", "linear"))
        self.every = unit(place, every)

    def rate(self, clock: Clock) -> Any:
        """The rate of one step; see :class:`OneCycle`."""
        length = clock.end(self.every) if self.length is None else self.length
        last = ops.subtract(length, 1.0)
        now = ops.minimum(clock.now(self.every), last)
        top = ops.subtract(ops.multiply(self.rising, length), 1.0)
        first = self.learning_rate / self.divisor
        rise = self._between(first, self.learning_rate, _share(now, top))
        way = ops.subtract(last, top)
        fall = self._between(
            self.learning_rate, first / self.final_divisor, _share(ops.subtract(now, top), way)
        )
        return ops.where(ops.less_equal(now, top), rise, fall)

    def _between(self, start: float, end: float, share: Tensor) -> Any:
        if self.shape == "cosine":
            return waved(start, end, share)
        return ops.add(start, ops.multiply(end - start, share))


def _share(done: Tensor, whole: Tensor) -> Any:
    """``done / whole``; of a way of length 0 nothing is done yet."""
    empty = ops.less_equal(whole, 0.0)
    return ops.where(empty, 0.0, ops.divide(done, ops.where(empty, 1.0, whole)))
