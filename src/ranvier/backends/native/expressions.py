"""Expressions of a group as instructions: each part is computed once, in the outermost loop it can.

A part that does not depend on the vector axis is one number; it is splat where a vector needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ranvier.backends.native.elementwise import OPERATIONS, emit_cast
from ranvier.backends.native.emitter import LLVM_TYPES, Emitter, Operand, Type, constant
from ranvier.backends.native.places import Arguments, Places
from ranvier.backends.native.random import emit_fraction, emit_uniform, emit_words
from ranvier.backends.native.tiles import emit_prefetch
from ranvier.compiler.groups import LANES, Buffer, Expr, Root, axes_used, walk
from ranvier.compiler.index import Axis, Index
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.random import BLOCK
from ranvier.foundation.shapes import Extent
from ranvier.ops.value import law_broken

CACHE_LINE = 64
#: How many rows ahead a data source is asked for; row numbers exist that far past a batch.
ROWS_AHEAD = 6
#: Bytes of a row below which asking costs more than it gains, and the most that is asked for.
WORTH_ASKING, MOST_ASKED = 256, 4096


@dataclass(frozen=True)
class Number:
    """A computed expression: its name in the text, and whether it fills the lanes."""

    name: str
    is_vector: bool


class Evaluator(Places):
    """Computes expressions at the present place of a loop nest.

    Args:
        f: where instructions go.
        arguments: of the group's function.
        depths: the loop depth of each axis; 0 is outside of all loops.
        vector_axis: the axis walked in vectors, or None.
        lanes: how many of its places are computed at once.
    """

    def __init__(
        self,
        f: Emitter,
        arguments: Arguments,
        depths: Mapping[Axis, int],
        vector_axis: Axis | None,
        lanes: int,
    ) -> None:
        super().__init__(f, arguments, vector_axis)
        self.depths = depths
        self.lanes = lanes
        self.depth = 0
        #: Which quarter of a block of random numbers the present vector is, where that is known.
        self.quarter: int | None = None
        self.words: dict[int, list[str]] = {}
        self._memo: list[dict[int, Number]] = [{}]
        self._splats: list[dict[str, str]] = [{}]
        self._keep: list[Expr] = []  # ids in the memos stay those of living objects
        self._axes: dict[int, set[Axis]] = {}

    # --- loops

    def enter(self, axis: Axis, position: Operand, span: tuple[int, int] | None = None) -> None:
        """Go into a loop over an axis.

        Args:
            span: the lowest and the highest place that counts, if less than all of the axis.
        """
        self.positions[axis] = position
        if isinstance(position, int):
            span = (position, position + (self.lanes - 1 if axis == self.vector_axis else 0))
        if span is not None:
            end = span[1] if isinstance(axis.length, Extent) else min(span[1], axis.length - 1)
            self.spans[axis] = (span[0], end)
        self.depth += 1
        self._memo.append({})
        self._splats.append({})

    def leave(self, axis: Axis) -> None:
        """Come out of the innermost loop; what was computed in it is gone."""
        del self.positions[axis]
        self.spans.pop(axis, None)
        self.depth -= 1
        self._memo.pop()
        self._splats.pop()

    def define(self, root: Root, number: Number) -> None:
        """Say what a root's number is at this place."""
        self._memo[-1][id(root)] = number

    # --- values

    def hoist(self, expressions: Iterable[Expr]) -> None:
        """Compute now every part that later places in inner loops share."""
        for expr in expressions:
            self._hoist(expr)

    def _hoist(self, expr: Expr) -> None:
        if expr.op in ("const", "ref"):
            return
        if self._depth_of(expr) <= self.depth and self._ready(expr):
            self.value(expr)
            return
        if expr.op == "gather":  # its element has no place before the row is known
            self._hoist(expr.args[0])
            return
        chosen = self._chosen(expr)
        if chosen is not None:
            self._hoist(chosen)
            return
        for arg in expr.args:
            self._hoist(arg)
            shared = self._is_vector(expr) and not self._is_vector(arg) and arg.op != "const"
            if shared and self._depth_of(arg) <= self.depth and self._ready(arg):
                self.vector(arg)

    def _ready(self, expr: Expr) -> bool:
        """Whether every root that an expression refers to has its number by now."""
        return all(e.op != "ref" or self.recall(id(e.payload)) for e in walk(expr))

    def _used(self, expr: Expr) -> set[Axis]:
        self._keep.append(expr)
        return axes_used(expr, self._axes)

    def _depth_of(self, expr: Expr) -> int:
        return max((self.depths[a] for a in self._used(expr)), default=0)

    def _is_vector(self, expr: Expr) -> bool:
        return self.lanes > 1 and self.vector_axis in self._used(expr)

    def type_of(self, expr: Expr, is_vector: bool) -> Type:
        """The LLVM type that an expression is computed in."""
        return Type(expr.dtype, self.lanes if is_vector else 1)

    def recall(self, key: int) -> Number | None:
        """What was computed for a key, if it still holds here."""
        for memo in reversed(self._memo):
            if key in memo:
                return memo[key]
        return None

    def value(self, expr: Expr) -> Number:
        """Compute an expression, or recall it."""
        if expr.op == "ref":
            known = self.recall(id(expr.payload))
            if known is None:
                raise law_broken(
                    "code generation", f"{expr.payload.name} is read before it is there"
                )
            return known
        known = self.recall(id(expr))
        if known is None:
            known = self._compute(expr)
            self._keep.append(expr)
            self._memo[-1][id(expr)] = known
        return known

    def vector(self, expr: Expr) -> str:
        """An expression in every lane."""
        number = self.value(expr)
        if number.is_vector or self.lanes == 1:
            return number.name
        return self.splat(Type(expr.dtype, self.lanes), number.name)

    def splat(self, type_: Type, scalar: str) -> str:
        """A number in every lane, made once a place."""
        if not scalar.startswith("%"):
            return scalar if type_.lanes == 1 else f"splat ({LLVM_TYPES[type_.dtype]} {scalar})"
        key = f"{type_} {scalar}"
        for splats in reversed(self._splats):
            if key in splats:
                return splats[key]
        self._splats[-1][key] = made = self.f.splat(type_, scalar)
        return made

    def _chosen(self, expr: Expr) -> Expr | None:
        """What a choice by place comes to here, where that is known while writing."""
        if expr.op != "select" or expr.args[0].op != "less":
            return None
        place, border = expr.args[0].args
        if place.op != "index" or border.op != "const":
            return None
        ends = place.payload.limits(self.spans)
        if ends is None or ends[0] < border.payload <= ends[1]:
            return None
        return expr.args[1 if ends[1] < border.payload else 2]

    def _compute(self, expr: Expr) -> Number:
        if expr.op == "const":
            return Number(constant(Type(expr.dtype), expr.payload), False)
        chosen = self._chosen(expr)
        if chosen is not None:
            return self.value(chosen)
        is_vector = self._is_vector(expr)
        type_ = self.type_of(expr, is_vector)
        if expr.op == "load":
            return Number(self._load(expr, type_), is_vector)
        if expr.op == "extent":
            count = (self.arguments.totals or self.arguments.counts)[expr.payload.name]
            return Number(emit_cast(self.f, Type("int64"), type_, str(count)), False)
        if expr.op == "index":
            return Number(self._index_number(expr, type_), is_vector)
        if expr.op == "random":
            return Number(self._random(expr, type_), is_vector)
        if expr.op == "gather":
            return Number(self._gather(expr, type_), is_vector)
        operands = [self.vector(a) if is_vector else self.value(a).name for a in expr.args]
        if expr.op == "select":
            return Number(self.f.select(type_, *operands), is_vector)
        source = self.type_of(expr.args[0], is_vector)
        if expr.op == "cast":
            return Number(emit_cast(self.f, source, type_, operands[0]), is_vector)
        return Number(OPERATIONS[expr.op](self.f, source, operands), is_vector)

    def _index_number(self, expr: Expr, type_: Type) -> str:
        index: Index = expr.payload
        pace = index.coefficient(self.vector_axis) if self.vector_axis else 0
        wide = Type("int64", type_.lanes)
        if type_.lanes == 1:
            first = self.place(index)
            number = str(first)
        elif pace is None:
            lanes = [str(self.at_lane(index, lane)) for lane in range(type_.lanes)]
            number = self._assemble(wide, lanes)
        else:
            first = str(self.place(index))
            number = self.f.binary("add", wide, self.splat(wide, first), _ramp(wide, pace))
        return emit_cast(self.f, wide, type_, number)

    def _assemble(self, type_: Type, scalars: list[str]) -> str:
        element = LLVM_TYPES[type_.dtype]
        vector = "poison"
        for lane, scalar in enumerate(scalars):
            vector = self.f.op(f"insertelement {type_} {vector}, {element} {scalar}, i32 {lane}")
        return vector

    def _load(self, expr: Expr, type_: Type) -> str:
        buffer, indices = expr.payload
        if buffer.role == "data":
            return self._load_data(buffer, indices, type_)
        late, opened = self.from_first(indices)
        if type_.lanes == 1 or self.pace(buffer, opened) == 1:
            return self._load_late(buffer, opened, type_, late)
        lanes = [self._one_lane(expr, lane) for lane in range(type_.lanes)]
        return self._assemble(type_, lanes)

    def _load_late(self, buffer: Buffer, indices: tuple[Index, ...], type_: Type, late: int) -> str:
        """A vector of which the first lanes lie before its part: read from the first that counts.

        Nothing may be read in front of a buffer; those lanes repeat the first number instead.
        """
        axis = self.vector_axis
        if type_.lanes == 1 or axis is None or not late:
            return self.f.load(type_, self.address(buffer, indices))
        position = self.positions[axis]
        self.positions[axis] = self.f.add(position, late)
        number = self.f.load(type_, self.address(buffer, indices))
        self.positions[axis] = position
        order = ", ".join(f"i32 {max(lane - late, 0)}" for lane in range(type_.lanes))
        kind = f"<{type_.lanes} x i32>"
        return self.f.op(f"shufflevector {type_} {number}, {type_} poison, {kind} <{order}>")

    def _gather(self, expr: Expr, type_: Type) -> str:
        """An element of a row whose number is computed; a row of its own for each lane, or one."""
        number, element = expr.args
        row = self.value(number)
        if element.op == "ref":  # of a table with a single row, in the same group
            return self.value(element).name
        if not row.is_vector:
            self.positions[expr.payload] = row.name
            found = self._load(element, type_)
            del self.positions[expr.payload]
            return found
        wide, lanes = Type("int64", type_.lanes), []
        for lane in range(type_.lanes):
            one = self.f.op(f"extractelement {wide} {row.name}, i32 {lane}")
            self.positions[expr.payload] = one
            lanes.append(self._one_lane(element, lane))
        del self.positions[expr.payload]
        return self._assemble(type_, lanes)

    def _one_lane(self, element: Expr, lane: int) -> str:
        buffer, indices = element.payload
        return self.f.load(Type(element.dtype), self.address(buffer, indices, lane))

    def _load_data(self, buffer: Buffer, indices: tuple[Index, ...], type_: Type) -> str:
        """From a data source: the row is looked up, and nothing may be read past its end."""
        strides = buffer.strides()
        inner = Index()
        for index, stride in zip(indices[1:], strides[1:], strict=True):
            inner = inner.plus(index.settled(self.spans), stride)
        row_lanes = self.vector_axis is not None and self.vector_axis in indices[0].axes()
        pace = inner.coefficient(self.vector_axis) if self.vector_axis else 0
        scalar = Type(type_.dtype)
        if type_.lanes == 1 or (pace == 1 and not row_lanes):
            row = self._row(buffer, self.place(indices[0]))
            if type_.lanes == 1 or self.end is None:
                return self.f.load(type_, self.f.at(row, self.place(inner), buffer.dtype))
        lanes = []
        for lane in range(type_.lanes):
            row = self._row(buffer, self.at_lane(indices[0], lane))
            place = self.at_lane(inner, lane)
            lanes.append(self.f.load(scalar, self.f.at(row, place, buffer.dtype)))
        return self._assemble(type_, lanes)

    def ask_for_rows(self, axis: Axis, position: Operand) -> None:
        """Prefetch the rows of data sources that come a few places later along an axis.

        Rows of a shuffled batch lie anywhere in the source, where no hardware prefetcher sees
        them coming (measured: 36 us for 128 rows of 784 bytes without this, 15 with).
        """
        f = self.f
        for buffer in self.arguments.strides:
            size = buffer.row * itemsize(buffer.dtype)
            if buffer.shape[0] != axis.length or size < WORTH_ASKING:
                continue
            row = self._row(buffer, f.add(position, ROWS_AHEAD))
            for line in range(0, min(size, MOST_ASKED), CACHE_LINE):
                emit_prefetch(f, f.at(row, line))

    def _row(self, buffer: Buffer, place: Operand) -> str:
        f = self.f
        number = f.load(Type("int64"), f.at(self.arguments.rows, place, "int64"))
        offset = f.mul(number, self.arguments.strides[buffer])
        return f.at(self.arguments.pointers[buffer], offset, buffer.dtype)

    # --- random numbers

    def _random(self, expr: Expr, type_: Type) -> str:
        site, index = expr.payload
        seed, step = (self.value(a).name for a in expr.args)
        pace = index.coefficient(self.vector_axis) if self.vector_axis else 0
        place = Type("int64", type_.lanes)
        if self.quarter is not None and type_.lanes == LANES and self._starts_block(index):
            word = self._shared_words(expr, seed, step)[self.quarter]
            fraction = emit_fraction(self.f, word, type_.lanes)
            return emit_cast(self.f, Type("float32", type_.lanes), type_, fraction)
        if type_.lanes > 1 and pace is None:
            lanes = [str(self.at_lane(index, lane)) for lane in range(type_.lanes)]
            elements = self._assemble(place, lanes)
        elif type_.lanes > 1:
            first = self.splat(place, str(self.place(index)))
            elements = self.f.binary("add", place, first, _ramp(place, pace or 0))
        else:
            elements = str(self.place(index))
        number = emit_uniform(self.f, elements, seed, step, site, type_.lanes)
        return emit_cast(self.f, Type("float32", type_.lanes), type_, number)

    def _starts_block(self, index: Index) -> bool:
        """Whether rows of an index start at whole blocks and go on one by one."""
        others = [c for atom, c in index.terms if atom != self.vector_axis]
        along = index.coefficient(self.vector_axis) if self.vector_axis else None
        return along == 1 and index.constant == 0 and all(c % BLOCK == 0 for c in others)

    def _shared_words(self, expr: Expr, seed: str, step: str) -> list[str]:
        """The words of the present block, drawn once for its four vectors."""
        if id(expr) not in self.words:
            site, index = expr.payload
            wide = Type("int64", LANES)
            first = self.f.splat(wide, str(self.place(index)))
            if self.quarter:  # the block began before the present vector
                first = self.f.binary("sub", wide, first, constant(wide, LANES * self.quarter))
            elements = self.f.binary("add", wide, first, _ramp(wide, 1))
            self.words[id(expr)] = emit_words(self.f, elements, seed, step, site, LANES)
        return self.words[id(expr)]


def _ramp(type_: Type, pace: int) -> str:
    element = LLVM_TYPES[type_.dtype]
    return "<" + ", ".join(f"{element} {pace * lane}" for lane in range(type_.lanes)) + ">"
