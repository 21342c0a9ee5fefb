"""Runs an engine in a thread of its own, leg by leg, while the caller's thread looks on.

A leg goes on until somebody listens: without callbacks the whole run is one. Between two legs the
caller's thread hands events to callbacks; during a leg it reports progress and may stop it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ranvier.backends import control as words
from ranvier.training.callbacks import Callback, Subscription, subscriptions
from ranvier.training.checkpoint import Keeper
from ranvier.training.engines import Engine
from ranvier.training.events import (
    EpochEnded,
    Event,
    Run,
    StepEnded,
    TimePassed,
    TrainingEnded,
    TrainingStarted,
)
from ranvier.training.records import History, Progress
from ranvier.training.run_state import RunState

#: Seconds between two looks at a running program.
LOOK_EVERY = 0.05
#: Epochs of one native call at most.
EPOCHS_A_CALL = 1 << 16
#: Ways for a call to end after which there is no other.
ENDS = (words.NO_PATIENCE, words.NOT_FINITE, words.CONVERGED)
#: Of a run without a limit.
UNLIMITED = 2**62


class Watch:
    """One run of an engine.

    Args:
        engine: what runs; its control block says where it is.
        history: with the names of its columns; it grows epoch by epoch.
        parameters: names of the parameters.
        steps: of an epoch.
        epochs: how many are asked for.
        callbacks: who listens.
        on_progress: called about twenty times a second, and once at the end.
        time_limit: seconds after which the run is stopped.
        rising: columns of the history where larger is better.
        after_epoch: called in the engine's thread with the line of each finished epoch, before
            anybody else sees it; epochs are then calls of their own.
        keeper: copies the state of the run when somebody asks.
        resumed: where the run goes on, if it does not begin.
    """

    def __init__(
        self,
        engine: Engine,
        history: History,
        parameters: tuple[str, ...],
        steps: int,
        epochs: int,
        callbacks: Sequence[Callback] = (),
        on_progress: Callable[[Progress], None] | None = None,
        time_limit: float | None = None,
        rising: frozenset[str] = frozenset(),
        after_epoch: Callable[[NDArray[np.float64]], None] | None = None,
        keeper: Keeper | None = None,
        resumed: RunState | None = None,
    ) -> None:
        self.engine, self.history, self.steps = engine, history, steps
        self.names = tuple(history)
        self.epochs, self.callbacks, self.rising = epochs, callbacks, rising
        self.first, self.first_step = engine.control["epoch"], engine.control["step"]
        self.on_progress, self.time_limit = on_progress, time_limit
        self.begin = self.looked = time.perf_counter()
        engine.control["status"] = words.FINISHED
        # Where this run's lines of the history begin, also if no epoch is left to do.
        engine.control["first_epoch"] = engine.control["epoch"]
        self.keeper, self.resumed = keeper, resumed
        if resumed is not None:
            self.first, self.first_step = resumed.counts["first"], resumed.counts["first_step"]
            ended = {"no patience": words.NO_PATIENCE, "converged": words.CONVERGED}
            engine.control["status"] = ended.get(resumed.reason, words.FINISHED)
        self.earlier = 0.0 if resumed is None else resumed.seconds
        self.interrupted, self.timed_out = False, False
        self.error: BaseException | None = None
        # Not Thread.join: interrupted by Ctrl-C, Python 3.11 takes a running thread for ended.
        self.done = threading.Event()
        self._run = Run(engine, parameters, history)
        self._run.stopped = resumed is not None and resumed.reason == "stopped"
        everything = [s for callback in callbacks for s in subscriptions(callback)]
        self._by_unit = {u: [s for s in everything if s.unit == u] for u in Subscription.units}
        # When each of those who listen by the clock is due next.
        self._due = [s.every for s in self._by_unit["second"]]
        self._told = {"step": self._step(), "epoch": self._epoch()}
        self._before = self._share()
        # While callbacks are being told, what they know does not belong to the engine's position.
        self._telling = True
        # Room for one call's epochs: a run of a billion epochs needs no billion lines at once.
        self.after_epoch = after_epoch
        most = EPOCHS_A_CALL if after_epoch is None else 1
        self.lines = np.zeros((min(max(epochs, 1), most), len(self.names)))

    # --- the run

    def run(self) -> None:
        """Go on to the last epoch, or to where somebody ends it."""
        try:
            run, now = self._now()
            start = TrainingStarted(run, now, self.epochs, self.steps, self.names, self.rising)
            self._tell_all("on_start", start)
            if self.resumed is not None and self.keeper is not None:
                self.keeper.tell(self.resumed, self.callbacks)
            self._telling = False
            while not self._over():
                self._leg()
                self._telling = True
                self._tell()
                self._telling = False
                if not self._over():
                    self._hand_out(self._run.asked, "running")
        except KeyboardInterrupt:  # in a callback
            self.interrupted = True
        self._look(last=True)
        if not self._telling and self.engine.control["status"] != words.NOT_FINITE:
            self._hand_out(self._run.asked_last, self._reason())

    def end(self) -> None:
        """Tell everybody that the run is over."""
        self._tell_all("on_end", TrainingEnded(*self._now(), self._epoch(), self._reason()))

    def _over(self) -> bool:
        ended = self.interrupted or self.timed_out or self._run.stopped
        return ended or self._left() <= 0 or self.engine.control["status"] in ENDS

    def _hand_out(self, receivers: list[Callable[[RunState], object]], reason: str) -> None:
        """Give a copy of the state to those who asked for it."""
        if receivers and self.keeper is not None:
            seconds = self.earlier + time.perf_counter() - self.begin
            first = (self.first, self.first_step)
            state = self.keeper.take(first, self.history, seconds, reason, self.callbacks)
            asked = list(dict.fromkeys(receivers))  # once, also if two intervals end together
            receivers.clear()
            for receiver in asked:
                receiver(state)

    def _reason(self) -> str:
        status = self.engine.control["status"]
        reasons = {
            "not finite": status == words.NOT_FINITE,
            "interrupted": self.interrupted,
            "no patience": status == words.NO_PATIENCE,
            "converged": status == words.CONVERGED,
            "finished": self._left() <= 0,
            "time limit": self.timed_out,
        }
        return next((reason for reason, holds in reasons.items() if holds), "stopped")

    # --- a leg: the engine works, this thread looks on

    def _leg(self) -> None:
        self.done.clear()
        self._paused, self.engine.control["stop"] = False, 0
        self._until_epoch, self.engine.control["last_step"] = self._limits()
        worker = threading.Thread(target=self._work, name="ranvier", daemon=True)
        try:
            worker.start()
        except KeyboardInterrupt:  # while it waited for the thread to come up, which it does
            self.interrupted = True
            self.engine.control["stop"] = 1
        while not self.done.is_set():
            try:
                self.done.wait(LOOK_EVERY)
                self._look()
            except KeyboardInterrupt:
                self.interrupted = True
                self.engine.control["stop"] = 1
            except BaseException:
                # A listener failed: the program must not run on behind its error.
                self.engine.control["stop"] = 1
                self.done.wait()
                raise
        if self.error is not None:
            raise self.error
        if self.engine.control["status"] == words.STOPPED and not self._paused:
            self._run.stopped = True

    def _limits(self) -> tuple[int, int]:
        """The epoch and the step at which somebody listens next."""
        epoch, step = self._epoch(), self._step()
        epochs = [self.epochs, *(_next(epoch, s) for s in self._by_unit["epoch"])]
        steps = [UNLIMITED, *(self.first_step + _next(step, s) for s in self._by_unit["step"])]
        return self.first + min(epochs), min(steps)

    def _work(self) -> None:
        try:
            c = self.engine.control
            while self._call() == words.FINISHED and c["epoch"] < self._until_epoch:
                pass
        except BaseException as error:  # carried over to the caller's thread
            self.error = error
        finally:
            self.done.set()

    def _call(self) -> int:
        """One call of the engine; returns how it ended and keeps its lines of the history."""
        c = self.engine.control
        begin = c["epoch"]
        c["history"] = self.lines.ctypes.data
        c["first_epoch"] = begin
        c["last_epoch"] = min(self._until_epoch, begin + len(self.lines))
        self.engine.run()
        if self.after_epoch is not None and c["epoch"] > begin:
            self.after_epoch(self.lines[0])
        for column, name in enumerate(self.names):
            self.history[name] += self.lines[: c["epoch"] - begin, column].tolist()
        self.history.epochs = self._epoch()
        return int(c["status"])

    def _look(self, last: bool = False) -> None:
        now = time.perf_counter()
        seconds = now - self.begin
        if self.time_limit is not None and seconds > self.time_limit:
            self.timed_out, self.engine.control["stop"] = True, 1
        if any(due <= seconds for due in self._due) and not self.engine.control["stop"]:
            self._paused, self.engine.control["stop"] = True, words.PAUSE
        if self.on_progress is not None and (last or now - self.looked > 0.9 * LOOK_EVERY):
            self.looked = now
            self.on_progress(self._progress())

    # --- events

    def _now(self) -> tuple[Run, float]:
        return self._run, time.perf_counter() - self.begin

    def _tell_all(self, method: str, event: Event) -> None:
        for callback in self.callbacks:
            getattr(callback, method)(event)

    def _tell(self) -> None:
        """Hand out what happened at the end of a leg, the smaller unit first."""
        step, epoch, c = self._step(), self._epoch(), self.engine.control
        if c["status"] == words.NOT_FINITE:
            return
        at_end = c["batch"] == 0
        for s in self._by_unit["step"]:
            if self._new("step", step) and step % s.every == 0:
                number = epoch if at_end else epoch + 1
                s.send(StepEnded(*self._now(), step, number, self.engine.loss()))
        for s in self._by_unit["epoch"]:
            if self._new("epoch", epoch) and epoch % s.every == 0:
                columns = {name: numbers[-1] for name, numbers in self.history.items()}
                s.send(EpochEnded(*self._now(), epoch, self.epochs, columns))
        self._told = {"step": step, "epoch": epoch}
        for place, s in enumerate(self._by_unit["second"]):
            seconds = time.perf_counter() - self.begin
            if self._due[place] <= seconds:
                self._due[place] = seconds + s.every
                s.send(TimePassed(self._run, seconds, step, epoch))

    def _new(self, unit: str, count: int) -> bool:
        return count > self._told[unit]

    # --- where it is

    def _epoch(self) -> int:
        return int(self.engine.control["epoch"] - self.first)

    def _step(self) -> int:
        return int(self.engine.control["step"] - self.first_step)

    def _share(self) -> float:
        """Epochs done, with the part of the present one."""
        part = int(self.engine.control["batch"])
        return self._epoch() + min(part, self.steps) / self.steps

    def _left(self) -> int:
        """Epochs that are not done yet."""
        return self.epochs - self._epoch()

    def _progress(self) -> Progress:
        c, seconds = self.engine.control, time.perf_counter() - self.begin
        done, batch, share = self._epoch(), c["batch"], self._share()
        written = c["epoch"] - c["first_epoch"]
        latest = [float(number) for number in self.lines[written - 1]] if written else None
        if latest is None and self.history.epochs:
            latest = [numbers[-1] for numbers in self.history.values()]
        metrics = dict(zip(self.names[1:], latest[1:], strict=True)) if latest else {}
        count = c["loss_count"]
        loss = c["loss_sum"] / count if count else latest[0] if latest else 0.0
        here = share - self._before
        left = seconds / here * (self.epochs - share) if here > 0 else None
        return Progress(
            done, self.epochs, batch, self.steps, loss, metrics,
            here * c["rows"] / max(seconds, 1e-9), left,
        )  # fmt: skip


def _next(count: int, subscription: Subscription) -> int:
    """The next multiple of an interval after a count."""
    every = int(subscription.every)
    return (count // every + 1) * every
