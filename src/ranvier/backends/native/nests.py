"""Groups as functions: loop nests for rows and columns, and what follows a product's tile.

The order of every sum is fixed by shape alone. Along rows: sixteen lanes that are added as a tree;
over rows: four interleaved sums, added in pairs; in products: k in order by fma.
"""

from __future__ import annotations

from collections.abc import Sequence

from ranvier.backends.native.emitter import Emitter, Operand, Type, constant
from ranvier.backends.native.expressions import Evaluator, Number
from ranvier.backends.native.places import Arguments
from ranvier.backends.native.reductions import combine, fold, start_of
from ranvier.backends.native.shares import Span
from ranvier.backends.native.stretches import in_stretches
from ranvier.compiler.groups import LANES, Buffer, Group, Root, walk
from ranvier.compiler.index import Axis, Index, axes_of
from ranvier.compiler.joins import borders_of, stretches
from ranvier.foundation.random import BLOCK
from ranvier.foundation.shapes import Dimension, Extent
from ranvier.ops.value import law_broken

#: Lanes of vectors along axes that are shorter than sixteen.
SHORT_LANES = (1, 4, 8)


def emit_rows(f: Emitter, group: Group, arguments: Arguments, span: Span | None = None) -> None:
    """A rows group: loops over all axes but the last, then stage after stage along the last.

    Args:
        span: the places of the first axis that are to be computed; None: all.
    """
    _Rows(f, group, arguments, span).emit()


def count_of(dimension: Dimension, arguments: Arguments) -> Operand:
    """A length, known or found at run time."""
    return arguments.counts[dimension.name] if isinstance(dimension, Extent) else dimension


def lanes_along(length: Operand) -> int:
    """Lanes along an axis: as few as it needs, since short vectors divide and add up quicker."""
    return next((n for n in SHORT_LANES if isinstance(length, int) and length <= n), LANES)


def lanes_of(group: Group, arguments: Arguments) -> int:
    """Lanes along the last axis: one where it has a single place, or walks rows of a source."""
    if not group.domain or group.domain[-1] == 1:
        return 1
    last = Axis(len(group.domain) - 1, group.domain[-1])
    for root in group.roots:
        if root.expr is None:
            continue
        for e in walk(root.expr):
            if e.op == "load" and e.payload[0].role == "data" and last in e.payload[1][0].axes():
                return 1
    return lanes_along(count_of(group.domain[-1], arguments))


