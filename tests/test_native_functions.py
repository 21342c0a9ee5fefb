"""The native vector functions against NumPy: at most 4 ulp, every edge, the same bits per lane."""

from __future__ import annotations

import ctypes
import math
import platform
import re
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import pytest

from ranvier.backends.native import functions
from ranvier.backends.native.emitter import Emitter, Type
from ranvier.backends.native.functions import FUNCTIONS
from ranvier.backends.native.trigonometry import FARTHEST, TRIGONOMETRY

Array = np.ndarray
EMITTERS = {**FUNCTIONS, **TRIGONOMETRY}
NAMES = sorted(EMITTERS)
DTYPES = ["float32", "float64"]
LANES = [1, 4, 16]
POINTS = 4_000_000
WHOLE = {"float32": "int32", "float64": "int64"}

#: Where each function does its work; half of the points lie here, the rest on all exponents.
BUSY = {
    "exp": {"float32": (-88.0, 89.0), "float64": (-709.0, 710.0)},
    "log": {"float32": (0.3, 3.0), "float64": (0.3, 3.0)},
    "tanh": {"float32": (-10.0, 10.0), "float64": (-20.0, 20.0)},
    "erf": {"float32": (-4.2, 4.2), "float64": (-6.2, 6.2)},
    "sqrt": {"float32": (0.0, 10.0), "float64": (0.0, 10.0)},
    "sin": {"float32": (-1e5, 1e5), "float64": (-1e5, 1e5)},
    "cos": {"float32": (-1e5, 1e5), "float64": (-1e5, 1e5)},
}


def function_text(
    name: str, dtype: str, lanes: int, declarations: set[str], flush: bool = False
) -> str:
    """``y[i] = f(x[i])`` for n elements, n a multiple of the lanes."""
    type_ = Type(dtype, lanes)
    title = f"{name}_{dtype}_{lanes}" + ("_flushed" if flush else "")
    f = Emitter(f"define void @{title}(ptr noalias %x, ptr noalias %y, i64 %n)", declarations)

    def body(index: str | int, _: list[str]) -> None:
        value = EMITTERS[name](f, type_, f.load(type_, f.at("%x", index, dtype)))
        f.store(type_, value, f.at("%y", index, dtype))

    if flush:
        set_control_word(f, declarations, flush=True)
    f.loop("%n", body, step=lanes)
    if flush:
        set_control_word(f, declarations, flush=False)
    f.do("ret void")
    return f.text()


def set_control_word(f: Emitter, declarations: set[str], flush: bool) -> None:
    """Subnormal numbers as zero, or as usual, on x86-64."""
    declarations.add("declare void @llvm.x86.sse.ldmxcsr(ptr)")
    place = f.allocate(Type("int32"), 1)
    f.do(f"store i32 {0x9FC0 if flush else 0x1F80}, ptr {place}")
    f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {place})")


def whole_module(lanes: list[int], flush: bool = False) -> str:
    """Every function for both dtypes and the given numbers of lanes."""
    declarations: set[str] = set()
    texts = [
        function_text(name, dtype, count, declarations, flush)
        for name in NAMES
        for dtype in DTYPES
        for count in lanes
    ]
    return "\n".join([*sorted(declarations), *texts])


