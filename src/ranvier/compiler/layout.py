"""Layout: weights and their moments in panels, so that tiles read them as one sequence.

A product reads its right operand a panel of columns at a time, and an optimizer's update walks the
same panel of weights and moments downwards. Stored panel after panel these are sequential; stored
in rows they are short pieces far apart, which no hardware prefetcher follows (what was measured is
in docs/decisions/0007-panels.md). Outside of a program a parameter always has its canonical layout;
the arena converts at the edges of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ranvier.compiler.fuse import Fused
from ranvier.compiler.groups import Buffer, Group, walk
from ranvier.compiler.index import Axis, axes_of


def choose_layouts(fused: Fused, groups: Sequence[Group], panel: Mapping[str, int]) -> None:
    """Give the panel layout to state matrices that only tiles touch.

    Args:
        fused: the program's buffers.
        groups: in order.
        panel: columns of a panel, by dtype.
    """
    for buffer in fused.inputs.values():
        width = panel.get(buffer.dtype, 0)
        if buffer.role != "state" or len(buffer.shape) != 2 or not width:
            continue
        columns = buffer.shape[1]
        if not isinstance(columns, int) or columns <= width or buffer.panel:
            continue
        if all(_suits(group, buffer) for group in groups):
            set_panel(buffer, width)
    for group in groups:
        for written in group.writes():
            if written.alias is not None and written.alias.panel:
                set_panel(written, written.alias.panel)
        side = group.right
        if side is not None and side.buffer.panel:  # the stride along the matrix's rows
            if side.depth == 1:
                side.outer = side.buffer.panel
            else:
                side.depth = side.buffer.panel


def set_panel(buffer: Buffer, width: int) -> None:
    """Store a matrix panel after panel."""
    buffer.panel = buffer.row = width


def _suits(group: Group, buffer: Buffer) -> bool:
    """Whether a group touches a buffer only in ways that panels serve."""
    if group.left is not None and group.left.buffer is buffer:
        return False
    if group.base is buffer:
        return False
    side = group.right
    if side is not None and side.buffer is buffer:
        plain = not side.base.terms and side.base.constant == 0
        if not plain or 1 not in (side.outer, side.depth):
            return False
        free, axis = Axis(len(group.domain) - 1, group.domain[-1]), group.reduced
        lengths = (free.length, axis.length if axis is not None else 0)
        if lengths != (buffer.shape if side.depth == 1 else buffer.shape[::-1]):
            return False
    for root in group.roots:
        for e in walk(root.expr) if root.expr is not None else ():
            if e.op == "load" and e.payload[0] is buffer and not _as_tiles(group, e.payload[1]):
                return False
        stored = root.buffer
        touches = stored is not None and buffer in (stored, stored.alias)
        tiles = group.kind != "scatter" and len(group.domain) == 2
        if touches and not (tiles and group.domain == buffer.shape):
            return False
    return True


def _as_tiles(group: Group, indices: Sequence[object]) -> bool:
    return len(group.domain) == 2 and tuple(indices) == axes_of(group.domain)
