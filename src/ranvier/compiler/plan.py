"""Order of groups, updates in place, and the plan of memory: one arena, nothing else.

An update may overwrite its state only after every reader of the old value (a layer's input gradient
comes before its weights change). Where that cannot be, the new value is kept apart and copied over
at the end.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ranvier.compiler.blocks import Blocks
from ranvier.compiler.fuse import Fused
from ranvier.compiler.groups import LANES, Buffer, Expr, Group, Root, loaded, walk
from ranvier.compiler.index import Axis, Index, axes_of
from ranvier.foundation.dtypes import itemsize
from ranvier.ops.value import Value

#: Tiles and packed panels read up to this many whole rows past the end of an operand; what they
#: find there never reaches a result, but it must be inside the arena.
SLACK_ROWS = 32


@dataclass(frozen=True)
class MemoryPlan:
    """Where every byte of a program lies.

    Attributes:
        bytes: length of the arena.
        state_bytes: of it, what lives from step to step.
        buffers: all buffers with their offsets.
        capacity: lengths that symbolic extents were planned for.
    """

    bytes: int
    state_bytes: int
    buffers: tuple[Buffer, ...]
    capacity: Mapping[str, int]

    def table(self) -> str:
        """One line a buffer: offset, bytes, what it is."""
        lines = [f"{'offset':>10} {'bytes':>10}  buffer"]
        for buffer in sorted(self.buffers, key=lambda b: b.offset):
            size = buffer.bytes(dict(self.capacity))
            lines.append(f"{buffer.offset:>10} {size:>10}  {buffer}")
        lines.append(f"{self.bytes:>10} bytes in all, {self.state_bytes} of them state")
        return "\n".join(lines)


# --- order and updates in place


def order_groups(fused: Fused, updates: Mapping[int, str], guard: int | None = None) -> list[Group]:
    """Groups in an order that respects data and updates in place; adds copies where needed.

    Args:
        updates: from the place of an output to the state that it replaces.
        guard: the place of an output that is checked before any state changes.
    """
    groups = list(fused.groups)
    writer = {id(b): g for g in groups for b in g.writes()}
    for group in groups:
        group.after = {writer[id(b)].number for b in group.reads() if id(b) in writer}
        group.after.discard(group.number)
    copies: list[tuple[Buffer, Buffer]] = []
    for place, name in updates.items():
        new, state = fused.outputs[place], fused.inputs[name]
        if new is state:
            continue
        first = None if guard is None else writer[id(fused.outputs[guard])]
        if not _take_place(groups, writer[id(new)], new, state, first):
            copies.append((new, state))
    last = len(groups)
    for new, state in copies:
        group = Group(len(groups), "rows", state.shape)
        expr = Expr("load", (), new.dtype, (new, axes_of(state.shape)))
        axes = tuple(Axis(k, d) for k, d in enumerate(state.shape))
        value = Value("input", (), {}, state.shape, state.dtype)
        target = Buffer(f"{state.name}'", state.shape, state.dtype, "temporary", alias=state)
        group.roots.append(Root(value, expr, axes, buffer=target, name=target.name))
        group.after = set(range(last))
        groups.append(group)
    return _sorted(groups)


def _take_place(
    groups: Sequence[Group], writer: Group, new: Buffer, state: Buffer, first: Group | None
) -> bool:
    """Let ``new`` be stored over ``state`` if every reader of the old value can come first.

    Args:
        first: the group that computes the guarded number; it must come before the update too.
    """
    if first is writer:
        return False
    readers = [g for g in groups if any(b is state for b in g.reads())]
    readers += [first] if first is not None else []
    if any(g is writer for g in readers) and not _element_by_element(writer, new, state):
        return False
    added = []
    for reader in readers:
        if reader is not writer and reader.number not in writer.after:
            writer.after.add(reader.number)
            added.append(reader.number)
    if added and _has_cycle(groups):
        writer.after -= set(added)
        return False
    new.alias = state
    return True


def _element_by_element(group: Group, new: Buffer, state: Buffer) -> bool:
    """Whether a group reads the old state only where, and no later than, it writes the new one."""
    if any(o is not None and o.buffer is state for o in (group.left, group.right)):
        return False
    if group.kind == "scatter":
        return not any(b is state for root in group.roots for b in loaded(root))
    level = next(r.level for r in group.roots if r.buffer is new)
    places: tuple[Index, ...] = axes_of(group.domain)
    for root in group.roots:
        if root.expr is None:
            continue
        for e in walk(root.expr):
            if e.op != "load" or e.payload[0] is not state:
                continue
            late = group.kind == "rows" and (root.level > level or group.domain != state.shape)
            if late or e.payload[1] != places or root.kind != "body":
                return False
    return True


def _has_cycle(groups: Sequence[Group]) -> bool:
    return len(_sorted(groups)) < len(groups)


def _sorted(groups: Sequence[Group]) -> list[Group]:
    """Groups after what they wait for, else in order of creation; incomplete if circular."""
    waiting = {g.number: set(g.after) for g in groups}
    by_number = {g.number: g for g in groups}
    readers: dict[int, list[int]] = {}
    for g in groups:
        for number in g.after:
            readers.setdefault(number, []).append(g.number)
    ready = [n for n, rest in waiting.items() if not rest]
    heapq.heapify(ready)
    out = []
    while ready:
        number = heapq.heappop(ready)
        out.append(by_number[number])
        for reader in readers.get(number, []):
            waiting[reader].discard(number)
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    return out


# --- memory


def plan_memory(
    fused: Fused,
    groups: Sequence[Group],
    capacity: Mapping[str, int],
    start: int = 0,
    blocks: Blocks | None = None,
) -> MemoryPlan:
    """Place every buffer in one arena; temporaries share places when they are not alive together.

    Args:
        fused: the program's buffers.
        groups: in the order they run.
        capacity: lengths of symbolic extents.
        start: bytes that are taken already.
        blocks: in which the groups run, if they do.
    """
    sizes = dict(capacity)
    lasting = [b for b in fused.inputs.values() if b.role != "data"]
    lasting += [b for b, _ in fused.constants.values()]
    lasting += [b for b in fused.outputs if b.alias is None and b.role == "state"]
    offset, placed = start, []
    for buffer in dict.fromkeys(lasting):
        if buffer.offset < 0:
            buffer.offset = offset
            offset += buffer.bytes(sizes)
        placed.append(buffer)
    state_bytes = offset
    lives = _lifetimes(groups) if blocks is None else _lifetimes_in_blocks(blocks)
    end = offset
    busy: list[tuple[Buffer, tuple[int, int]]] = []
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: item[1][0]):
        if buffer.offset >= 0 or buffer.alias is not None:
            continue
        size = buffer.bytes(sizes)
        busy = [(b, life) for b, life in busy if life[1] >= first]
        taken = sorted((b.offset, b.offset + b.bytes(sizes)) for b, _ in busy)
        buffer.offset = _gap(taken, size, state_bytes)
        end = max(end, buffer.offset + size)
        busy.append((buffer, (first, last)))
        placed.append(buffer)
    for group in groups:
        for buffer in group.writes():
            if buffer.alias is not None:
                buffer.offset = buffer.alias.offset
    widest = max((b.row * itemsize(b.dtype) for b in placed), default=64)
    total = end + SLACK_ROWS * max(widest, 64)
    return MemoryPlan(total, state_bytes, tuple(placed), dict(capacity))


def _lifetimes(groups: Sequence[Group]) -> dict[Buffer, tuple[int, int]]:
    """From the group that writes a temporary to the last that reads it."""
    lives: dict[Buffer, tuple[int, int]] = {}
    for time, group in enumerate(groups):
        touched = [*group.writes(), *group.reads()]
        if group.scratch is not None:
            touched.append(group.scratch)
        for buffer in touched:
            if buffer.role in ("temporary", "scratch"):
                first, _ = lives.get(buffer, (time, time))
                lives[buffer] = (first, time)
    return lives


def _lifetimes_in_blocks(blocks: Blocks) -> dict[Buffer, tuple[int, int]]:
    """The same in blocks of rows: what comes in, or stays behind, lives through all of them."""
    begin, end = len(blocks.before), len(blocks.before) + len(blocks.inside) - 1
    lives = _lifetimes([*blocks.before, *blocks.inside, *blocks.after])
    for buffer, (first, last) in lives.items():
        if first < begin <= last or (first <= end < last and buffer in blocks.kept):
            lives[buffer] = (min(first, begin), max(last, end))
    inside = _lifetimes([*blocks.before, *blocks.inside])
    for group in blocks.inside:
        if group.number not in blocks.sums:
            continue
        if group.sums is not None:
            lives[group.sums] = (begin, end + 1 + blocks.after.index(group))
        # Behind the blocks only what follows the sum is computed: its operands are gone by then.
        for side in (group.left, group.right):
            if side is not None and side.buffer in inside and side.buffer not in blocks.kept:
                lives[side.buffer] = inside[side.buffer]
        for buffer in loaded(group.roots[0]):
            if buffer in inside and buffer not in blocks.kept:
                lives[buffer] = inside[buffer]
    return lives


def _gap(taken: Sequence[tuple[int, int]], size: int, start: int) -> int:
    """The first free place of a size."""
    place = start
    for low, high in taken:
        if low - place >= size:
            return place
        place = max(place, high)
    return place


def add_scratch(groups: Sequence[Group], panel: Mapping[str, int], workers: int = 1) -> None:
    """Give products that must turn their right operand around a panel to pack it into.

    Args:
        groups: all groups.
        panel: columns of a panel, by dtype.
        workers: how many need one of their own.
    """
    for group in groups:
        if group.kind == "product" and group.right is not None and group.right.outer != 1:
            axis = group.reduced
            if axis is None:
                continue
            columns = panel[group.right.buffer.dtype] * group.times
            shape = (axis.length, columns)
            group.scratch = Buffer(
                f"panel{group.number}", shape, group.right.buffer.dtype, "scratch", columns
            )
            group.scratch.row, group.scratch.copies = columns, workers
            # Whole blocks of sixteen rows are written.
            if isinstance(axis.length, int):
                rounded = -(-axis.length // LANES) * LANES
                group.scratch.shape = (rounded, columns)