class Compiled:
    """A module's functions, callable on arrays."""

    def __init__(self, text: str, flush: bool = False) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = llvm.parse_assembly(text)
        module.verify()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
        )
        self.engine = llvm.create_mcjit_compiler(module, machine)
        self.engine.finalize_object()
        self.ending = "_flushed" if flush else ""

    def __call__(self, name: str, x: Array, lanes: int = 16) -> Array:
        padded = np.resize(x, -(-len(x) // 16) * 16)
        y = np.empty_like(padded)
        address = self.engine.get_function_address(f"{name}_{x.dtype}_{lanes}{self.ending}")
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        prototype(address)(padded.ctypes.data, y.ctypes.data, len(padded))
        return y[: len(x)]


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return Compiled(whole_module(LANES))


@pytest.fixture(scope="module")
def flushed() -> Compiled:
    return Compiled(whole_module([16], flush=True), flush=True)


def edges(dtype: str) -> Array:
    """Zeros, infinities, NaN, the ends of the dtype and of every range, with their neighbours."""
    info = np.finfo(dtype)
    layout = functions.LAYOUTS[dtype]
    values = [0.0, np.inf, np.nan, info.max, info.tiny, 0.5, 1.0, 2.0, math.sqrt(0.5), math.log(2)]
    values += [functions.TANH_END[dtype], functions.ERF_END[dtype], *map(abs, layout.exp_range)]
    there = np.array(values, dtype)
    with np.errstate(over="ignore", under="ignore"):
        around = np.concatenate(
            [there, np.nextafter(there, np.inf, dtype=dtype), np.nextafter(there, 0, dtype=dtype)]
        )
    return np.concatenate([around, -around])


def points(name: str, dtype: str, count: int) -> Array:
    """Half over all exponents and signs, half where the function bends, and the edges."""
    rng = np.random.default_rng(7)
    whole = np.iinfo(WHOLE[dtype])
    bits = rng.integers(whole.min, whole.max, count // 2, dtype=WHOLE[dtype], endpoint=True)
    busy = rng.uniform(*BUSY[name][dtype], count // 2).astype(dtype)
    return np.concatenate([bits.view(dtype), busy, edges(dtype)])


def normal(x: Array) -> Array:
    """x with subnormal numbers as zeros of the same sign."""
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def truth(name: str, x: Array) -> Array:
    """The function in a wider dtype; erf by the C library."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
        if name == "erf":
            return np.fromiter(map(math.erf, x.tolist()), np.float64, len(x)).astype(wide.dtype)
        plain: Callable[[Array], Array] = getattr(np, name)
        return plain(wide)


def bits_of(x: Array) -> Array:
    return x.view(WHOLE[str(x.dtype)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_at_most_four_ulp(compiled: Compiled, name: str, dtype: str) -> None:
    x = points(name, dtype, POINTS)
    # Subnormal numbers are judged apart.
    x = normal(x) if name == "log" else x[(normal(x) == x) | np.isnan(x)]
    if name in TRIGONOMETRY:  # farther out: see below
        x = x[~(np.abs(x) > 1e5) | np.isinf(x)]
    y, wanted = compiled(name, x), truth(name, x)
    with np.errstate(all="ignore"):
        rounded = wanted.astype(dtype)
    is_normal = np.isfinite(rounded) & (np.abs(rounded) >= np.finfo(dtype).tiny)
    unit = np.spacing(np.abs(rounded[is_normal])).astype(wanted.dtype)
    error = np.abs(y[is_normal].astype(wanted.dtype) - wanted[is_normal]) / unit
    assert is_normal.sum() > POINTS // 3
    assert error.max() <= 4.0, f"{error.max():.2f} ulp at {x[is_normal][error.argmax()]!r}"
    # Zero, infinity and NaN exactly; a subnormal result as zero.
    np.testing.assert_array_equal(y[~is_normal], normal(rounded)[~is_normal])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_same_bits_for_any_lanes(compiled: Compiled, name: str, dtype: str) -> None:
    x = points(name, dtype, 200_000)
    wide = bits_of(compiled(name, x, 16))
    for lanes in (1, 4):
        np.testing.assert_array_equal(bits_of(compiled(name, x, lanes)), wide)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lanes", LANES)
def test_nan_stays_nan_whatever_its_bits(
    compiled: Compiled, name: str, dtype: str, lanes: int
) -> None:
    rng = np.random.default_rng(3)
    layout = functions.LAYOUTS[dtype]
    payload = rng.integers(1, 1 << layout.fraction, 10_000, dtype=WHOLE[dtype])
    quiet = np.array([np.inf], dtype).view(WHOLE[dtype])[0] | payload
    sign = np.array([-0.0], dtype).view(WHOLE[dtype])[0]
    x = np.concatenate([quiet, quiet | sign]).view(dtype)
    assert np.isnan(x).all()
    assert np.isnan(compiled(name, x, lanes)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "x", "wanted"),
    [
        ("exp", 0.0, 1.0),
        ("exp", -0.0, 1.0),
        ("exp", np.inf, np.inf),
        ("exp", -np.inf, 0.0),
        ("exp", 1e30, np.inf),
        ("exp", -1e30, 0.0),
        ("log", 0.0, -np.inf),
        ("log", -0.0, -np.inf),
        ("log", 1.0, 0.0),
        ("log", np.inf, np.inf),
        ("log", -1.0, np.nan),
        ("log", -np.inf, np.nan),
        ("tanh", 0.0, 0.0),
        ("tanh", -0.0, -0.0),
        ("tanh", 1e30, 1.0),
        ("tanh", np.inf, 1.0),
        ("tanh", -np.inf, -1.0),
        ("erf", 0.0, 0.0),
        ("erf", -0.0, -0.0),
        ("erf", 1e30, 1.0),
        ("erf", np.inf, 1.0),
        ("erf", -np.inf, -1.0),
        ("sin", 0.0, 0.0),
        ("sin", -0.0, -0.0),
        ("sin", np.inf, np.nan),
        ("sin", -np.inf, np.nan),
        ("cos", 0.0, 1.0),
        ("cos", -0.0, 1.0),
        ("cos", np.inf, np.nan),
        ("cos", -np.inf, np.nan),
        ("sqrt", -0.0, -0.0),
        ("sqrt", -1.0, np.nan),
        ("sqrt", np.inf, np.inf),
    ],
)
def test_edges(compiled: Compiled, name: str, x: float, wanted: float, dtype: str) -> None:
    for lanes in LANES:
        y = compiled(name, np.full(16, x, dtype), lanes)
        np.testing.assert_array_equal(y, np.full(16, wanted, dtype))
        if wanted == 0.0:
            assert (np.signbit(y) == np.signbit(wanted)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_ends_at_its_proper_limits(compiled: Compiled, dtype: str) -> None:
    low, high = (np.array(end, dtype) for end in functions.LAYOUTS[dtype].exp_range)
    below = np.nextafter(low, np.array(-np.inf, dtype))
    above = np.nextafter(high, np.array(np.inf, dtype))
    y = compiled("exp", np.array([below, low, high, above]))
    info = np.finfo(dtype)
    assert y[0] == 0.0
    assert info.tiny <= y[1] < info.tiny * 1.0001
    assert info.max * 0.9999 < y[2] <= info.max
    assert y[3] == np.inf


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(TRIGONOMETRY))
def test_near_and_far_multiples_of_a_quarter_turn(
    compiled: Compiled, name: str, dtype: str
) -> None:
    turns = np.concatenate([np.arange(63_662), np.geomspace(1e5, 1e12, 10_000).round()])
    near = (turns * (np.pi / 2)).astype(dtype)
    x = np.concatenate([near, np.nextafter(near, np.array(np.inf, dtype)), -near])
    y, wanted = compiled(name, x), truth(name, x)
    rounded = wanted.astype(dtype)
    unit = np.spacing(np.abs(rounded)).astype(wanted.dtype)
    assert (np.abs(y.astype(wanted.dtype) - wanted) / unit).max() <= 4.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(TRIGONOMETRY))
def test_a_number_of_the_circle_however_far_out(compiled: Compiled, name: str, dtype: str) -> None:
    info = np.finfo(dtype)
    x = np.geomspace(FARTHEST / 16, float(info.max) / 4, 100_000).astype(dtype)
    x = np.concatenate([x, -x, [info.max, info.min]]).astype(dtype)
    y = compiled(name, x)
    assert np.abs(y).max() <= 1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_sin_and_cos_lie_on_the_circle(compiled: Compiled, dtype: str) -> None:
    x = points("sin", dtype, 400_000)
    x = x[np.abs(x) <= 1e5]
    wide = [compiled(name, x).astype(np.float64) for name in ("sin", "cos")]
    np.testing.assert_allclose(wide[0] ** 2 + wide[1] ** 2, 1.0, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(bits_of(compiled("cos", -x)), bits_of(compiled("cos", x)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "tanh"])
def test_tiny_numbers_stay_themselves(compiled: Compiled, name: str, dtype: str) -> None:
    info = np.finfo(dtype)
    x = np.geomspace(info.tiny, float(info.eps) / 8, 1000).astype(dtype)
    np.testing.assert_array_equal(compiled(name, x), x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_odd_in_every_bit_and_within_one(compiled: Compiled, name: str, dtype: str) -> None:
    x = points(name, dtype, 400_000)
    x = x[np.abs(x) <= (FARTHEST if name == "sin" else np.inf)]
    y = compiled(name, x)
    assert 1.0 - 1e-6 < np.abs(y).max() <= 1.0
    np.testing.assert_array_equal(bits_of(-compiled(name, -x)), bits_of(y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_counts_subnormal_numbers_as_zero(compiled: Compiled, dtype: str) -> None:
    info = np.finfo(dtype)
    x = np.array([info.smallest_subnormal, info.tiny / 2], dtype)
    assert (compiled("log", np.concatenate([x, -x])) == -np.inf).all()


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="sets the x86-64 control word"
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_same_bits_with_subnormal_numbers_flushed(
    compiled: Compiled, flushed: Compiled, name: str, dtype: str
) -> None:
    x = normal(points(name, dtype, 200_000))
    np.testing.assert_array_equal(bits_of(flushed(name, x)), bits_of(compiled(name, x)))


@pytest.mark.parametrize(
    ("triple", "cpu", "allowed"),
    [
        ("x86_64-unknown-linux-gnu", "x86-64", {"fma", "fmaf"}),
        ("x86_64-unknown-linux-gnu", "haswell", set()),
        ("x86_64-unknown-linux-gnu", "skylake-avx512", set()),
        ("x86_64-unknown-linux-gnu", "znver5", set()),
        ("aarch64-unknown-linux-gnu", "generic", set()),
        ("arm64-apple-macosx", "apple-m1", set()),
    ],
)
def test_no_library_calls(triple: str, cpu: str, allowed: set[str]) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, opt=2, codemodel="small", reloc="pic"
    )
    module = llvm.parse_assembly(whole_module([1, 16]))
    module.triple = triple
    assembly = machine.emit_assembly(module)
    called = re.findall(r"^\s*(?:callq?|jmp|blr?|b)\s+(\S+)", assembly, re.MULTILINE)
    names = {re.sub(r"@.*$", "", name) for name in called}
    outside = {name for name in names if not re.match(r"\.?L", name)}
    assert outside == allowed
