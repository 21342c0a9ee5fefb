"""Elementwise operations as LLVM instructions: one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ranvier.backends.native.emitter import Emitter, Type, constant
from ranvier.backends.native.functions import FUNCTIONS
from ranvier.backends.native.trigonometry import TRIGONOMETRY
from ranvier.foundation.dtypes import is_float

#: (emitter, type of the operands, operands) -> value
Emit = Callable[[Emitter, Type, Sequence[str]], str]

_UNSIGNED = ("uint8", "uint16", "bool")


def _arithmetic(name: str) -> Emit:
    def emit(f: Emitter, type_: Type, x: Sequence[str]) -> str:
        if name == "add" and type_.dtype == "bool":  # as NumPy: either of them
            return f.binary("or", type_, x[0], x[1])
        return f.binary(f"f{name}" if is_float(type_.dtype) else name, type_, x[0], x[1])

    return emit


def _comparison(float_how: str, signed: str, unsigned: str) -> Emit:
    def emit(f: Emitter, type_: Type, x: Sequence[str]) -> str:
        how = signed if type_.dtype not in _UNSIGNED else unsigned
        return f.compare(float_how if is_float(type_.dtype) else how, type_, x[0], x[1])

    return emit


def _extreme(name: str, how: str) -> Emit:
    def emit(f: Emitter, type_: Type, x: Sequence[str]) -> str:
        if is_float(type_.dtype):
            return emit_extreme(f, name, type_, x[0], x[1])
        prefix = "u" if type_.dtype in _UNSIGNED else "s"
        return f.select(type_, f.compare(prefix + how, type_, x[0], x[1]), x[0], x[1])

    return emit


def emit_extreme(f: Emitter, name: str, type_: Type, a: str, b: str) -> str:
    """The larger ("maximum") or smaller of two floats; a NaN in either stays."""
    how = "ogt" if name == "maximum" else "olt"
    chosen = f.select(type_, f.compare(how, type_, a, b), a, b)
    # The comparison above is false for a NaN, which gives b: right unless the NaN is a.
    return f.select(type_, f.compare("uno", type_, a, a), a, chosen)


def _negative(f: Emitter, type_: Type, x: Sequence[str]) -> str:
    if is_float(type_.dtype):
        return f.op(f"fneg {type_} {x[0]}")
    return f.binary("sub", type_, f.zero(type_), x[0])


def _absolute(f: Emitter, type_: Type, x: Sequence[str]) -> str:
    if is_float(type_.dtype):
        return f.intrinsic("fabs", type_, x[0])
    if type_.dtype in _UNSIGNED:
        return x[0]
    negative = f.compare("slt", type_, x[0], f.zero(type_))
    return f.select(type_, negative, _negative(f, type_, x), x[0])


def _not(f: Emitter, type_: Type, x: Sequence[str]) -> str:
    return f.binary("xor", type_, x[0], constant(type_, True))


def _function(name: str) -> Emit:
    function = {**FUNCTIONS, **TRIGONOMETRY}[name]
    return lambda f, type_, x: function(f, type_, x[0])


OPERATIONS: dict[str, Emit] = {
    "add": _arithmetic("add"),
    "subtract": _arithmetic("sub"),
    "multiply": _arithmetic("mul"),
    "divide": lambda f, type_, x: f.binary("fdiv", type_, x[0], x[1]),
    "negative": _negative,
    "absolute": _absolute,
    "exp": _function("exp"),
    "log": _function("log"),
    "tanh": _function("tanh"),
    "erf": _function("erf"),
    "sqrt": _function("sqrt"),
    "sin": _function("sin"),
    "cos": _function("cos"),
    "floor": lambda f, type_, x: f.intrinsic("floor", type_, x[0]),
    "maximum": _extreme("maximum", "gt"),
    "minimum": _extreme("minimum", "lt"),
    "less": _comparison("olt", "slt", "ult"),
    "less_equal": _comparison("ole", "sle", "ule"),
    "equal": _comparison("oeq", "eq", "eq"),
    "logical_and": lambda f, type_, x: f.binary("and", type_, x[0], x[1]),
    "logical_not": _not,
    "copy": lambda f, type_, x: x[0],
    "stop_gradient": lambda f, type_, x: x[0],
}


def emit_cast(f: Emitter, source: Type, target: Type, x: str) -> str:
    """A number in another dtype, as NumPy's ``astype``: floats to integers by truncation."""
    if source == target:
        return x
    if source.dtype == "float16":
        single = target.with_dtype("float32")
        return emit_cast(f, single, target, _from_half(f, source, single, x))
    if target.dtype == "bool":
        how = "une" if is_float(source.dtype) else "ne"
        return f.compare(how, source, x, f.zero(source))
    if is_float(source.dtype) and is_float(target.dtype):
        wider = _bits(target.dtype) > _bits(source.dtype)
        return f.convert("fpext" if wider else "fptrunc", source, target, x)
    unsigned = source.dtype in _UNSIGNED
    if is_float(target.dtype):
        return f.convert("uitofp" if unsigned else "sitofp", source, target, x)
    if is_float(source.dtype):
        return _to_integer(f, source, target, x)
    if _bits(target.dtype) == _bits(source.dtype):
        return x
    if _bits(target.dtype) < _bits(source.dtype):
        return f.convert("trunc", source, target, x)
    return f.convert("zext" if unsigned else "sext", source, target, x)


def _from_half(f: Emitter, source: Type, target: Type, x: str) -> str:
    """A float16 as float32, exactly, by its bits: not every processor has an instruction for it."""
    word = target.with_dtype("int32")

    def bits(operation: str, value: str, number: int) -> str:
        return f.binary(operation, word, value, constant(word, number))

    half = f.convert("zext", source, word, x)
    sign = bits("shl", bits("and", half, 0x8000), 16)
    fraction = bits("and", half, 0x03FF)
    exponent = bits("and", bits("lshr", half, 10), 31)
    special = f.compare("eq", word, exponent, constant(word, 31))  # infinite, or not a number
    raised = f.select(word, special, constant(word, 255), bits("add", exponent, 112))
    normal = f.binary("or", word, bits("shl", raised, 23), bits("shl", fraction, 13))
    tiny = f.convert("sitofp", word, target, fraction)  # below the smallest normal number
    tiny = f.binary("fmul", target, tiny, constant(target, 2.0**-24))
    is_tiny = f.compare("eq", word, exponent, constant(word, 0))
    chosen = f.select(word, is_tiny, f.convert("bitcast", target, word, tiny), normal)
    return f.convert("bitcast", word, target, f.binary("or", word, chosen, sign))


def _to_integer(f: Emitter, source: Type, target: Type, x: str) -> str:
    sign = "u" if target.dtype in _UNSIGNED else "s"
    name = f"llvm.fpto{sign}i.sat.{target.suffix}.{source.suffix}"
    f.declarations.add(f"declare {target} @{name}({source})")
    return f.op(f"call {target} @{name}({source} {x})")


def _bits(dtype: str) -> int:
    if dtype == "bool":
        return 1
    return int("".join(c for c in dtype if c.isdigit()))
