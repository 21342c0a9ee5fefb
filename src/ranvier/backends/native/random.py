"""Random numbers and the order of rows as LLVM text: the same bits as ``foundation.random``."""

from __future__ import annotations

from ranvier.backends.native.emitter import Emitter, Operand, Type, constant
from ranvier.compiler.groups import LANES
from ranvier.foundation.random import (
    FEISTEL_ROUNDS,
    MIX_MULTIPLIERS,
    MULTIPLIERS,
    PHILOX_ROUNDS,
    WEYL,
)

#: Positions whose rows are found together: their numbers stay in the first-level cache.
PIECE = 1024
#: Positions that go through the network side by side; more than a vector, as each round waits for
#: the one before.
WIDE = 2 * LANES
#: Rows of an epoch up to which the lanes of a vector are the positions of several epochs.
SHORT_EPOCH = LANES // 2


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


def _mix(f: Emitter, x: str, lanes: int = 1) -> str:
    word = Type("uint32", lanes)
    for shift, factor in ((16, MIX_MULTIPLIERS[0]), (15, MIX_MULTIPLIERS[1]), (16, None)):
        x = f.binary("xor", word, x, f.binary("lshr", word, x, constant(word, shift)))
        if factor is not None:
            x = f.binary("mul", word, x, constant(word, _signed(factor)))
    return x


def emit_order(declarations: set[str]) -> str:
    """``@order(out, first, count, rows, epoch, seed)``: rows of an epoch's order, many at a time.

    The order is that of ``permuted_rows``, positions and rows are i64. Whole vectors are stored:
    ``out`` has room for ``WIDE`` more numbers.

    A pass of the network over a piece of the positions leaves some numbers outside of the rows.
    They are put side by side with the places they belong to, for the next pass, until none is left:
    no number waits for its neighbours, and no branch depends on a single number.
    """
    f = Emitter(
        "define internal void @order(ptr noalias %out, i64 %first, i64 %count, i64 %rows, "
        "i64 %epoch, i64 %seed)",
        declarations,
        "nounwind noinline",
    )
    _Order(f).emit()
    f.do("ret void")
    return f.text()


class _Order:
    """Writes ``@order``."""

    def __init__(self, f: Emitter) -> None:
        self.f = f
        self.wide = Type("int64", WIDE)
        self.places = f.allocate(Type("int64"), PIECE + WIDE)
        self.numbers = f.allocate(Type("int64"), PIECE + WIDE)
        self.rows = f.splat(self.wide, "%rows")
        keys, last = _keys(f, "%seed", f.op("trunc i64 %epoch to i32"), 1)
        whole = f.op(f"zext i32 {last} to i64")
        self.rotation = f.op(f"urem i64 {whole}, %rows")
        self.network = _Network(f, keys, 1)

    def emit(self) -> None:
        """The whole function, piece after piece."""
        f = self.f

        def piece(begin: Operand, _: list[str]) -> None:
            count = f.minimum_int(f.sub("%count", begin), PIECE)
            self._start(f.add(f.add("%first", begin), self.rotation), count)
            self._passes(count, f.at("%out", begin, "int64"))

        f.loop("%count", piece, step=PIECE)

    def _start(self, position: Operand, count: Operand) -> None:
        """Put down where each number starts, and the place that it belongs to."""
        f, wide = self.f, self.wide
        ramp = "<" + ", ".join(f"i64 {lane}" for lane in range(WIDE)) + ">"

        def vector(i: Operand, _: list[str]) -> None:
            places = f.binary("add", wide, f.splat(wide, str(i)), ramp)
            start = f.binary("add", wide, f.splat(wide, str(position)), places)
            less = f.binary("sub", wide, start, self.rows)
            start = f.select(wide, f.compare("slt", wide, start, self.rows), start, less)
            f.store(wide, places, f.at(self.places, i, "int64"))
            f.store(wide, start, f.at(self.numbers, i, "int64"))

        f.loop(count, vector, step=WIDE)

    def _passes(self, count: Operand, out: str) -> None:
        """Pass after pass over what is still outside, all numbers in the first one."""
        f, one = self.f, Type("int64")
        before, head, body, end = f.block, *(f.fresh_label(n) for n in ("walk", "pass", "end"))
        f.do(f"br label %{head}")
        f.label(head)
        now, slot = f.fresh("left"), len(f.lines)
        f.lines.append(None)
        f.do(f"br i1 {f.icmp('sgt', now, 0)}, label %{body}, label %{end}")
        f.label(body)

        def vector(i: Operand, _: list[str]) -> None:
            place = f.at(self.numbers, i, "int64")
            f.store(self.wide, self.network.mixed(f.load(self.wide, place)), place)

        f.loop(now, vector, step=WIDE)

        def number(i: Operand, found: list[str]) -> list[str]:
            place = f.load(one, f.at(self.places, i, "int64"))
            value = f.load(one, f.at(self.numbers, i, "int64"))
            f.store(one, value, f.at(out, place, "int64"))  # perhaps not yet the last one
            f.store(one, place, f.at(self.places, found[0], "int64"))
            f.store(one, value, f.at(self.numbers, found[0], "int64"))
            outside = f.op(f"zext i1 {f.icmp('sge', value, '%rows')} to i64")
            return [f.op(f"add i64 {found[0]}, {outside}")]

        following = f.loop(now, number, [("i64", "0")])[0]
        f.do(f"br label %{head}")
        f.lines[slot] = f"  {now} = phi i64 [ {count}, %{before} ], [ {following}, %{f.block} ]"
        f.label(end)


