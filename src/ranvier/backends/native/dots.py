"""Products of many small matrices that lie side by side along the last axis, one in each lane.

Blocks of sums stay in registers for the whole depth: rows of the first operand times columns of the
second, each sum a vector over the last axis. Every lane adds k in order by fma, as the tiles of one
product do, so that a lane has the bits of the same product alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.expressions import Evaluator, Number
from ranvier.backends.native.nests import count_of, finish_elements, lanes_of
from ranvier.backends.native.places import Arguments
from ranvier.backends.native.shares import Span
from ranvier.backends.native.target import Target
from ranvier.compiler.groups import Expr, Group
from ranvier.compiler.index import Axis
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.shapes import Dimension

#: Rows or columns of a block at most: what is written out for each of them is machine code.
LONGEST_BLOCK = 8
#: Cycles until the result of a multiply-add can be added to, on two units.
LATENCY = 4


def best_block(rows: Dimension, columns: Dimension, sums: int) -> tuple[int, int]:
    """Rows and columns of a block of sums that takes least time.

    A step of a block costs its multiply-adds, two a cycle and at least the latency of one; a part
    of its loads; and its share of the loop.

    Args:
        rows, columns: how many there are; a symbolic number counts as many.
        sums: how many the registers hold beside what is loaded.

    Example:
        >>> best_block(16, 3, 24), best_block(4, 16, 24), best_block(1, 1, 24)
        ((4, 3), (4, 4), (1, 1))
    """

    def time(block: tuple[int, int]) -> tuple[float, int]:
        i, j = block
        step = max(i * j / 2, LATENCY) + (i + j) / 4 + 1
        return _parts(rows, i) * _parts(columns, j) * step, i * j

    sides = [
        min(n, LONGEST_BLOCK) if isinstance(n, int) else LONGEST_BLOCK for n in (rows, columns)
    ]
    blocks = product(range(1, sides[0] + 1), range(1, sides[1] + 1))
    fitting = [(i, j) for i, j in blocks if i * j + min(i, j) <= max(sums, 2)]
    return min(fitting, key=time)


def _parts(count: Dimension, size: int) -> float:
    """How many parts a length is walked in; a remainder is walked one by one."""
    if not isinstance(count, int):
        return 64 / size
    return count // size + count % size


def emit_dots(
    f: Emitter, group: Group, arguments: Arguments, target: Target, span: Span | None = None
) -> None:
    """A columns group whose anchor is a dot.

    Args:
        span: the places of the first axis that are to be computed; None: all.
    """
    _Dots(f, group, arguments, target, span).emit()


class _Dots:
    def __init__(
        self, f: Emitter, group: Group, arguments: Arguments, target: Target, span: Span | None
    ) -> None:
        self.f, self.group, self.arguments, self.span = f, group, arguments, span
        self.axes = [Axis(k, d) for k, d in enumerate(group.domain)]
        self.lane = self.axes[-1]
        self.lanes = lanes_of(group, arguments)
        self.row = group.free[-1] if group.free else None
        rest = [a for a in self.axes[:-1] if a not in group.free]
        batch = self.axes[: group.free[0].position] if group.free else []
        columns = [a for a in rest if a not in batch]
        self.column = columns[-1] if columns else None
        self.outer = [a for a in self.axes[:-1] if a not in (self.row, self.column)]
        dtype = group.roots[0].value.dtype
        registers = max(1, self.lanes * itemsize(dtype) // target.vector_bytes)
        self.block = best_block(
            self.row.length if self.row is not None else 1,
            self.column.length if self.column is not None else 1,
            target.registers // registers - 2,
        )
        self.type = Type(dtype, self.lanes)
        order = [*self.outer, *(a for a in (self.row, self.column) if a), self.lane]
        depths = {axis: k + 1 for k, axis in enumerate(order)}
        if group.reduced is not None:
            depths[group.reduced] = len(order) + 1
        vector = self.lane if self.lanes > 1 else None
        self.e = Evaluator(f, arguments, depths, vector, self.lanes)

    def emit(self) -> None:
        """Write the whole nest."""
        self.e.hoist(r.expr for r in self.group.roots if r.expr is not None)
        self._outer(0)

    def _outer(self, place: int) -> None:
        if place < len(self.outer):
            axis = self.outer[place]

            def body(position: Operand, _: list[str]) -> None:
                self.e.enter(axis, position)
                self._outer(place + 1)
                self.e.leave(axis)

            start, stop = self._ends(axis)
            self.f.loop(stop, body, start=start)
            return
        self._parts(self.row, self.block[0], lambda rows: self._parts(
            self.column, self.block[1], lambda columns: self._lanes(rows, columns)
        ))  # fmt: skip

    def _ends(self, axis: Axis) -> tuple[Operand, Operand]:
        if axis.position == 0 and self.span is not None:
            return self.span.first, self.span.last
        return 0, count_of(axis.length, self.arguments)

    def _parts(self, axis: Axis | None, size: int, body: Callable[[list[Operand]], None]) -> None:
        """Blocks along an axis, and what is left one by one."""
        f = self.f
        if axis is None:
            body([0])
            return
        start, stop = self._ends(axis)
        if isinstance(start, int) and isinstance(stop, int):
            whole: Operand = start + (stop - start) // size * size
        else:
            length = f.sub(stop, start)
            whole = f.add(start, f.mul(size, f.op(f"udiv i64 {length}, {size}")))
        f.loop(
            whole, lambda at, _: body([f.add(at, k) for k in range(size)]), step=size, start=start
        )
        if size > 1:
            f.loop(stop, lambda at, _: body([at]), start=whole)

    def _lanes(self, rows: Sequence[Operand], columns: Sequence[Operand]) -> None:
        """One block of sums, vector after vector along the last axis."""
        count = count_of(self.lane.length, self.arguments)

        def body(position: Operand, _: list[str]) -> None:
            self.e.enter(self.lane, position)
            full = isinstance(count, int) and count % self.lanes == 0
            self.e.end = None if full or self.lanes == 1 else count
            self._finish(rows, columns, self._sums(rows, columns))
            self.e.end = None
            self.e.leave(self.lane)

        start, stop = self._ends(self.lane)
        self.f.loop(stop, body, step=self.lanes, start=start)

    def _sums(self, rows: Sequence[Operand], columns: Sequence[Operand]) -> list[str]:
        f, e, reduced = self.f, self.e, self.group.reduced
        expr = self.group.roots[0].expr
        if reduced is None or expr is None:
            return []
        left, right = expr.args

        def step(position: Operand, sums: list[str]) -> list[str]:
            e.enter(reduced, position)
            a = [self._at({self.row: i}, left) for i in rows]
            b = [self._at({self.column: j}, right) for j in columns]
            pairs = product(a, b)
            out = [f.fma(self.type, x, y, s) for (x, y), s in zip(pairs, sums, strict=True)]
            e.leave(reduced)
            return out

        zeros = [(str(self.type), f.zero(self.type))] * (len(rows) * len(columns))
        return f.loop(count_of(reduced.length, self.arguments), step, zeros)

    def _at(self, places: Mapping[Axis | None, Operand], expr: Expr) -> str:
        """An operand's element at a row or column."""
        known = [(axis, place) for axis, place in places.items() if axis is not None]
        for axis, place in known:
            self.e.enter(axis, place)
        text = self.e.vector(expr)
        for axis, _ in known:
            self.e.leave(axis)
        return text

    def _finish(
        self, rows: Sequence[Operand], columns: Sequence[Operand], sums: Sequence[str]
    ) -> None:
        """What follows the sums, place after place."""
        e, (anchor, *rest) = self.e, self.group.roots
        for (i, j), total in zip(product(rows, columns), sums, strict=True):
            entered = [(a, p) for a, p in ((self.row, i), (self.column, j)) if a is not None]
            for axis, place in entered:
                e.enter(axis, place)
            e.define(anchor, Number(total, self.lanes > 1))
            finish_elements(self.f, e, [anchor, *rest], self.group, self.lanes)
            for axis, _ in reversed(entered):
                e.leave(axis)
