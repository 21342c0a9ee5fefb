"""Register tiles: the micro-kernel of every product, and the packing of turned-around operands.

``out[r][c] = sum over k of A[r * row + k * depth] * B[k * line + c]``, k in order, one fma each.
Rows and columns of a tile are fixed, sizes and strides come at run time, so a kernel serves every
layer. Nothing is masked: operands are padded, and who reads the tile takes the rows and columns
that count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.compiler.groups import LANES
from ranvier.compiler.groups import Operand as Side

#: Steps of the sum written out in one round of the loop.
UNROLL = 4
#: Rows times steps up to which a short program writes out a sum.
MOST_STEPS = 32


@dataclass(frozen=True)
class Kernel:
    """Which micro-kernel.

    Attributes:
        dtype: of both operands and the sum.
        rows: rows of the tile.
        vectors: vectors of columns.
        unit: the stride of the left operand that is 1: "depth" (rows of numbers), "row" (its
            transpose), or "none".
        pitch: the left operand's row stride where it is fixed in the kernel; 0: at run time.
            Tiles of more than eight rows need it, or their addresses take the registers.
        lanes: columns of a vector: fewer than sixteen where the matrix has fewer.
        goes_on: whether the sums start from what lies there instead of zero.
    """

    dtype: str
    rows: int
    vectors: int
    unit: str
    pitch: int = 0
    lanes: int = LANES
    goes_on: bool = False

    @property
    def name(self) -> str:
        """Its symbol."""
        narrow = "" if self.lanes == LANES else f"_of_{self.lanes}"
        kind = f"{self.unit}_{self.pitch}{narrow}{'_on' if self.goes_on else ''}"
        return f"tile_{self.dtype}_{self.rows}x{self.vectors}_{kind}"

    @property
    def columns(self) -> int:
        """Columns of the tile."""
        return self.vectors * self.lanes


@dataclass(frozen=True)
class Sides:
    """Where a tile's operands lie: the left corner and its strides, the right one and its line."""

    a: str
    row: Operand
    depth: Operand
    b: str
    line: Operand
    count: Operand


def emit_kernel(kernel: Kernel, declarations: set[str]) -> str:
    """The text of a micro-kernel: (A, row, depth, B, line, count, out)."""
    head = (
        f"define internal void @{kernel.name}(ptr noalias nocapture readonly %A, i64 %row, "
        "i64 %depth, ptr noalias nocapture readonly %B, i64 %line, i64 %count, "
        "ptr noalias nocapture %out)"
    )
    f = Emitter(head, declarations, "nounwind noinline")
    row: Operand = 1 if kernel.unit == "row" else kernel.pitch or "%row"
    depth: Operand = 1 if kernel.unit == "depth" else "%depth"
    emit_sum(f, kernel, Sides("%A", row, depth, "%B", "%line", "%count"), "%out")
    f.do("ret void")
    return f.text()


def emit_sum(f: Emitter, kernel: Kernel, sides: Sides, out: str) -> None:
    """Sum one tile into ``out``, in place."""
    vector = Type(kernel.dtype, kernel.lanes)
    offsets = [f.mul(r, sides.row) for r in range(kernel.rows)]
    starts = [f.zero(vector)] * (kernel.rows * kernel.vectors)
    if kernel.goes_on:
        places = [f.at(out, n * kernel.lanes, kernel.dtype) for n in range(len(starts))]
        starts = [f.load(vector, place) for place in places]
    types = ["ptr", "ptr", *(str(vector) for _ in starts)]

    def steps(count: int, values: list[str]) -> list[str]:
        a, b, sums = values[0], values[1], list(values[2:])
        for _ in range(count):
            sums = _step_of_sum(f, kernel, a, offsets, b, sums)
            a, b = f.at(a, sides.depth, kernel.dtype), f.at(b, sides.line, kernel.dtype)
        return [a, b, *sums]

    def typed(values: list[str]) -> list[tuple[str, str]]:
        return list(zip(types, values, strict=True))

    state = [sides.a, sides.b, *starts]
    whole = _whole(f, sides.count, UNROLL)
    keep = not isinstance(sides.count, int) or sides.count * kernel.rows > MOST_STEPS
    state = f.loop(whole, lambda _, v: steps(UNROLL, v), typed(state), UNROLL, keep=keep)
    state = f.loop(sides.count, lambda _, v: steps(1, v), typed(state), start=whole)
    for number, value in enumerate(state[2:]):
        f.store(vector, value, f.at(out, number * kernel.lanes, kernel.dtype))


def _whole(f: Emitter, count: Operand, multiple: int) -> Operand:
    if isinstance(count, int):
        return count // multiple * multiple
    return f.op(f"and i64 {count}, {-multiple}")


def _step_of_sum(
    f: Emitter, kernel: Kernel, a: str, offsets: Sequence[Operand], b: str, sums: list[str]
) -> list[str]:
    vector, scalar = Type(kernel.dtype, kernel.lanes), Type(kernel.dtype)
    line = [f.load(vector, f.at(b, v * kernel.lanes, kernel.dtype)) for v in range(kernel.vectors)]
    out = []
    for r in range(kernel.rows):
        number = f.splat(vector, f.load(scalar, f.at(a, offsets[r], kernel.dtype)))
        for v in range(kernel.vectors):
            out.append(f.fma(vector, number, line[v], sums[r * kernel.vectors + v]))
    return out


