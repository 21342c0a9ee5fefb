"""Which part of a group's work is whose when several workers run a program together.

A group is cut along an axis whose places do not depend on each other, so each number is computed by
one worker alone, in the order it always has: the bits do not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ranvier.backends.native.emitter import Emitter, Operand
from ranvier.compiler.groups import LANES, Buffer, Group, loaded, walk
from ranvier.compiler.index import Axis, axes_of
from ranvier.compiler.joins import borders_of
from ranvier.foundation.shapes import Dimension, Extent

#: Nanoseconds of a group on one core from which its cut pays for the meeting that it may need.
WORTH_A_CUT = 2_000
#: Nanoseconds of a whole step from which it pays for workers at all: a step of 160 microseconds was
#: slower with two, one of 800 took 60 % of its time.
WORTH_WORKERS = 300_000
#: Rough costs on one core, for these decisions alone: multiply-adds, and elementwise operations.
NANOSECONDS_A_MULTIPLY_ADD, NANOSECONDS_AN_OPERATION = 0.01, 0.04


@dataclass(frozen=True)
class Span:
    """The places of a cut axis that a worker has: from ``first`` up to ``last``."""

    first: Operand
    last: Operand


@dataclass(frozen=True)
class Cut:
    """How a group is cut.

    Attributes:
        what: "rows": along the first axis; "columns": along the last, in vectors or panels.
        length: of the axis.
        unit: places that stay together.
        times: how often the axis follows itself, as rows of rows.
    """

    what: str
    length: Dimension
    unit: int
    times: Dimension = 1


def cost_of(group: Group, capacity: Mapping[str, int]) -> float:
    """About how many nanoseconds a group takes on one core."""
    size = 1.0
    for length in group.domain:
        size *= _number(length, capacity)
    if group.reduced is not None:
        size *= _number(group.reduced.length, capacity)
    if group.kind == "product":
        return size * NANOSECONDS_A_MULTIPLY_ADD
    parts = sum(
        1
        for root in group.roots
        if root.expr is not None
        for e in walk(root.expr)
        if e.op not in ("const", "ref")
    )
    return size * parts * NANOSECONDS_AN_OPERATION


def worth_workers(groups: Sequence[Group], capacity: Mapping[str, int]) -> bool:
    """Whether a step is long enough for several workers."""
    return sum(cost_of(group, capacity) for group in groups) >= WORTH_WORKERS


def cut_of_loops(group: Group) -> Cut | None:
    """The cut of a rows or columns group, or None where all places are needed together."""
    if not group.domain or group.kind not in ("rows", "columns"):
        return None
    first = Axis(0, group.domain[0])
    if first in borders_of(group):
        return None
    if len(group.domain) > 1:
        return Cut("rows", group.domain[0], 1)
    return Cut("columns", group.domain[0], LANES) if group.kind == "columns" else None


def emit_span(f: Emitter, cut: Cut, count: Operand, worker: str, workers: str) -> Span:
    """A worker's part of ``count`` places: whole units, as equal as they can be."""
    blocks = f.op(f"sdiv i64 {f.add(count, cut.unit - 1)}, {cut.unit}")

    def border(number: Operand) -> Operand:
        block = f.op(f"sdiv i64 {f.mul(blocks, number)}, {workers}")
        return f.minimum_int(f.mul(cut.unit, block), count)

    return Span(border(worker), border(f.add(worker, 1)))


def _number(length: Dimension, capacity: Mapping[str, int]) -> int:
    return capacity[length.name] if isinstance(length, Extent) else length


# --- when workers must meet


@dataclass(frozen=True, eq=False)
class Touched:
    """What a group does to the arena, and who does it.

    Attributes:
        group: the group.
        cut: how it is cut; None: the first worker does it alone.
        reads, writes: bytes from and to, of each buffer.
    """

    group: Group
    cut: Cut | None
    reads: tuple[tuple[int, int, Buffer], ...]
    writes: tuple[tuple[int, int, Buffer], ...]


def touched(group: Group, cut: Cut | None, capacity: Mapping[str, int]) -> Touched:
    """The bytes of the arena that a group reads and writes."""
    sizes = dict(capacity)

    def places(buffers: set[Buffer]) -> tuple[tuple[int, int, Buffer], ...]:
        return tuple((b.offset, b.offset + b.bytes(sizes), b) for b in buffers if b.role != "data")

    written = set(group.writes()) | ({group.scratch} if group.scratch is not None else set())
    return Touched(group, cut, places(set(group.reads())), places(written))


def must_meet(before: Touched, after: Touched) -> bool:
    """Whether a worker may need, or destroy, what another one does in an earlier group."""
    if before.cut is None and after.cut is None:
        return False
    pairs = [
        (x, y)
        for one, other in (
            (before.writes, after.reads), (before.writes, after.writes),
            (before.reads, after.writes),
        )
        for x in one
        for y in other
        if x[0] < y[1] and y[0] < x[1]
    ]  # fmt: skip
    return any(not _own_rows(before, after, x[2], y[2]) for x, y in pairs)


def _own_rows(before: Touched, after: Touched, first: Buffer, second: Buffer) -> bool:
    """Whether both groups give a worker the same rows of a buffer, and touch no others of it."""
    same = before.cut is not None and before.cut == after.cut and before.cut.what == "rows"
    kinds = before.group.kind == after.group.kind == "rows"
    if not same or not kinds or not _same_place(first, second):
        return False
    return all(
        _row_by_row(one.group, buffer) for one in (before, after) for buffer in (first, second)
    )


def _same_place(first: Buffer, second: Buffer) -> bool:
    return first is second or first.alias is second or second.alias is first


def _row_by_row(group: Group, buffer: Buffer) -> bool:
    """Whether a rows group reads and writes row i of a buffer only for its own row i."""
    own = axes_of(group.domain)[0]
    for root in group.roots:
        if root.buffer is buffer and len(buffer.shape) < 1:
            return False
        if root.expr is None or buffer not in set(loaded(root)):
            continue
        for e in walk(root.expr):
            if e.op == "load" and e.payload[0] is buffer:
                indices = e.payload[1]
                if not indices or indices[0] != own:
                    return False
    return True
