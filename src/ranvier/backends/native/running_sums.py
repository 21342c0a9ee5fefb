"""The running sums of a control block: what batches leave is added up there over an epoch.

They are float64 and lie one after another, however the numbers lie in the arena.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.backends import control
from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.foundation.dtypes import itemsize

F64 = Type("float64")


@dataclass(frozen=True)
class Region:
    """Numbers in the arena: so many rows of some length, ``row`` elements from one to the next."""

    offset: int
    dtype: str
    rows: int
    length: int
    row: int


def size_of(regions: Sequence[Region]) -> int:
    """How many numbers some regions hold."""
    return sum(region.rows * region.length for region in regions)


def load_real(f: Emitter, dtype: str, pointer: str) -> str:
    """Load a number of some float dtype as float64."""
    number = f.load(Type(dtype), pointer)
    return number if dtype == "float64" else f.convert("fpext", Type(dtype), F64, number)


class RunningSums:
    """Writes what happens to them.

    Args:
        f: the function being written; its ``%control`` and ``%arena`` are known.
    """

    def __init__(self, f: Emitter) -> None:
        self.f = f

    def at(self, number: Operand) -> str:
        """The address of one."""
        return self.f.at("%control", self.f.add(number, control.FIRST_SUM), "int64")

    def load(self, number: Operand) -> str:
        """One of them as it is now."""
        return self.f.load(F64, self.at(number))

    def clear(self, count: int) -> None:
        """They start from zero."""

        def one(i: Operand, _: list[str]) -> None:
            self.f.store(F64, "0.0", self.at(i))

        self.f.loop(count, one)

    def add(self, regions: Sequence[Region]) -> None:
        """Add what a batch left in some regions, one region after another."""
        first = 0
        for region in regions:
            self._add_region(region, first)
            first += region.rows * region.length

    def _add_region(self, region: Region, first: int) -> None:
        f, step = self.f, region.row * itemsize(region.dtype)

        def one_row(i: Operand, _: list[str]) -> None:
            source = f.at("%arena", f.add(f.mul(i, step), region.offset))

            def one(j: Operand, _: list[str]) -> None:
                place = f.add(f.mul(i, region.length), j)
                address = self.at(f.add(place, first))
                number = load_real(f, region.dtype, f.at(source, j, region.dtype))
                f.store(F64, f.binary("fadd", F64, f.load(F64, address), number), address)

            f.loop(region.length, one)

        f.loop(region.rows, one_row)

    def copy(self, first: int, count: int, offset: int) -> None:
        """Copy some of them into the arena."""
        target, source = self.f.at("%arena", offset), self.at(first)
        self.f.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        self.f.do(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, "
            f"i64 {count * itemsize('float64')}, i1 false)"
        )
