"""What a run is asked to watch, what it says on the way, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ranvier.foundation.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class Monitor:
    """What the program itself watches between epochs.

    Attributes:
        metric: a column of the history.
        mode: "min", "max", or "auto": up for metrics where larger is better, else down.
        patience: epochs without a better number after which it stops; None: never.
        tolerance: how much better counts as better.
        keep_best: keep the parameters of the best epoch and put them back at the end.
    """

    metric: str = "val_loss"
    mode: str = "auto"
    patience: int | None = None
    tolerance: float = 0.0
    keep_best: bool = True

    def column(self, names: tuple[str, ...]) -> int:
        """The place of its metric among the history's columns.

        Raises:
            UnknownNameError: if the history has no such column.
        """
        if self.metric not in names:
            raise UnknownNameError(
                f"There is nothing called {self.metric!r} to watch.",
                happened=f"{self.metric!r} is not in the history",
                needed="the name of a column of the history",
                fix=did_you_mean(self.metric, names),
            )
        return names.index(self.metric)


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: finished epochs of this run.
        epochs: epochs asked for.
        step: steps done in the present epoch.
        steps: steps of an epoch.
        loss: mean of the present epoch's batch losses so far (of the last epoch at its start).
        metrics: the last finished epoch's other numbers.
        examples_per_second: over the whole run so far.
        seconds_left: at this speed, or None at the start.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    examples_per_second: float = 0.0
    seconds_left: float | None = None


class History(dict[str, list[float]]):
    """One number an epoch for each name: ``history["loss"]``, ``history["val_accuracy"]``.

    ``"loss"`` is the mean of the batch losses before each update, penalties on weights included;
    ``"val_loss"`` is the mean over the validation rows, without penalties.

    Attributes:
        epochs: epochs finished.
        seconds: what the run took.
        stopped_early: whether the monitor ended it.
        interrupted: whether the user ended it.
        best_epoch: place in the lists of the best epoch, if a monitor watched; else None.
        notes: plain sentences.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__({name: [] for name in names})
        self.epochs = 0
        self.seconds = 0.0
        self.stopped_early = False
        self.interrupted = False
        self.best_epoch: int | None = None
        self.notes: list[str] = []
