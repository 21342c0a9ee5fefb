"""The native engine of a training program: its arena, its code, its tables of data."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.control import Control
from ranvier.backends.native.arena import Arena
from ranvier.backends.native.driver import Place, TrainingDriver, TrainingLayout
from ranvier.backends.native.jit import compile_written
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.random import SHORT_EPOCH
from ranvier.backends.native.row_numbers import row_numbers_room
from ranvier.backends.native.running_sums import Region
from ranvier.backends.native.shares import worth_workers
from ranvier.backends.native.target import Target, find_target
from ranvier.backends.native.team import LINE, TEAM_BYTES, WORKERS, Team, add_team
from ranvier.backends.native.tiny import is_short
from ranvier.backends.native.workers import chosen_workers, run_together
from ranvier.compiler.groups import Buffer
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.shapes import known_shape
from ranvier.ops.graph import Graph
from ranvier.training.engines import Array
from ranvier.training.graphs import StepGraph
from ranvier.training.rules import EPOCH


class NativeEngine:
    """The compiled loops.

    Args:
        step: the training step.
        validation: the validation batch, or None.
        capacity: most rows of a training batch, and of a validation batch.
        sources: arrays of the data inputs in order; and of the validation rows.
        parameters: names of the parameters, which come first among the inputs.
        threads: how many workers may run it together; None: all there are. Short steps have one.
    """

    def __init__(
        self,
        step: StepGraph,
        validation: Graph | None,
        capacity: tuple[int, int],
        sources: tuple[Sequence[Array], Sequence[Array]],
        parameters: Sequence[str],
        threads: int | None = None,
    ) -> None:
        self.parameter_names = list(parameters)
        self.target = target = find_target()
        data, panels = frozenset(step.data), target.panels()
        asked, longest = chosen_workers(threads), {"N": capacity[0]}
        self.step: Planned = compile_plan(
            Request(step.graph, data, step.updates, longest, panels, guard=0,
                    start=TEAM_BYTES if asked > 1 else 0, workers=asked)
        )  # fmt: skip
        # Blocks of rows stay in the cache of one core, which helps more than another core.
        together = self.step.blocks is None and worth_workers(self.step.groups, longest)
        self.workers = asked if together else 1
        team = Team(0, asked) if self.workers > 1 else None
        self.buffers = self.step.fused.inputs
        self.validation: Planned | None = None
        if validation is not None:
            self.validation = compile_plan(
                Request(validation, data, {}, {"N": capacity[1]}, panels,
                        start=self.step.memory.bytes, shared=self.buffers, workers=self.workers,
                        blocks=self.workers == 1)
            )  # fmt: skip
        self.last = self.validation or self.step
        self.finish: Planned | None = None
        if step.finish.outputs:
            self.finish = compile_plan(
                Request(step.finish, frozenset(), {}, {}, panels, start=self.last.memory.bytes)
            )
        self.memory = self._memory()
        self.layout = self._layout(step)
        self.usual = self._usual_rows(len(sources[0][0]) if sources[0] else 1, capacity[0])
        self.control = Control(self.layout.sums, len(step.numbers))
        programs = {"step": self.step, "evaluate": self.validation, "finish": self.finish}
        self.code = compile_written(
            target,
            tuple(programs.values()),
            (self.layout, team, tuple((self.usual or {}).items())),
            lambda: self._text(target, programs, team),
        )
        self._enter(team)
        self.arena = Arena(self.memory)
        self._fill_constants()
        self._best: NDArray[np.uint8] | None = None
        self._numbers = np.zeros(row_numbers_room(max(capacity)), np.int64)
        self._sources = sources
        self.tables = [self._table(arrays) for arrays in sources]
        self.control["row_numbers"] = self._numbers.ctypes.data
        self.control["data"] = self.tables[0].ctypes.data
        self.control["validation_data"] = self.tables[1].ctypes.data
        self.control["validation_batch"] = capacity[1]

    def _usual_rows(self, rows: int, longest: int) -> dict[str, int] | None:
        """The rows of all batches but perhaps the last, if the step is worth a text for them."""
        # Unless all rows are one batch, there is room for one more than most batches have.
        usual = {"N": rows if rows <= longest else max(1, longest - 1)}
        return usual if self.workers == 1 and is_short(self.step.groups, usual) else None

    def _text(
        self, target: Target, programs: Mapping[str, Planned | None], team: Team | None
    ) -> str:
        """The module: the programs, and the loops around them."""
        writer = ModuleWriter(target)
        for name, planned in programs.items():
            if planned is not None:
                usual = self.usual if name == "step" else {} if name == "finish" else None
                writer.add_program(name, planned, team if name != "finish" else None, usual)
        driver = TrainingDriver(writer.declarations, target, self.layout)
        writer.function("train", driver.emit())
        if team is not None:
            together = [
                (n, p.guard is not None) for n, p in programs.items() if p and n != "finish"
            ]
            add_team(team, together, writer.function, writer.declarations, target)
        return writer.text()

    @staticmethod
    def _table(arrays: Sequence[Array]) -> NDArray[np.int64]:
        """Address and row stride, in elements, of each data source."""
        pairs = [(a.ctypes.data, a.strides[0] // a.itemsize) for a in arrays]
        return np.array(pairs or [(0, 0)], np.int64).reshape(-1)

    def _memory(self) -> MemoryPlan:
        """What lies in the one arena: the last program's buffers, and those of the metrics."""
        plan = self.last.memory
        if self.finish is None:
            return plan
        more = self.finish.memory
        return replace(plan, bytes=more.bytes, buffers=(*plan.buffers, *more.buffers))

    def _layout(self, step: StepGraph) -> TrainingLayout:
        loss, *kept = self.step.fused.outputs[: step.statistics + 1]
        checked = self.validation.fused.outputs if self.validation is not None else []
        finish = self.finish.fused if self.finish is not None else None
        first = self.buffers[self.parameter_names[0]] if self.parameter_names else None
        last = self.buffers[self.parameter_names[-1]] if self.parameter_names else None
        span = (0, 0)
        if first is not None and last is not None:
            span = (first.offset, last.offset + last.bytes({"N": 0}) - first.offset)
        return TrainingLayout(
            Place(loss.offset, loss.dtype),
            tuple(_region(b) for b in kept),
            tuple(_region(b) for b in checked),
            finish.inputs["sums"].offset if finish is not None else 0,
            tuple(p for b in finish.outputs for p in _places(b)) if finish is not None else (),
            self._scalar("control.step_real"),
            self._scalar("control.step_number"),
            self._scalar("control.seed"),
            self._scalar("control.rate"),
            span,
            self._scalar(EPOCH),
            tuple(self._scalar(name) for name in step.numbers),
            self.step.request.capacity["N"] <= SHORT_EPOCH + 1,  # one row may have joined
        )

    def _scalar(self, name: str) -> Place | None:
        """Where a step reads a scalar, if it does."""
        buffer = self.buffers.get(name)
        return None if buffer is None else Place(buffer.offset, buffer.dtype)

    def _fill_constants(self) -> None:
        for planned in (self.step, self.validation, self.finish):
            if planned is not None:
                for buffer, node in planned.fused.constants.values():
                    self.arena.view(buffer)[...] = node.attributes["value"]

    def load(self, state: Mapping[str, Array]) -> None:
        """Take parameters and optimizer state, by input name."""
        for name, array in state.items():
            self.arena.write(self.buffers[name], array)

    def view(self, name: str) -> Array:
        """A parameter or state as it is now."""
        return self.arena.read(self.buffers[name])

    def loss(self) -> float:
        """The loss of the last step's batch."""
        place = self.layout.loss
        return float(np.frombuffer(self.arena.bytes, place.dtype, 1, place.offset)[0])

    def _enter(self, team: Team | None) -> None:
        """The functions through which workers enter the code."""
        name = "train" if team is None else "train_together"
        self._train = self.code.function(name, ctypes.c_void_p, ctypes.c_void_p)
        if team is not None:
            self._follow = self.code.function("follow", ctypes.c_void_p, ctypes.c_int64)

    def run(self) -> None:
        """Go on from the control block's position."""
        arena = self.arena.address
        if self.workers == 1:
            self._train(self.control.address, arena)
            return
        words = np.frombuffer(self.arena.bytes, np.int64, TEAM_BYTES // 8)

        def ready(workers: int) -> None:
            words[:] = 0
            words[WORKERS * LINE // 8] = workers

        run_together(
            lambda: self._train(self.control.address, arena),
            lambda worker: self._follow(arena, worker),
            ready,
            self.workers,
        )

    def keep_best(self) -> None:
        """Make room for the best parameters."""
        self._best = np.zeros(max(self.layout.parameters[1], 1), np.uint8)
        self.control["best_parameters"] = self._best.ctypes.data

    def keep_now(self) -> None:
        """The present parameters are the best ones, if the best ones are kept."""
        start, length = self.layout.parameters
        if self._best is not None:
            self._best[:length] = self.arena.bytes[start : start + length]

    def best(self) -> Mapping[str, Array]:
        """The parameters that were kept."""
        if self._best is None:
            return {}
        start, length = self.layout.parameters
        now = self.arena.bytes[start : start + length].copy()
        self.arena.bytes[start : start + length] = self._best[:length]
        found = {name: self.view(name) for name in self.parameter_names}
        self.arena.bytes[start : start + length] = now
        return found


def _places(buffer: Buffer) -> list[Place]:
    """Where the numbers of a result lie: one, or one for each member of an ensemble."""
    count, size = math.prod(known_shape(buffer.shape)), itemsize(buffer.dtype)
    return [Place(buffer.offset + k * size, buffer.dtype) for k in range(count)]


def _region(buffer: Buffer) -> Region:
    """Where a value of known shape lies: a vector is one row, more axes are rows of the first."""
    shape = known_shape(buffer.shape)
    if len(shape) < 2:
        return Region(buffer.offset, buffer.dtype, 1, math.prod(shape), 1)
    return Region(buffer.offset, buffer.dtype, shape[0], math.prod(shape[1:]), buffer.row)
