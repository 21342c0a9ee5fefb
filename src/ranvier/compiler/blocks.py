"""Blocks of rows: a long batch goes through all layers piece by piece, and stays in the cache.

Groups that compute row after row run for a block of rows before the next block begins, and sums
over the batch, such as weight gradients, go on from block to block. Every sum keeps its order, so
the bits are those of whole groups one after another. What no group needs after its block is written
over by the next one. It pays for small networks and long batches: where the sums, kept for the
whole batch, are small, and the activations of the batch are more than a cache holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ranvier.compiler.groups import LANES, Buffer, Expr, Group, Root, loaded, walk
from ranvier.compiler.index import Axis, Index
from ranvier.foundation.dtypes import is_float, itemsize
from ranvier.foundation.shapes import Extent

#: Bytes of a block's temporaries: a part of the second-level cache.
BLOCK_BYTES = 64 << 10
#: Bytes of a batch's temporaries from which blocks pay, and of all sums up to which they do.
WORTH_BLOCKS, MOST_SUMS = 1 << 20, 64 << 10
#: Rows that a tile may pass the end of a matrix, columns that a panel may.
TILE_ROWS, PANEL_COLUMNS = 16, 32


@dataclass(eq=False)
class Blocks:
    """A program's groups in the order in which blocks need them.

    Attributes:
        rows: of a block.
        before: groups that run once, before all blocks.
        inside: groups that run for each block; of those in ``sums`` only the sum.
        after: groups that run once after all blocks; of those in ``sums`` what follows the sum.
        sums: numbers of the groups whose sums go on from block to block.
        kept: buffers that blocks fill and groups behind them read.
    """

    rows: int
    before: list[Group] = field(default_factory=list)
    inside: list[Group] = field(default_factory=list)
    after: list[Group] = field(default_factory=list)
    sums: set[int] = field(default_factory=set)
    kept: set[Buffer] = field(default_factory=set)

    def order(self) -> list[Group]:
        """All groups, each once, in an order for whole groups one after another."""
        once = [group for group in self.inside if group.number not in self.sums]
        return [*self.before, *once, *self.after]


def find_blocks(
    groups: Sequence[Group], capacity: Mapping[str, int], outputs: Sequence[Buffer]
) -> Blocks | None:
    """The blocks of a program whose batch is long and whose network is small, or None.

    Args:
        groups: in order.
        capacity: lengths of symbolic extents; blocks are for programs with a single one.
        outputs: buffers that are read from outside.
    """
    if len(capacity) != 1:
        return None
    ((name, longest),) = capacity.items()
    extent = Extent(name)
    blocks = Blocks(0)
    place: dict[int, str] = {}
    writer = {buffer: group.number for group in groups for buffer in group.writes()}
    for group in groups:
        where = _where(group, extent, place, writer)
        place[group.number] = where
        if where in ("before", "inside"):
            getattr(blocks, where).append(group)
            continue
        blocks.after.append(group)
        if where == "sum":
            blocks.inside.append(group)
            blocks.sums.add(group.number)
    once = [group for group in blocks.inside if group.number not in blocks.sums]
    written = {buffer for group in once for buffer in group.writes()}
    late = {b for g in blocks.after if g.number not in blocks.sums for b in g.reads()}
    blocks.kept = written & (late | set(outputs))
    bytes_a_row = sum(b.row * itemsize(b.dtype) for b in written - blocks.kept)
    sums = sum(_sums_of(g).bytes({}) for g in blocks.after if g.number in blocks.sums)
    small = blocks.sums and sums <= MOST_SUMS
    if not small or bytes_a_row * longest < WORTH_BLOCKS:
        return None
    blocks.rows = max(BLOCK_BYTES // bytes_a_row // LANES, 4) * LANES
    for group in blocks.after:
        if group.number in blocks.sums:
            group.sums = _sums_of(group)
    return blocks


def _where(
    group: Group, extent: Extent, place: Mapping[int, str], writer: Mapping[Buffer, int]
) -> str:
    """Where a group runs: "before", "inside", "after", or "sum": inside and after."""
    lasting = any(b.alias is not None or b.role == "state" for b in group.writes())
    needs = {place[number] for number in group.after}
    if _by_rows(group, extent):
        return "inside" if needs <= {"before", "inside"} and not lasting else "after"
    if _is_sum(group, extent):
        numbers = {writer[b] for b in _summed(group) if b in writer}
        return "sum" if all(place[n] in ("before", "inside") for n in numbers) else "after"
    uses = any(b.shape and b.shape[0] == extent for b in [*group.reads(), *group.writes()])
    return "before" if needs <= {"before"} and not lasting and not uses else "after"


def _summed(group: Group) -> list[Buffer]:
    """What a sum over the rows of the batch reads itself."""
    sides = [side.buffer for side in (group.left, group.right) if side is not None]
    return [*sides, *loaded(group.roots[0])]


def _by_rows(group: Group, extent: Extent) -> bool:
    """Whether row i of what a group writes depends on row i of what it reads alone."""
    if group.kind not in ("rows", "product") or not group.domain or group.domain[0] != extent:
        return False
    own = Axis(0, extent)
    if group.kind == "product":
        left, right = group.left, group.right
        if left is None or right is None or len(group.domain) != 2 or group.reduced is None:
            return False
        plain = left.outer == left.buffer.row and not left.base.terms and not right.base.terms
        if not plain or group.reduced.length == extent or right.buffer.shape[0] == extent:
            return False
    elif len(group.domain) == 1 and any(root.kind != "body" for root in group.roots):
        return False  # a sum over all rows
    stored = all(r.buffer is None or r.axes[:1] == (own,) for r in group.roots)
    return stored and all(_own_row(root, own, extent) for root in group.roots)


def _is_sum(group: Group, extent: Extent) -> bool:
    """Whether a group sums over the rows of the batch, and what it keeps has a known size."""
    reduced = group.reduced
    if reduced is None or reduced.length != extent or group.times != 1:
        return False
    if not all(isinstance(length, int) for length in group.domain):
        return False
    rest = group.roots[1:]
    if not all(_own_row(root, None, extent) for root in rest):
        return False
    if group.kind == "columns":
        anchor = group.roots[0]
        known = (
            anchor.kind == "sum"
            and not group.as_row
            and is_float(anchor.value.dtype)
            and len(group.domain) == 1
        )
        return known and _own_row(anchor, reduced, extent)
    left, right = group.left, group.right
    if group.kind != "product" or len(group.domain) != 2 or left is None or right is None:
        return False
    down = all(
        side.depth == side.buffer.row and side.outer in (0, 1) and side.base == Index()
        for side in (left, right)
    )
    return down and right.outer in (0, 1)


def _own_row(root: Root, own: Axis | None, extent: Extent) -> bool:
    """Whether an expression walks rows of the batch only along one axis, and only in step."""
    parts = walk(root.expr) if root.expr is not None else ()
    return all(_part_in_step(part, own, extent) for part in parts)


def _part_in_step(part: Expr, own: Axis | None, extent: Extent) -> bool:
    if part.op in ("gather", "scatter"):
        return False
    if part.op != "load":
        return all(own not in index.axes() for index in part.indices())
    buffer, indices = part.payload
    if buffer.role == "data" or (buffer.shape and buffer.shape[0] == extent):
        if own is None or indices[0] != Index.of(own):
            return False
        indices = indices[1:]
    return all(own not in index.axes() for index in indices)


def _sums_of(group: Group) -> Buffer:
    """Where the sums of a group are kept from block to block."""
    dtype, size = group.roots[0].value.dtype, [n for n in group.domain if isinstance(n, int)]
    if group.kind == "columns":
        shape = (4, -(-size[0] // LANES) * LANES)
    else:
        shape = (size[0] + TILE_ROWS, -(-size[1] // PANEL_COLUMNS) * PANEL_COLUMNS)
    return Buffer(f"sums{group.number}", shape, dtype, "scratch", tight=True)
