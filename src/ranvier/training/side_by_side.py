"""Many networks of one architecture trained by one program: each lane of a vector is a network.

The graphs of the training of one network get a last axis, the members; products, activations and
updates then fill whole vectors, however small the network is. A block of as many members as a
vector has lanes trains from the first epoch to the last before the next begins, so that all it
touches stays in the cache, and blocks are shared between workers without any meeting. A member has
the bits that it would have alone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import ops
from ranvier.backends import control as words
from ranvier.backends.native.workers import chosen_workers
from ranvier.compiler.touched_rows import write_touched_rows
from ranvier.foundation.errors import TrainingError
from ranvier.foundation.shapes import known_shape
from ranvier.graph.simplify import inline, simplify
from ranvier.graph.vectorize import vectorized
from ranvier.ops.graph import Graph, substitute
from ranvier.ops.value import Value, constant, input_value
from ranvier.training.engines import batch_bounds, planned_rows
from ranvier.training.graphs import (
    Recipe,
    StepGraph,
    source_arrays,
    step_graph,
    validation_graph,
)
from ranvier.training.native import NativeEngine
from ranvier.training.program import VALIDATION_BATCH
from ranvier.training.rules import host_numbers, host_rate
from ranvier.training.watch import UNLIMITED

Array = NDArray[Any]

#: Members of a block: the lanes of a vector.
LANES = 16
#: Seconds between two looks at running workers, so that Ctrl-C is heard.
LOOK_EVERY = 0.05


@dataclass(frozen=True, eq=False)
class Job:
    """What all members are trained on.

    Attributes:
        recipe: network, losses, optimizer and the rest.
        data: arrays of inputs and targets.
        weights: of the rows, or None.
        validation: inputs and targets to validate on, or None.
        batch_size: rows of a step.
        shuffle: whether each epoch has an order of its own.
        seed: of the order of rows and of random layers.
        threads: how many workers at most share the blocks; None: all there are.
    """

    recipe: Recipe
    data: tuple[Array, ...]
    weights: Array | None
    validation: tuple[Any, Any] | None
    batch_size: int
    shuffle: bool
    seed: int
    threads: int | None


@dataclass(eq=False)
class Outcome:
    """How a run ended.

    Attributes:
        lines: ``(epochs, columns, members)``, in the order of the history's columns.
        epochs: finished by all members.
        interrupted: whether the user ended it.
    """

    lines: NDArray[np.float64]
    epochs: int
    interrupted: bool


def lanes_for(members: int) -> int:
    """Lanes of a program for some members: few members need no whole vector.

    Example:
        >>> [lanes_for(members) for members in (2, 5, 16, 100)]
        [4, 8, 16, 16]
    """
    return next((lanes for lanes in (4, 8) if members <= lanes), LANES)


# --- graphs


def side_by_side(step: StepGraph, parameters: Sequence[str], lanes: int) -> StepGraph:
    """The training step of many members.

    The first output is the sum of all losses, which is finite if all of them are; then come each
    member's loss and the number 1, which an epoch adds up to the mean loss, and the statistics.

    Raises:
        UnsupportedOperationError: an operation without a rule for members.
    """
    # Tables that are updated where they were read have no form for many: seen here, refused there.
    graph = write_touched_rows(simplify(inline(step.graph)), step.updates)
    many = vectorized(graph, {*parameters, *step.state, *step.averages.values()}, lanes)
    loss, *rest = many.outputs
    one = constant(1.0, "float64")
    outputs = (ops.sum(loss), loss, one, *rest)
    graph = Graph(many.inputs, outputs)
    updates = {place + 2: name for place, name in step.updates.items()}
    finish = _finish(step.finish, lanes)
    return replace(
        step, graph=graph, updates=updates, statistics=step.statistics + 2, finish=finish
    )


def validated_side_by_side(graph: Graph, parameters: Sequence[str], lanes: int) -> Graph:
    """The validation batch of many members: what one has, and each member's loss and the rows."""
    averages = {v.name for v in graph.inputs if v.name.startswith("average.")}
    many = vectorized(graph, {*parameters, *averages}, lanes, shared=(1,))
    loss, count, *rest = many.outputs
    return Graph(many.inputs, (ops.sum(loss), count, loss, count, *rest))


