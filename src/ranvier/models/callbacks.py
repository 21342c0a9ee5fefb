"""What may happen beside the training itself: stopping early.

A callback is a record of what the user wants; training turns it into the native monitor, so no
Python runs between epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.foundation.errors import ArgumentError, UnknownNameError, did_you_mean
from ranvier.layers.arguments import flag, number, one_of, whole_number
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
        if not isinstance(self.metric, str):
            raise ArgumentError(
                "EarlyStopping does not understand its argument metric.",
                happened=f"metric is {self.metric!r:.80}",
                needed="a name of the history",
                fix="write metric='val_loss'",
            )


def monitor_of(
    callbacks: Sequence[EarlyStopping], available: Sequence[str]
) -> tuple[Monitor | None, tuple[str, ...]]:
    """The native monitor that the callbacks ask for.

    Args:
        callbacks: at most one `EarlyStopping`.
        available: names that the history of this run will have.

    Returns:
        The monitor, or None without callbacks; and notes on what was decided.

    Raises:
        ArgumentError: something else than an EarlyStopping, or two of them.
        UnknownNameError: a metric that this run does not have.
    """
    if isinstance(callbacks, EarlyStopping):
        callbacks = (callbacks,)
    for callback in callbacks:
        if not isinstance(callback, EarlyStopping):
            raise ArgumentError(
                "A callback is not understood.",
                happened=f"a {type(callback).__name__} was given",
                needed="rv.EarlyStopping(...)",
                fix="put instances, not classes or functions, into callbacks=[...]",
            )
    if not callbacks:
        return None, ()
    if len(callbacks) > 1:
        raise ArgumentError(
            "There are several EarlyStopping callbacks.",
            happened=f"{len(callbacks)} were given",
            needed="at most one",
            fix="choose the one metric that decides",
        )
    return _monitor(callbacks[0], available)


def _monitor(wish: EarlyStopping, available: Sequence[str]) -> tuple[Monitor, tuple[str, ...]]:
    metric = wish.metric
    notes: tuple[str, ...] = ()
    if metric not in available and metric.removeprefix("val_") in available:
        metric = metric.removeprefix("val_")
        notes = (f"Without validation data EarlyStopping watches {metric!r}, not {wish.metric!r}.",)
    if metric not in available:
        raise UnknownNameError(
            f"EarlyStopping cannot watch {wish.metric!r}.",
            happened="this run does not compute it",
            needed="a name of the history",
            fix=did_you_mean(wish.metric, available),
        )
    monitor = Monitor(
        metric=metric,
        mode=wish.mode,
        patience=int(wish.patience),
        tolerance=float(wish.tolerance),
        keep_best=wish.keep_best,
    )
    return monitor, notes
