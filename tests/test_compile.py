"""``rv.compile``: native code against the reference, its arguments and results, and its errors."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from random_graphs import make
from ranvier.backends.compile import Program
from ranvier.foundation import errors
from ranvier.ops.graph import evaluate

Array = np.ndarray
#: Of one operation, and of sums over at most a few dozen numbers near 1.
TOLERANCE = {"float16": 0.0, "float32": 3e-6, "float64": 1e-13}
FLOATS = ("float32", "float64")
INTEGERS = ("uint8", "int8", "uint16", "int16", "int32", "int64")
LENGTHS = (1, 2, 7, 15, 16, 17, 31, 32, 33)


def check(function: Callable[..., Any], *arguments: Array, tolerance: float | None = None) -> Any:
    """Native results are the reference's in dtype, shape and numbers."""
    found = rv.compile(function)(*arguments)
    expected = rv.compile(function, engine="reference")(*arguments)
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        wanted = np.asarray(wanted)
        assert isinstance(found[name], np.ndarray), name
        assert (found[name].dtype, found[name].shape) == (wanted.dtype, wanted.shape), name
        if wanted.dtype.kind != "f":
            np.testing.assert_array_equal(found[name], wanted, err_msg=name)
            continue
        allowed = TOLERANCE[wanted.dtype.name] if tolerance is None else tolerance
        np.testing.assert_allclose(found[name], wanted, allowed, allowed, err_msg=name)
    return found


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, shape).astype(dtype)


# --- values


def elementwise(x: Any, y: Any, row: Any, scalar: Any) -> dict[str, Any]:
    positive = ops.absolute(x) + 0.25
    return {
        "arithmetic": (x + y) * x - y / positive,
        "row": x * row + row,
        "scalar": (scalar - x) * 2.0,
        "functions": ops.exp(x) + ops.log(positive) + ops.sqrt(positive),
        "tanh": ops.tanh(x * y),
        "erf": ops.erf(x),
        "sigmoid": ops.sigmoid(x),
        "gelu": ops.gelu(x),
        "relu": ops.relu(x),
        "softplus": ops.softplus(x),
        "floor": ops.floor(x * 4.0),
        "extremes": ops.maximum(x, y) - ops.minimum(x, 0.0),
        "less": ops.less(x, y),
        "less_equal": ops.less_equal(x, x),
        "equal": ops.equal(x, row),
        "logic": ops.logical_and(ops.less(x, y), ops.logical_not(ops.less(y, 0.0))),
        "where": ops.where(ops.less(x, 0.0), y, row),
        "step": ops.step(x),
        "wide": ops.cast(x, "float64") * 3.0,
        "narrow": ops.cast(x, "float32") * 3.0,
        "integers": ops.cast(x * 10.0, "int32"),
        "bytes": ops.cast(positive * 10.0, "uint8"),
        "truth": ops.cast(ops.floor(x), "bool"),
        "negative": -x,
    }


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (33, 1), (7, 16), (5, 31), (3, 2, 15)])
def test_elementwise(shape: tuple[int, ...], dtype: str) -> None:
    x, y = numbers(shape, dtype, 1), numbers(shape, dtype, 2)
    check(elementwise, x, y, numbers(shape[-1:], dtype, 3), numbers((), dtype, 4))


def reductions(x: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("sum", "max", "min", "mean"):
        reduce = getattr(ops, name)
        for axis in (0, 1, 2, (0, 2), None):
            found[f"{name} over {axis}"] = reduce(x, axis=axis)
    for axis in (0, 1, 2):
        found[f"kept {axis}"] = x - ops.mean(x, axis=axis, keepdims=True)
        found[f"softmax {axis}"] = ops.softmax(x, axis)
        found[f"log softmax {axis}"] = ops.log_softmax(x, axis)
        found[f"argmax {axis}"] = ops.argmax(x, axis)
    found["twice"] = ops.sum(ops.exp(x - ops.max(x)), axis=1) / ops.sum(ops.exp(x))
    return found


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 17, 1), (1, 5, 33), (16, 3, 15), (4, 31, 16)])
def test_reductions(shape: tuple[int, ...], dtype: str) -> None:
    check(reductions, numbers(shape, dtype), tolerance=2e-4 if dtype == "float32" else 1e-12)