def emit_call(f: Emitter, kernel: Kernel, sides: Sides, out: str) -> None:
    """Call a micro-kernel."""
    f.do(
        f"call void @{kernel.name}(ptr {sides.a}, i64 {sides.row}, i64 {sides.depth}, "
        f"ptr {sides.b}, i64 {sides.line}, i64 {sides.count}, ptr {out})"
    )


def emit_prefetch(f: Emitter, address: str) -> None:
    """Ask for the cache line of an address; never faults."""
    f.declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    f.do(f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 3, i32 1)")


def emit_pack_left(
    f: Emitter, kernel: Kernel, source: str, depth: Operand, count: Operand, out: str
) -> None:
    """Copy the left corner of a transposed operand: ``out[k * rows + r] = source[k * depth + r]``.

    Its lines lie a row of data apart, each on a page of its own; read once, not once a panel.
    """
    wide = Type(kernel.dtype, kernel.rows)

    def line(k: Operand, _: list[str]) -> None:
        numbers = f.load(wide, f.at(source, f.mul(depth, k), kernel.dtype))
        f.store(wide, numbers, f.at(out, f.mul(kernel.rows, k), kernel.dtype))

    f.loop(count, line)


def emit_pack(
    f: Emitter, dtype: str, source: str, side: Side, columns: int, count: Operand, panel: str
) -> None:
    """Lay out a panel so that each step of the sum finds its columns side by side.

    ``panel[k * columns + c] = source[c * outer + k * depth]`` for k in whole blocks of sixteen.

    Args:
        source: where the panel's first column starts.
        side: the operand, with its strides.
        columns: of the panel.
        count: steps of the sum.
        panel: where to.
    """
    scalar = Type(dtype)
    if side.depth == 1 and columns % LANES == 0:

        def block(k: Operand, _: list[str]) -> None:
            first = _along_row(f, side, k)
            for c in range(0, columns, LANES):
                _transpose(f, dtype, source, f.add(first, c * side.outer), side.outer, panel,
                           f.add(f.mul(columns, k), c), columns)  # fmt: skip

        f.loop(count, block, step=LANES)
        return

    def line(k: Operand, _: list[str]) -> None:
        def one(c: Operand, _: list[str]) -> None:
            place = f.add(f.mul(side.outer, c), f.mul(side.depth, k))
            number = f.load(scalar, f.at(source, place, dtype))
            f.store(scalar, number, f.at(panel, f.add(f.mul(columns, k), c), dtype))

        f.loop(columns, one)

    f.loop(count, line)


def _along_row(f: Emitter, side: Side, k: Operand) -> Operand:
    """Where place k of a row lies, the row in one piece or in panels."""
    width, rows = side.buffer.panel, side.buffer.shape[0]
    if not width or not isinstance(rows, int):
        return k
    inside: Operand = k % width if isinstance(k, int) else f.op(f"and i64 {k}, {width - 1}")
    return f.add(f.mul(rows, f.sub(k, inside)), inside)


def _transpose(
    f: Emitter, dtype: str, source: str, first: Operand, outer: int, panel: str, target: Operand,
    columns: int,
) -> None:  # fmt: skip
    """Turn a block of 16 x 16 around, by a function that all programs share."""
    f.declarations.add(_turn_function(dtype))
    corner, place = f.at(source, first, dtype), f.at(panel, target, dtype)
    f.do(f"call void @turn_{dtype}(ptr {corner}, i64 {outer}, ptr {place}, i64 {columns})")


@cache
def _turn_function(dtype: str) -> str:
    """A block of 16 x 16 turned around in registers by four rounds of interleaving.

    A function of its own: these shuffles take LLVM longer than most programs' other functions.
    """
    vector = Type(dtype, LANES)
    f = Emitter(
        f"define internal void @turn_{dtype}(ptr %source, i64 %outer, ptr noalias %panel, "
        "i64 %columns)",
        set(),
        "nounwind noinline",
    )
    rows = [f.load(vector, f.at("%source", f.mul("%outer", r), dtype)) for r in range(LANES)]
    low = _interleave(0)
    high = _interleave(LANES // 2)
    half = LANES // 2
    for _ in range(4):
        mixed = []
        for i in range(half):
            for order in (low, high):
                mixed.append(
                    f.op(
                        f"shufflevector {vector} {rows[i]}, {vector} {rows[i + half]}, "
                        f"<{LANES} x i32> {order}"
                    )
                )
        rows = mixed
    for k, row in enumerate(rows):
        f.store(vector, row, f.at("%panel", f.mul("%columns", k), dtype))
    f.do("ret void")
    return f.text()


def _interleave(start: int) -> str:
    lanes = []
    for lane in range(LANES):
        lanes.append(start + lane // 2 + (LANES if lane % 2 else 0))
    return "<" + ", ".join(f"i32 {lane}" for lane in lanes) + ">"
