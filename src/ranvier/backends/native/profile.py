"""Where the time of a program goes: it runs with a clock after each group, on a copy of its state.

The program's own memory is only read. Times are means over the quickest quarter of some rounds,
each from the same state: other programs on the machine only ever take time. What a look at the
clock costs is taken off.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.native.arena import Arena
from ranvier.backends.native.ceilings import Ceilings, find_ceilings
from ranvier.backends.native.clock import FIRST_GROUP, MEETINGS, SLOTS, Clock
from ranvier.backends.native.emitter import Emitter, Operand
from ranvier.backends.native.jit import compile_text
from ranvier.backends.native.modes import emit_flush, emit_restore
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.profile_record import GroupProfile, Profile
from ranvier.backends.native.program import Body
from ranvier.backends.native.reasons import reason_of_cut, reasons_of
from ranvier.backends.native.target import Target
from ranvier.backends.native.team import LINE, TEAM_BYTES, WORKERS, Team, add_team
from ranvier.backends.native.work import bytes_of, describe, operations_of
from ranvier.backends.native.workers import run_together
from ranvier.compiler.pipeline import Planned
from ranvier.compiler.plan import MemoryPlan

#: Seconds of a round, short enough to be left alone, and the fewest rounds.
ROUND, FEWEST_ROUNDS = 3e-3, 5
#: The words of a timed run: steps, the table of data, the row numbers, batches of them.
STEPS, DATA, ROWS, BATCHES = range(4)


@dataclass(frozen=True, eq=False)
class Subject:
    """A program that can be timed.

    Attributes:
        what: what it does once: "a step of training".
        planned: its groups.
        memory: the plan of its arena.
        start: the bytes of an arena that it can start from.
        data: addresses and strides of its data sources.
        rows: row numbers of some batches, one after another, and room behind them.
        count: rows of a batch.
        batches: how many batches of row numbers there are.
        workers: how many run it together.
        usual: lengths of extents that a short program has a text of its own for.
        target: the processor it was planned for.
    """

    what: str
    planned: Planned
    memory: MemoryPlan
    start: NDArray[np.uint8]
    data: NDArray[np.int64]
    rows: NDArray[np.int64]
    count: int
    batches: int
    workers: int
    usual: Mapping[str, int] | None
    target: Target


def profile(subject: Subject, seconds: float) -> Profile:
    """Time each group of a program.

    Args:
        subject: the program and what it starts from.
        seconds: about how long to measure.
    """
    timed = _Timed(subject)
    ceilings = find_ceilings(subject.target)
    means = timed.measure(seconds, ceilings)
    return _record(subject, timed, means, ceilings)


class _Timed:
    """The program with a clock, in an arena of its own."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        planned, workers = subject.planned, subject.workers
        end = -(-subject.memory.bytes // LINE) * LINE
        self.clock = Clock(end, len(planned.groups), workers)
        self.arena = Arena(replace(subject.memory, bytes=end + self.clock.bytes))
        self.team = Team(0, planned.request.workers) if workers > 1 else None
        self.writer = ModuleWriter(subject.target)
        self.body: Body = self.writer.add_program(
            "step", planned, self.team, subject.usual, self.clock
        )
        guarded = planned.guard is not None
        self.writer.function("train", _emit_steps(self.writer, planned, subject.count))
        entry = "train"
        if self.team is not None:
            declarations, target = self.writer.declarations, subject.target
            add_team(self.team, [("step", guarded)], self.writer.function, declarations, target)
            entry = "train_together"
        alone = self.team is None and self.body.usual is None
        self.blocks = planned.blocks if alone else None
        self.code = compile_text(self.writer.text(), subject.target)
        self._call = self.code.function(entry, ctypes.c_void_p, ctypes.c_void_p)
        self._follow: Callable[..., None] | None = None
        if self.team is not None:
            self._follow = self.code.function("follow", ctypes.c_void_p, ctypes.c_int64)
        words = [1, subject.data.ctypes.data, subject.rows.ctypes.data, subject.batches]
        self.words = np.array(words, np.int64)

    def reasons(self, place: int) -> list[str]:
        """Why a group is written as it is."""
        group, blocks = self.subject.planned.groups[place], self.blocks
        found = reasons_of(self.writer, group, self.subject.planned)
        if self.body.usual is not None:
            found.append("written in line: the whole program is short")
        elif self.team is not None:
            found.append(reason_of_cut(group, self.body.cuts[place], self.body.capacity))
        elif blocks is not None and group in blocks.inside:
            found.append(f"in blocks of {blocks.rows} rows, which stay in cache between groups")
        return found

    def measure(self, seconds: float, ceilings: Ceilings) -> NDArray[np.float64]:
        """Seconds a step of each slot, without the clock's own time."""
        steps = 1
        taken = self._round(steps)[1]
        while taken < ROUND and steps < 1 << 20:
            steps = max(2 * steps, int(steps * min(16.0, ROUND / max(taken, 1e-9))))
            taken = self._round(steps)[1]
        rounds: list[NDArray[np.int64]] = []
        begin = time.perf_counter()
        while len(rounds) < FEWEST_ROUNDS or time.perf_counter() - begin < seconds:
            rounds.append(self._round(steps)[0])
        self.steps = steps * len(rounds)
        quickest = sorted(rounds, key=lambda slots: int(slots[MEETINGS:].sum()))
        ticks = np.mean(quickest[: -(-len(rounds) // 4)], axis=0) / steps
        found = np.maximum(ticks - self._laps() * ceilings.lap, 0.0)
        return np.asarray(found / ceilings.ticks, np.float64)

    def _laps(self) -> NDArray[np.float64]:
        """How often a step looks at the clock, for each slot; meetings are not told apart."""
        planned, blocks = self.subject.planned, self.blocks
        found = np.ones(FIRST_GROUP + self.clock.groups)
        if blocks is not None:
            rounds = -(-self.subject.count // blocks.rows)
            for place, group in enumerate(planned.groups, FIRST_GROUP):
                if group in blocks.inside:
                    found[place] = rounds + (group.number in blocks.sums)
        return found

    def _round(self, steps: int) -> tuple[NDArray[np.int64], float]:
        """Some steps from the start: ticks in the first worker's slots, and seconds of it all."""
        arena, start = self.arena, self.subject.start
        arena.bytes[: len(start)] = start
        line = arena.bytes[self.clock.offset : self.clock.offset + self.clock.bytes]
        line[...] = 0
        self.words[STEPS] = steps
        address = int(self.words.ctypes.data)
        begin = time.perf_counter()
        if self._follow is None:
            self._call(address, arena.address)
        else:
            self._together(address, self._follow)
        taken = time.perf_counter() - begin
        slots = line.view(np.int64)[SLOTS : SLOTS + FIRST_GROUP + self.clock.groups]
        return slots.copy(), taken

    def _together(self, address: int, follow: Callable[..., None]) -> None:
        words = self.arena.bytes[:TEAM_BYTES].view(np.int64)

        def ready(workers: int) -> None:
            words[:] = 0
            words[WORKERS * LINE // 8] = workers

        run_together(
            lambda: self._call(address, self.arena.address),
            lambda worker: follow(self.arena.address, worker),
            ready,
            self.subject.workers,
        )


def _emit_steps(writer: ModuleWriter, planned: Planned, count: int) -> str:
    """``train(words, arena)``: steps over the batches of row numbers, again and again."""
    f = Emitter("define void @train(ptr %words, ptr %arena)", writer.declarations)
    mode = emit_flush(f, writer.target)
    places = [f.at("%words", number, "int64") for number in range(4)]
    steps, batches = (f.op(f"load i64, ptr {places[n]}, align 8") for n in (STEPS, BATCHES))
    data, rows = (f.op(f"load ptr, ptr {places[n]}, align 8") for n in (DATA, ROWS))
    result = "void" if planned.guard is None else "i32"
    counts = "".join(f", i64 {count}" for _ in planned.request.capacity)

    def step(number: Operand, _: list[str]) -> None:
        batch = f.op(f"srem i64 {number}, {batches}")
        numbers = f.at(rows, f.mul(count, batch), "int64")
        f.do(f"call {result} @step(ptr %arena, ptr {data}, ptr {numbers}{counts})")

    f.loop(steps, step)
    emit_restore(f, writer.target, mode)
    f.do("ret void")
    return f.text()


def _record(
    subject: Subject, timed: _Timed, means: NDArray[np.float64], ceilings: Ceilings
) -> Profile:
    """Names, work and reasons beside the times."""
    total = float(means[MEETINGS] + means[FIRST_GROUP:].sum())
    groups = [
        _group_record(subject, timed, place, float(seconds), total, ceilings)
        for place, seconds in enumerate(means[FIRST_GROUP:])
    ]
    return Profile(
        subject.what, tuple(groups), total, float(means[MEETINGS]), subject.workers,
        subject.count, timed.steps,
    )  # fmt: skip


def _group_record(
    subject: Subject, timed: _Timed, place: int, seconds: float, total: float, ceilings: Ceilings
) -> GroupProfile:
    planned, cut = subject.planned, timed.body.cuts[place]
    group, blocks = planned.groups[place], timed.blocks
    counts = dict.fromkeys(planned.request.capacity, subject.count)
    inside = blocks is not None and group in blocks.inside
    at_once = dict.fromkeys(counts, blocks.rows) if blocks is not None and inside else counts
    copied, most_bytes = ceilings.bandwidth(bytes_of(group, at_once))
    dtype = group.roots[0].value.dtype
    return GroupProfile(
        group.name, group.kind, describe(group), seconds, seconds / total if total else 0.0,
        operations_of(group, counts), bytes_of(group, counts),
        ceilings.operations.get(dtype, ceilings.operations["float64"]), most_bytes, copied,
        1 if cut is None else subject.workers, tuple(timed.reasons(place)),
    )  # fmt: skip