def views(x: Any) -> dict[str, Any]:
    turned = ops.transpose(x, (2, 0, 1))
    return {
        "transposed": turned,
        "reversed": ops.transpose(ops.tanh(x)),
        "flat": ops.reshape(x, (-1,)),
        "merged": ops.reshape(x, (6, 35)) * 2.0,
        "split": ops.reshape(ops.reshape(x, (-1,)), (7, 30)),
        "merged across": ops.reshape(turned, (14, 15)) + 1.0,
        "expanded": ops.expand(x, 1) * ops.expand(x, 0),
        "repeated": ops.broadcast_to(x, (2, *x.shape)),
        "first": ops.slice_axis(x, 0, 1, 5),
        "middle": ops.slice_axis(x, 1, 2, 5) - ops.slice_axis(x, 1, 0, 3),
        "last": ops.slice_axis(x, 2, 3, 7),
        "one": ops.slice_axis(ops.slice_axis(x, 2, 6, 7), 0, 5, 6),
        "nothing": ops.slice_axis(x, 1, 2, 2),
        "there and back": ops.transpose(ops.transpose(x, (1, 2, 0)), (2, 0, 1)),
        "of a view": ops.sum(ops.reshape(turned, (14, 15)), axis=0),
        "product of views": ops.matmul(ops.reshape(x, (30, 7)), ops.reshape(turned, (7, 30))),
        "ramp": ops.iota((3, 17), 1, "float32", like=x) + 0.0,
        "hot": ops.one_hot(ops.argmax(x), 7),
    }


@pytest.mark.parametrize("dtype", FLOATS)
def test_views(dtype: str) -> None:
    check(views, numbers((6, 5, 7), dtype))


def products(a: Any, b: Any, left: Any, right: Any, vector: Any) -> dict[str, Any]:
    """``left`` is a transposed, ``right`` b transposed."""
    return {
        "plain": ops.matmul(a, b),
        "right turned": ops.contract(a, right, ((1,), (1,))),
        "left turned": ops.contract(left, b, ((0,), (0,))),
        "both turned": ops.contract(left, right, ((0,), (1,))),
        "transposed views": ops.matmul(ops.transpose(left), ops.transpose(right)),
        "matrix by vector": ops.matmul(a, vector),
        "vector by matrix": ops.matmul(vector, b),
        "with an epilogue": ops.tanh(ops.matmul(a, b) * 0.1 + 0.5),
        "of expressions": ops.matmul(ops.relu(a), ops.exp(b)),
        "with itself": ops.contract(a, a, ((0,), (0,))),
        "three": ops.matmul(ops.matmul(a, b), ops.transpose(b)),
    }


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "lengths",
    [(1, 1, 1), (1, 17, 1), (15, 1, 16), (7, 5, 3), (16, 16, 16), (17, 33, 31), (32, 15, 64),
     (33, 64, 65), (5, 128, 130)],
)  # fmt: skip
def test_products(lengths: tuple[int, int, int], dtype: str) -> None:
    rows, depth, columns = lengths
    a, b = numbers((rows, depth), dtype, 1), numbers((depth, columns), dtype, 2)
    arrays = (a, b, a.T.copy(), b.T.copy(), numbers((depth,), dtype, 3))
    check(products, *arrays, tolerance=3e-4 if dtype == "float32" else 1e-11)


def batched(a: Any, b: Any) -> dict[str, Any]:
    return {
        "matmul": ops.matmul(a, b),
        "right turned": ops.contract(a, ops.transpose(b, (0, 2, 1)), ((2,), (2,)), ((0,), (0,))),
        "batch inside": ops.contract(ops.transpose(a, (1, 0, 2)), b, ((2,), (1,)), ((1,), (0,))),
        "two summed": ops.contract(a, ops.transpose(b, (0, 2, 1)), ((0, 2), (0, 2))),
        "by one matrix": ops.matmul(a, _first(b)),
        "outer": ops.contract(_first(a), _first(b), ((), ())),
    }


