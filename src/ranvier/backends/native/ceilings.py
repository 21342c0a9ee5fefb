"""What one processor can do at most, measured: multiply-adds and copies, by kernels of our own.

Each is measured once a process, in some milliseconds, and the best of several tries counts: another
program on the machine only ever takes speed away.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ranvier.backends.native.clock import FIRST_GROUP, Clock, emit_ticks
from ranvier.backends.native.emitter import Emitter, Operand, Type, constant
from ranvier.backends.native.jit import compile_text
from ranvier.backends.native.target import Target
from ranvier.compiler.groups import LANES
from ranvier.foundation.dtypes import itemsize

#: Sums of the multiply-add kernel: more than latency x units, and few enough for sixteen registers.
SUMS = 12
#: Bytes that are copied: in the first-level cache, in the second, about in the third, beyond most.
COPIED = (16 << 10, 512 << 10, 4 << 20, 32 << 20)
#: Seconds of a try, and tries.
TRY, TRIES = 2e-3, 7


@dataclass(frozen=True)
class Ceilings:
    """The measured limits of one processor.

    Attributes:
        operations: floating-point operations a second, by dtype; a multiply-add counts as two.
        copies: bytes read and written a second, by the bytes that are copied.
        ticks: of the program's clock in a second.
        lap: ticks that one look at that clock takes.
    """

    operations: dict[str, float]
    copies: dict[int, float]
    ticks: float
    lap: float

    def bandwidth(self, touched: int) -> tuple[int, float]:
        """The copy whose size is like that of memory that is used again and again.

        Args:
            touched: bytes of it.

        Returns:
            The bytes of the copy, and its bytes read and written a second.
        """
        size = next((one for one in sorted(self.copies) if touched <= 2 * one), max(self.copies))
        return size, self.copies[size]


@functools.cache
def find_ceilings(target: Target) -> Ceilings:
    """Measure the processor that this process runs on; some tens of milliseconds, once.

    Args:
        target: the instructions that may be used.
    """
    code = compile_text(_text(target), target)
    numbers = np.zeros(4096, np.float64)
    operations = {}
    for dtype in ("float32", "float64"):
        call = code.function(f"multiply_{dtype}", ctypes.c_void_p, ctypes.c_int64)
        rate = _best_rate(functools.partial(call, numbers.ctypes.data))
        operations[dtype] = rate * 2 * SUMS * (target.vector_bytes // itemsize(dtype))
    copy = code.function("copy", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    block = np.ones(2 * max(COPIED) + 64, np.uint8)
    start = block.ctypes.data + -block.ctypes.data % 64
    copies = {}
    for size in COPIED:
        rate = _best_rate(functools.partial(copy, start, start + size, size))
        copies[size] = rate * 2 * size
    ticks = code.function("ticks", ctypes.c_void_p)
    laps = code.function("laps", ctypes.c_void_p, ctypes.c_int64)
    per_second = _ticks_per_second(lambda: ticks(numbers.ctypes.data), numbers)
    rate = _best_rate(functools.partial(laps, numbers.ctypes.data))
    return Ceilings(operations, copies, per_second, per_second / rate)


def _best_rate(call: Callable[[int], None]) -> float:
    """Rounds a second of a call that takes how many rounds it is to make."""
    rounds, seconds = 1, 0.0
    while True:
        begin = time.perf_counter()
        call(rounds)
        seconds = time.perf_counter() - begin
        if seconds >= TRY:
            break
        rounds *= 2
    best = rounds / seconds
    for _ in range(TRIES):
        begin = time.perf_counter()
        call(rounds)
        best = max(best, rounds / (time.perf_counter() - begin))
    return best


def _ticks_per_second(look: Callable[[], None], numbers: np.ndarray) -> float:
    """How fast the clock inside of programs runs."""
    rates = []
    for _ in range(3):
        look()
        first, begin = int(numbers.view(np.int64)[0]), time.perf_counter()
        while time.perf_counter() - begin < 5e-3:
            pass
        look()
        rates.append((int(numbers.view(np.int64)[0]) - first) / (time.perf_counter() - begin))
    return sorted(rates)[1]


# --- kernels


def _text(target: Target) -> str:
    declarations: set[str] = set()
    parts = [_multiply(dtype, target, declarations) for dtype in ("float32", "float64")]
    parts += [_copy(declarations), _ticks(declarations), _laps(declarations)]
    return "\n".join([*sorted(declarations), *parts])


def _multiply(dtype: str, target: Target, declarations: set[str]) -> str:
    """``multiply(out, rounds)``: sums that do not wait for each other, one multiply-add each."""
    f = Emitter(f"define void @multiply_{dtype}(ptr %out, i64 %rounds)", declarations)
    type_ = Type(dtype, target.vector_bytes // itemsize(dtype))
    half, start = constant(type_, 0.5), f.load(type_, "%out")

    def one(_: Operand, sums: list[str]) -> list[str]:
        return [f.fma(type_, total, half, start) for total in sums]

    zeros = [(str(type_), constant(type_, float(number))) for number in range(SUMS)]
    for number, total in enumerate(f.loop("%rounds", one, zeros)):
        f.store(type_, total, f.at("%out", (number + 1) * type_.lanes, dtype))
    f.do("ret void")
    return f.text()


def _copy(declarations: set[str]) -> str:
    """``copy(from, to, bytes, rounds)`` in whole vectors, four at a time."""
    f = Emitter("define void @copy(ptr %from, ptr %to, i64 %bytes, i64 %rounds)", declarations)
    type_ = Type("float32", LANES)

    def four(place: Operand, _: list[str]) -> None:
        for number in range(4):
            here = f.add(place, number * LANES * 4)
            f.store(type_, f.load(type_, f.at("%from", here)), f.at("%to", here))

    def whole(_: Operand, __: list[str]) -> None:
        f.loop("%bytes", four, step=4 * LANES * 4)

    f.loop("%rounds", whole)
    f.do("ret void")
    return f.text()


def _ticks(declarations: set[str]) -> str:
    f = Emitter("define void @ticks(ptr %out)", declarations)
    f.store(Type("int64"), emit_ticks(f), "%out")
    f.do("ret void")
    return f.text()


def _laps(declarations: set[str]) -> str:
    """``laps(arena, rounds)``: nothing but looks at the clock."""
    f = Emitter("define void @laps(ptr %arena, i64 %rounds)", declarations)
    clock = Clock(0, 1)
    f.loop("%rounds", lambda _i, _v: clock.lap(f, FIRST_GROUP))
    f.do("ret void")
    return f.text()
