"""The machine that code is made for: its name, features, and the tiles that fit its registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import llvmlite.binding as llvm

from ranvier.compiler.groups import LANES
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.settings import read_settings

#: Sums that keep two multiply-add units busy whose results are there after four cycles.
INDEPENDENT_SUMS = 8

_AVX512 = ("avx512f", "avx512vl", "avx512bw", "avx512dq")


@dataclass(frozen=True)
class Target:
    """A processor as the code generator sees it.

    Attributes:
        cpu: LLVM's name of it.
        features: LLVM's feature string.
        vector_bytes: width of a vector register.
        registers: number of vector registers.
        x86: whether x86 intrinsics may be used.
        few_rows: rows of every product where they are so few that tiles get wider; 0: many.
    """

    cpu: str
    features: str
    vector_bytes: int
    registers: int
    x86: bool
    few_rows: int = 0

    def tile(self, dtype: str) -> tuple[int, int]:
        """Rows, and vectors of sixteen columns, of a product's register tile.

        Sums take rows x columns registers; one row of the right operand and one broadcast number
        must fit beside them, or the compiler spills. A tile of few rows is wider: a processor needs
        about eight sums at a time that do not wait for each other.
        """
        rows, vectors = self._square_tile(dtype)
        if not self.few_rows:
            return rows, vectors
        while rows >= 2 * self.few_rows:
            rows //= 2
        sums = rows * LANES * itemsize(dtype) // self.vector_bytes
        return rows, max(vectors, INDEPENDENT_SUMS // sums)

    def for_few_rows(self, rows: int) -> Target:
        """The same machine for products of so few rows; itself where they fill a usual tile."""
        tallest = max(self._square_tile(dtype)[0] for dtype in ("float32", "float64"))
        return replace(self, few_rows=rows) if 2 * rows <= tallest else self

    def _square_tile(self, dtype: str) -> tuple[int, int]:
        per_row = LANES * itemsize(dtype) // self.vector_bytes  # registers of sixteen columns
        if self.registers >= 32 and per_row == 1:
            return 8, 2
        for rows in (8, 6, 4, 3, 2):
            if rows * per_row + per_row + 1 <= self.registers:
                return rows, 1
        return 1, 1

    def panels(self) -> Mapping[str, int]:
        """Columns of a product's panel, by dtype."""
        return {dtype: self.tile(dtype)[1] * LANES for dtype in ("float32", "float64")}


def find_target() -> Target:
    """The target for this machine, limited by the setting RANVIER_CPU."""
    return _target(read_settings().features)


@cache
def _target(limit: str) -> Target:
    """The target under a limit; the machine stays the same, and LLVM takes a millisecond to ask."""
    triple = llvm.get_process_triple()
    x86 = triple.startswith(("x86_64", "amd64"))
    if limit == "baseline":
        return Target("x86-64" if x86 else "generic", "", 16, 16 if x86 else 32, x86)
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    if not x86:
        return Target(cpu, features.flatten(), 16, 32, x86)
    wide = all(features.get(name, False) for name in _AVX512)
    if limit == "avx2" or not wide:
        narrow = features.get("avx2", False) and features.get("fma", False)
        kept = ",".join(
            f"-{name}" if "avx512" in name or "avx10" in name or "amx" in name
            else f"{'+' if on else '-'}{name}"
            for name, on in sorted(features.items())
        )  # fmt: skip
        return Target("haswell" if narrow else "x86-64", kept, 32 if narrow else 16, 16, x86)
    return Target(cpu, features.flatten(), 64, 32, x86)
