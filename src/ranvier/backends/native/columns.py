"""Columns groups as functions: a reduction over an inner axis for each vector of columns.

The order of its sums is fixed: four of them interleaved, then added in pairs; or that of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.expressions import Evaluator, Number
from ranvier.backends.native.nests import count_of, finish_elements, lanes_along, lanes_of
from ranvier.backends.native.places import Arguments
from ranvier.backends.native.reductions import combine, start_of
from ranvier.backends.native.shares import Span
from ranvier.backends.native.stretches import in_stretches
from ranvier.compiler.groups import Group, Root, walk
from ranvier.compiler.index import Axis
from ranvier.compiler.joins import borders_of
from ranvier.ops.value import law_broken

#: A sum with the number at one more place.
Term: TypeAlias = Callable[[Operand, str], str]
#: Interleaved sums of a reduction over rows.
PARTIALS = 4


def emit_columns(
    f: Emitter, group: Group, arguments: Arguments, span: Span | None = None, part: str = ""
) -> None:
    """A columns group: for each vector of columns, a reduction over an inner axis.

    Args:
        span: the places of the first axis that are to be computed; None: all.
        part: "sum": let the sums go on over a block of rows; "rest": what follows them.
    """
    axes = [Axis(k, d) for k, d in enumerate(group.domain)]
    reduced = group.reduced
    if reduced is None:
        return
    lanes = lanes_of(group, arguments)
    depths = {axis: k + 1 for k, axis in enumerate(axes)} | {reduced: len(axes) + 1}
    e = Evaluator(f, arguments, depths, axes[-1] if axes and lanes > 1 else None, lanes)
    anchor, rest = group.roots[0], group.roots[1:]
    borders = borders_of(group)
    e.hoist(r.expr for r in group.roots if r.expr is not None)

    def nest(place: int) -> None:
        if place == len(axes):
            _one_column(f, e, group, anchor, rest, reduced, lanes, arguments, part)
            return
        axis = axes[place]
        is_vector = place == len(axes) - 1 and lanes > 1
        count = count_of(axis.length, arguments)

        def body(position: Operand, span: tuple[int, int] | None) -> None:
            e.enter(axis, position, span)
            if is_vector:
                full = isinstance(count, int) and count % lanes == 0
                e.end = None if full else count
            e.hoist(r.expr for r in group.roots if r.expr is not None)
            nest(place + 1)
            e.leave(axis)

        own = span if place == 0 else None
        in_stretches(f, borders, axis, count, body, lanes if is_vector else 1, own)

    nest(0)


def _one_column(
    f: Emitter, e: Evaluator, group: Group, anchor: Root, rest: Sequence[Root], reduced: Axis,
    lanes: int, arguments: Arguments, part: str,
) -> None:  # fmt: skip
    type_ = Type(anchor.value.dtype, lanes)
    count = count_of(reduced.length, arguments)
    start = start_of(anchor, type_)
    if anchor.expr is None:
        return
    expr = anchor.expr

    def term(position: Operand, total: str) -> str:
        e.enter(reduced, position)
        out = combine(f, anchor.kind, type_, total, e.vector(expr))
        e.leave(reduced)
        return out

    partials = _row_lanes(anchor, reduced, count) if group.as_row else PARTIALS

    kept = _kept_sums(f, e, type_, arguments) if part else []
    sums = [f.load(type_, place) for place in kept] or [start] * partials
    if part != "rest":
        many = group.as_row and not (isinstance(count, int) and count <= partials)
        sums = (_in_turn if many else _interleaved)(f, type_, count, sums, term)
    if part == "sum":
        for place, total in zip(kept, sums, strict=True):
            f.store(type_, total, place)
        return
    # Lanes of a row meet as halves, sums over rows as neighbours.
    while len(sums) > 1:
        half = len(sums) // 2
        low, high = (sums[:half], sums[half:]) if group.as_row else (sums[::2], sums[1::2])
        sums = [combine(f, anchor.kind, type_, a, b) for a, b in zip(low, high, strict=True)]
    e.define(anchor, Number(sums[0], lanes > 1))
    finish_elements(f, e, [anchor, *rest], group, lanes)


def _interleaved(f: Emitter, type_: Type, count: Operand, sums: list[str], term: Term) -> list[str]:
    """Every sum takes each so-many-th place; all of them stay in registers."""
    partials = len(sums)

    def several(position: Operand, sums: list[str]) -> list[str]:
        return [term(f.add(position, k), sums[k]) for k in range(partials)]

    whole = (
        count // partials * partials
        if isinstance(count, int)
        else f.op(f"and i64 {count}, {-partials}")
    )
    sums = f.loop(whole, several, [(str(type_), first) for first in sums], step=partials)
    for k in range(partials - 1):  # what is left goes to the first sums, one number each
        first = f.add(whole, k)
        last = f.minimum_int(count, f.add(first, 1))
        carried = [(str(type_), sums[k])]
        sums[k] = f.loop(last, lambda p, s: [term(p, s[0])], carried, start=first)[0]
    return sums


def _in_turn(f: Emitter, type_: Type, count: Operand, sums: list[str], term: Term) -> list[str]:
    """The same for as many sums as a row has lanes: in memory, so that a term is written once."""
    if len(sums) == 1:
        return f.loop(count, lambda p, s: [term(p, s[0])], [(str(type_), sums[0])])
    scratch = f.allocate(Type(type_.dtype), len(sums) * type_.lanes)
    places = [f.at(scratch, k * type_.lanes, type_.dtype) for k in range(len(sums))]
    for place, first in zip(places, sums, strict=True):
        f.store(type_, first, place)

    def one(position: Operand, _: list[str]) -> None:
        turn = f.op(f"and i64 {position}, {len(sums) - 1}")
        place = f.at(scratch, f.mul(type_.lanes, turn), type_.dtype)
        f.store(type_, term(position, f.load(type_, place)), place)

    f.loop(count, one)
    return [f.load(type_, place) for place in places]


def _row_lanes(anchor: Root, reduced: Axis, count: Operand) -> int:
    """How many sums a rows group would keep along the axis: its lanes."""
    for e in walk(anchor.expr) if anchor.expr is not None else ():
        if e.op == "load" and e.payload[0].role == "data" and reduced in e.payload[1][0].axes():
            return 1
    return lanes_along(count)


def _kept_sums(f: Emitter, e: Evaluator, type_: Type, arguments: Arguments) -> list[str]:
    """Where the interleaved sums of the present columns are kept from block to block."""
    column = next(iter(e.positions.values()))
    if arguments.sums is None:
        raise law_broken("code generation", "a sum over rows has no place")
    first = f.mul(PARTIALS, column)
    return [
        f.at(arguments.sums, f.add(first, k * type_.lanes), type_.dtype) for k in range(PARTIALS)
    ]
