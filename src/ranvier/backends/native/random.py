"""Random numbers and the order of rows as LLVM text: the same bits as ``foundation.random``."""

from __future__ import annotations

from dataclasses import dataclass

from ranvier.backends.native.emitter import Emitter, Operand, Type, constant
from ranvier.foundation.random import (
    FEISTEL_ROUNDS,
    MIX_MULTIPLIERS,
    MULTIPLIERS,
    PHILOX_ROUNDS,
    WEYL,
)


def emit_uniform(f: Emitter, elements: str, seed: str, step: str, site: int, lanes: int) -> str:
    """Uniform float32 in [0, 1) for logical elements (i64 lanes) of a random place."""
    wide, word = Type("int64", lanes), Type("uint32", lanes)
    words = emit_words(f, elements, seed, step, site, lanes)
    sixteenths = f.binary("lshr", wide, elements, constant(wide, 4))
    which = f.binary("and", wide, sixteenths, constant(wide, 3))
    chosen = words[3]
    for number in (2, 1, 0):
        hit = f.compare("eq", wide, which, constant(wide, number))
        chosen = f.select(word, hit, words[number], chosen)
    return emit_fraction(f, chosen, lanes)


def emit_words(f: Emitter, elements: str, seed: str, step: str, site: int, lanes: int) -> list[str]:
    """The four words that elements and their neighbours 16, 32 and 48 places on share."""
    wide, word = Type("int64", lanes), Type("uint32", lanes)
    blocks = f.binary("lshr", wide, elements, constant(wide, 6))
    sixteenth = f.binary("and", wide, elements, constant(wide, 15))
    counter = f.binary("or", wide, f.binary("shl", wide, blocks, constant(wide, 4)), sixteenth)
    c0 = f.convert("trunc", wide, word, counter)
    c2 = f.splat(word, f.op(f"trunc i64 {step} to i32"))
    k0 = f.splat(word, f.op(f"trunc i64 {seed} to i32"))
    high_seed = f.op(f"lshr i64 {seed}, 32")
    k1 = f.splat(word, f.op(f"trunc i64 {high_seed} to i32"))
    return _philox(f, [c0, constant(word, 0), c2, constant(word, site)], k0, k1, lanes)


def emit_fraction(f: Emitter, word: str, lanes: int) -> str:
    """A random word as a float32 in [0, 1)."""
    whole, real = Type("uint32", lanes), Type("float32", lanes)
    high = f.binary("lshr", whole, word, constant(whole, 8))
    return f.binary("fmul", real, f.convert("uitofp", whole, real, high), constant(real, 2.0**-24))


def _philox(f: Emitter, c: list[str], k0: str, k1: str, lanes: int) -> list[str]:
    word = Type("uint32", lanes)
    for number in range(PHILOX_ROUNDS):
        low0, high0 = _wide_product(f, c[0], MULTIPLIERS[0], lanes)
        low1, high1 = _wide_product(f, c[2], MULTIPLIERS[1], lanes)
        a0 = f.binary("add", word, k0, constant(word, _signed(WEYL[0] * number)))
        a1 = f.binary("add", word, k1, constant(word, _signed(WEYL[1] * number)))
        c = [
            f.binary("xor", word, f.binary("xor", word, high1, c[1]), a0),
            low1,
            f.binary("xor", word, f.binary("xor", word, high0, c[3]), a1),
            low0,
        ]
    return c


def _wide_product(f: Emitter, x: str, factor: int, lanes: int) -> tuple[str, str]:
    """Low and high word of a 32-bit product."""
    word, wide = Type("uint32", lanes), Type("int64", lanes)
    product = f.binary("mul", wide, f.convert("zext", word, wide, x), constant(wide, factor))
    high = f.convert("trunc", wide, word, f.binary("lshr", wide, product, constant(wide, 32)))
    return f.convert("trunc", wide, word, product), high


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _mix(f: Emitter, x: str) -> str:
    word = Type("uint32")
    for shift, factor in ((16, MIX_MULTIPLIERS[0]), (15, MIX_MULTIPLIERS[1]), (16, None)):
        x = f.binary("xor", word, x, f.binary("lshr", word, x, str(shift)))
        if factor is not None:
            x = f.binary("mul", word, x, str(_signed(factor)))
    return x


