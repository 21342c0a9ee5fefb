"""A training program: compiled once, run for as many epochs as one likes, state kept inside."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends import control as words
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.random import permuted_rows
from ranvier.foundation.shapes import known_shape
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.networks.network import Network
from ranvier.optimizers import Optimizer
from ranvier.training.engines import Engine, batch_bounds
from ranvier.training.failure import failure_of
from ranvier.training.graphs import (
    DataSpec,
    Recipe,
    StepGraph,
    names_of_columns,
    source_array,
    step_graph,
    validation_graph,
)
from ranvier.training.native import NativeEngine
from ranvier.training.prediction import PredictionProgram
from ranvier.training.records import History, Monitor, Progress
from ranvier.training.reference import ReferenceEngine

__all__ = ["History", "Monitor", "PredictionProgram", "Progress", "TrainingProgram"]

#: Rows of a validation batch.
VALIDATION_BATCH = 256
#: Seconds between two looks at a running program.
LOOK_EVERY = 0.05
#: Epochs of one native call at most.
EPOCHS_A_CALL = 1 << 16
#: Of a run without a limit.
UNLIMITED = 2**62


class TrainingProgram:
    """One network, one loss, one optimizer, one data set, compiled to one native loop.

    Args:
        network: built; its parameters are read now and written back after each run.
        loss: of the outputs and targets.
        optimizer: of every trainable parameter.
        metrics: added up over each epoch.
        x: ``(N, ...)`` examples, in any data dtype; converted as batches are loaded.
        y: ``(N,)`` class indices or ``(N, outputs)`` numbers.
        weights: ``(N,)`` weights of the rows with mean 1, or None.
        validation: the same pair for validation, or None.
        batch_size: rows of a step; None: all rows.
        shuffle: whether each epoch has an order of its own.
        seed: of the order of rows and of random layers.
        monitor: what to watch between epochs, or None.
        engine: "native" or "reference".

    Raises:
        ArgumentError: an engine or batch size that does not exist.
        UnsupportedOperationError: an operation that the native engine cannot run.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        metrics: Sequence[Metric],
        x: NDArray[Any],
        y: NDArray[Any],
        weights: NDArray[Any] | None = None,
        validation: tuple[NDArray[Any], NDArray[Any]] | None = None,
        batch_size: int | None = 32,
        shuffle: bool = True,
        seed: int = 0,
        monitor: Monitor | None = None,
        engine: str = "native",
    ) -> None:
        rows = len(x)
        size = rows if batch_size is None else min(batch_size, rows)
        self._check(rows, size, engine)
        self.network = network
        self.optimizer = optimizer
        self._monitor = monitor
        self._recipe = Recipe(
            network, loss, optimizer, tuple(metrics),
            DataSpec(x.shape[1:], x.dtype.name), DataSpec(y.shape[1:], y.dtype.name),
            weights is not None,
        )  # fmt: skip
        self.names = names_of_columns(metrics, validation is not None)
        self._step: StepGraph = step_graph(self._recipe)
        checked = validation_graph(self._recipe) if validation is not None else None
        train = [source_array(x, x.dtype.name), source_array(y, y.dtype.name)]
        if weights is not None:
            train.append(source_array(weights, network.dtype))
        held = [] if validation is None else [
            source_array(validation[0], x.dtype.name), source_array(validation[1], y.dtype.name)
        ]  # fmt: skip
        held_rows = len(held[0]) if held else 0
        joined = size + 1 if size > 1 and rows > size else size
        capacity = (joined, max(1, min(VALIDATION_BATCH, held_rows)))
        kind = NativeEngine if engine == "native" else ReferenceEngine
        self._sources = (train, held)
        self._engine: Engine = kind(
            self._step, checked, capacity, (train, held), list(network.parameters)
        )
        self._steps = len(batch_bounds(rows, size))
        self._prepare(rows, held_rows, size, shuffle, seed)

    @staticmethod
    def _check(rows: int, size: int, engine: str) -> None:
        if engine not in ("native", "reference"):
            raise ArgumentError(
                f"There is no engine called {engine!r}.",
                happened=f"engine={engine!r}",
                needed="'native' or 'reference'",
                fix="leave the engine out",
            )
        if rows < 1 or size < 1:
            raise ArgumentError(
                "A training program needs rows to train on.",
                happened=f"there are {rows} rows and batches of {size}",
                needed="at least one row, and batches of at least one",
                fix="give data, and a batch_size of 1 or more",
            )

    def _prepare(self, rows: int, held: int, size: int, shuffle: bool, seed: int) -> None:
        """Fill the control block and the state."""
        c = self._engine.control
        c["rows"], c["validation_rows"], c["batch_size"] = rows, held, size
        c["shuffle"], c["seed"] = int(shuffle), seed
        c["monitor_column"], c["patience"] = -1, UNLIMITED
        self._engine.load(self.network.parameters)
        shapes = {v.name: v.shape for v in self._step.graph.inputs}
        self._engine.load(
            {
                name: np.full(known_shape(shapes[name]), number, self.network.dtype)
                for name, number in self._step.state.items()
            }
        )
        if self._monitor is not None:
            self._start_monitor(self._monitor)

    def _start_monitor(self, monitor: Monitor) -> None:
        c = self._engine.control
        c["monitor_column"] = monitor.column(self.names)
        rising = monitor.mode == "max" or (
            monitor.mode == "auto"
            and any(
                m.larger_is_better and monitor.metric.removeprefix("val_") == m.name
                for m in self._recipe.metrics
            )
        )
        c["monitor_sign"] = -1.0 if rising else 1.0
        c["best_value"] = float("-inf") if rising else float("inf")
        c["best_epoch"] = -1
        c["tolerance"] = monitor.tolerance
        c["patience"] = UNLIMITED if monitor.patience is None else monitor.patience
        if monitor.keep_best:
            self._engine.keep_best()

    # --- running

    def run(
        self,
        epochs: int,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        time_limit: float | None = None,
    ) -> History:
        """Train for some more epochs; weights, optimizer state and counters go on.

        Ctrl-C ends the run cleanly: the network has the weights so far (the best ones, if a
        monitor keeps them), and ``history.interrupted`` is True.

        Args:
            epochs: how many more.
            on_progress: called about twenty times a second, and once at the end.
            time_limit: seconds after which the run is stopped cleanly.

        Raises:
            TrainingError: if the loss is not a finite number; the weights are those before.
        """
        c = self._engine.control
        first, begin = c["epoch"], time.perf_counter()
        c["last_step"], c["stop"] = UNLIMITED, 0
        c["learning_rate"] = self.optimizer.learning_rate
        watch = _Watch(self, epochs, on_progress, time_limit)
        interrupted = watch.run()
        history = self._history(watch.history())
        history.seconds = time.perf_counter() - begin
        history.interrupted = interrupted
        history.stopped_early = c["status"] == words.NO_PATIENCE
        self._leave(history, first)
        if c["status"] == words.NOT_FINITE:
            raise failure_of(self._step.graph, self._recipe, self._inputs_now(), c["step"])
        return history

    def _history(self, lines: NDArray[np.float64]) -> History:
        history = History(self.names)
        history.epochs = len(lines)
        for column, name in enumerate(self.names):
            history[name] = [float(number) for number in lines[:, column]]
        return history

    def _leave(self, history: History, first: int) -> None:
        """Write parameters back to the network: the best ones if they were kept."""
        c, kept = self._engine.control, {}
        if self._monitor is not None and c["best_epoch"] >= 0:
            history.best_epoch = c["best_epoch"] - first
            if self._monitor.keep_best:
                kept = dict(self._engine.best())
                self._engine.load(kept)
        for name, array in self.network.parameters.items():
            array[...] = kept[name] if kept else self._engine.view(name)

    def _inputs_now(self) -> dict[str, Any]:
        """All inputs of the step that failed."""
        c = self._engine.control
        bounds = batch_bounds(c["rows"], c["batch_size"])
        rows = np.arange(c["rows"])
        if c["shuffle"]:
            rows = permuted_rows(c["seed"], c["epoch"], c["rows"])
        low, high = bounds[c["batch"]]
        inputs: dict[str, Any] = {
            name: source[rows[low:high]]
            for name, source in zip(self._step.data, self._sources[0], strict=True)
        }
        for name in [*self.network.parameters, *self._step.state]:
            inputs[name] = np.array(self._engine.view(name))
        inputs["control.step_real"] = np.float64(c["step"] + 1)
        inputs["control.step_number"] = np.int64(c["step"])
        inputs["control.seed"] = np.int64(c["seed"])
        inputs["control.rate"] = np.float64(c["learning_rate"])
        inputs["rows"] = rows[low:high]
        return inputs

    # --- looking at it

    def hash(self) -> str:
        """A short hash of all parameters: equal hashes mean equal bits."""
        digest = hashlib.sha256()
        for name, array in self.network.parameters.items():
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def passes(self) -> str:
        """What each pass of the compiler made of the training step, in order."""
        return self._native().step.show_passes()

    def source(self) -> str:
        """The LLVM text of the whole program."""
        return self._native().code.text

    def assembly(self) -> str:
        """The machine code as text."""
        return self._native().code.assembly()

    def memory(self) -> MemoryPlan:
        """Where every byte lies; ``.bytes`` is exactly what is allocated."""
        return self._native().last.memory

    def _native(self) -> NativeEngine:
        if isinstance(self._engine, NativeEngine):
            return self._engine
        raise ArgumentError(
            "The reference engine has no program to look at.",
            happened='the program was made with engine="reference"',
            needed='engine="native"',
            fix="leave the engine out",
        )