def _finish(finish: Graph, lanes: int) -> Graph:
    """Each member's mean loss and metrics from the sums of an epoch."""
    numbers = known_shape(finish.inputs[0].shape)[0] if finish.inputs else 0
    flat = input_value("sums", (lanes + 1 + numbers * lanes,), "float64")
    means = ops.slice_axis(flat, 0, 0, lanes) / ops.slice_axis(flat, 0, lanes, lanes + 1)
    results: list[Value] = [means]
    if finish.outputs:
        many = vectorized(finish, ["sums"], lanes)
        own = ops.slice_axis(flat, 0, lanes + 1, lanes + 1 + numbers * lanes)
        sums = ops.reshape(own, (numbers, lanes))
        results += substitute(many.outputs, {id(many.inputs[0]): sums})
    return Graph((flat,), tuple(results))


# --- running


class SideBySideProgram:
    """The program of blocks of members; made once for a fit, run once.

    Args:
        job: what is trained on what.
        members: how many.

    Raises:
        UnsupportedOperationError: an operation without a rule for members, or a native form.
    """

    def __init__(self, job: Job, members: int) -> None:
        self.job, network = job, job.recipe.network
        self.lanes = lanes_for(members)
        self.blocks = -(-members // self.lanes)
        self._one = step_graph(job.recipe)
        self._names = [*network.parameters]
        step = side_by_side(self._one, self._names, self.lanes)
        checked = None
        if job.validation is not None:
            checked = validated_side_by_side(validation_graph(job.recipe), self._names, self.lanes)
        sources = source_arrays(job.data, job.weights, job.validation, network.dtype)
        rows, held = len(job.data[0]), len(sources[1][0]) if sources[1] else 0
        size = job.batch_size
        joined = size + 1 if size > 1 and rows > size else planned_rows(size)
        capacity = (joined, planned_rows(max(1, min(VALIDATION_BATCH, held))))
        names = [*self._names, *self._one.averages.values()]
        count = min(chosen_workers(job.threads), self.blocks)
        self.engines = [
            NativeEngine(step, checked, capacity, sources, names, 1) for _ in range(count)
        ]
        self._rows, self._held = rows, held
        self._steps = len(batch_bounds(rows, size))
        self._columns = (2 if checked is not None else 1) * (
            1 + (1 + len(self._one.finish.outputs)) * self.lanes
        )

    def run(self, members: Sequence[Mapping[str, Array]], epochs: int) -> Outcome:
        """Train all members; their parameters change in place.

        Raises:
            TrainingError: if the loss of a member is not a finite number; all members have the
                weights they had then.
        """
        for engine in self.engines:
            engine.control["stop"] = 0
        run = _Run(self, members, epochs)
        workers = [
            threading.Thread(target=run.work, args=(engine,), name="ranvier", daemon=True)
            for engine in self.engines
        ]
        for worker in workers:
            worker.start()
        while not run.done.is_set():
            try:
                run.done.wait(LOOK_EVERY)
            except KeyboardInterrupt:
                run.stop()
        if run.error is not None:
            raise run.error
        return Outcome(run.lines[: run.epochs], run.epochs, run.interrupted)

    # --- one block

    def load(self, engine: NativeEngine, members: Sequence[Mapping[str, Array]]) -> None:
        """Begin: the members' parameters, a fresh optimizer, the first epoch."""
        c, job = engine.control, self.job
        stacked = {name: np.stack([own[name] for own in members], axis=-1) for name in self._names}
        engine.load(stacked)
        engine.load({own: stacked[name] for name, own in self._one.averages.items()})
        shapes = {v.name: v.shape for v in self._one.graph.inputs}
        dtype = job.recipe.network.dtype
        for name, number in self._one.state.items():
            engine.load({name: np.full((*known_shape(shapes[name]), self.lanes), number, dtype)})
        c["rows"], c["validation_rows"], c["batch_size"] = self._rows, self._held, job.batch_size
        c["shuffle"], c["seed"], c["columns"] = int(job.shuffle), job.seed, self._columns
        c["monitor_column"], c["patience"], c["last_step"] = -1, UNLIMITED, UNLIMITED
        for name in ("epoch", "batch", "step", "first_epoch", "loss_sum", "loss_count"):
            c[name] = 0
        c.sums()[:] = 0.0

    def train(self, engine: NativeEngine, epochs: int) -> NDArray[np.float64]:
        """Run the epochs; returns ``(epochs, columns, lanes)``."""
        c, recipe = engine.control, self.job.recipe
        steps = epochs * self._steps // recipe.rules.accumulate
        now = host_numbers(recipe.optimizer, recipe.rules, steps, epochs)
        c["learning_rate"] = host_rate(recipe.optimizer)
        c.numbers()[:] = [now[name] for name in self._one.numbers]
        lines = np.zeros((epochs, self._columns))
        c["history"], c["last_epoch"] = lines.ctypes.data, epochs
        engine.run()
        # Each of the two parts starts with the sum of all losses.
        parts = 2 if self._held else 1
        own = lines.reshape(epochs, parts, -1)[:, :, 1:]
        return own.reshape(epochs, -1, self.lanes)

    def take(self, engine: NativeEngine, members: Sequence[Mapping[str, Array]]) -> None:
        """Put a block's parameters back into its members."""
        for name in self._names:
            found = engine.view(self._one.averages.get(name, name))
            for lane, own in enumerate(members):
                own[name][...] = found[..., lane]


class _Run:
    """One run: workers take block after block.

    Attributes:
        lines: of the history, filled block by block.
        epochs: finished by all members so far.
        interrupted: whether the user ended it.
        error: what a worker raised.
        done: set when all workers have ended.
    """

    def __init__(
        self, program: SideBySideProgram, members: Sequence[Mapping[str, Array]], epochs: int
    ) -> None:
        self.program, self.members = program, members
        self.asked = self.epochs = epochs
        width = program.lanes
        columns = program._columns // width
        self.lines = np.zeros((epochs, columns, len(members)))
        self.interrupted = False
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._blocks = iter(range(program.blocks))
        self._lock = threading.Lock()
        self._working = len(program.engines)

    def stop(self) -> None:
        """Have every worker end after its step."""
        self.interrupted = True
        for engine in self.program.engines:
            engine.control["stop"] = words.STOP

    def work(self, engine: NativeEngine) -> None:
        """Take blocks until there are none."""
        try:
            while (block := self._next()) is not None:
                self._train(engine, block)
        except BaseException as error:  # carried over to the caller's thread
            self.error = error
        finally:
            with self._lock:
                self._working -= 1
                if not self._working:
                    self.done.set()

    def _next(self) -> int | None:
        with self._lock:
            return None if self.error is not None else next(self._blocks, None)

    def _train(self, engine: NativeEngine, block: int) -> None:
        program, lanes = self.program, self.program.lanes
        first = block * lanes
        own = self.members[first : first + lanes]
        if self.interrupted:
            self.epochs = 0
            return
        # Lanes that are left over repeat the last member.
        program.load(engine, [*own, *[own[-1]] * (lanes - len(own))])
        lines = program.train(engine, self.asked)
        program.take(engine, own)
        self.lines[:, :, first : first + len(own)] = lines[:, :, : len(own)]
        with self._lock:
            self.epochs = min(self.epochs, engine.control["epoch"])
        if engine.control["status"] == words.NOT_FINITE:
            raise self._failure(engine, first, len(own))

    def _failure(self, engine: NativeEngine, first: int, count: int) -> TrainingError:
        losses = engine.arena.view(engine.step.fused.outputs[1])[:count]
        bad = [first + int(lane) for lane in np.flatnonzero(~np.isfinite(losses))]
        step, which = engine.control["step"] + 1, ", ".join(map(str, bad))
        return TrainingError(
            f"Training stopped at step {step}: a loss is not a finite number.",
            happened=f"the loss of member {which} became NaN or infinite",
            needed="finite numbers everywhere",
            fix="use a smaller learning rate, or scale the inputs to mean 0 and deviation 1; "
            "fit the member alone to see where it begins; members keep their last weights",
        )
