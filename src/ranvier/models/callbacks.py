"""What may happen beside the training itself: stopping early, a smaller rate, a user's own.

`EarlyStopping` is a record of what the user wants; training turns it into the native monitor, so
no Python runs between epochs. All others listen: see `ranvier.training.callbacks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ranvier.foundation.errors import ArgumentError, UnknownNameError, did_you_mean
from ranvier.layers.arguments import flag, needs_call, number, one_of, whole_number
from ranvier.training.callbacks import Callback, FunctionCallback, subscriptions
from ranvier.training.events import EpochEnded, TrainingStarted
from ranvier.training.program import Monitor

MODES = ("auto", "min", "max")


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a number no longer gets better, and keep the weights of the best epoch.

    Args:
        metric: a name of the history: ``"val_loss"``, ``"val_accuracy"``, ``"loss"`` ... Without
            validation data a ``val_`` name falls back to the training's own number, and that is
            said in ``history.notes``.
        patience: epochs without an improvement after which training stops.
        tolerance: an improvement is counted only if it is larger than this.
        keep_best: put the best epoch's weights back at the end.
        mode: ``"min"``, ``"max"``, or ``"auto"``: the loss and errors down, accuracy up.

    ``EarlyStopping("loss", tolerance=1e-4, patience=10)`` is the stopping rule of scikit-learn's
    ``tol`` and ``n_iter_no_change``: it ends when ten epochs in a row bring the training loss down
    by no more than 0.0001 below its lowest so far.

    Raises:
        ArgumentError: a patience below 1, a negative tolerance, or another mode.

    Example:
        >>> import ranvier as rv
        >>> rv.EarlyStopping(patience=5).metric
        'val_loss'
    """

    metric: str = "val_loss"
    patience: int = 3
    tolerance: float = 0.0
    keep_best: bool = True
    mode: str = "auto"

    def __post_init__(self) -> None:
        whole_number("EarlyStopping", "patience", self.patience)
        number("EarlyStopping", "tolerance", self.tolerance, 0.0)
        flag("EarlyStopping", "keep_best", self.keep_best)
        one_of("EarlyStopping", "mode", self.mode, MODES)
        _check_metric("EarlyStopping", self.metric)