def emit_permuted_row(f: Emitter, keys: PermutationKeys, rows: str, position: Operand) -> str:
    """The row at a position of an epoch's order (see ``permuted_rows``), all of them i64."""
    left_bits, right_bits = keys.left_bits, keys.right_bits
    shifted = f.add(position, keys.rotation)
    inside = f.icmp("slt", shifted, rows)
    less = f.sub(shifted, rows)
    first = f.op(f"select i1 {inside}, i64 {shifted}, i64 {less}")
    left_mask = _mask(f, left_bits)
    right_mask = _mask(f, right_bits)
    before, head, end = f.block, f.fresh_label("walk"), f.fresh_label("end")
    f.do(f"br label %{head}")
    f.label(head)
    value = f.fresh("row")
    slot = len(f.lines)
    f.lines.append(None)
    shifted_down = f.op(f"lshr i64 {value}, {right_bits}")
    left = f.op(f"trunc i64 {shifted_down} to i32")
    right = f.binary("and", Type("int32"), f.op(f"trunc i64 {value} to i32"), right_mask)
    for number in range(FEISTEL_ROUNDS):
        source, mask = (right, left_mask) if number % 2 == 0 else (left, right_mask)
        noise = _mix(f, f.op(f"add i32 {source}, {keys.rounds[number]}"))
        noise = f.op(f"and i32 {noise}, {mask}")
        if number % 2 == 0:
            left = f.op(f"xor i32 {left}, {noise}")
        else:
            right = f.op(f"xor i32 {right}, {noise}")
    wide_left, wide_right = (f.op(f"zext i32 {half} to i64") for half in (left, right))
    high = f.op(f"shl i64 {wide_left}, {right_bits}")
    following = f.op(f"or i64 {high}, {wide_right}")
    outside = f.icmp("sge", following, rows)
    f.do(f"br i1 {outside}, label %{head}, label %{end}")
    f.lines[slot] = f"  {value} = phi i64 [ {first}, %{before} ], [ {following}, %{f.block} ]"
    f.label(end)
    return following


def _mask(f: Emitter, bits: str) -> str:
    power = f.op(f"shl i64 1, {bits}")
    ones = f.op(f"sub i64 {power}, 1")
    return f.op(f"trunc i64 {ones} to i32")


@dataclass(frozen=True)
class PermutationKeys:
    """What an epoch's order of rows depends on, as values in the text."""

    rounds: list[str]
    rotation: str
    left_bits: str
    right_bits: str


def emit_permutation_keys(f: Emitter, seed: str, epoch: str, rows: str) -> PermutationKeys:
    """Keys of one epoch's permutation (see ``permutation_keys`` and ``half_bits``)."""
    high = f.op(f"lshr i64 {seed}, 32")
    low_word, high_word, number = (f.op(f"trunc i64 {x} to i32") for x in (seed, high, epoch))
    state = _mix(f, f.op(f"add i32 {number}, {_signed(WEYL[0])}"))
    state = _mix(f, f.op(f"xor i32 {high_word}, {state}"))
    state = _mix(f, f.op(f"xor i32 {low_word}, {state}"))
    keys = []
    for count in range(FEISTEL_ROUNDS + 1):
        state = _mix(f, f.op(f"add i32 {state}, {_signed(WEYL[0] * (count + 1))}"))
        keys.append(state)
    wide = f.op(f"zext i32 {keys[-1]} to i64")
    rotation = f.op(f"urem i64 {wide}, {rows}")
    f.declarations.add("declare i64 @llvm.ctlz.i64(i64, i1)")
    less = f.sub(rows, 1)
    zeros = f.op(f"call i64 @llvm.ctlz.i64(i64 {less}, i1 false)")
    found = f.sub(64, zeros)
    small = f.icmp("slt", found, 2)
    bits = f.op(f"select i1 {small}, i64 2, i64 {found}")
    right = f.op(f"lshr i64 {bits}, 1")
    return PermutationKeys(keys[:-1], rotation, str(f.sub(bits, right)), right)
