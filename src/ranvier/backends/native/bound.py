"""A prediction whose places are all fixed before: one call, one argument, no loop over batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ranvier.backends.native.driver import OutputPlace
from ranvier.backends.native.emitter import Emitter, Operand
from ranvier.backends.native.modes import emit_flush, emit_restore
from ranvier.backends.native.target import Target

#: The words of a bound call: the arena, the table of data, the row numbers, then the outputs.
ARENA, DATA, ROWS, OUTPUTS = range(4)


def _copy_row(
    f: Emitter, arena: str, out: str, place: OutputPlace, row: Operand, _: list[str]
) -> None:
    width = place.length * place.size
    source = f.at(arena, f.add(place.offset, f.mul(place.row * place.size, row)))
    into = f.at(out, f.mul(width, row))
    f.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {into}, ptr {source}, i64 {width}, i1 false)")


def emit_bound(
    declarations: set[str], target: Target, outputs: Sequence[OutputPlace], rows: int
) -> str:
    """``predict_bound(ptr words)``: ``@forward`` for a fixed number of rows, results copied out.

    Args:
        declarations: of the module.
        target: decides how the processor's mode is set.
        outputs: where the results lie in the arena.
        rows: of each call.
    """
    f = Emitter("define void @predict_bound(ptr %words)", declarations)
    declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
    mode = emit_flush(f, target)

    def word(number: int) -> str:
        return f.op(f"load ptr, ptr {f.at('%words', number, 'int64')}, align 8")

    arena = word(ARENA)
    f.do(f"call void @forward(ptr {arena}, ptr {word(DATA)}, ptr {word(ROWS)}, i64 {rows})")
    for number, place in enumerate(outputs):
        f.loop(rows, partial(_copy_row, f, arena, word(OUTPUTS + number), place))
    emit_restore(f, target, mode)
    f.do("ret void")
    return f.text()
