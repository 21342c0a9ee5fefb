"""`Checkpoint`: a callback that keeps a run in a file, so that nothing is lost when it is killed.

The state is copied while the run pauses; a thread of its own writes it while the run goes on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier.data.preparation import Preparation
from ranvier.formats.atomic import remove_leftovers
from ranvier.formats.checkpoint_file import load_checkpoint, plain, save_checkpoint
from ranvier.foundation.errors import ArgumentError, FileError, ModelFileError
from ranvier.losses import Loss
from ranvier.models.stored import beside
from ranvier.training.callbacks import Callback, FunctionCallback
from ranvier.training.events import Event, TrainingEnded, TrainingStarted
from ranvier.training.run_state import RunState


class Checkpoint(FunctionCallback):
    """Keep the run in a file: killed at any moment, it goes on from there in the same bits.

    ``model.fit(..., resume=path)`` with the same data and arguments goes on; ``rv.load(path)`` is
    the model as it would be if training had ended there. The file also gets the end of the run,
    and where Ctrl-C ended it. A file that cannot be written (a full disk, a lost folder) is a
    sentence in ``history.notes``: training goes on, and the last good checkpoint stays.

    A checkpoint holds the parameters, the optimizer's state, averages, the best parameters, the
    place in the epoch, the history and what callbacks know (`Callback.checkpoint_state`). It is
    replaced by one move of the file system, never written into. The model in it can be loaded by
    every later version of Ranvier; going on is promised to the version that wrote it.

    Args:
        path: of the file. What is there must be a checkpoint; it is replaced.
        every: how often, as `Callback.every`.

    Raises:
        ArgumentError: an `every` that is not understood.

    Example:
        >>> import tempfile, numpy as np, ranvier as rv
        >>> x = np.arange(8.0)[:, None]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = folder + "/run.safetensors"
        ...     first = rv.Sequential(rv.Dense(1))
        ...     _ = first.fit(x, x, epochs=3, callbacks=[rv.Checkpoint(path)])
        ...     second = rv.Sequential(rv.Dense(1))
        ...     history = second.fit(x, x, epochs=5, callbacks=[rv.Checkpoint(path)], resume=path)
        >>> whole = rv.Sequential(rv.Dense(1))
        >>> history["loss"] == whole.fit(x, x, epochs=5)["loss"]
        True
    """

    def __init__(self, path: str | Path, every: str | tuple[str, ...] = "30 seconds") -> None:
        self.path = Path(path)
        super().__init__(self._ask, every)
        self._beside: dict[str, Any] = {}
        self._command: Mapping[str, Any] | None = None
        self._writer = Writer()

    def describe_model(
        self,
        preparations: Sequence[Preparation | None],
        losses: Sequence[Loss | None],
        command: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what belongs to the model beside its parameters; `fit` does it by itself.

        Args:
            preparations, losses: of each output.
            command: the command line that starts the run, ready for JSON.
        """
        self._beside, self._command = beside(preparations, losses), command

    def on_start(self, event: TrainingStarted) -> None:
        """Look at the place before anything is trained.

        Raises:
            FileError: no such folder, a read-only one, or a file there that is no checkpoint.
        """
        # Also if somebody changes the folder of the process later.
        self._place = self.path.absolute()
        _check_place(self._place)
        remove_leftovers(self._place)
        self._writer = Writer()
        event.ask_for_last_state(self._keep)

    def on_end(self, event: TrainingEnded) -> None:
        """Wait for the last file."""
        self._writer.finish()
        event.history.notes += self._writer.notes

    def _ask(self, event: Event) -> None:
        event.ask_for_state(self._keep)

    def _keep(self, state: RunState) -> None:
        for _, own in state.callbacks:
            plain(own)  # refused here and now, not in the thread that writes
        place, about, command = self._place, self._beside, self._command
        self._writer.put(lambda: save_checkpoint(place, state, command=command, **about))

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, every={self.every!r})"


