"""Steps of a reduction: what it starts from, two results together, sixteen lanes to one number."""

from __future__ import annotations

import numpy as np

from ranvier.backends.native.elementwise import emit_extreme
from ranvier.backends.native.emitter import Emitter, Type, constant
from ranvier.compiler.groups import Root
from ranvier.foundation.dtypes import is_float

IDENTITY = {"sum": 0.0, "max": float("-inf"), "min": float("inf")}


def start_of(root: Root, type_: Type) -> str:
    """What a reduction starts from."""
    if is_float(root.value.dtype):
        return constant(type_, IDENTITY[root.kind])
    limits = np.iinfo(root.value.dtype)
    return constant(type_, {"sum": 0, "max": limits.min, "min": limits.max}[root.kind])


def combine(f: Emitter, kind: str, type_: Type, a: str, b: str) -> str:
    """Two partial results of a reduction together."""
    if is_float(type_.dtype):
        if kind == "sum":
            return f.binary("fadd", type_, a, b)
        return emit_extreme(f, "maximum" if kind == "max" else "minimum", type_, a, b)
    if kind == "sum":
        return f.binary("add", type_, a, b)
    sign = "u" if type_.dtype.startswith("uint") else "s"
    how = f"{sign}gt" if kind == "max" else f"{sign}lt"
    return f.select(type_, f.compare(how, type_, a, b), a, b)


def fold(f: Emitter, kind: str, type_: Type, vector: str) -> str:
    """All lanes to one number: halves, quarters, eighths ... as a tree."""
    lanes = type_.lanes
    while lanes > 1:
        half = Type(type_.dtype, lanes // 2)
        whole = Type(type_.dtype, lanes)
        parts = []
        for start in (0, lanes // 2):
            order = ", ".join(f"i32 {start + k}" for k in range(lanes // 2))
            if lanes == 2:
                parts.append(f.op(f"extractelement {whole} {vector}, i32 {start}"))
            else:
                parts.append(
                    f.op(
                        f"shufflevector {whole} {vector}, {whole} poison, "
                        f"<{lanes // 2} x i32> <{order}>"
                    )
                )
        vector = combine(f, kind, half, parts[0], parts[1])
        lanes //= 2
    return vector
