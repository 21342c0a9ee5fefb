"""sin and cos of whole vectors as LLVM text, at most 4 ulp off.

Both subtract the nearest multiple of pi/2 in float64 (Cody and Waite, "Software manual for the
elementary functions", 1980) and choose one of two polynomials by what was subtracted. Without
branches or calls, as everything in ``functions.py``; ``benchmarks/fit_functions.py`` prints the
coefficients. From `FARTHEST` on neighbouring arguments lie more than a turn apart: the result is
then some number from -1 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ranvier.backends.native.emitter import Emitter, Type, constant
from ranvier.backends.native.functions import LAYOUTS, at_most, polynomial_in_pairs

#: pi / 2 as numbers that correct each other, all positive: so that -0 stays -0.
HALF_PI = (1.5707963267948966, 6.123233995736764e-17, 2.3154518383297448e-32)
#: Beyond this the multiple of pi/2 has no exact place among the bits of a float64.
FARTHEST = 2.0**51

# Lowest power first. p in sin(r) = r (1 + z p(z)) with z = r^2, |r| <= pi / 4.
SINE = {
    "float32": (-0.1666665459531159, 0.008332159967565103, -0.00019515182955228948),
    "float64": (
        -0.1666666666666663,
        0.008333333333322101,
        -0.00019841269829576526,
        2.7557313616940955e-06,
        -2.505074707028472e-08,
        1.589618995476516e-10,
    ),
}

# p in cos(r) = 1 - z / 2 + z^2 p(z).
COSINE = {
    "float32": (0.041666645654918184, -0.0013887314993291345, 2.4433020942391743e-05),
    "float64": (
        0.041666666666666595,
        -0.0013888888888873028,
        2.480158728883422e-05,
        -2.7557314174392006e-07,
        2.087570018853355e-09,
        -1.1358503145268093e-11,
    ),
}


def quarter_turns(f: Emitter, type_: Type, x: str) -> tuple[str, str]:
    """``x = n pi/2 + rest`` with a whole n and a rest from about -pi/4 to pi/4.

    The first product is subtracted without an error: both are multiples of 2^-52, and so is the
    small difference. The parts behind it correct it to 160 bits of pi/2, or 107 for float32.

    Returns:
        n in the low bits of integers as wide as ``type_``, and the rest in ``type_``.
    """
    wide, long = type_.with_dtype("float64"), type_.with_dtype("int64")
    if type_.dtype == "float32":
        x = f.convert("fpext", type_, wide, x)
    magic = constant(wide, 1.5 * 2.0 ** LAYOUTS["float64"].fraction)
    total = f.fma(wide, x, constant(wide, 2.0 / math.pi), magic)
    whole = f.binary("fsub", wide, total, magic)
    rest = x
    for part in HALF_PI[: 2 if type_.dtype == "float32" else 3]:
        rest = f.fma(wide, whole, constant(wide, -part), rest)
    turns = f.convert("bitcast", wide, long, total)
    if type_.dtype == "float32":
        turns = f.convert("trunc", long, type_.with_dtype("int32"), turns)
        rest = f.convert("fptrunc", wide, type_, rest)
    # Arguments beyond FARTHEST may leave anything, others at most 1; a NaN stays.
    rest = at_most(f, type_, rest, 1.0)
    low = constant(type_, -1.0)
    return turns, f.select(type_, f.compare("olt", type_, rest, low), low, rest)


def of_turned(f: Emitter, type_: Type, turns: str, rest: str) -> str:
    """``sin(turns pi/2 + rest)``."""
    integers = type_.with_dtype(LAYOUTS[type_.dtype].integer)
    one = constant(type_, 1.0)
    z = f.binary("fmul", type_, rest, rest)
    sine = f.fma(type_, z, polynomial_in_pairs(f, type_, z, SINE[type_.dtype]), one)
    sine = f.binary("fmul", type_, rest, sine)
    cosine = polynomial_in_pairs(f, type_, z, COSINE[type_.dtype])
    cosine = f.fma(type_, z, cosine, constant(type_, -0.5))
    cosine = f.fma(type_, z, cosine, one)
    odd = f.binary("and", integers, turns, constant(integers, 1))
    is_odd = f.compare("ne", integers, odd, constant(integers, 0))
    value = f.convert("bitcast", type_, integers, f.select(type_, is_odd, cosine, sine))
    # The second bit of the turns is the sign.
    sign = f.binary("and", integers, turns, constant(integers, 2))
    places = 30 if type_.dtype == "float32" else 62
    sign = f.binary("shl", integers, sign, constant(integers, places))
    return f.convert("bitcast", integers, type_, f.binary("xor", integers, value, sign))


def emit_sin(f: Emitter, type_: Type, x: str) -> str:
    """``sin(x)``; odd in every bit up to FARTHEST."""
    turns, rest = quarter_turns(f, type_, x)
    return of_turned(f, type_, turns, rest)


def emit_cos(f: Emitter, type_: Type, x: str) -> str:
    """``cos(x) = sin(x + pi/2)``, a quarter turn further; even in every bit up to FARTHEST."""
    turns, rest = quarter_turns(f, type_, x)
    integers = type_.with_dtype(LAYOUTS[type_.dtype].integer)
    further = f.binary("add", integers, turns, constant(integers, 1))
    return of_turned(f, type_, further, rest)


#: Both by name: ``TRIGONOMETRY[name](emitter, type_, x)`` gives the result's name.
TRIGONOMETRY: dict[str, Callable[[Emitter, Type, str], str]] = {"sin": emit_sin, "cos": emit_cos}