class Writer:
    """Writes files in a thread of its own; of several that wait only the newest is written.

    Attributes:
        notes: on what could not be written, for the user.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: Callable[[], object] | None = None
        self._thread: threading.Thread | None = None
        self._failed: dict[str, int] = {}
        self.error: BaseException | None = None

    def __reduce__(self) -> tuple[type[Writer], tuple[()]]:
        # A thread that writes belongs to its own process: a copy begins anew.
        return Writer, ()

    @property
    def notes(self) -> list[str]:
        """What went wrong, each thing once."""
        return [
            f"{count} checkpoint{'s' if count > 1 else ''} could not be written: {problem}"
            for problem, count in self._failed.items()
        ]

    def put(self, write: Callable[[], object]) -> None:
        """Have something written soon."""
        with self._condition:
            self._waiting = write
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ranvier-checkpoint")
                self._thread.start()

    def finish(self) -> None:
        """Wait until everything is written."""
        with self._condition:
            while self._thread is not None:
                self._condition.wait()
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        while True:
            with self._condition:
                write, self._waiting = self._waiting, None
                if write is None:
                    self._thread = None
                    self._condition.notify_all()
                    return
            try:
                write()
            except (FileError, MemoryError) as error:
                headline = getattr(error, "headline", "There is not enough memory.")
                problem = f"{headline} {getattr(error, 'happened', '')}".strip()
                self._failed[problem] = self._failed.get(problem, 0) + 1
            except BaseException as error:  # carried over to the thread that waits
                self.error = error


def _check_place(path: Path) -> None:
    if not path.parent.is_dir() or path.is_dir():
        is_folder = path.is_dir()
        raise FileError(
            f"Checkpoints cannot be written to {path}.",
            happened="it is a folder" if is_folder else f"there is no folder {path.parent}",
            needed="the name of a file in a folder that exists",
            fix=f"for example {path / 'run.safetensors'}"
            if is_folder
            else f"make it first: mkdir -p {path.parent}",
        )
    if not os.access(path.parent, os.W_OK):
        raise FileError(
            f"Checkpoints cannot be written to {path}.",
            happened=f"the folder {path.parent} is read-only",
            needed="a folder that may be written to",
            fix="choose another folder, or change its permissions",
        )
    if path.exists():
        try:
            load_checkpoint(path)
        except ModelFileError as error:
            raise FileError(
                f"{path} would be overwritten, and it is no checkpoint.",
                happened="there is such a file already; " + error.happened,
                needed="a new file, or an older checkpoint to replace",
                fix="give another path, or remove the file yourself",
            ) from error


def bind(
    listeners: Sequence[Callback],
    preparations: Sequence[Preparation | None],
    losses: Sequence[Loss | None],
) -> None:
    """Tell the checkpoints among some callbacks what belongs to the model."""
    for listener in listeners:
        if isinstance(listener, Checkpoint):
            listener.describe_model(preparations, losses)


def state_in(path: object) -> tuple[RunState, list[str]]:
    """The run in a checkpoint, and what there is to say of going on with it.

    Raises:
        ArgumentError: something that is no path.
        FileError: a file that cannot be read.
        ModelFileError: one that is damaged, or holds no run.
    """
    if not isinstance(path, str | Path):
        raise ArgumentError(
            "fit does not understand its argument resume.",
            happened=f"it is a {type(path).__name__}",
            needed="the path of a checkpoint",
            fix="write resume='run.safetensors', or leave it out to begin a run",
        )
    found = load_checkpoint(path)
    state = found.state
    done = state.counts["epoch"] - state.counts["first"]
    notes = [f"The run goes on after {done} epochs in {path}."]
    if state.reason == "no patience":
        notes = [f"The run in {path} had ended: its patience was over after {done} epochs."]
    elif state.reason in ("converged", "stopped"):
        notes = [f"The run in {path} had ended after {done} epochs: {state.reason}."]
    if not found.same_machine:
        notes.append(
            "The checkpoint was written on another kind of processor, or with other versions: "
            "from there on results are those of one run up to rounding only."
        )
    return state, notes
