"""The schedule that falls along half a cosine, after a warm-up if one is asked for."""

from __future__ import annotations

from typing import Any

from ranvier import ops
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import number
from ranvier.optimizers.schedules.base import (
    SCHEDULES,
    Clock,
    Schedule,
    length_or_none,
    unit,
    waved,
)


@SCHEDULES.register("CosineDecay")
class CosineDecay(Schedule):
    """From the first rate to the last along half a cosine, then level.

    Formula: ``rate = end + (learning_rate - end) (1 + cos(pi min(s / (length - warmup), 1))) / 2``
    with ``s = t - warmup`` and t the updates (or epochs) done so far; before that, while
    ``t < warmup``, ``rate = learning_rate * (t + 1) / (warmup + 1)``. Without warm-up it is
    PyTorch's CosineAnnealingLR up to its T_max (which then rises again; this one stays).

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017;
    warm-up: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.

    **Shapes**: ``() -> ()``

    Args:
        learning_rate: the largest rate, at least 0.
        length: when the end is reached, warm-up included, above 0; None: at the end of the run.
        warmup: how long the rate rises at first, at least 0 and below the length.
        end: the last rate, at least 0.
        every: ``"step"`` or ``"epoch"``: what t, the length and the warm-up count.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> CosineDecay(0.8, warmup=1, every="epoch").rates(epochs=5).round(6).tolist()
        [0.4, 0.8, 0.682843, 0.4, 0.117157]
    """

    def __init__(
        self,
        learning_rate: float,
        length: float | None = None,
        warmup: float = 0.0,
        end: float = 0.0,
        every: str = "step",
    ) -> None:
        self.learning_rate = number("CosineDecay", "learning_rate", learning_rate, 0.0)
        self.length = length_or_none("CosineDecay", "length", length)
        self.warmup = number("CosineDecay", "warmup", warmup, 0.0)
        self.end = number("CosineDecay", "end", end, 0.0)
        self.every = unit("CosineDecay", every)
        if self.length is not None and self.warmup >= self.length:
            raise ArgumentError(
                "CosineDecay: the warm-up leaves nothing to decay in.",
                happened=f"warmup is {self.warmup:g} of a length of {self.length:g}",
                needed="a warm-up below the length",
                fix="shorten the warm-up, or leave the length out",
            )

    def rate(self, clock: Clock) -> Any:
        """The rate of one step; see :class:`CosineDecay`."""
        now = clock.now(self.every)
        length = clock.end(self.every) if self.length is None else self.length
        # A run shorter than the warm-up never leaves it: what it divides by only must not be 0.
        falling = ops.maximum(ops.subtract(length, self.warmup), 1e-300)
        share = ops.divide(ops.maximum(ops.subtract(now, self.warmup), 0.0), falling)
        decayed = waved(self.learning_rate, self.end, ops.minimum(share, 1.0))
        if not self.warmup:
            return decayed
        slope = self.learning_rate / (self.warmup + 1.0)
        risen = ops.multiply(slope, ops.add(now, 1.0))
        return ops.where(ops.less(now, self.warmup), risen, decayed)
