"""A product group as a function: panels of columns, tiles of rows, an epilogue on each tile.

A tile's sums land in a scratch that stays in the first-level cache; the epilogue (bias, activation,
an optimizer's update) walks the rows that count. So epilogues are ordinary expressions, and a short
last batch is only another number of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.expressions import Evaluator, Number
from ranvier.backends.native.nests import count_of, finish_elements, lanes_along
from ranvier.backends.native.places import Arguments, TileColumns
from ranvier.backends.native.shares import Cut, Span
from ranvier.backends.native.target import Target
from ranvier.backends.native.tiles import (
    MOST_STEPS,
    UNROLL,
    Kernel,
    Sides,
    emit_call,
    emit_pack,
    emit_pack_left,
    emit_sum,
)
from ranvier.compiler.groups import LANES, Group
from ranvier.compiler.groups import Operand as Side
from ranvier.compiler.index import Axis, Index
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.shapes import Extent, known
from ranvier.ops.value import law_broken

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
        in_line: whether small sums are written where they are used.
    """

    def __init__(
        self,
        f: Emitter,
        group: Group,
        arguments: Arguments,
        target: Target,
        capacity: dict[str, int],
        want: Callable[[Kernel], None],
        in_line: bool = False,
    ) -> None:
        self.f = f
        self.group = group
        self.arguments = arguments
        self.want = want
        self.in_line = in_line
        self.capacity = capacity
        self.dtype = group.roots[0].value.dtype
        self.axes = [Axis(k, d) for k, d in enumerate(group.domain)]
        self.row_axis, self.column_axis = self.axes[-2], self.axes[-1]
        self.tile_rows, self.tile_vectors = target.tile(self.dtype)
        self.lanes = lanes_along(count_of(self.column_axis.length, arguments))
        self.left = group.left
        self.merged = self._merge()
        self._choose_rows()
        self.rows = count_of(self.row_axis.length, arguments)
        if self.merged is not None:
            self.rows = f.mul(count_of(self.merged.length, arguments), self.rows)
        self.columns = count_of(self.column_axis.length, arguments)
        size = self.tile_rows * self.tile_vectors * LANES
        self.scratch = f.allocate(Type(self.dtype), size)

    def _merge(self) -> Axis | None:
        """The batch axis whose matrices follow each other as rows of a single one, if there is one.

        Then (N, T, K) by (K, U) is one product of N * T rows; only what follows the sum is told
        apart by N and T.
        """
        left, right, length = self.left, self.group.right, self.row_axis.length
        if len(self.axes) < 3 or left is None or right is None or not isinstance(length, int):
            return None
        axis = self.axes[-3]
        even = left.depth == 1 and left.base.coefficient(axis) == length * left.outer
        if not even or axis == Axis(axis.position, 1) or axis in right.base.axes():
            return None
        terms = tuple(term for term in left.base.terms if term[0] != axis)
        self.left = replace(left, base=Index(terms, left.base.constant))
        return axis

    def _choose_rows(self) -> None:
        """Rows of a tile: few for few rows; more than the target's where registers allow.

        A taller tile reads the right operand less often (2 to 4 %), but its row stride must be a
        constant of the kernel, or the addresses of its rows take the registers.
        """
        rows = self.usual_rows()
        while self.tile_rows > 1 and self.tile_rows >= 2 * max(rows, 1):
            self.tile_rows //= 2
        left = self.left
        fixed = left is not None and (left.depth == 1 or self.turns_left())
        if self.tile_vectors == 2 and fixed and rows > 2 * TALLEST_TILE:
            self.tile_rows = least_waste(rows)

    def usual_rows(self) -> int:
        """Rows of the product in most calls."""
        merged = 1 if self.merged is None else self._usual_count(self.merged)
        return merged * self._usual_count(self.row_axis)

    def _usual_count(self, axis: Axis) -> int:
        # Capacity has room for one row that joined the last batch; most batches are one smaller.
        length = axis.length
        return self.capacity[length.name] - 1 if isinstance(length, Extent) else length

    def cut(self, workers: int) -> Cut | None:
        """How workers share the nest: panels of columns if there are enough, else tiles of rows.

        A nest that copies corners of its left operand has its rows outside, so it is cut there.
        """
        if len(self.axes) > (2 if self.merged is None else 3):
            return None
        wide = self.tile_vectors * LANES
        columns = self.column_axis.length
        panels = -(-columns // wide) if isinstance(columns, int) else 0
        if not self.turns_left() and panels >= workers:
            return Cut("columns", columns, wide)
        times = self.merged.length if self.merged is not None else 1
        return Cut("rows", self.row_axis.length, self.tile_rows, times)

    def emit(self, cut: Cut | None = None, span: Span | None = None, part: str = "") -> None:
        """Write the whole nest, or the part of it that lies in a span of the cut axis.

        Args:
            part: "sum": let the sums go on over a block of rows; "rest": what follows them.
        """
        self.part = part
        by_columns = cut is not None and cut.what == "columns"
        self.row_span = None if by_columns else span
        self.column_span = span if by_columns else None
        self.batch = self.axes[: -2 if self.merged is None else -3]
        inner = [self.merged, self.row_axis] if self.merged is not None else [self.row_axis]
        order = [*self.batch, self.column_axis, *inner]
        depths = {axis: k + 1 for k, axis in enumerate(order)}
        self.evaluators = [
            Evaluator(self.f, self.arguments, depths, self.column_axis, self.lanes)
            for _ in range(self.tile_vectors)
        ]
        self._hoist(self.tile_vectors)
        self._batch(0)

    def _hoist(self, vectors: int) -> None:
        # Parts outside of all vectors are the same for each of them, but each keeps its own book.
        for e in self.evaluators[:vectors]:
            e.hoist(r.expr for r in self.group.roots if r.expr is not None)

    def _batch(self, place: int) -> None:
        if place == len(self.batch):
            self._panels()
            return
        axis = self.batch[place]

        def body(position: Operand, _: list[str]) -> None:
            for e in self.evaluators:
                e.enter(axis, position)
            self._hoist(self.tile_vectors)
            self._batch(place + 1)
            for e in self.evaluators:
                e.leave(axis)

        self.f.loop(count_of(axis.length, self.arguments), body)

    def _panels(self) -> None:
        if self.turns_left() and not self.part:
            self._rows_outside()
        else:
            self._each_panel(self._panel)

    def _each_panel(self, body: Callable[[Operand, int], None]) -> None:
        """Panels from left to right: ``body(first column, vectors)``; the last may be narrow."""
        wide = self.tile_vectors * LANES
        f, span = self.f, self.column_span
        first: Operand = span.first if span is not None else 0

        def loop(end: Operand) -> None:
            end = f.minimum_int(end, span.last) if span is not None else end
            f.loop(end, lambda j, _: body(j, self.tile_vectors), step=wide, start=first)

        if not isinstance(self.columns, int) or self.tile_vectors == 1:
            loop(self.columns)
            return
        left = self.columns % wide
        whole = self.columns if left > wide - LANES else self.columns - left
        loop(whole)
        if whole == self.columns:
            return
        narrow = partial(body, whole, -(-left // LANES))
        if span is None:
            narrow()
        else:
            f.when(f.icmp("eq", span.last, self.columns), narrow)

    def _each_tile(self, body: Callable[[Operand], None]) -> None:
        """Tiles of rows from top to bottom."""
        span = self.row_span
        first: Operand = span.first if span is not None else 0
        last = span.last if span is not None else self.rows
        keep = self.tile_rows > UNROLL
        self.f.loop(last, lambda row, _: body(row), (), self.tile_rows, first, keep)

    def _panel(self, column: Operand, vectors: int) -> None:
        """All row tiles of one panel of columns."""
        f, left, right = self.f, self.left, self.group.right
        if left is None or right is None:
            return
        count = self._steps()
        unit = "depth" if left.depth == 1 else "row" if left.outer == 1 else "none"
        pitch = left.outer if unit == "depth" and self.tile_rows > 8 else 0
        on = self.part == "sum"
        kernel = Kernel(self.dtype, self.tile_rows, vectors, unit, pitch, self.lanes, on)
        source = self._right_corner(right, column)
        line: Operand = right.depth
        scratch = self.group.scratch
        if scratch is not None and self.lanes > 1:  # a single column is as good as packed
            panel = self.arguments.pointers[scratch]
            line = vectors * (LANES if right.buffer.panel else self.lanes)
            emit_pack(f, self.dtype, source, right, line, count, panel)
            source = panel
        whole = Sides("", left.outer, left.depth, source, line, count)
        self._enter_columns(column, vectors)
        self.panel_start = column
        self._each_tile(lambda row: self._tile(kernel, whole, row))
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
        tile = self._kept_tile(kernel, row) if self.part else self.scratch
        if not sides.a and self.left is not None:
            sides = replace(sides, a=self._corner(self.left, row))
        if (
            self.in_line
            and isinstance(sides.count, int)
            and sides.count * kernel.rows <= MOST_STEPS
        ):
            emit_sum(f, kernel, sides, tile)
        elif self.part != "rest":
            self.want(kernel)
            emit_call(f, kernel, sides, tile)
        if self.part == "sum":
            return
        height = f.minimum_int(f.sub(self.rows, row), self.tile_rows)

        def one(r: Operand, _: list[str]) -> None:
            for v in range(kernel.vectors):
                self._epilogue(row, r, v, kernel.vectors, tile)

        f.loop(height, one)

    def _kept_tile(self, kernel: Kernel, row: Operand) -> str:
        """Where a tile's sums are kept from block to block."""
        f, rows = self.f, self.rows
        if self.arguments.sums is None or not isinstance(rows, int):
            raise law_broken("code generation", "a product has no place for its sums")
        tall = -(-rows // self.tile_rows) * self.tile_rows
        place = f.add(f.mul(tall, self.panel_start), f.mul(kernel.columns, row))
        return f.at(self.arguments.sums, place, self.dtype)

    # --- rows outside, for a transposed left operand

    def turns_left(self) -> bool:
        """Whether the left operand's tiles are worth copying: transposed, read by many panels."""
        left, columns = self.left, self.column_axis.length
        if left is None or left.outer != 1 or left.depth == 1 or self.group.scratch is not None:
            return False
        corner = self._longest_sum() * TALLEST_TILE * itemsize(self.dtype)
        wide = 2 * self.tile_vectors * LANES
        return corner <= LARGEST_CORNER and isinstance(columns, int) and columns >= wide

    def _steps(self) -> Operand:
        """Steps of the sum, known or found at run time."""
        reduced = self.group.reduced
        if reduced is None:
            return 0
        return self.f.mul(count_of(reduced.length, self.arguments), self.group.times)

    def _longest_sum(self) -> int:
        reduced = self.group.reduced
        length = reduced.length if reduced is not None else 0
        longest = self.capacity[length.name] if isinstance(length, Extent) else length
        return longest * self.group.times

    def _rows_outside(self) -> None:
        """For each tile of rows: copy the left corner, then all panels of columns."""
        f, left, right = self.f, self.left, self.group.right
        if left is None or right is None:
            return
        corner = f.allocate(Type(self.dtype), self._longest_sum() * self.tile_rows)
        count = self._steps()
        widest = Kernel(self.dtype, self.tile_rows, self.tile_vectors, "row")

        def tile_row(row: Operand) -> None:
            emit_pack_left(f, widest, self._corner(left, row), left.depth, count, corner)

            def panel(column: Operand, vectors: int) -> None:
                kernel = replace(widest, vectors=vectors)
                source = self._right_corner(right, column)
                self._enter_columns(column, vectors)
                sides = Sides(corner, 1, self.tile_rows, source, right.depth, count)
                self._tile(kernel, sides, row)
                self._leave_columns(vectors)

            self._each_panel(panel)

        self._each_tile(tile_row)

    def _right_corner(self, side: Side, column: Operand) -> str:
        """Where a panel of the right operand starts."""
        if side.buffer.panel and side.depth != 1:
            rows = known(side.buffer.shape[0])
            offset = self.f.mul(rows, column)
            return self.f.at(self.arguments.pointers[side.buffer], offset, self.dtype)
        return self._corner(side, column)

    def _corner(self, side: Side, position: Operand) -> str:
        """Where a tile's operand starts."""
        e = self.evaluators[0]
        offset = self.f.add(e.place(side.base), self.f.mul(side.outer, position))
        return self.f.at(self.arguments.pointers[side.buffer], offset, self.dtype)

    def _epilogue(self, row: Operand, r: Operand, v: int, vectors: int, tile: str) -> None:
        """One vector of a tile's row: what follows the sum, then the stores."""
        f, anchor, e = self.f, self.group.roots[0], self.evaluators[v]
        lanes = self.lanes
        type_ = Type(self.dtype, lanes)
        self._enter_row(e, f.add(row, r))
        place = f.add(f.mul(vectors * lanes, r), v * lanes)
        number = f.load(type_, f.at(tile, place, self.dtype))
        e.define(anchor, Number(number, lanes > 1))
        position = f.add(e.positions[self.column_axis], lanes)
        inside = isinstance(position, int) and isinstance(self.columns, int) and (
            position <= self.columns
        )  # fmt: skip
        whole = isinstance(self.columns, int) and self.columns % lanes == 0
        e.end = None if inside or whole else self.columns
        finish_elements(f, e, self.group.roots, self.group, lanes)
        e.leave(self.row_axis)
        if self.merged is not None:
            e.leave(self.merged)

    def _enter_row(self, e: Evaluator, row: Operand) -> None:
        length = self.row_axis.length
        if self.merged is not None and isinstance(length, int):
            known = isinstance(row, int)
            outer = int(row) // length if known else self.f.op(f"sdiv i64 {row}, {length}")
            e.enter(self.merged, outer)
            row = self.f.sub(row, self.f.mul(outer, length))
        e.enter(self.row_axis, row)
