"""Contracts of the primitives: every record's gradient, shapes, dtypes, NaN and error texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.foundation.shapes import Extent, N
from ranvier.graph.transforms import gradient, value_and_gradient
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import PRIMITIVES, Spec, apply, constant, input_value

Function = Callable[..., Any]

UNARY = (
    "negative", "absolute", "exp", "log", "tanh", "erf", "sqrt", "sin", "cos", "floor", "copy",
    "stop_gradient",
)  # fmt: skip
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
SMOOTH = ("exp", "log", "tanh", "erf", "sqrt", "sin", "cos", "multiply", "divide")
FLOATS_ONLY = ("divide", "exp", "log", "tanh", "erf", "sqrt", "sin", "cos", "floor")
SHAPES = ((), (1,), (7,), (1, 1), (5, 3), (2, 3, 5), (1, 17, 1))

#: Structural primitives: a name for the case, the record, the function, shapes of its arguments.
STRUCTURAL: tuple[tuple[str, str, Function, tuple[tuple[int, ...], ...]], ...] = (
    ("select", "select", lambda a, b: ops.where(ops.less(a, b), a * a, b), ((3, 5), (3, 5))),
    ("cast", "cast", lambda x: ops.cast(ops.cast(x * x, "float64"), "float64"), ((4,),)),
    ("sum of an axis", "sum", lambda x: ops.sum(x, axis=1), ((3, 5, 2),)),
    ("sum of all", "sum", ops.sum, ((3, 5),)),
    ("sum of length 1", "sum", lambda x: ops.sum(x, axis=0, keepdims=True), ((1, 3),)),
    ("mean of two axes", "sum", lambda x: ops.mean(x, axis=(0, 2)), ((3, 5, 2),)),
    ("max", "max", lambda x: ops.max(x, axis=-1), ((5, 7),)),
    ("max of all", "max", ops.max, ((3, 3),)),
    ("min", "min", lambda x: ops.min(x, axis=0), ((5, 7),)),
    ("product", "contract", ops.matmul, ((3, 5), (5, 7))),
    ("product of ones", "contract", ops.matmul, ((1, 1), (1, 1))),
    ("matrix by vector", "contract", ops.matmul, ((3, 5), (5,))),
    ("vector by matrix", "contract", ops.matmul, ((5,), (5, 3))),
    (
        "products side by side", "lane_contract",
        lambda a, b: ops.lane_contract(a, b, ((1,), (0,))), ((2, 3, 4), (3, 5, 4)),
    ),
    (
        "products with a shared side", "lane_contract",
        lambda a, b: ops.lane_contract(a, b, ((1,), (0,)), own=(False, True)), ((2, 3), (3, 5, 4)),
    ),
    ("product in a batch", "contract", ops.matmul, ((2, 3, 5), (2, 5, 4))),
    ("tall by matrix", "contract", ops.matmul, ((2, 3, 5), (5, 4))),
    (
        "several axes",
        "contract",
        lambda a, b: ops.contract(a, b, ((2, 0), (0, 1))),
        ((2, 3, 5), (5, 2, 4)),
    ),
    (
        "a batch axis inside",
        "contract",
        lambda a, b: ops.contract(a, b, ((0,), (2,)), ((1,), (1,))),
        ((5, 3, 2), (4, 3, 5)),
    ),
    ("reshape", "reshape", lambda x: ops.reshape(x, (5, -1)), ((3, 5, 2),)),
    ("expand", "reshape", lambda x: ops.expand(x, 1), ((3, 5),)),
    ("transpose", "transpose", lambda x: ops.transpose(x, (2, 0, 1)), ((3, 5, 2),)),
    ("broadcast", "broadcast_to", lambda x: ops.broadcast_to(x, (4, 3, 5)), ((3, 1),)),
    ("add with broadcasting", "broadcast_to", ops.add, ((3, 1, 2), (5, 1))),
    ("slice", "slice", lambda x: ops.slice_axis(x, 1, 1, 4), ((3, 5),)),
    ("empty slice", "slice", lambda x: ops.slice_axis(x, 0, 2, 2), ((3, 5),)),
    ("pad", "pad", lambda x: ops.pad(x, 0, 2, 1), ((3, 5),)),
    ("concatenate", "concatenate", lambda a, b: ops.concatenate([a, b, a], 1), ((3, 2), (3, 5))),
    ("take", "take", lambda x: ops.take(x, np.array([[2, 0], [2, 9]])), ((3, 5),)),
    ("scatter-add", "scatter_add", lambda x: ops.scatter_add(np.array([3, 0, 3]), x, 4), ((3, 2),)),
    (
        "scan",
        "scan",
        lambda c, w, x: ops.scan(lambda s, t: ((ops.tanh(s * w + t),), (s * t,)), [c], [x])[1][0],
        ((3,), (3,), (5, 3)),
    ),
    (
        "scan's last carry",
        "item",
        lambda c, x: ops.scan(lambda s, t: ((s * t,), (s,)), [c], [x], reverse=True)[0][0],
        ((2,), (4, 2)),
    ),
    (
        "cross-entropy",
        "composite",
        lambda x: ops.categorical_cross_entropy(x, np.array([2, 0, 1], "int32")),
        ((3, 4),),
    ),
    ("softplus", "composite", lambda x: ops.binary_cross_entropy(x, 0.25), ((7,),)),
    ("softmax", "sum", ops.softmax, ((3, 5),)),
    ("log softmax", "sum", ops.log_softmax, ((3, 5),)),
    ("gelu", "erf", ops.gelu, ((7,),)),
    ("sigmoid", "tanh", ops.sigmoid, ((7,),)),
    ("relu", "select", ops.relu, ((7,),)),
)  # fmt: skip

WITHOUT_ARGUMENTS = {"constant", "extent", "iota", "input", "random_uniform"}


def sample(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    low, high = PRIMITIVES[name].domain
    return np.random.default_rng(seed).uniform(low, high, shape)


def numeric_gradient(f: Function, arrays: list[np.ndarray], place: int) -> np.ndarray:
    """Central differences of a scalar function, element by element."""
    step = 1e-6
    result = np.zeros(arrays[place].shape)
    for index in np.ndindex(arrays[place].shape):
        ends = []
        for sign in (1.0, -1.0):
            moved = [a.copy() for a in arrays]
            moved[place][index] += sign * step
            ends.append(float(f(*moved)))
        result[index] = (ends[0] - ends[1]) / (2 * step)
    return result


def check_gradient(f: Function, arrays: list[np.ndarray]) -> None:
    """The gradient of a weighted sum of f against finite differences, for every argument."""
    shape = np.shape(f(*arrays))
    weight = np.random.default_rng(99).uniform(0.5, 1.5, shape)

    def scalar(*x: Any) -> Any:
        return ops.sum(ops.multiply(f(*x), weight))

    value, gradients = value_and_gradient(scalar, tuple(range(len(arrays))))(*arrays)
    assert float(value) == pytest.approx(float(scalar(*arrays)), rel=1e-12)
    for place, found in enumerate(gradients):
        assert found.shape == arrays[place].shape
        assert found.dtype == np.float64
        expected = numeric_gradient(scalar, arrays, place)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_every_differentiable_primitive_has_a_case() -> None:
    cases = {*UNARY, *BINARY, *(record for _, record, _, _ in STRUCTURAL)}
    differentiable = {name for name, record in PRIMITIVES.items() if record.gradient is not None}
    assert differentiable <= cases


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [n for n in UNARY if n != "stop_gradient"])
def test_gradient_of_one_operand(name: str, shape: tuple[int, ...]) -> None:
    check_gradient(lambda x: apply(name, [x]), [sample(name, shape, 1)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BINARY)
def test_gradient_of_two_operands(name: str, shape: tuple[int, ...]) -> None:
    check_gradient(lambda a, b: apply(name, [a, b]), [sample(name, shape, s) for s in (1, 2)])


@pytest.mark.parametrize("case", STRUCTURAL, ids=lambda case: case[0])
def test_gradient_of_structure(case: tuple[str, str, Function, Any]) -> None:
    _, record, function, shapes = case
    check_gradient(function, [sample(record, shape, i) for i, shape in enumerate(shapes)])


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_of_the_gradient(name: str) -> None:
    count = 2 if name in BINARY else 1
    arrays = [sample(name, (5,), s) for s in range(count)]

    def first(*x: Any) -> Any:
        return gradient(lambda *y: ops.sum(apply(name, list(y))))(*x)

    check_gradient(first, arrays)


def test_gradient_of_the_gradient_of_a_scan() -> None:
    def total(x: Any) -> Any:
        body = lambda s, t: ((s * t + s,), (s,))  # noqa: E731
        return ops.sum(ops.scan(body, [np.ones(2)], [x])[0][0])

    check_gradient(gradient(total), [sample("scan", (3, 2), 0)])


def test_ties() -> None:
    x = np.array([2.0, 1.0, 2.0])
    assert gradient(lambda a: ops.sum(ops.max(a)))(x).tolist() == [0.5, 0.0, 0.5]
    pair = gradient(lambda a, b: ops.sum(ops.maximum(a, b)), (0, 1))(np.ones(1), np.ones(1))
    assert [g.tolist() for g in pair] == [[1.0], [0.0]]
    assert gradient(lambda a: ops.sum(ops.relu(a)))(np.zeros(1)).tolist() == [0.0]


@pytest.mark.parametrize("function", [ops.stop_gradient, ops.step, ops.floor])
def test_gradient_that_is_zero(function: Function) -> None:
    found = gradient(lambda x: ops.sum(function(x)))(np.array([0.3, -1.7]))
    assert found.tolist() == [0.0, 0.0]


def test_gradient_stops_at_integers() -> None:
    found = gradient(lambda x: ops.sum(x * ops.cast(ops.cast(x, "int32"), "float64")))
    assert found(np.array([1.5, -2.5])).tolist() == [1.0, -2.0]


# --- shapes and dtypes


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [*SHAPES, (0,), (3, 0, 2)])
@pytest.mark.parametrize("name", [*UNARY, *BINARY, "less", "less_equal", "equal"])
def test_spec_is_what_comes_out(name: str, shape: tuple[int, ...], dtype: str) -> None:
    operands = [np.ones(shape, dtype)] * (1 if name in UNARY else 2)
    specs = [Spec(shape, dtype)] * len(operands)
    if name in FLOATS_ONLY and not dtype.startswith("float"):
        with pytest.raises(errors.DTypeError, match=f"{name} needs floating-point numbers"):
            PRIMITIVES[name].rule(specs, {})
        return
    spec = PRIMITIVES[name].rule(specs, {})
    result = apply(name, operands)
    assert (result.shape, result.dtype.name) == (spec.shape, spec.dtype)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_symbolic_extent_takes_any_length(rows: int) -> None:
    def f(x: Any, w: Any) -> Any:
        h = ops.relu(ops.matmul(x, w) + 1.0)
        return ops.softmax(h), ops.mean(h, axis=0), ops.length(x, 0), ops.argmax(h)

    graph, _ = trace(f, [Spec((N, 3), "float32"), Spec((3, 5), "float32")])
    assert [v.shape for v in graph.outputs] == [(N, 5), (5,), (), (N,)]
    x, w = np.ones((rows, 3), "f4"), np.ones((3, 5), "f4")
    with np.errstate(invalid="ignore"):
        results = evaluate(graph, [x, w])
    assert [r.shape for r in results] == [(rows, 5), (5,), (), (rows,)]
    assert float(results[2]) == rows
    if rows:
        np.testing.assert_allclose(results[0], ops.softmax(ops.matmul(x, w) + 1.0), rtol=1e-6)


def test_python_numbers_take_the_dtype_of_their_partner() -> None:
    x = np.ones(2, "f4")
    assert (ops.add(x, 1).dtype, ops.multiply(2.5, x).dtype) == (np.float32, np.float32)
    assert ops.add(np.ones(2, "i4"), 1).dtype == np.int32
    assert ops.add(np.ones(2, "i4"), 0.5).dtype == np.float64
    assert ops.add(np.ones(2, "f4"), np.ones(2)).dtype == np.float64
    assert ops.where(np.array([True]), 1.0, x).dtype == np.float32


def test_empty_reductions() -> None:
    x = np.zeros((0, 3))
    assert ops.sum(x, axis=0).tolist() == [0.0] * 3
    assert ops.max(x, axis=0).tolist() == [-np.inf] * 3
    assert ops.min(x, axis=0).tolist() == [np.inf] * 3


def test_argmax_takes_the_first_and_one_hot_points_at_it() -> None:
    found = ops.argmax(np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]]))
    assert found.tolist() == [1, 0]
    assert found.dtype == np.int32
    assert ops.one_hot(found, 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert ops.is_class(found, 2).tolist() == [[False, True], [True, False]]


def test_operators_write_the_same_graph_as_functions() -> None:
    x = input_value("x", (3,), "float64")
    pairs = [
        (x + 1, "add"), (1 + x, "add"), (x - 1, "subtract"), (1 - x, "subtract"),
        (x * 2, "multiply"), (2 * x, "multiply"), (x / 2, "divide"), (2 / x, "divide"),
        (-x, "negative"), (x < 1, "less"), (x > 1, "less"), (x <= 1, "less_equal"),
        (x >= 1, "less_equal"), (np.ones(3) + x, "add"), (x @ np.ones((3, 2)), "contract"),
    ]  # fmt: skip
    assert [value.op for value, _ in pairs] == [op for _, op in pairs]


def test_random_numbers_depend_on_their_place_only() -> None:
    seed, step = np.int64(7), np.int64(3)
    first = ops.random_uniform((5, 33), seed, step, 0)
    assert (first == ops.random_uniform((5, 33), seed, step, 0)).all()
    for other in (
        ops.random_uniform((5, 33), np.int64(8), step, 0),
        ops.random_uniform((5, 33), seed, np.int64(4), 0),
        ops.random_uniform((5, 33), seed, step, 1),
    ):
        assert (first != other).mean() > 0.99
    assert 0.0 <= first.min() <= first.max() < 1.0
    assert (ops.random_uniform((33,), seed, step, 0) == first[0]).all()
    double = ops.random_uniform((5, 33), seed, step, 0, "float64")
    assert (double == first.astype("f8")).all()


def test_random_numbers_are_uniform() -> None:
    drawn = ops.random_uniform((200_000,), np.int64(1), np.int64(1), 0, "float64")
    counts, _ = np.histogram(drawn, 20, (0.0, 1.0))
    # Chi-squared with 19 degrees of freedom: 43.8 is passed once in a thousand.
    assert ((counts - 10_000.0) ** 2 / 10_000.0).sum() < 43.8
    assert drawn.mean() == pytest.approx(0.5, abs=0.003)


# --- values


def test_activations_at_known_points() -> None:
    x = np.array([-800.0, -1.0, 0.0, 1.0, 800.0])
    assert ops.relu(x).tolist() == [0.0, 0.0, 0.0, 1.0, 800.0]
    assert ops.step(x).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]
    np.testing.assert_allclose(
        ops.sigmoid(x), [0.0, 0.2689414213699951, 0.5, 0.7310585786300049, 1.0], atol=1e-15
    )
    np.testing.assert_allclose(
        ops.gelu(x), [0.0, -0.15865525393145707, 0.0, 0.8413447460685429, 800.0], atol=1e-15
    )
    np.testing.assert_allclose(
        ops.softplus(x), [0.0, 0.31326168751822286, np.log(2.0), 1.3132616875182228, 800.0]
    )


def test_softmax_does_not_overflow() -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, 0.0]])
    assert ops.softmax(x).tolist() == [[0.5, 0.5], [0.0, 1.0]]
    np.testing.assert_allclose(ops.log_softmax(x), [[-np.log(2)] * 2, [-1000.0, 0.0]])
    losses = ops.categorical_cross_entropy(x, np.array([0, 0], "int32"))
    np.testing.assert_allclose(losses, [np.log(2), 1000.0])


# --- NaN

NAN_CASES: dict[str, Function] = {
    **{name: (lambda x, n=name: apply(n, [x])) for name in UNARY},
    **{f"{name}, left": (lambda x, n=name: apply(n, [x, np.ones_like(x)])) for name in BINARY},
    **{f"{name}, right": (lambda x, n=name: apply(n, [np.ones_like(x), x])) for name in BINARY},
    **{
        name: getattr(ops, name)
        for name in ("relu", "step", "sigmoid", "gelu", "softplus", "softmax", "log_softmax",
                     "sum", "max", "min", "mean", "identity")
    },
    "times 0": lambda x: ops.multiply(x, 0.0),
    "binary cross-entropy": lambda x: ops.binary_cross_entropy(x, 1.0),
    "cross-entropy": lambda x: ops.categorical_cross_entropy(
        ops.reshape(x, (1, 2)), np.array([1], "int32")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAN_CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_operation_swallows_a_nan(name: str, dtype: str) -> None:
    assert np.isnan(NAN_CASES[name](np.array([np.nan, 0.5], dtype))).any()


@pytest.mark.parametrize("name", ["relu", "sigmoid", "gelu", "softplus", "softmax", "tanh"])
def test_no_gradient_swallows_a_nan(name: str) -> None:
    function = getattr(ops, name)
    both = gradient(lambda x, w: ops.sum(ops.multiply(function(x), w)), (0, 1))
    with_nan = both(np.array([np.nan, 0.5]), np.ones(2))
    assert np.isnan(with_nan[1]).any()


# --- errors

SEED = np.int64(0)


def scan_body(*results: Any) -> Function:
    return lambda s, t: results[0] if len(results) == 1 else results


X = input_value("x", (N, 4), "float32")
ERRORS: tuple[tuple[str, type[errors.RanvierError], Function, tuple[str, ...]], ...] = (
    ("add", errors.ShapeError, lambda: ops.add(np.ones((2, 3)), np.ones((2, 4))),
     ("add", "(2, 3)", "(2, 4)", "length 3")),
    ("symbolic", errors.ShapeError, lambda: X + np.ones((3, 4), "f4"), ("N", "3")),
    ("where", errors.ShapeError, lambda: ops.where(np.ones(2, bool), np.ones(3), 0.0),
     ("where", "(2,)", "(3,)")),
    ("matmul", errors.ShapeError, lambda: ops.matmul(np.ones((2, 3)), np.ones((4, 5))),
     ("(2, 3)", "(4, 5)", "features")),
    ("batch", errors.ShapeError,
     lambda: ops.matmul(np.ones((2, 3, 4)), np.ones((3, 4, 5))), ("batch axes",)),
    ("reshape", errors.ShapeError, lambda: ops.reshape(np.ones((2, 3)), (5,)),
     ("(2, 3)", "(5,)", "number of elements")),
    ("reshape -1", errors.ShapeError, lambda: ops.reshape(np.ones((2, 3)), (4, -1)), ("-1",)),
    ("two -1", errors.ShapeError, lambda: ops.reshape(np.ones((2, 3)), (-1, -1)), ("-1",)),
    ("merge N", errors.ShapeError, lambda: ops.reshape(X, (-1,)), ("N", "axis of their own")),
    ("transpose", errors.ShapeError, lambda: ops.transpose(np.ones((2, 3)), (0, 0)), ("(0, 0)",)),
    ("broadcast_to", errors.ShapeError, lambda: ops.broadcast_to(np.ones(3), (3, 2)),
     ("(3,)", "(3, 2)")),
    ("slice", errors.ShapeError, lambda: ops.slice_axis(np.ones(3), 0, 1, 5), ("1:5", "3")),
    ("slice N", errors.ShapeError, lambda: ops.slice_axis(X, 0, 0, 1), ("N", "known length")),
    ("pad", errors.ShapeError, lambda: ops.pad(np.ones(3), 0, -1, 0), ("-1",)),
    ("concatenate", errors.ShapeError,
     lambda: ops.concatenate([np.ones((2, 3)), np.ones((3, 3))], 1), ("(2, 3)", "(3, 3)")),
    ("nothing to join", errors.ArgumentError, lambda: ops.concatenate([]), ("at least one value",)),
    ("sum of booleans", errors.DTypeError, lambda: ops.sum(np.ones(3, bool)), ("boolean",)),
    ("axis", errors.ArgumentError, lambda: ops.sum(np.ones((2, 3)), axis=2), ("axis 2", "2 axes")),
    ("exp of integers", errors.DTypeError, lambda: apply("exp", [np.ones(3, "i4")]),
     ("exp", "int32")),
    ("a dtype", errors.DTypeError, lambda: ops.cast(np.ones(3), "complex64"), ("complex64",)),
    ("text", errors.DTypeError, lambda: ops.add(np.array(["a"]), 1.0), ("str",)),
    ("random dtype", errors.ArgumentError,
     lambda: ops.random_uniform((3,), SEED, SEED, 0, "int32"), ("int32",)),
    ("random seed", errors.ArgumentError,
     lambda: ops.random_uniform((3,), np.float64(0), SEED, 0), ("float64", "int64")),
    ("scan's carry", errors.ShapeError,
     lambda: ops.scan(lambda s, t: ((ops.expand(s, 0),), ()), [np.ones(2)], [np.ones((3, 2))]),
     ("carry 0", "(1, 2)")),
    ("scan's sequences", errors.ShapeError,
     lambda: ops.scan(lambda s, a, b: ((s,), ()), [np.ones(2)], [np.ones(3), np.ones(4)]),
     ("(3,)", "(4,)")),
    ("scan of nothing", errors.ShapeError,
     lambda: ops.scan(lambda s: ((s,), ()), [np.ones(2)], []), ("at least one sequence",)),
    ("scan's body", errors.TraceError,
     lambda: ops.scan(lambda s, t: s, [np.ones(2)], [np.ones(3)]), ("two tuples", "Value")),
    ("truth", errors.TraceError, lambda: bool(X < 1.0), ("ops.where",)),
    ("float", errors.TraceError, lambda: float(X), ("number",)),
    ("int", errors.TraceError, lambda: int(X), ("number",)),
    ("index", errors.TraceError, lambda: [1, 2][X], ("Python integer",)),
    ("len", errors.TraceError, lambda: len(X), ("x.shape",)),
    ("iter", errors.TraceError, lambda: list(X), ("ops.scan",)),
    ("NumPy", errors.TraceError, lambda: np.asarray(X), ("ranvier.ops",)),
    ("trace", errors.TraceError, lambda: trace(lambda x: None, [X.spec]), ("NoneType",)),
    ("a vector's gradient", errors.ShapeError, lambda: gradient(lambda x: x)(np.ones(3)),
     ("(3,)", "ops.sum")),
    ("an integer's gradient", errors.DTypeError,
     lambda: gradient(lambda x: ops.sum(x))(np.ones(3, "i4")), ("int32", "astype")),
    ("a primitive", errors.UnknownNameError, lambda: apply("tahn", [X]), ("tanh",)),
    ("the law", errors.InternalError,
     lambda: apply("add", [np.ones(3), np.ones(3, "f4")]), ("float64", "float32")),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    error = caught.value
    assert error.headline
    assert error.happened
    assert error.needed
    assert error.fix
    for part in parts:
        assert part in str(error)


def test_two_extents_do_not_merge() -> None:
    time = Extent("T")
    value = input_value("x", (N, time, 3), "float32")
    assert ops.reshape(value, (N, time, 3, 1)).shape == (N, time, 3, 1)
    with pytest.raises(errors.ShapeError):
        ops.reshape(value, (-1, 3))


def test_constants_are_read_only() -> None:
    value = constant(np.ones(3)).attributes["value"]
    with pytest.raises(ValueError, match="read-only"):
        value[0] = 2.0
