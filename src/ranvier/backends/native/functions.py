"""exp, log, tanh, erf and sqrt of whole vectors as LLVM text, at most 4 ulp off.

LLVM's own ``llvm.exp`` calls the C library lane by lane. These are polynomials without branches or
calls: the same operations for any number of lanes, so a lane's bits depend on nothing else.
Subnormal arguments of log and subnormal results of exp count as zero, whether or not the processor
flushes them. The coefficients are our own fits; ``benchmarks/fit_functions.py`` prints them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ranvier.backends.native.emitter import Emitter, Type, constant


@dataclass(frozen=True)
class Layout:
    """How a floating dtype lies in its bits, and where its functions end.

    Args:
        integer: the dtype of the same bits.
        fraction: bits behind the point.
        bias: of the exponent.
        half_root: the bits of sqrt(1/2).
        smallest: the smallest normal number.
        largest: the largest finite number.
        ln2: ln 2 as two numbers of the dtype, the second corrects the first.
        exp_range: the arguments whose exp is a normal number.
    """

    integer: str
    fraction: int
    bias: int
    half_root: int
    smallest: float
    largest: float
    ln2: tuple[float, float]
    exp_range: tuple[float, float]


LAYOUTS = {
    "float32": Layout(
        integer="int32",
        fraction=23,
        bias=127,
        half_root=0x3F3504F3,
        smallest=2.0**-126,
        largest=(2.0 - 2.0**-23) * 2.0**127,
        ln2=(0.6931471824645996, -1.904654299957768e-09),
        exp_range=(-87.33654022216797, 88.72283172607422),
    ),
    "float64": Layout(
        integer="int64",
        fraction=52,
        bias=1023,
        half_root=0x3FE6A09E667F3BCD,
        smallest=2.0**-1022,
        largest=(2.0 - 2.0**-52) * 2.0**1023,
        ln2=(0.6931471805599453, 2.3190468138462996e-17),
        exp_range=(-708.3964185322641, 709.782712893384),
    ),
}

# Lowest power first. q in exp(r) - 1 = r q(r), |r| <= ln2 / 2. The leading 1 is exact, so that
# tanh(x) = x for tiny x.
EXPM1 = {
    "float32": (
        1.0,
        0.499999981505866,
        0.16666543572369946,
        0.04166720112255268,
        0.008366525221999582,
        0.0013882434623798897,
    ),
    "float64": (
        1.0,
        0.5000000000000006,
        0.16666666666666596,
        0.04166666666657579,
        0.008333333333384327,
        0.0013888888931798012,
        0.00019841269730674771,
        2.4801505047696507e-05,
        2.7557396891969513e-06,
        2.7626113970795555e-07,
        2.5057200076287624e-08,
    ),
}

# p in log(1 + f) = f - f^2 / 2 + f^3 p(f), 1 + f from sqrt(1/2) to sqrt(2).
LOG32 = (
    0.3333333177894378,
    -0.2500082177137178,
    0.2000121948615981,
    -0.16623327980574681,
    0.1420191588495213,
    -0.1316061823718739,
    0.12760633102901464,
    -0.07632173566513507,
)

# p in log(1 + f) = 2 s + s^3 p(s^2), s = f / (2 + f).
LOG64 = (
    0.6666666666666734,
    0.39999999999414404,
    0.28571428742438565,
    0.2222219856862729,
    0.18183564538027217,
    0.15314045612524066,
    0.1479599533635376,
)

# h in erf(x) = 1 - exp(-x (1 + h(x))), x from 0 to ERF_END.
ERF = {
    "float32": (
        0.12837917159322626,
        0.6366193832315065,
        0.1027778161290354,
        -0.01915300282065573,
        -0.00016052066821391285,
        0.0016671622741186328,
        -0.0006329157622636759,
        0.00011766476212735698,
        -9.259041590464475e-06,
    ),
    "float64": (
        0.12837916709551256,
        0.6366197723675836,
        0.10277260330178883,
        -0.019128447005071915,
        -0.00020919469482478872,
        0.0016962063856239033,
        -0.0005901255523396089,
        2.5878602472196675e-05,
        6.449186525320065e-05,
        -2.9724054448190834e-05,
        3.4072778088865957e-06,
        2.8351257039663176e-06,
        -1.7415338890585401e-06,
        3.3635458862911994e-07,
        1.3718801404257878e-07,
        -1.417647112965622e-07,
        6.573453123448305e-08,
        -2.0962973170027258e-08,
        4.997785322432806e-09,
        -9.082393555508556e-10,
        1.2484370292421447e-10,
        -1.2611336229880893e-11,
        8.845869598993681e-13,
        -3.850687143097483e-14,
        7.834592519090135e-16,
    ),
}

# Beyond these the function is +-1 in every bit.
TANH_END = {"float32": 10.0, "float64": 20.0}
ERF_END = {"float32": 4.0, "float64": 6.0}


def polynomial(f: Emitter, type_: Type, x: str, coefficients: Sequence[float]) -> str:
    """Horner's scheme, lowest power first: the fewest operations, one long chain."""
    total = constant(type_, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = f.fma(type_, total, x, constant(type_, coefficient))
    return total


def polynomial_in_pairs(f: Emitter, type_: Type, x: str, coefficients: Sequence[float]) -> str:
    """Pairs ``a + b x`` chained by ``x^2``: one operation more, half the chain."""
    square = f.binary("fmul", type_, x, x)
    pairs = []
    for index in range(0, len(coefficients), 2):
        pair = coefficients[index : index + 2]
        pairs.append(polynomial(f, type_, x, pair))
    total = pairs[-1]
    for pair_value in reversed(pairs[:-1]):
        total = f.fma(type_, total, square, pair_value)
    return total


def at_most(f: Emitter, type_: Type, x: str, limit: float) -> str:
    """x, or the limit where x is above it; NaN stays NaN."""
    end = constant(type_, limit)
    return f.select(type_, f.compare("ogt", type_, x, end), end, x)


def split_by_ln2(
    f: Emitter, type_: Type, x: str, scale: float, parts: Sequence[float], bias: int
) -> tuple[str, str]:
    """``scale * x = n ln 2 + scale * rest`` with a whole n.

    Adding 1.5 * 2^fraction rounds to a whole number, which then stands in the low bits of the sum:
    no rounding instruction, and no float to integer conversion that NaN would make undefined.

    Args:
        scale: 1 or a power of two, of either sign.
        parts: ln 2 as numbers of the dtype that correct each other.
        bias: added to n in the bits.

    Returns:
        n + bias as an exponent field, in integers, and the rest.
    """
    layout = LAYOUTS[type_.dtype]
    integers = type_.with_dtype(layout.integer)
    magic = constant(type_, 1.5 * 2.0**layout.fraction + bias)
    total = f.fma(type_, x, constant(type_, scale / math.log(2.0)), magic)
    whole = f.binary("fsub", type_, total, magic)
    rest = x
    for part in parts:
        rest = f.fma(type_, whole, constant(type_, -part / scale), rest)
    bits = f.convert("bitcast", type_, integers, total)
    return f.binary("shl", integers, bits, constant(integers, layout.fraction)), rest


def emit_exp(f: Emitter, type_: Type, x: str) -> str:
    """``exp(x) = 2^n (1 + r q(r))`` with ``x = n ln 2 + r``."""
    layout = LAYOUTS[type_.dtype]
    integers = type_.with_dtype(layout.integer)
    low, high = layout.exp_range
    exponent, rest = split_by_ln2(f, type_, x, 1.0, layout.ln2, 0)
    slope = polynomial(f, type_, rest, EXPM1[type_.dtype])
    value = f.fma(type_, rest, slope, constant(type_, 1.0))
    # The power of two may be 2^1024, which is no number: n is added to the exponent in place.
    bits = f.binary("add", integers, f.convert("bitcast", type_, integers, value), exponent)
    value = f.convert("bitcast", integers, type_, bits)
    above_zero = f.compare("uge", type_, x, constant(type_, low))
    value = f.select(type_, above_zero, value, f.zero(type_))
    # One product gives both the infinity above the range and the NaN.
    beyond = f.binary("fmul", type_, x, constant(type_, layout.largest))
    outside = f.compare("ugt", type_, x, constant(type_, high))
    return f.select(type_, outside, beyond, value)


def one_minus_exp(f: Emitter, type_: Type, x: str, scale: float) -> str:
    """``1 - exp(-scale x)`` for x >= 0 within the exponents, relative to the result, at most 1.

    ``(1 - 2^n) + 2^n r q(-r)`` with ``-scale x = n ln 2 - r``: the first difference is exact.
    """
    layout = LAYOUTS[type_.dtype]
    # One part of ln 2 is enough: the result no longer depends on the rest where n is large.
    field, rest = split_by_ln2(f, type_, x, -scale, layout.ln2[:1], layout.bias)
    power = f.convert("bitcast", type_.with_dtype(layout.integer), type_, field)
    signed = [
        scale * coefficient * (-scale) ** index
        for index, coefficient in enumerate(EXPM1[type_.dtype])
    ]
    slope = polynomial_in_pairs(f, type_, rest, signed)
    fallen = f.binary("fsub", type_, constant(type_, 1.0), power)
    return f.fma(type_, f.binary("fmul", type_, power, rest), slope, fallen)


def split_exponent(f: Emitter, type_: Type, x: str) -> tuple[str, str]:
    """x = 2^e (1 + g) with 1 + g from sqrt(1/2) to sqrt(2), for normal positive x.

    Returns:
        e and g, both of ``type_``.
    """
    layout = LAYOUTS[type_.dtype]
    integers = type_.with_dtype(layout.integer)
    bits = f.convert("bitcast", type_, integers, x)
    # Moved up so that the exponent field changes at sqrt(1/2) instead of 1.
    distance = (layout.bias << layout.fraction) - layout.half_root
    moved = f.binary("add", integers, bits, constant(integers, distance))
    field = f.binary("lshr", integers, moved, constant(integers, layout.fraction))
    # The field written into the low bits of 2^fraction: a conversion that every processor has.
    magic_bits = (layout.bias + layout.fraction) << layout.fraction
    joined = f.binary("or", integers, field, constant(integers, magic_bits))
    joined = f.convert("bitcast", integers, type_, joined)
    shift = constant(type_, 2.0**layout.fraction + layout.bias)
    exponent = f.binary("fsub", type_, joined, shift)
    kept = f.binary("and", integers, moved, constant(integers, (1 << layout.fraction) - 1))
    kept = f.binary("add", integers, kept, constant(integers, layout.half_root))
    mantissa = f.convert("bitcast", integers, type_, kept)
    return exponent, f.binary("fsub", type_, mantissa, constant(type_, 1.0))


def log_of_parts32(f: Emitter, type_: Type, exponent: str, g: str) -> str:
    """``e ln 2 + g - g^2 / 2 + g^3 p(g)``."""
    high, low = LAYOUTS["float32"].ln2
    square = f.binary("fmul", type_, g, g)
    tail = polynomial_in_pairs(f, type_, g, LOG32)
    tail = f.binary("fmul", type_, tail, g)
    tail = f.fma(type_, tail, square, f.binary("fmul", type_, exponent, constant(type_, low)))
    tail = f.fma(type_, square, constant(type_, -0.5), tail)
    return f.fma(type_, exponent, constant(type_, high), f.binary("fadd", type_, g, tail))


def log_of_parts64(f: Emitter, type_: Type, exponent: str, g: str) -> str:
    """``e ln 2 + g - (g^2 / 2 - s (g^2 / 2 + s^2 p(s^2)))`` with ``s = g / (2 + g)``."""
    high, low = LAYOUTS["float64"].ln2
    s = f.binary("fdiv", type_, g, f.binary("fadd", type_, g, constant(type_, 2.0)))
    z = f.binary("fmul", type_, s, s)
    half = f.binary("fmul", type_, f.binary("fmul", type_, g, g), constant(type_, 0.5))
    inner = f.fma(type_, z, polynomial_in_pairs(f, type_, z, LOG64), half)
    tail = f.fma(type_, s, inner, f.binary("fmul", type_, exponent, constant(type_, low)))
    tail = f.binary("fsub", type_, tail, half)
    return f.fma(type_, exponent, constant(type_, high), f.binary("fadd", type_, g, tail))


def emit_log(f: Emitter, type_: Type, x: str) -> str:
    """``log(x) = e ln 2 + log(1 + g)`` with ``x = 2^e (1 + g)``; a subnormal x counts as 0."""
    smallest = LAYOUTS[type_.dtype].smallest
    exponent, g = split_exponent(f, type_, x)
    of_parts = log_of_parts32 if type_.dtype == "float32" else log_of_parts64
    value = of_parts(f, type_, exponent, g)
    # Infinity and NaN are their own logarithm.
    finite = f.compare("olt", type_, x, constant(type_, math.inf))
    value = f.select(type_, finite, value, x)
    negative = f.compare("ole", type_, x, constant(type_, -smallest))
    low = f.select(type_, negative, constant(type_, math.nan), constant(type_, -math.inf))
    small = f.compare("olt", type_, x, constant(type_, smallest))
    return f.select(type_, small, low, value)


def emit_tanh(f: Emitter, type_: Type, x: str) -> str:
    """``tanh|x| = m / (2 - m)`` with ``m = 1 - exp(-2 |x|)``: odd in every bit, never above 1."""
    near = at_most(f, type_, f.intrinsic("fabs", type_, x), TANH_END[type_.dtype])
    m = one_minus_exp(f, type_, near, 2.0)
    value = f.binary("fdiv", type_, m, f.binary("fsub", type_, constant(type_, 2.0), m))
    return f.intrinsic("copysign", type_, value, x)


def emit_erf(f: Emitter, type_: Type, x: str) -> str:
    """``erf|x| = 1 - exp(-|x| (1 + h(|x|)))``: odd in every bit, never above 1."""
    near = at_most(f, type_, f.intrinsic("fabs", type_, x), ERF_END[type_.dtype])
    exponent = f.fma(type_, near, polynomial_in_pairs(f, type_, near, ERF[type_.dtype]), near)
    value = one_minus_exp(f, type_, exponent, 1.0)
    return f.intrinsic("copysign", type_, value, x)


def emit_sqrt(f: Emitter, type_: Type, x: str) -> str:
    """The processor's own root, correctly rounded."""
    return f.intrinsic("sqrt", type_, x)


#: Every function by its name: ``FUNCTIONS[name](emitter, type_, x)`` gives the result's name.
FUNCTIONS: dict[str, Callable[[Emitter, Type, str], str]] = {
    "exp": emit_exp,
    "log": emit_log,
    "tanh": emit_tanh,
    "erf": emit_erf,
    "sqrt": emit_sqrt,
}
