"""A scatter as a function: rows added, in their order, to the rows of a table that they name.

The table starts from zeros or as a copy, or is the old one itself where an update happens in place:
then only the rows that are named are written.
"""

from __future__ import annotations

from ranvier.backends.native.elementwise import OPERATIONS
from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.expressions import Evaluator
from ranvier.backends.native.nests import count_of
from ranvier.backends.native.places import Arguments
from ranvier.backends.native.stretches import in_stretches
from ranvier.compiler.groups import LANES, Expr, Group
from ranvier.compiler.index import Axis
from ranvier.compiler.joins import borders_of
from ranvier.ops.value import law_broken


def emit_scatter(f: Emitter, group: Group, arguments: Arguments) -> None:
    """A scatter group: loops over all row numbers, and along each row in vectors."""
    root = group.roots[0]
    if root.expr is None or root.buffer is None:
        raise law_broken("code generation", f"{root.name} has nothing to add, or no place")
    _start(f, group, arguments)
    axes = [Axis(k, d) for k, d in enumerate(group.domain)]
    lanes = 1 if group.domain[-1] == 1 else LANES
    depths = {axis: k + 1 for k, axis in enumerate(axes)}
    e = Evaluator(f, arguments, depths, axes[-1] if lanes > 1 else None, lanes)
    e.hoist([root.expr.args[1]])
    _nest(f, e, group, axes, 0, root.expr)


def _start(f: Emitter, group: Group, arguments: Arguments) -> None:
    """Zeros, or what is added to; in place it is there already."""
    buffer, base = group.roots[0].buffer, group.base
    if buffer is None or (base is not None and buffer.alias is base):
        return
    target, size = arguments.pointers[buffer], buffer.bytes({})
    if base is None:
        f.declarations.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        f.do(f"call void @llvm.memset.p0.i64(ptr {target}, i8 0, i64 {size}, i1 false)")
        return
    source = arguments.pointers[base]
    f.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    f.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")


def _nest(f: Emitter, e: Evaluator, group: Group, axes: list[Axis], place: int, expr: Expr) -> None:
    axis, count = axes[place], count_of(axes[place].length, e.arguments)
    if place == len(axes) - 1:
        _row(f, e, group, axis, expr)
        return

    def body(position: Operand, span: tuple[int, int] | None) -> None:
        e.enter(axis, position, span)
        e.ask_for_rows(axis, position)
        e.hoist(expr.args)
        _nest(f, e, group, axes, place + 1, expr)
        e.leave(axis)

    in_stretches(f, borders_of(group), axis, count, body)


def _row(f: Emitter, e: Evaluator, group: Group, axis: Axis, expr: Expr) -> None:
    """Add one row; vectors may run into the padding behind it, where nobody reads."""
    buffer, (number, update) = group.roots[0].buffer, expr.args
    count = count_of(axis.length, e.arguments)
    if buffer is None:
        return
    type_ = Type(buffer.dtype, e.lanes)
    row = f.mul(buffer.row, e.value(number).name)
    start = f.at(e.arguments.pointers[buffer], row, buffer.dtype)
    short = isinstance(count, int) and count % e.lanes != 0

    def vector(position: Operand, span: tuple[int, int] | None) -> None:
        e.enter(axis, position, span)
        e.end = count if short else None
        address = f.at(start, position, buffer.dtype)
        total = OPERATIONS["add"](f, type_, [f.load(type_, address), e.vector(update)])
        f.store(type_, total, address)
        e.leave(axis)

    in_stretches(f, borders_of(group), axis, count, vector, e.lanes)
    e.end = None