def _first(x: Any) -> Any:
    return ops.reshape(ops.slice_axis(x, 0, 0, 1), x.shape[1:])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 7), (3, 17, 16, 33), (5, 1, 31, 2)])
def test_products_in_a_batch(shape: tuple[int, ...], dtype: str) -> None:
    batch, rows, depth, columns = shape
    a, b = numbers((batch, rows, depth), dtype, 1), numbers((batch, depth, columns), dtype, 2)
    check(batched, a, b, tolerance=1e-4 if dtype == "float32" else 1e-12)


def whole_numbers(x: Any, y: Any) -> dict[str, Any]:
    found = {
        "itself": x,
        "sum of two": x + y,
        "difference": x - y,
        "product": x * y,
        "absolute": ops.absolute(x),
        "negative": -x,
        "larger": ops.maximum(x, y),
        "smaller": ops.minimum(x, 3),
        "less": ops.less(x, y),
        "less_equal": ops.less_equal(x, y),
        "equal": ops.equal(x, x),
        "where": ops.where(ops.less(x, y), x, y),
        "argmax": ops.argmax(x),
        "float": ops.cast(x, "float32") * 0.5,
        "quotient": ops.divide(x, 7),
        "exp": ops.exp(ops.cast(x, "float64") * 0.01),
        "turned": ops.transpose(x),
    }
    for dtype in (*INTEGERS, "bool"):
        found[f"as {dtype}"] = ops.cast(x, dtype)
    for axis in (0, 1, None):
        found |= {f"{n} over {axis}": getattr(ops, n)(x, axis=axis) for n in ("sum", "max", "min")}
    return found


@pytest.mark.parametrize("dtype", INTEGERS)
def test_whole_numbers(dtype: str) -> None:
    """All numbers of the small dtypes, both ends and what runs over included."""
    limits, rng = np.iinfo(dtype), np.random.default_rng(0)
    low, high = max(limits.min, -(2**40)), min(limits.max, 2**40)
    x, y = (rng.integers(low, high, (5, 17), endpoint=True).astype(dtype) for _ in range(2))
    x[0, :2] = limits.min, limits.max
    x[:, 5] = limits.max
    x[:, 6] = limits.min
    check(whole_numbers, x, y)


