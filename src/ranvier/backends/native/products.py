"""A product group as a function: panels of columns, tiles of rows, an epilogue on each tile.

A tile's sums land in a scratch that stays in the first-level cache; the epilogue (bias, activation,
an optimizer's update) walks the rows that count. So epilogues are ordinary expressions, and a short
last batch is only another number of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.expressions import Evaluator, Number
from ranvier.backends.native.nests import count_of, finish_elements
from ranvier.backends.native.places import Arguments, TileColumns
from ranvier.backends.native.target import Target
from ranvier.backends.native.tiles import Kernel, Sides, emit_call, emit_pack, emit_pack_left
from ranvier.compiler.groups import LANES, Group
from ranvier.compiler.groups import Operand as Side
from ranvier.compiler.index import Axis
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.shapes import Extent

#: Rows of the tallest tile: 14 x 2 sums, two vectors of the right side, one number of the left.
TALLEST_TILE = 14
#: Bytes up to which a copied left corner is worth it; it should stay in the first-level cache.
LARGEST_CORNER = 64 << 10


def least_waste(rows: int) -> int:
    """The rows of a tile, from 8 to 14, that waste least at the end; taller ones are cheaper.

    Example:
        >>> least_waste(784), least_waste(128)
        (14, 13)
    """
    return min(range(TALLEST_TILE, 7, -1), key=lambda tile: -(-rows // tile) * (tile + 1))


class ProductNest:
    """Writes one product group.

    Args:
        f: where to.
        group: the group.
        arguments: of its function.
        target: decides the tile.
        capacity: lengths of symbolic extents, to choose a tile for few rows.
        want: called with each kernel that is needed.
    """

    def __init__(
        self,
        f: Emitter,
        group: Group,
        arguments: Arguments,
        target: Target,
        capacity: dict[str, int],
        want: Callable[[Kernel], None],
    ) -> None:
        self.f = f
        self.group = group
        self.arguments = arguments
        self.want = want
        self.capacity = capacity
        self.dtype = group.roots[0].value.dtype
        self.axes = [Axis(k, d) for k, d in enumerate(group.domain)]
        self.row_axis, self.column_axis = self.axes[-2], self.axes[-1]
        self.tile_rows, self.tile_vectors = target.tile(self.dtype)
        self._choose_rows()
        self.rows = count_of(self.row_axis.length, arguments)
        self.columns = count_of(self.column_axis.length, arguments)
        size = self.tile_rows * self.tile_vectors * LANES
        self.scratch = f.allocate(Type(self.dtype), size)

    def _choose_rows(self) -> None:
        """Rows of a tile: few for few rows; more than the target's where registers allow.

        A taller tile reads the right operand less often (2 to 4 %), but its row stride must be a
        constant of the kernel, or the addresses of its rows take the registers.
        """
        length = self.row_axis.length
        # Capacity has room for one row that joined the last batch; most batches are one smaller.
        rows = self.capacity[length.name] - 1 if isinstance(length, Extent) else length
        while self.tile_rows > 1 and self.tile_rows >= 2 * max(rows, 1):
            self.tile_rows //= 2
        left = self.group.left
        fixed = left is not None and (left.depth == 1 or self._turns_left())
        if self.tile_vectors == 2 and fixed and rows > 2 * TALLEST_TILE:
            self.tile_rows = least_waste(rows)

    def emit(self) -> None:
        """Write the whole nest."""
        depths = {axis: k + 1 for k, axis in enumerate(self.axes[:-2])}
        batch = len(depths)
        depths |= {self.column_axis: batch + 1, self.row_axis: batch + 2}
        self.evaluators = [
            Evaluator(self.f, self.arguments, depths, self.column_axis, LANES)
            for _ in range(self.tile_vectors)
        ]
        self._hoist(self.tile_vectors)
        self._batch(0)

    def _hoist(self, vectors: int) -> None:
        # Parts outside of all vectors are the same for each of them, but each keeps its own book.
        for e in self.evaluators[:vectors]:
            e.hoist(r.expr for r in self.group.roots if r.expr is not None)

    def _batch(self, place: int) -> None:
        if place == len(self.axes) - 2:
            self._panels()
            return
        axis = self.axes[place]

        def body(position: Operand, _: list[str]) -> None:
            for e in self.evaluators:
                e.enter(axis, position)
            self._hoist(self.tile_vectors)
            self._batch(place + 1)
            for e in self.evaluators:
                e.leave(axis)

        self.f.loop(count_of(axis.length, self.arguments), body)

    def _panels(self) -> None:
        if self._turns_left():
            self._rows_outside()
        else:
            self._each_panel(self._panel)

    def _each_panel(self, body: Callable[[Operand, int], None]) -> None:
        """Panels from left to right: ``body(first column, vectors)``; the last may be narrow."""
        wide = self.tile_vectors * LANES
        if not isinstance(self.columns, int) or self.tile_vectors == 1:
            self.f.loop(self.columns, lambda j, _: body(j, self.tile_vectors), step=wide)
            return
        left = self.columns % wide
        whole = self.columns if left > wide - LANES else self.columns - left
        self.f.loop(whole, lambda j, _: body(j, self.tile_vectors), step=wide)
        if whole < self.columns:
            body(whole, -(-left // LANES))

    def _panel(self, column: Operand, vectors: int) -> None:
        """All row tiles of one panel of columns."""
        f, left, right = self.f, self.group.left, self.group.right
        reduced = self.group.reduced
        if left is None or right is None or reduced is None:
            return
        count = count_of(reduced.length, self.arguments)
        unit = "depth" if left.depth == 1 else "row" if left.outer == 1 else "none"
        pitch = left.outer if unit == "depth" and self.tile_rows > 8 else 0
        kernel = Kernel(self.dtype, self.tile_rows, vectors, unit, pitch)
        source = self._right_corner(right, column)
        line: Operand = right.depth
        scratch = self.group.scratch
        if scratch is not None:
            panel = self.arguments.pointers[scratch]
            emit_pack(f, self.dtype, source, right, vectors * LANES, count, panel)
            source, line = panel, vectors * LANES
        whole = Sides("", left.outer, left.depth, source, line, count)
        self._enter_columns(column, vectors)
        self.f.loop(self.rows, lambda row, _: self._tile(kernel, whole, row), step=self.tile_rows)
        self._leave_columns(vectors)

    def _enter_columns(self, column: Operand, vectors: int) -> None:
        for v, e in enumerate(self.evaluators[:vectors]):
            e.enter(self.column_axis, self.f.add(column, v * LANES))
            e.tile = TileColumns(column, v * LANES, self.tile_vectors * LANES)
            e.hoist(r.expr for r in self.group.roots if r.expr is not None)

    def _leave_columns(self, vectors: int) -> None:
        for e in self.evaluators[:vectors]:
            e.leave(self.column_axis)

    def _tile(self, kernel: Kernel, sides: Sides, row: Operand) -> None:
        """One tile: its sum by the shared kernel, then the epilogue on the rows that count."""
        f = self.f
        self.want(kernel)
        if not sides.a and self.group.left is not None:
            sides = replace(sides, a=self._corner(self.group.left, row))
        emit_call(f, kernel, sides, self.scratch)
        height = f.minimum_int(f.sub(self.rows, row), self.tile_rows)

        def one(r: Operand, _: list[str]) -> None:
            for v in range(kernel.vectors):
                self._epilogue(row, r, v, kernel.vectors)

        f.loop(height, one)

    # --- rows outside, for a transposed left operand

    def _turns_left(self) -> bool:
        """Whether the left operand's tiles are worth copying: transposed, read by many panels."""
        left, columns = self.group.left, self.column_axis.length
        if left is None or left.outer != 1 or left.depth == 1 or self.group.scratch is not None:
            return False
        corner = self._longest_sum() * TALLEST_TILE * itemsize(self.dtype)
        wide = 2 * self.tile_vectors * LANES
        return corner <= LARGEST_CORNER and isinstance(columns, int) and columns >= wide

    def _longest_sum(self) -> int:
        reduced = self.group.reduced
        length = reduced.length if reduced is not None else 0
        return self.capacity[length.name] if isinstance(length, Extent) else length

    def _rows_outside(self) -> None:
        """For each tile of rows: copy the left corner, then all panels of columns."""
        f, left, right = self.f, self.group.left, self.group.right
        reduced = self.group.reduced
        if left is None or right is None or reduced is None:
            return
        corner = f.allocate(Type(self.dtype), self._longest_sum() * self.tile_rows)
        count = count_of(reduced.length, self.arguments)
        widest = Kernel(self.dtype, self.tile_rows, self.tile_vectors, "row")

        def tile_row(row: Operand, _: list[str]) -> None:
            emit_pack_left(f, widest, self._corner(left, row), left.depth, count, corner)

            def panel(column: Operand, vectors: int) -> None:
                kernel = replace(widest, vectors=vectors)
                source = self._right_corner(right, column)
                self._enter_columns(column, vectors)
                sides = Sides(corner, 1, self.tile_rows, source, right.depth, count)
                self._tile(kernel, sides, row)
                self._leave_columns(vectors)

            self._each_panel(panel)

        f.loop(self.rows, tile_row, step=self.tile_rows)

    def _right_corner(self, side: Side, column: Operand) -> str:
        """Where a panel of the right operand starts."""
        rows = side.buffer.shape[0]
        if side.buffer.panel and side.depth != 1 and isinstance(rows, int):
            offset = self.f.mul(rows, column)
            return self.f.at(self.arguments.pointers[side.buffer], offset, self.dtype)
        return self._corner(side, column)

    def _corner(self, side: Side, position: Operand) -> str:
        """Where a tile's operand starts."""
        e = self.evaluators[0]
        offset = self.f.add(e.place(side.base), self.f.mul(side.outer, position))
        return self.f.at(self.arguments.pointers[side.buffer], offset, self.dtype)

    def _epilogue(self, row: Operand, r: Operand, v: int, vectors: int) -> None:
        """One vector of a tile's row: what follows the sum, then the stores."""
        f, anchor, e = self.f, self.group.roots[0], self.evaluators[v]
        type_ = Type(self.dtype, LANES)
        e.enter(self.row_axis, f.add(row, r))
        place = f.add(f.mul(vectors * LANES, r), v * LANES)
        e.define(anchor, Number(f.load(type_, f.at(self.scratch, place, self.dtype)), True))
        position = f.add(e.positions[self.column_axis], LANES)
        inside = isinstance(position, int) and isinstance(self.columns, int) and (
            position <= self.columns
        )  # fmt: skip
        whole = isinstance(self.columns, int) and self.columns % LANES == 0
        e.end = None if inside or whole else self.columns
        finish_elements(f, e, self.group.roots, self.group, LANES)
        e.leave(self.row_axis)