class _Rows:
    def __init__(self, f: Emitter, group: Group, arguments: Arguments, span: Span | None) -> None:
        self.f = f
        self.span = span
        self.group = group
        self.arguments = arguments
        self.axes = [Axis(k, d) for k, d in enumerate(group.domain)]
        self.lanes = lanes_of(group, arguments)
        vector_axis = self.axes[-1] if self.axes and self.lanes > 1 else None
        depths = {axis: k + 1 for k, axis in enumerate(self.axes)}
        self.e = Evaluator(f, arguments, depths, vector_axis, self.lanes)
        self.inner = self.axes[-1] if self.axes else None
        self.outer = self.axes[:-1]
        self.level_count = 1 + max(root.level for root in group.roots)
        self.in_registers = False
        self.borders = borders_of(group)

    def emit(self) -> None:
        """Write the whole nest."""
        self.e.hoist(r.expr for r in self.group.roots if r.expr is not None)
        self._outer(0)

    def _outer(self, place: int) -> None:
        if place == len(self.outer):
            self._stages()
            return
        axis = self.outer[place]

        def body(position: Operand, span: tuple[int, int] | None) -> None:
            self.e.enter(axis, position, span)
            self.e.ask_for_rows(axis, position)
            if place + 1 < len(self.outer) or self.inner is not None:
                self.e.hoist(r.expr for r in self._early() if r.expr is not None)
            self._outer(place + 1)
            self.e.leave(axis)

        count = count_of(axis.length, self.arguments)
        span = self.span if place == 0 else None
        in_stretches(self.f, self.borders, axis, count, body, span=span)

    def _early(self) -> list[Root]:
        """Roots whose parts may be computed before the stages: those that wait for none."""
        return [r for r in self.group.roots if r.level == 0]

    def _stages(self) -> None:
        for level in range(self.level_count):
            roots = [r for r in self.group.roots if r.level == level]
            row_roots = [r for r in roots if self._is_row(r)]
            for root in row_roots:
                self._row_root(root)
            inner = [r for r in roots if not self._is_row(r)]
            if inner and self.inner is None:
                for root in inner:
                    self._row_root(root)
            elif inner:
                self._inner(inner)
        if self.in_registers and self.inner is not None:
            self.in_registers = False
            self.e.end = None
            self.e.leave(self.inner)

    def _is_row(self, root: Root) -> bool:
        return root.kind == "body" and len(root.axes) < len(self.axes)

    def _row_root(self, root: Root) -> None:
        if root.expr is None:
            return
        number = self.e.value(root.expr)
        self.e.define(root, number)
        if root.buffer is not None:
            self._store(root, number.name, Type(root.value.dtype), self._row_places(root))

    def _row_places(self, root: Root) -> tuple[Index, ...]:
        return axes_of(self.group.domain)[: len(root.axes)]

    def _inner(self, roots: Sequence[Root]) -> None:
        """One walk along the last axis."""
        axis = self.inner
        if axis is None:
            return
        reductions = [r for r in roots if r.kind != "body"]
        count = count_of(axis.length, self.arguments)
        self.e.hoist(r.expr for r in roots if r.expr is not None)
        if isinstance(count, int) and count <= self.lanes:
            # A single vector: its numbers stay in registers for the stages that follow.
            if not self.in_registers:
                self.e.enter(axis, 0)
                self.e.end = None if count == self.lanes else count
                self.in_registers = True
            self.e.quarter, self.e.words = 0, {}
            totals = self._one_vector(roots, [self._start(r) for r in reductions])
        else:
            totals = self._many_vectors(roots, axis, count, [self._start(r) for r in reductions])
        self.e.quarter = None
        for root, total in zip(reductions, totals, strict=True):
            self._finish(root, total)

    def _many_vectors(
        self, roots: Sequence[Root], axis: Axis, count: Operand, starts: list[str]
    ) -> list[str]:
        """Vector after vector, in blocks of four where random numbers are drawn block by block.

        Only the last vector may pass the end, and only it pays for looking where that is.
        """
        reductions = [r for r in roots if r.kind != "body"]
        types = [str(self._type(r)) for r in reductions]
        span: list[tuple[int, int] | None] = [None]

        def vector(position: Operand, sums: list[str], inside: bool = False) -> list[str]:
            self.e.enter(axis, position, span[0])
            self.e.end = None if inside or self.lanes == 1 else count
            out = self._one_vector(roots, sums)
            self.e.end = None
            self.e.leave(axis)
            return out

        def block(position: Operand, sums: list[str], vectors: int = BLOCK // LANES) -> list[str]:
            self.e.words = {}
            for quarter in range(vectors):
                self.e.quarter = quarter
                place = self.f.add(position, quarter * LANES)
                inside = True  # whole blocks are; of the last one it is known where it stands
                if isinstance(place, int) and isinstance(count, int):
                    inside = place + LANES <= count
                sums = vector(place, sums, inside)
            return sums

        if not isinstance(count, int):
            return self.f.loop(count, vector, list(zip(types, starts, strict=True)), self.lanes)
        drawn = any(e.op == "random" for r in roots if r.expr is not None for e in walk(r.expr))
        drawn = drawn and self.lanes > 1
        unit = BLOCK if drawn else self.lanes
        body = block if drawn else lambda place, sums: vector(place, sums, inside=True)
        whole, sums = count // unit * unit, starts
        for start, stop in stretches(self.borders.get(axis, ()), whole, unit):
            span[0] = (start, stop - 1)
            carried = list(zip(types, sums, strict=True))
            sums = self.f.loop(stop, body, carried, unit, start)
        if whole == count:
            return sums
        return block(whole, sums, -(-(count - whole) // LANES)) if drawn else vector(whole, sums)

    def _type(self, root: Root) -> Type:
        return Type(root.value.dtype, self.lanes)

    def _start(self, root: Root) -> str:
        return start_of(root, self._type(root))

    def _one_vector(self, roots: Sequence[Root], sums: Sequence[str]) -> list[str]:
        """The body at one place of the last axis; returns the sums."""
        out, remaining, stores = [], iter(sums), []
        for root in roots:
            if root.expr is None:
                continue
            text = self.e.vector(root.expr)
            if root.kind == "body":
                self.e.define(root, Number(text, self.lanes > 1))
                stores.append((root, text))
            else:
                out.append(self._accumulate(root, next(remaining), text))
        for root, text in stores:
            if root.buffer is not None:
                places = axes_of(self.group.domain)
                self._store(root, text, Type(root.value.dtype, self.lanes), places)
        return out

    def _accumulate(self, root: Root, total: str, text: str) -> str:
        type_ = self._type(root)
        if self.e.end is not None and self.inner is not None:
            text = self.f.select(type_, self._mask(), text, self._start(root))
        return combine(self.f, root.kind, type_, total, text)

    def _mask(self) -> str:
        """Which lanes lie inside the axis."""
        if self.inner is None or self.e.end is None:
            return constant(Type("bool", self.lanes), True)
        wide = Type("int64", self.lanes)
        base = self.e.positions[self.inner]
        if isinstance(base, int) and isinstance(self.e.end, int):
            inside = [
                f"i1 {'true' if base + lane < self.e.end else 'false'}"
                for lane in range(self.lanes)
            ]
            return "<" + ", ".join(inside) + ">"
        left = self.e.splat(wide, str(self.f.sub(self.e.end, base)))
        ramp = "<" + ", ".join(f"i64 {lane}" for lane in range(self.lanes)) + ">"
        return self.f.compare("slt", wide, ramp, left)

    def _finish(self, root: Root, total: str) -> None:
        scalar = total if self.lanes == 1 else fold(self.f, root.kind, self._type(root), total)
        self.e.define(root, Number(scalar, False))
        if root.buffer is not None:
            self._store(root, scalar, Type(root.value.dtype), self._row_places(root))

    def _store(self, root: Root, text: str, type_: Type, places: tuple[Index, ...]) -> None:
        if root.buffer is None:
            return
        address = self.e.address(root.buffer, places)
        beyond = type_.lanes > 1 and self.e.end is not None and len(root.buffer.shape) > 2
        if beyond and self.inner is not None and self.e.end is not None:
            # The vector would run into the next line of the same row.
            left = self.f.sub(self.e.end, self.e.positions[self.inner])
            store_some(self.f, type_, text, address, left)
        else:
            self.f.store(type_, text, address)


def store_some(f: Emitter, type_: Type, text: str, address: str, count: Operand) -> None:
    """Store the first ``count`` lanes (at most all)."""
    scalar = Type(type_.dtype if type_.dtype != "bool" else "uint8")
    if type_.dtype == "bool":
        wide = Type("uint8", type_.lanes)
        text = f.convert("zext", type_, wide, text)
        type_ = wide
    for lane in range(type_.lanes):

        def one(lane: int = lane) -> None:
            number = f.op(f"extractelement {type_} {text}, i32 {lane}")
            f.store(scalar, number, f.at(address, lane, scalar.dtype))

        if isinstance(count, int):
            if lane < count:
                one()
        else:
            f.when(f.icmp("slt", lane, count), one)


def finish_elements(
    f: Emitter, e: Evaluator, roots: Sequence[Root], group: Group, lanes: int
) -> None:
    """Compute the roots behind an anchor at one place, then store all of them."""
    ready = []
    for root in roots:
        if root.kind == "body" and root.expr is not None:
            e.define(root, Number(e.vector(root.expr), lanes > 1))
        ready.append(root)
    for root in ready:
        if root.buffer is not None:
            text = _known(e, root, lanes)
            type_ = Type(root.value.dtype, lanes)
            store_element(f, e, root.buffer, text, type_, group)


def _known(e: Evaluator, root: Root, lanes: int) -> str:
    number = e.recall(id(root))
    if number is None:
        raise law_broken("code generation", f"{root.name} is stored before it is there")
    if number.is_vector or lanes == 1:
        return number.name
    return e.splat(Type(root.value.dtype, lanes), number.name)


def store_element(
    f: Emitter, e: Evaluator, buffer: Buffer, text: str, type_: Type, group: Group
) -> None:
    """Store a vector at the present place of a group's domain."""
    address = e.address(buffer, axes_of(group.domain))
    axis = e.vector_axis
    if type_.lanes > 1 and e.end is not None and len(buffer.shape) > 2 and axis is not None:
        store_some(f, type_, text, address, f.sub(e.end, e.positions[axis]))
    else:
        f.store(type_, text, address)