def test_booleans() -> None:
    a, b = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])
    check(
        lambda a, b: {
            "and": ops.logical_and(a, b),
            "not": ops.logical_not(a),
            "add": ops.add(a, b),
            "multiply": ops.multiply(a, b),
            "larger": ops.maximum(a, b),
            "equal": ops.equal(a, b),
            "number": ops.cast(a, "float32") + 1.0,
            "turned": ops.transpose(a),
            "where": ops.where(a, b, a),
            "count": ops.sum(ops.cast(a, "int32"), axis=1),
        },
        a,
        b,
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_not_a_number_goes_through(dtype: str) -> None:
    x = np.array([[1.0, np.nan, -2.0], [np.inf, -np.inf, 0.0]], dtype)
    found = check(
        lambda x: (
            {
                name: getattr(ops, name)(x)
                for name in (
                    "relu",
                    "step",
                    "sigmoid",
                    "gelu",
                    "softmax",
                    "sum",
                    "max",
                    "min",
                    "tanh",
                )
            }
            | {"times 0": x * 0.0, "larger": ops.maximum(x, 0.0), "over rows": ops.max(x, axis=0)}
        ),
        x,
    )
    assert np.isnan(found["relu"][0, 1])
    assert np.isnan(found["max"])


@pytest.mark.parametrize("seed", [0, 7, 2**31, 2**40 + 3, -5])
def test_random_numbers_have_equal_bits(seed: int) -> None:
    shapes = [(1,), (15,), (16,), (17,), (65,), (5, 33), (2, 3, 17), (64, 64)]

    def draw(seed: Any, step: Any) -> dict[str, Any]:
        found = {
            f"{shape} {dtype}": ops.random_uniform(shape, seed, step, site, dtype)
            for site, shape in enumerate(shapes)
            for dtype in FLOATS
        }
        found["turned"] = ops.transpose(ops.random_uniform((5, 33), seed, step, 3))
        found["row sums"] = ops.max(ops.random_uniform((7, 50), seed, step, 4), axis=1)
        return found

    for step in (0, 1, 2**33 + 1):
        arrays = (np.int64(seed), np.int64(step))
        check(draw, *map(np.asarray, arrays), tolerance=0.0)


@pytest.mark.parametrize("first", range(0, 90, 15))
def test_random_functions(first: int) -> None:
    for seed in range(first, first + 15):
        dtype = FLOATS[seed % 2]
        case = make(seed, dtype)
        arrays = [case.arrays[v.name] for v in case.graph.inputs]
        allowed = 2e-4 if dtype == "float32" else 1e-11
        for found, wanted in zip(
            Program(case.graph)(arrays), evaluate(case.graph, arrays), strict=True
        ):
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            np.testing.assert_allclose(found, wanted, allowed, allowed, err_msg=f"seed {seed}")


def test_gradients() -> None:
    def loss(x: Any, weights: dict[str, Any]) -> Any:
        hidden = ops.tanh(ops.matmul(x, weights["first"]))
        return ops.mean(ops.softplus(ops.matmul(hidden, weights["second"])))

    both = rv.value_and_gradient(loss, 1)
    weights = {"first": numbers((5, 17), "float64", 1), "second": numbers((17, 3), "float64", 2)}
    x = numbers((9, 5), "float64")
    value, found = rv.compile(both)(x, weights)
    wanted_value, wanted = both(x, weights)
    assert float(value) == pytest.approx(float(wanted_value), rel=1e-13)
    for name in weights:
        np.testing.assert_allclose(found[name], wanted[name], 1e-12, 1e-14)


def test_long_chains_do_not_end_in_recursion() -> None:
    def long(x: Any) -> Any:
        for number in range(400):
            x = ops.tanh(x) if number % 4 == 0 else x * 1.25 - 0.001
        return x

    x = numbers((19,), "float64")
    wanted = rv.compile(long, engine="reference")(x)
    np.testing.assert_allclose(rv.compile(long)(x), wanted, 1e-9)


# --- arguments and results


def test_arguments_may_lie_anywhere_in_memory() -> None:
    whole = numbers((20, 30), "float32")
    f = rv.compile(lambda x: ops.tanh(ops.matmul(x, ops.transpose(x))))
    read_only = whole[:9, :8].copy()
    read_only.setflags(write=False)
    unaligned = np.ndarray((9, 8), "<f4", bytearray(b"\0" + read_only.tobytes()), 1)
    for array in (
        whole[1:18:2, ::4], whole.T[::-3, :7], whole[::-1, ::-1], np.asfortranarray(whole),
        read_only, unaligned, whole.astype(">f4"), np.broadcast_to(whole[0], (5, 30)),
        whole[3:4], whole[:, 5:6],
    ):  # fmt: skip
        before = array.copy()
        clean = np.ascontiguousarray(array, np.float32)
        np.testing.assert_array_equal(f(array), f(clean))
        np.testing.assert_array_equal(array, before)


def test_nested_arguments_and_results() -> None:
    @rv.compile
    def f(pair: Any, named: Any) -> Any:
        a, (b,) = pair
        return {"sum": a + b, "list": [named["z"] * 2.0, {"deep": (a, named["y"])}]}, 2.5

    a, b, y, z = (np.full(3, number, "float32") for number in range(1, 5))
    named, number = f((a, [b]), {"z": z, "y": y})
    assert named["sum"].tolist() == [3.0] * 3
    assert named["list"][0].tolist() == [8.0] * 3
    assert named["list"][1]["deep"][1].tolist() == [3.0] * 3
    assert isinstance(named["list"], list)
    assert isinstance(named["list"][1]["deep"], tuple)
    assert float(number) == 2.5
    assert f.__name__ == "f"


def test_python_numbers_and_lists_of_them_are_arguments() -> None:
    f = rv.compile(lambda x, factor: x * factor)
    assert f(np.ones(2, "float32"), 2.0).tolist() == [2.0, 2.0]
    assert f(3, 2).item() == 6


def test_results_are_the_callers_own() -> None:
    f = rv.compile(lambda x: (x, x, x + 1.0, np.arange(3.0)))
    x = np.zeros(3)
    first = f(x)
    for result in first:
        result[...] = 99.0
    assert x.tolist() == [0.0] * 3
    second = f(x)
    assert [r.tolist() for r in second] == [[0.0] * 3, [0.0] * 3, [1.0] * 3, [0.0, 1.0, 2.0]]
    assert first[0].tolist() == [99.0] * 3


def test_python_in_it_runs_once_for_each_set_of_shapes() -> None:
    runs: list[tuple[int, ...]] = []

    def f(x: Any) -> Any:
        runs.append(x.shape)
        return x * 2.0

    compiled = rv.compile(f)
    for shape in ((3,), (3,), (4,), (3,)):
        assert compiled(np.ones(shape)).shape == shape
    assert runs == [(3,), (4,)]
    compiled(np.ones(3, "float32"))
    assert len(runs) == 3


def test_a_program_can_be_looked_at() -> None:
    f = rv.compile(lambda x: ops.tanh(x) + 1.0)
    x = np.ones((3, 5), "float32")
    program = f.program(x)
    assert program is f.program(x + 1)
    for name in ("trace", "inline", "simplify", "normalize", "fuse", "order", "layout", "memory"):
        assert f"=== {name} " in program.passes()
    assert "define void @call(ptr" in program.source()
    assert "ret" in program.assembly()
    assert f"{program.memory().bytes} bytes in all" in program.memory().table()


# --- the same bits


def heavy(x: Any, w: Any) -> Any:
    hidden = ops.tanh(ops.matmul(x, w))
    return ops.softmax(hidden), ops.sum(ops.exp(hidden)), ops.mean(hidden, axis=0)


def test_same_bits_at_each_call_and_from_several_threads() -> None:
    f = rv.compile(heavy)
    w = numbers((33, 17), "float32", 50)
    inputs = [numbers((40 + k % 3, 33), "float32", k) for k in range(12)]
    expected = [[r.tobytes() for r in f(x, w)] for x in inputs]
    wrong: list[int] = []

    def work(start: int) -> None:
        for turn in range(40):
            k = (start + turn) % len(inputs)
            if [r.tobytes() for r in f(inputs[k], w)] != expected[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(3 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_that_meet_at_the_first_call() -> None:
    f = rv.compile(heavy)
    x, w = numbers((9, 5), "float32"), numbers((5, 7), "float32")
    found: list[bytes] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        found.append(f(x, w)[0].tobytes())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert set(found) == {rv.compile(heavy)(x, w)[0].tobytes()}


FORK = """
import os, sys
import numpy as np
import ranvier as rv
from ranvier import ops
f = rv.compile(lambda x: ops.softmax(ops.tanh(x)))
x = np.random.default_rng(0).normal(size=(17, 33)).astype("float32")
before = f(x).tobytes()
read, write = os.pipe()
child = os.fork()
if child == 0:
    same = f(x).tobytes() == before
    new = rv.compile(lambda x: ops.softmax(ops.tanh(x)))(x).tobytes() == before
    os.write(write, b"same" if same and new else b"other")
    os._exit(0)
os.waitpid(child, 0)
assert f(x).tobytes() == before
print(os.read(read, 10).decode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_same_bits_after_a_fork() -> None:
    assert _script(FORK) == "same"


BITS = """
import hashlib
import numpy as np
import ranvier as rv
from ranvier import ops

def everything(a, b, left, right):
    return (
        ops.matmul(a, b), ops.contract(left, b, ((0,), (0,))), ops.contract(a, right, ((1,), (1,))),
        ops.sum(a), ops.sum(a, axis=0), ops.sum(a, axis=1), ops.softmax(a), ops.exp(a), ops.tanh(a),
        ops.erf(a), ops.log(ops.absolute(a)), ops.max(a, axis=1), ops.gelu(a) / (ops.exp(a) + 1.0),
    )

digest = hashlib.sha256()
for dtype in ("float32", "float64"):
    for rows, depth, columns in ((1, 1, 1), (17, 33, 31), (40, 100, 70)):
        rng = np.random.default_rng(rows)
        a, b = rng.normal(size=(rows, depth)), rng.normal(size=(depth, columns))
        arrays = [array.astype(dtype) for array in (a, b, a.T, b.T)]
        for result in rv.compile(everything)(*arrays):
            digest.update(result.tobytes())
print(digest.hexdigest())
"""


def test_same_bits_on_every_processor() -> None:
    found = {name: _script(BITS, RANVIER_CPU=name) for name in ("native", "avx2", "baseline")}
    assert len(set(found.values())) == 1, found


def _script(text: str, **environment: str) -> str:
    """What a program in a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- errors

ONES = np.ones((2, 3), "float32")


def if_on_a_value(x: Any) -> Any:
    return x if ops.sum(x) > 0.0 else -x


def running_sum(x: Any) -> Any:
    return ops.scan(lambda s, t: ((s + t,), ()), [np.zeros(3, "f4")], [x])[0][0]


ERRORS: tuple[tuple[str, type[errors.RanvierError], Callable[[], Any], tuple[str, ...]], ...] = (
    ("if", errors.TraceError, lambda: rv.compile(if_on_a_value)(ONES), ("ops.where", "truth")),
    ("a number", errors.TraceError, lambda: rv.compile(lambda x: x * float(ops.sum(x)))(ONES),
     ("number",)),
    ("NumPy inside", errors.TraceError, lambda: rv.compile(lambda x: np.tanh(np.asarray(x)))(ONES),
     ("ranvier.ops",)),
    ("no value", errors.TraceError, lambda: rv.compile(lambda x: None)(ONES), ("NoneType",)),
    ("scan", errors.UnsupportedOperationError,
     lambda: rv.compile(running_sum)(ONES),
     ("'scan'", 'engine="reference"', "other operations")),
    ("product of integers", errors.UnsupportedOperationError,
     lambda: rv.compile(lambda x: ops.matmul(x, x))(np.ones((3, 3), "int32")),
     ("'contract'", "int32", "ops.cast", 'engine="reference"')),
    ("to float16", errors.UnsupportedOperationError,
     lambda: rv.compile(lambda x: ops.cast(x, "float16"))(np.ones(3)), ("'cast'", "float16")),
    ("float16", errors.UnsupportedOperationError,
     lambda: rv.compile(lambda x: x + x)(np.ones(3, "float16")), ("'add'", "float16", "ops.cast")),
    ("nothing", errors.ShapeError, lambda: rv.compile(lambda x: x)(np.ones((0, 3))),
     ("(0, 3)", "at least one element")),
    ("engine", errors.ArgumentError, lambda: rv.compile(lambda x: x, engine="gpu"),
     ("'gpu'", "'native' or 'reference'")),
    ("texts", errors.DTypeError, lambda: rv.compile(lambda x: x)(np.array(["a"])), ("str",)),
    ("no program", errors.ArgumentError,
     lambda: rv.compile(lambda x: x, engine="reference").program(ONES), ("reference",)),
    ("shapes", errors.ShapeError, lambda: rv.compile(ops.matmul)(ONES, ONES), ("(2, 3)",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)


def test_what_native_refuses_the_reference_runs() -> None:
    assert rv.compile(running_sum, engine="reference")(ONES).tolist() == [2.0, 2.0, 2.0]


def test_a_failed_build_leaves_the_function_usable() -> None:
    f = rv.compile(lambda x, y: ops.matmul(x, y))
    with pytest.raises(errors.ShapeError):
        f(ONES, ONES)
    assert f(ONES, ONES.T).tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_every_float16_is_read_exactly() -> None:
    """All 65,536 of them, on processors with and without an instruction for it."""
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    found = rv.compile(lambda x: ops.cast(x, "float32"))(halves)
    with np.errstate(invalid="ignore"):
        wanted = halves.astype(np.float32)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    numbers = ~np.isnan(wanted)
    assert found[numbers].tobytes() == wanted[numbers].tobytes()