@dataclass
class ReduceLearningRateOnPlateau(Callback):
    """Multiply the learning rate by a factor when a number no longer gets better.

    It decides as PyTorch's ``ReduceLROnPlateau`` with a relative threshold: an epoch is better if
    its number is below ``best * (1 - threshold)`` (above ``best * (1 + threshold)`` where larger is
    better); after more than `patience` epochs in a row that are not, the rate is multiplied.

    Args:
        metric: a name of the history; without validation data a ``val_`` name falls back to the
            training's own number, and that is said in ``history.notes``.
        factor: what the rate is multiplied by, above 0 and below 1.
        patience: epochs without an improvement that are accepted.
        threshold: the relative size of an improvement that counts.
        cooldown: epochs after a reduction that are not counted.
        min_learning_rate: the rate never goes below this; with a schedule or groups of
            parameters, the factor on their rates.
        mode: ``"min"``, ``"max"``, or ``"auto"``: the loss and errors down, accuracy up.

    Raises:
        ArgumentError: an argument outside its domain.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> slower = rv.ReduceLearningRateOnPlateau("loss", factor=0.5, patience=0, threshold=0.9)
        >>> x, rates = np.arange(8.0)[:, None], []
        >>> _ = rv.Sequential(rv.Dense(1)).fit(
        ...     x, x, epochs=3, optimizer=rv.SGD(1e-6), engine="reference",
        ...     callbacks=[slower, lambda event: rates.append(event.learning_rate)],
        ... )
        >>> rates
        [1e-06, 5e-07, 2.5e-07]
    """

    metric: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_learning_rate: float = 0.0
    mode: str = "auto"
    _best: float = field(default=0.0, init=False, repr=False)
    _sign: float = field(default=1.0, init=False, repr=False)
    _watched: str = field(default="", init=False, repr=False)
    _bad: int = field(default=0, init=False, repr=False)
    _cooling: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        name = "ReduceLearningRateOnPlateau"
        _check_metric(name, self.metric)
        number(name, "factor", self.factor, 0.0, 1.0, above_low=True, below_high=True)
        whole_number(name, "patience", self.patience, low=0)
        number(name, "threshold", self.threshold, 0.0)
        whole_number(name, "cooldown", self.cooldown, low=0)
        number(name, "min_learning_rate", self.min_learning_rate, 0.0)
        one_of(name, "mode", self.mode, MODES)

    def on_start(self, event: TrainingStarted) -> None:
        """Forget an earlier run."""
        name, _ = watched(type(self).__name__, self.metric, event.columns)
        self._watched = name
        rising = self.mode == "max" or (self.mode == "auto" and name in event.rising)
        self._sign = -1.0 if rising else 1.0
        self._best, self._bad, self._cooling = float("inf"), 0, 0

    def on_epoch(self, event: EpochEnded) -> None:
        """Count the epoch, and reduce the rate if it is one too many."""
        # With the sign turned, smaller is better; the allowance is of the size of the best.
        value = self._sign * event[self._watched]
        allowance = self._sign * self._best * self.threshold
        if value < self._best - (allowance if self._best < float("inf") else 0.0):
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._cooling > 0:
            self._cooling, self._bad = self._cooling - 1, 0
        if self._bad > self.patience:
            self._cooling, self._bad = self.cooldown, 0
            rate = max(event.learning_rate * self.factor, self.min_learning_rate)
            event.set_learning_rate(min(rate, event.learning_rate))

    def checkpoint_state(self) -> dict[str, Any]:
        """The best number so far, and what was counted since."""
        return {"best": self._best, "bad": self._bad, "cooling": self._cooling}

    def resume_from(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        self._best, self._bad = float(state["best"]), int(state["bad"])
        self._cooling = int(state["cooling"])


AnyCallback: TypeAlias = EarlyStopping | Callback | Callable[[EpochEnded], object]
Callbacks: TypeAlias = Sequence[AnyCallback] | AnyCallback


def _check_metric(place: str, metric: object) -> None:
    if not isinstance(metric, str):
        raise ArgumentError(
            f"{place} does not understand its argument metric.",
            happened=f"metric is {metric!r:.80}",
            needed="a name of the history",
            fix="write metric='val_loss'",
        )


@dataclass(frozen=True)
class Arranged:
    """Callbacks as training takes them.

    Attributes:
        monitor: what the native program watches, or None.
        listeners: who is called.
        notes: on what was decided.
    """

    monitor: Monitor | None
    listeners: tuple[Callback, ...]
    notes: tuple[str, ...]


def arranged(callbacks: Callbacks, available: Sequence[str]) -> Arranged:
    """The native monitor and the listeners that the callbacks ask for.

    Args:
        callbacks: at most one `EarlyStopping`; callbacks; functions, called after each epoch.
        available: names that the history of this run will have.

    Raises:
        ArgumentError: something that is no callback, two EarlyStopping, or a callback whose `every`
            is not understood.
        UnknownNameError: a metric that this run does not have.
    """
    given = callbacks if isinstance(callbacks, Sequence) else (callbacks,)
    monitors: list[EarlyStopping] = []
    listeners: list[Callback] = []
    notes: list[str] = []
    for callback in given:
        if isinstance(callback, EarlyStopping):
            monitors.append(callback)
        else:
            listeners.append(_listener(callback))
    for listener in listeners:
        subscriptions(listener)
        if isinstance(listener, ReduceLearningRateOnPlateau):
            notes += watched(type(listener).__name__, listener.metric, available)[1]
    if len(monitors) > 1:
        raise ArgumentError(
            "There are several EarlyStopping callbacks.",
            happened=f"{len(monitors)} were given",
            needed="at most one",
            fix="choose the one metric that decides",
        )
    if not monitors:
        return Arranged(None, tuple(listeners), tuple(notes))
    monitor, said = _monitor(monitors[0], available)
    return Arranged(monitor, tuple(listeners), (*said, *notes))


def _listener(callback: object) -> Callback:
    if isinstance(callback, Callback):
        return callback
    if callable(callback) and not isinstance(callback, type):
        return FunctionCallback(callback)
    if isinstance(callback, type):
        raise needs_call("callbacks", callback)
    raise ArgumentError(
        "A callback is not understood.",
        happened=f"a {type(callback).__name__} was given",
        needed="rv.EarlyStopping(...), an rv.Callback, or a function of an event",
        fix="write for example callbacks=[rv.EarlyStopping(patience=5)]",
    )


def watched(place: str, metric: str, available: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The column that a callback watches: without validation its training's own number.

    Args:
        place: who watches.
        metric: the wish.
        available: names of the history.

    Returns:
        The name, and notes on what was decided.

    Raises:
        UnknownNameError: a metric that this run does not have.
    """
    if metric in available:
        return metric, ()
    found = metric.removeprefix("val_")
    if found not in available:
        raise UnknownNameError(
            f"{place} cannot watch {metric!r}.",
            happened="this run does not compute it",
            needed="a name of the history",
            fix=did_you_mean(metric, available),
        )
    return found, (f"Without validation data {place} watches {found!r}, not {metric!r}.",)


def _monitor(wish: EarlyStopping, available: Sequence[str]) -> tuple[Monitor, tuple[str, ...]]:
    metric, notes = watched("EarlyStopping", wish.metric, available)
    monitor = Monitor(
        metric=metric,
        mode=wish.mode,
        patience=int(wish.patience),
        tolerance=float(wish.tolerance),
        keep_best=wish.keep_best,
    )
    return monitor, notes
