"""Who listens to a run, and how often.

A callback says how often it listens, and Python is entered then and never between: a run without
callbacks is one native call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ranvier.foundation.errors import ArgumentError
from ranvier.training.events import (
    EpochEnded,
    Event,
    StepEnded,
    TimePassed,
    TrainingEnded,
    TrainingStarted,
)

#: The method that an event of each unit goes to.
METHODS = {"epoch": "on_epoch", "step": "on_step", "second": "on_time"}
_FORM = re.compile(r"(?:(\d+(?:\.\d+)?)\s+)?(epoch|step|second)(s?)")


class Callback:
    """Something that listens to training. Subclass it and write the methods you need.

    Python is entered when `every` says so and at the start and the end of a run; all other epochs
    and steps run natively. A callback runs in the thread that called `fit`, while the training
    waits. An error in it stops the run and comes out as it is; the weights so far are kept.

    Attributes:
        every: ``"epoch"``, ``"10 epochs"``, ``"step"``, ``"100 steps"``, ``"0.5 seconds"``, or a
            tuple of such texts; ``"run"``: only the start and the end.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> class Enough(rv.Callback):
        ...     every = "2 epochs"
        ...     def on_epoch(self, event):
        ...         if event["loss"] < 100.0:
        ...             event.stop()
        >>> x = np.arange(8.0)[:, None]
        >>> model = rv.Sequential(rv.Dense(1))
        >>> model.fit(x, x, epochs=50, callbacks=[Enough()], engine="reference").epochs
        2
    """

    every: str | tuple[str, ...] = "epoch"

    def on_start(self, event: TrainingStarted) -> None:
        """Before the first step; what the callback remembers of an earlier run is forgotten here.

        Args:
            event: how long the run will be.
        """

    def on_step(self, event: StepEnded) -> None:
        """After every so many steps."""

    def on_epoch(self, event: EpochEnded) -> None:
        """After every so many epochs and their validation."""

    def on_time(self, event: TimePassed) -> None:
        """After every so many seconds, between two steps."""

    def on_end(self, event: TrainingEnded) -> None:
        """After the run, unless a callback failed."""

    def checkpoint_state(self) -> Mapping[str, Any]:
        """What a checkpoint keeps of this callback: numbers, texts, lists and dicts of these.

        A callback whose later decisions depend on what it saw gives that here, and takes it back
        in `resume_from`; an empty dict: nothing.
        """
        return {}

    def resume_from(self, state: Mapping[str, Any]) -> None:
        """Take back what `checkpoint_state` gave; called after `on_start` of a resumed run."""


class FunctionCallback(Callback):
    """A function that is called with each event; what it returns does not matter.

    A plain function among ``callbacks=[...]`` is the same with ``every="epoch"``.

    Args:
        function: of an event.
        every: as `Callback.every`.

    Raises:
        ArgumentError: something that cannot be called, or an `every` that is not understood.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> losses = []
        >>> listener = rv.FunctionCallback(lambda event: losses.append(event.loss), every="step")
        >>> x = np.arange(8.0)[:, None]
        >>> _ = rv.Sequential(rv.Dense(1)).fit(
        ...     x, x, epochs=3, batch_size=4, callbacks=[listener], engine="reference"
        ... )
        >>> len(losses)
        6
    """

    def __init__(
        self, function: Callable[..., object], every: str | tuple[str, ...] = "epoch"
    ) -> None:
        if not callable(function) or isinstance(function, type):
            raise ArgumentError(
                "FunctionCallback needs a function.",
                happened=f"it got {function!r:.80}",
                needed="a function of one event",
                fix="write for example rv.FunctionCallback(print)",
            )
        self.function, self.every = function, every
        subscriptions(self)

    def on_step(self, event: StepEnded) -> None:
        """Call the function."""
        self.function(event)

    def on_epoch(self, event: EpochEnded) -> None:
        """Call the function."""
        self.function(event)

    def on_time(self, event: TimePassed) -> None:
        """Call the function."""
        self.function(event)

    def __repr__(self) -> str:
        return f"FunctionCallback({getattr(self.function, '__name__', self.function)!s})"


@dataclass(frozen=True)
class Subscription:
    """One callback, and how often it listens to what.

    Attributes:
        callback: who.
        unit: "epoch", "step" or "second".
        every: how many of them pass between two events.
    """

    units: ClassVar[tuple[str, ...]] = tuple(METHODS)

    callback: Callback
    unit: str
    every: float

    def send(self, event: Event) -> None:
        """Hand an event over."""
        getattr(self.callback, METHODS[self.unit])(event)

    def __str__(self) -> str:
        count = "" if self.every == 1 else f"{self.every:g} "
        return f"every {count}{self.unit}{'s' if self.every != 1 else ''}"


def subscriptions(callback: Callback) -> tuple[Subscription, ...]:
    """What a callback listens to.

    Raises:
        ArgumentError: an `every` that is not understood, or that never calls a method which the
            callback defines.
    """
    name = type(callback).__name__
    wishes = (callback.every,) if isinstance(callback.every, str) else tuple(callback.every)
    found = [one for wish in wishes if wish != "run" for one in _parsed(callback, name, wish)]
    heard = {METHODS[subscription.unit] for subscription in found}
    for unit, method in METHODS.items():
        defined = getattr(type(callback), method) is not getattr(Callback, method)
        if defined and method not in heard and not isinstance(callback, FunctionCallback):
            raise ArgumentError(
                f"The method {method} of the callback {name} would never be called.",
                happened=f"{name}.every is {callback.every!r}",
                needed=f"an interval in {unit}s",
                fix=f'write every = "{unit}" in the class, or several: ("epoch", "100 steps")',
            )
    return tuple(found)


def _parsed(callback: Callback, name: str, wish: object) -> Sequence[Subscription]:
    match = _FORM.fullmatch(wish) if isinstance(wish, str) else None
    count = float(match[1]) if match and match[1] else 1.0
    whole = match is not None and (match[2] == "second" or count == int(count))
    if match is None or not count or not whole:
        raise ArgumentError(
            f"The callback {name} says how often it listens in words that are not understood.",
            happened=f"every is {wish!r:.80}",
            needed="a number of epochs, steps or seconds",
            fix='"epoch", "10 epochs", "step", "100 steps", "0.5 seconds" or "run"',
        )
    return (Subscription(callback, match[2], count),)