class _Watch:
    """Runs an engine in a thread of its own while this one looks on, reports and may stop it."""

    def __init__(
        self,
        program: TrainingProgram,
        epochs: int,
        on_progress: Callable[[Progress], None] | None,
        time_limit: float | None,
    ) -> None:
        self.program = program
        self.engine = program._engine
        self.epochs, self.first = epochs, self.engine.control["epoch"]
        self.on_progress, self.time_limit = on_progress, time_limit
        self.begin = time.perf_counter()
        self.error: BaseException | None = None
        # Not Thread.join: interrupted by Ctrl-C, Python 3.11 takes a running thread for ended.
        self.done = threading.Event()
        # Room for one call's epochs: a run of a billion epochs needs no billion lines at once.
        self.lines = np.zeros((min(max(epochs, 1), EPOCHS_A_CALL), len(program.names)))
        self.kept: list[NDArray[np.float64]] = []

    def run(self) -> bool:
        """Returns whether the user interrupted."""
        worker = threading.Thread(target=self._work, name="ranvier", daemon=True)
        interrupted = False
        try:
            worker.start()
        except KeyboardInterrupt:  # while it waited for the thread to come up, which it does
            interrupted = True
            self.engine.control["stop"] = 1
        while not self.done.is_set():
            try:
                self.done.wait(LOOK_EVERY)
                self._look()
            except KeyboardInterrupt:
                interrupted = True
                self.engine.control["stop"] = 1
            except BaseException:
                # A listener failed: the program must not run on behind its error.
                self.engine.control["stop"] = 1
                self.done.wait()
                raise
        if self.error is not None:
            raise self.error
        return interrupted

    def _work(self) -> None:
        try:
            while self._call() == words.FINISHED and self._left() > 0:
                pass
        except BaseException as error:  # carried over to the caller's thread
            self.error = error
        finally:
            self.done.set()

    def _left(self) -> int:
        """Epochs that are not done yet."""
        return int(self.first + self.epochs - self.engine.control["epoch"])

    def _call(self) -> int:
        """One call of the engine; returns how it ended and keeps its lines of the history."""
        c = self.engine.control
        begin = c["epoch"]
        c["history"] = self.lines.ctypes.data
        c["first_epoch"], c["last_epoch"] = begin, begin + min(self._left(), len(self.lines))
        self.engine.run()
        self.kept.append(self.lines[: c["epoch"] - begin].copy())
        return int(c["status"])

    def history(self) -> NDArray[np.float64]:
        """One line an epoch, of all calls."""
        return np.concatenate([*self.kept, self.lines[:0]])

    def _look(self) -> None:
        seconds = time.perf_counter() - self.begin
        if self.time_limit is not None and seconds > self.time_limit:
            self.engine.control["stop"] = 1
        if self.on_progress is not None:
            self.on_progress(self._progress(seconds))

    def _progress(self, seconds: float) -> Progress:
        c, program = self.engine.control, self.program
        done, batch = c["epoch"] - self.first, c["batch"]
        steps = program._steps
        share = done + min(batch, steps) / steps
        written = c["epoch"] - c["first_epoch"]
        latest = self.lines[written - 1] if written else None
        metrics = {}
        if latest is not None:
            metrics = dict(zip(program.names[1:], map(float, latest[1:]), strict=True))
        count = c["loss_count"]
        loss = c["loss_sum"] / count if count else float(latest[0]) if latest is not None else 0.0
        left = seconds / share * (self.epochs - share) if share > 0 else None
        return Progress(
            done, self.epochs, batch, steps, loss, metrics,
            share * c["rows"] / max(seconds, 1e-9), left,
        )  # fmt: skip