def emit_order_epochs(declarations: set[str]) -> str:
    """``@order_epochs(out, epoch, epochs, rows, seed)``: the rows of several short epochs.

    They have at most ``SHORT_EPOCH`` rows each and follow one another in ``out``, with room for
    ``WIDE`` more. Lanes are the positions of as many epochs as they hold: all their keys are found
    as quickly as one, and lanes whose number is inside wait for the others.
    """
    f = Emitter(
        "define internal void @order_epochs(ptr noalias %out, i64 %epoch, i64 %epochs, i64 %rows, "
        "i64 %seed)",
        declarations,
        "nounwind noinline",
    )
    wide, word = Type("int64", WIDE), Type("uint32", WIDE)
    together = f.op(f"udiv i64 {WIDE}, %rows")
    rows = f.splat(word, f.op("trunc i64 %rows to i32"))
    ramp = "<" + ", ".join(f"i32 {lane}" for lane in range(WIDE)) + ">"
    later, position = _divided(f, ramp, rows)  # epochs after the vector's first one
    # The step of this loop is only known when it runs.
    before = f.block
    f.do("br label %vectors")
    f.label("vectors")
    done, slot = f.fresh("done"), len(f.lines)
    f.lines.append(None)
    f.do(f"br i1 {f.icmp('slt', done, '%epochs')}, label %vector, label %all")
    f.label("vector")
    first = f.splat(word, f.op(f"trunc i64 {f.add('%epoch', done)} to i32"))
    keys, last = _keys(f, "%seed", f.binary("add", word, first, later), WIDE)
    start = f.binary("add", word, position, _divided(f, last, rows)[1])
    less = f.binary("sub", word, start, rows)
    start = f.select(word, f.compare("ult", word, start, rows), start, less)
    number = _walk(f, _Network(f, keys, WIDE), f.convert("zext", word, wide, start))
    f.store(wide, number, f.at("%out", f.mul(done, "%rows"), "int64"))
    following = f.add(done, together)
    f.do("br label %vectors")
    f.lines[slot] = f"  {done} = phi i64 [ 0, %{before} ], [ {following}, %{f.block} ]"
    f.label("all")
    f.do("ret void")
    return f.text()


def _divided(f: Emitter, dividends: str, divisors: str) -> tuple[str, str]:
    """Quotients and remainders of 32-bit lanes; the float64 quotient may simply be cut off."""
    word, real = Type("uint32", WIDE), Type("float64", WIDE)
    pair = [f.convert("uitofp", word, real, x) for x in (dividends, divisors)]
    whole = f.convert("fptoui", real, word, f.binary("fdiv", real, *pair))
    return whole, f.binary("sub", word, dividends, f.binary("mul", word, whole, divisors))


def _walk(f: Emitter, network: _Network, start: str) -> str:
    """Pass through the network until every lane is inside of the rows."""
    wide, truths = Type("int64", WIDE), Type("bool", WIDE)
    rows = f.splat(wide, "%rows")
    before, head, end = f.block, f.fresh_label("walk"), f.fresh_label("end")
    f.do(f"br label %{head}")
    f.label(head)
    value, walking, slot = f.fresh("row"), f.fresh("walking"), len(f.lines)
    f.lines += [None, None]
    following = f.select(wide, walking, network.mixed(value), value)
    outside = f.compare("sge", wide, following, rows)
    some = f.op(f"icmp ne i{WIDE} {f.op(f'bitcast {truths} {outside} to i{WIDE}')}, 0")
    f.do(f"br i1 {some}, label %{head}, label %{end}")
    back, everywhere = f.block, constant(truths, True)
    f.lines[slot] = f"  {value} = phi {wide} [ {start}, %{before} ], [ {following}, %{back} ]"
    f.lines[slot + 1] = (
        f"  {walking} = phi {truths} [ {everywhere}, %{before} ], [ {outside}, %{back} ]"
    )
    f.label(end)
    return following


