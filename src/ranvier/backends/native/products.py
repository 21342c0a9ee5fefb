"""A product group as a function: panels of columns, tiles of rows, an epilogue on each tile.

A tile's sums land in a scratch that stays in the first-level cache; the epilogue (bias, activation,
an optimizer's update) walks the rows that count. So epilogues are ordinary expressions, and a short
last batch is only another number of rows.
"""

from __future__ import annotations

from collections.abc import Callable

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.expressions import Arguments, Evaluator, Number
from ranvier.backends.native.nests import count_of, finish_elements
from ranvier.backends.native.target import Target
from ranvier.backends.native.tiles import Kernel, emit_call, emit_pack
from ranvier.compiler.groups import LANES, Group
from ranvier.compiler.groups import Operand as Side
from ranvier.compiler.index import Axis
from ranvier.foundation.shapes import Extent


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
        self.dtype = group.roots[0].value.dtype
        self.axes = [Axis(k, d) for k, d in enumerate(group.domain)]
        self.row_axis, self.column_axis = self.axes[-2], self.axes[-1]
        self.tile_rows, self.tile_vectors = target.tile(self.dtype)
        length = self.row_axis.length
        rows = capacity[length.name] if isinstance(length, Extent) else length
        while self.tile_rows > 1 and self.tile_rows >= 2 * rows:
            self.tile_rows //= 2
        self.rows = count_of(length, arguments)
        self.columns = count_of(self.column_axis.length, arguments)
        self.scratch = f.allocate(
            Type(self.dtype), self.tile_rows * self.tile_vectors * LANES
        )

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
        wide = self.tile_vectors * LANES
        if not isinstance(self.columns, int) or self.tile_vectors == 1:
            self.f.loop(self.columns, lambda j, _: self._panel(j, self.tile_vectors), step=wide)
            return
        left = self.columns % wide
        whole = self.columns if left > wide - LANES else self.columns - left
        self.f.loop(whole, lambda j, _: self._panel(j, self.tile_vectors), step=wide)
        if whole < self.columns:
            self._panel(whole, -(-left // LANES))

    def _panel(self, column: Operand, vectors: int) -> None:
        """All row tiles of one panel of columns."""
        f, left, right = self.f, self.group.left, self.group.right
        reduced = self.group.reduced
        if left is None or right is None or reduced is None:
            return
        count = count_of(reduced.length, self.arguments)
        unit = "depth" if left.depth == 1 else "row" if left.outer == 1 else "none"
        kernel = Kernel(self.dtype, self.tile_rows, vectors, unit)
        self.want(kernel)
        source = self._corner(right, column)
        line: Operand = right.depth
        scratch = self.group.scratch
        if scratch is not None:
            panel = self.arguments.pointers[scratch]
            emit_pack(f, self.dtype, source, right.outer, right.depth, vectors * LANES, count,
                      panel)  # fmt: skip
            source, line = panel, vectors * LANES
        for v, e in enumerate(self.evaluators[:vectors]):
            e.enter(self.column_axis, f.add(column, v * LANES))
            e.hoist(r.expr for r in self.group.roots if r.expr is not None)

        def tile(row: Operand, _: list[str]) -> None:
            corner = self._corner(left, row)
            emit_call(f, kernel, corner, left.outer, left.depth, source, line, count, self.scratch)
            height = f.minimum_int(f.sub(self.rows, row), self.tile_rows)
            f.loop(height, lambda r, _: self._epilogue(row, r, vectors))

        f.loop(self.rows, tile, step=self.tile_rows)
        for e in self.evaluators[:vectors]:
            e.leave(self.column_axis)

    def _corner(self, side: Side, position: Operand) -> str:
        """Where a tile's operand starts."""
        e = self.evaluators[0]
        offset = self.f.add(e.place(side.base), self.f.mul(side.outer, position))
        return self.f.at(self.arguments.pointers[side.buffer], offset, self.dtype)

    def _epilogue(self, row: Operand, r: Operand, vectors: int) -> None:
        """One row of a tile: what follows the sum, then the stores."""
        f, anchor = self.f, self.group.roots[0]
        type_ = Type(self.dtype, LANES)
        base = f.mul(vectors * LANES, r)
        for v, e in enumerate(self.evaluators[:vectors]):
            e.enter(self.row_axis, f.add(row, r))
            sums = f.load(type_, f.at(self.scratch, f.add(base, v * LANES), self.dtype))
            e.define(anchor, Number(sums, True))
            position = f.add(e.positions[self.column_axis], LANES)
            inside = isinstance(position, int) and isinstance(self.columns, int) and (
                position <= self.columns
            )  # fmt: skip
            whole = isinstance(self.columns, int) and self.columns % LANES == 0
            e.end = None if inside or whole else self.columns
            finish_elements(f, e, self.group.roots, self.group, LANES)
            e.leave(self.row_axis)
