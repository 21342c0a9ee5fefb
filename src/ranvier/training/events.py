"""What happens during a run, as records that callbacks get.

An event says what happened and lets its reader look (history, learning rate, parameters) and ask
(stop, another learning rate). It is made between two native calls, so nothing changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ranvier.foundation.errors import UnknownNameError, did_you_mean
from ranvier.layers.arguments import number
from ranvier.training.engines import Engine
from ranvier.training.records import History
from ranvier.training.run_state import RunState


class Run:
    """The run that events belong to, as far as callbacks may reach into it.

    Args:
        engine: what runs.
        names: of the parameters.
        history: the epochs so far; it grows.

    Attributes:
        stopped: whether somebody asked for an end.
        asked: who gets the whole state before the run goes on.
        asked_last: who gets it after the last step.
    """

    def __init__(self, engine: Engine, names: tuple[str, ...], history: History) -> None:
        self.engine, self.names, self.history = engine, names, history
        self.stopped = False
        self.asked: list[Callable[[RunState], object]] = []
        self.asked_last: list[Callable[[RunState], object]] = []


class Parameters(Mapping[str, NDArray[Any]]):
    """The parameters by name; each is copied when it is asked for, and only then.

    Args:
        run: whose parameters.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._run.names:
            raise UnknownNameError(
                f"There is no parameter called {name!r:.80}.",
                happened="the network does not have it",
                needed="the full name of a parameter",
                fix=did_you_mean(name, self._run.names),
            )
        array = self._run.engine.view(name).copy()
        # A copy: writing into it would change nothing in the run.
        array.flags.writeable = False
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.names)

    def __len__(self) -> int:
        return len(self._run.names)


@dataclass(frozen=True)
class Event:
    """Something that happened in a run; the base of all events.

    Attributes:
        seconds: since the run began.
    """

    run: Run = field(repr=False, compare=False)
    seconds: float

    @property
    def history(self) -> History:
        """The finished epochs so far, one number an epoch for each name."""
        return self.run.history

    @property
    def parameters(self) -> Parameters:
        """The parameters as they are now, by name: copies that cannot be written to."""
        return Parameters(self.run)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; with a schedule or groups, what multiplies them."""
        return float(self.run.engine.control["learning_rate"])

    def set_learning_rate(self, learning_rate: float) -> None:
        """Another learning rate from the next step of this run on.

        Raises:
            ArgumentError: a negative rate, or one that is no finite number.
        """
        rate = number("set_learning_rate", "learning_rate", learning_rate, 0.0)
        self.run.engine.control["learning_rate"] = rate

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate from the next step on.

        Raises:
            ArgumentError: a negative factor, or one that is no finite number.
        """
        factor = number("scale_learning_rate", "factor", factor, 0.0)
        self.set_learning_rate(self.learning_rate * factor)

    def stop(self) -> None:
        """End the run after this event; all weights so far are kept."""
        self.run.stopped = True

    def ask_for_state(self, receiver: Callable[[RunState], object]) -> None:
        """Have a copy of the whole state handed to a function before the run goes on.

        That is when all callbacks have heard what happened: what they decided belongs to it.
        """
        self.run.asked.append(receiver)


@dataclass(frozen=True)
class TrainingStarted(Event):
    """Before the first step.

    Attributes:
        epochs: epochs asked for.
        steps: steps of an epoch.
        columns: what each epoch's line of the history will hold.
        rising: those of them where larger is better.
    """

    epochs: int
    steps: int
    columns: tuple[str, ...]
    rising: frozenset[str]

    def ask_for_last_state(self, receiver: Callable[[RunState], object]) -> None:
        """Have a copy of the whole state handed to a function after the run's last step.

        Not if a callback failed or was interrupted: then others may not have heard of the step.
        """
        self.run.asked_last.append(receiver)


@dataclass(frozen=True)
class StepEnded(Event):
    """After a step.

    Attributes:
        step: steps done in this run, 1 after the first.
        epoch: the epoch that the step belongs to, 1 in the first.
        loss: of the step's batch, before its update, penalties included.
    """

    step: int
    epoch: int
    loss: float


@dataclass(frozen=True)
class EpochEnded(Event):
    """After an epoch and its validation.

    Attributes:
        epoch: epochs done in this run, 1 after the first.
        epochs: epochs asked for.
        columns: the epoch's numbers by name: ``event.columns["val_loss"]``; ``event["val_loss"]``
            is the same.
    """

    epoch: int
    epochs: int
    columns: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        if name not in self.columns:
            raise UnknownNameError(
                f"The epoch has no number called {name!r:.80}.",
                happened="this run does not compute it",
                needed="a name of the history",
                fix=did_you_mean(str(name), self.columns),
            )
        return self.columns[name]


@dataclass(frozen=True)
class TimePassed(Event):
    """After a number of seconds, between two steps.

    Attributes:
        step: steps done in this run.
        epoch: epochs done in this run.
    """

    step: int
    epoch: int


@dataclass(frozen=True)
class TrainingEnded(Event):
    """After the run; the parameters are those that the network keeps.

    Attributes:
        epochs: epochs done in this run.
        reason: "finished"; "no patience" (`EarlyStopping`); "converged" (L-BFGS);
            "stopped" (a callback asked); "time limit"; "interrupted" (Ctrl-C); "not finite": an
            error about the loss follows.
    """

    epochs: int
    reason: str