def _keys(f: Emitter, seed: str, epoch: str, lanes: int) -> tuple[str, str]:
    """Round keys of epochs (see ``permutation_keys``): where they lie, and the last one."""
    word = Type("uint32", lanes)
    weyl = constant(word, _signed(WEYL[0]))
    state = _mix(f, f.binary("add", word, epoch, weyl), lanes)
    for half in (f.op(f"lshr i64 {seed}, 32"), seed):
        value = f.splat(word, f.op(f"trunc i64 {half} to i32"))
        state = _mix(f, f.binary("xor", word, value, state), lanes)
    keys = f.allocate(Type("uint32"), (FEISTEL_ROUNDS + 1) * lanes)

    def one(i: Operand, values: list[str]) -> list[str]:
        state = _mix(f, f.binary("add", word, values[0], values[1]), lanes)
        f.store(word, state, f.at(keys, f.mul(lanes, i), "uint32"))
        return [state, f.binary("add", word, values[1], weyl)]

    carried = [(str(word), state), (str(word), weyl)]
    return keys, f.loop(FEISTEL_ROUNDS + 1, one, carried)[0]


class _Network:
    """The Feistel network on many numbers.

    Args:
        f: where to.
        keys: where the rounds' keys lie.
        lanes: one key for all numbers, or one for each.
    """

    def __init__(self, f: Emitter, keys: str, lanes: int) -> None:
        self.f, self.keys, self.lanes = f, keys, lanes
        self.wide, self.word = Type("int64", WIDE), Type("uint32", WIDE)
        left, right = _half_bits(f, "%rows")
        self.bits = f.splat(self.wide, right)
        self.masks = [f.splat(self.word, _mask(f, bits)) for bits in (left, right)]

    def mixed(self, value: str) -> str:
        """All rounds, two in each turn of a loop: one changes the left half, one the right."""
        f, wide, word = self.f, self.wide, self.word
        halves = [f.binary("lshr", wide, value, self.bits), value]
        left, right = (f.convert("trunc", wide, word, half) for half in halves)
        right = f.binary("and", word, right, self.masks[1])

        def two(i: Operand, now: list[str]) -> list[str]:
            left, right = now
            left = f.binary("xor", word, left, self._noise(right, i, 0))
            right = f.binary("xor", word, right, self._noise(left, f.add(i, 1), 1))
            return [left, right]

        carried = [(str(word), left), (str(word), right)]
        halves = f.loop(FEISTEL_ROUNDS, two, carried, step=2)
        high, low = (f.convert("zext", word, wide, half) for half in halves)
        return f.binary("or", wide, f.binary("shl", wide, high, self.bits), low)

    def _noise(self, half: str, number: Operand, side: int) -> str:
        f, word = self.f, self.word
        place = f.at(self.keys, f.mul(self.lanes, number), "uint32")
        key = f.load(Type("uint32", self.lanes), place)
        key = f.splat(word, key) if self.lanes == 1 else key
        noise = _mix(f, f.binary("add", word, half, key), WIDE)
        return f.binary("and", word, noise, self.masks[side])


def _mask(f: Emitter, bits: str) -> str:
    power = f.op(f"shl i64 1, {bits}")
    ones = f.op(f"sub i64 {power}, 1")
    return f.op(f"trunc i64 {ones} to i32")


def _half_bits(f: Emitter, rows: str) -> tuple[str, str]:
    """Bits of the two halves of the network (see ``half_bits``)."""
    f.declarations.add("declare i64 @llvm.ctlz.i64(i64, i1)")
    less = f.sub(rows, 1)
    zeros = f.op(f"call i64 @llvm.ctlz.i64(i64 {less}, i1 false)")
    found = f.sub(64, zeros)
    small = f.icmp("slt", found, 2)
    bits = f.op(f"select i1 {small}, i64 2, i64 {found}")
    right = f.op(f"lshr i64 {bits}, 1")
    return str(f.sub(bits, right)), right
