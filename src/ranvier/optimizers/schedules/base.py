"""What a schedule is: the rate of a step as a function of the clock, written in ``ranvier.ops``.

It is a graph of scalars that the training program computes at each step; nothing is compiled anew
when the number of epochs changes.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import ops
from ranvier.foundation.registry import Registry
from ranvier.layers.arguments import number, one_of
from ranvier.layers.configured import Configured, described
from ranvier.ops import Tensor

SCHEDULES: Registry[type[Schedule]] = Registry("schedule")

#: When a schedule moves on by one.
UNITS = ("epoch", "step")


@dataclass(frozen=True)
class Clock:
    """Where a run is: float64 scalars that count from 0.

    Attributes:
        step: updates done before this one.
        epoch: epochs finished before this step.
        steps: updates of the whole run.
        epochs: epochs of the whole run.
    """

    step: Tensor
    epoch: Tensor
    steps: Tensor
    epochs: Tensor

    def now(self, every: str) -> Any:
        """How often a schedule has moved on, by its unit."""
        return self.epoch if every == "epoch" else self.step

    def end(self, every: str) -> Any:
        """How often it moves on in the whole run, by its unit."""
        return self.epochs if every == "epoch" else self.steps


class Schedule(Configured):
    """Base of all schedules: give one in the place of a learning rate, ``Adam(StepDecay(0.1, 5))``.

    A schedule has a ``learning_rate`` of its own and counts in one unit, its argument ``every``:
    with ``"epoch"`` it moves on after each epoch, with ``"step"`` after each update, and all its
    lengths are counted in that unit. Only the rate changes; momentum does not.

    Example:
        >>> class Halves(Schedule):
        ...     def __init__(self, learning_rate):
        ...         self.learning_rate = learning_rate
        ...     def rate(self, clock):
        ...         return ops.divide(self.learning_rate, ops.add(clock.epoch, 1.0))
        >>> Halves(0.1).rates(3).tolist() == [0.1, 0.1 / 2, 0.1 / 3]
        True
    """

    learning_rate: float

    @abstractmethod
    def rate(self, clock: Clock) -> Any:
        """The rate of one step. **Shapes**: ``clock: () each -> ()``, all float64"""

    def rates(self, epochs: int, steps_per_epoch: int = 1) -> NDArray[np.float64]:
        """The rate of every step of a run, to look at or to draw.

        **Shapes**: ``-> (epochs * steps_per_epoch,)``

        Args:
            epochs: of the run.
            steps_per_epoch: updates of an epoch.
        """
        count = epochs * steps_per_epoch
        step = np.arange(count, dtype=np.float64)
        whole = (np.float64(count), np.float64(epochs))
        found = self.rate(Clock(step, np.floor(step / steps_per_epoch), *whole))
        return np.array(np.broadcast_to(found, (count,)))


def rate_from(place: str, value: object) -> float | Schedule:
    """A learning rate as a number, or a schedule as it is or from a configuration.

    Args:
        place: the class whose argument it is.
        value: a number of at least 0, a :class:`Schedule`, or ``{"name": ..., "config": {...}}``.

    Raises:
        ArgumentError: for anything else.
        UnknownNameError: for a schedule that is not registered.
    """
    if isinstance(value, Schedule):
        return value
    found = described(value, SCHEDULES)
    return number(place, "learning_rate", value, 0.0) if found is None else found


def unit(place: str, every: object) -> str:
    """``"epoch"`` or ``"step"``.

    Raises:
        ArgumentError: for anything else.
    """
    return one_of(place, "every", every, UNITS)


def length_or_none(place: str, name: str, value: object) -> float | None:
    """A length above 0 in the schedule's unit, or None for the end of the run.

    Raises:
        ArgumentError: for anything else.
    """
    return None if value is None else number(place, name, value, 0.0, above_low=True)


def power(base: float, exponent: Tensor) -> Any:
    """``base ** exponent`` for a base above 0."""
    return ops.exp(ops.multiply(exponent, math.log(base)))


def waved(start: Tensor, end: Tensor, share: Tensor) -> Any:
    """From ``start`` to ``end`` along half a cosine, as the share goes from 0 to 1."""
    height = ops.add(1.0, ops.cos(ops.multiply(math.pi, share)))
    return ops.add(end, ops.multiply(ops.multiply(ops.subtract(start, end), 0.5), height))
