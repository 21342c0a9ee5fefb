"""Many calls at once: `rv.vectorize` against the loop of calls, native and by the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import ops
from ranvier.foundation.errors import (
    ArgumentError,
    ShapeError,
    UnsupportedOperationError,
)
from ranvier.foundation.shapes import N
from ranvier.ops.graph import trace
from ranvier.ops.value import Spec, apply

RANDOM = np.random.default_rng(1)


def sample(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Normal numbers."""
    return RANDOM.normal(size=shape).astype(dtype)


def loss(weights: dict[str, Any], x: Any, y: Any) -> Any:
    """Mean squared error of a small network."""
    hidden = ops.tanh(x @ weights["w"] + weights["b"])
    return ops.mean((hidden @ weights["v"] - y) ** 2)


def weights(count: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Weights of many of them."""
    return {
        "w": sample(count, 4, 16, dtype=dtype),
        "b": sample(count, 16, dtype=dtype),
        "v": sample(count, 16, 3, dtype=dtype),
    }


#: Function, axes, shapes of one argument after another.
CASES: dict[str, tuple[Callable[..., Any], Any, list[tuple[int, ...]]]] = {
    "elementwise": (lambda x, y: ops.exp(x) * y + 1.0, 0, [(9, 3), (9, 3)]),
    "broadcast": (lambda x, y: x + y, 0, [(9, 3, 4), (9, 4)]),
    "shared": (lambda x, y: x * y, (0, None), [(9, 3), (3,)]),
    "another axis": (lambda x, y: x - y, (1, -1), [(3, 9, 2), (3, 2, 9)]),
    "row sums": (lambda x: (ops.sum(x, axis=1), ops.max(x, axis=0), ops.mean(x)), 0, [(9, 5, 37)]),
    "softmax": (lambda x: ops.softmax(x), 0, [(20, 6, 11)]),
    "views": (
        lambda x: ops.slice_axis(ops.transpose(ops.reshape(x, (4, 3, 2)), (2, 0, 1)), 1, 1, 3),
        0, [(9, 6, 4)],
    ),
    "joins": (lambda x, y: ops.pad(ops.concatenate([x, y], 1), 0, 1, 2), 0, [(5, 2, 3), (5, 2, 1)]),
    "matrices": (lambda a, b: a @ b, 0, [(9, 7, 5), (9, 5, 3)]),
    "shared matrix": (lambda a, b: a @ b, (None, 0), [(13, 5), (33, 5, 3)]),
    "shared right": (lambda a, b: a @ b, (0, None), [(33, 13, 5), (5, 3)]),
    "vectors": (lambda a, b: ops.contract(a, b, ((0,), (0,))), 0, [(9, 40), (9, 40)]),
    "outer": (lambda a, b: ops.contract(a, b, ((), ())), 0, [(9, 4), (9, 6)]),
    "two axes": (
        lambda a, b: ops.contract(a, b, ((0, 2), (2, 1))), 0, [(9, 2, 4, 3), (9, 5, 3, 2)],
    ),
    "batched": (lambda a, b: ops.matmul(a, b), 0, [(9, 2, 4, 3), (9, 2, 3, 5)]),
    "no call's own": (lambda a, b: (ops.sum(b), a), (0, None), [(9, 2), (3,)]),
}  # fmt: skip


def looped(function: Callable[..., Any], axes: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What the loop of calls gives, each call compiled."""
    each = axes if isinstance(axes, tuple) else (axes,) * len(arrays)
    count = next(a.shape[axis] for a, axis in zip(arrays, each, strict=True) if axis is not None)
    compiled, results = rv.compile(function), []
    for k in range(count):
        pairs = zip(arrays, each, strict=True)
        own = [a if x is None else np.ascontiguousarray(np.take(a, k, axis=x)) for a, x in pairs]
        found = compiled(*own)
        results.append(found if isinstance(found, tuple) else (found,))
    return [np.stack(parts) for parts in zip(*results, strict=True)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_many_calls_have_the_bits_of_each(case: str, dtype: str) -> None:
    function, axes, shapes = CASES[case]
    arrays = [sample(*shape, dtype=dtype) for shape in shapes]
    expected = looped(function, axes, arrays)
    many = rv.vectorize(function, axes)
    for found in (rv.compile(many)(*arrays), many(*arrays)):
        parts = found if isinstance(found, tuple) else (found,)
        for one, other in zip(parts, expected, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    native = rv.compile(many)(*arrays)
    for one, other in zip(
        native if isinstance(native, tuple) else (native,), expected, strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("count", [1, 3, 8, 16, 37])
def test_gradients_of_many_networks(count: int) -> None:
    both, x, y = rv.value_and_gradient(loss), sample(13, 4), sample(13, 3)
    many, p = rv.compile(rv.vectorize(both, axes=(0, None, None))), weights(count)
    one = rv.compile(both)
    values, gradients = many(p, x, y)
    for k in range(count):
        value, gradient = one({name: array[k] for name, array in p.items()}, x, y)
        assert value == values[k]
        for name in p:
            np.testing.assert_array_equal(gradients[name][k], gradient[name])


def test_the_gradient_goes_through_many_calls() -> None:
    p, x, y = weights(5, "float64"), sample(6, 4, dtype="float64"), sample(6, 3, dtype="float64")

    def total(p: Any) -> Any:
        return ops.sum(rv.vectorize(loss, axes=(0, None, None))(p, x, y))

    each = rv.vectorize(rv.gradient(loss), axes=(0, None, None))(p, x, y)
    for found in (rv.gradient(total)(p), rv.compile(rv.gradient(total))(p)):
        for name in p:
            np.testing.assert_allclose(found[name], each[name], rtol=1e-12, atol=1e-14)


def test_a_value_of_the_function_around_it_has_a_gradient() -> None:
    x, w = sample(8, 4, dtype="float64"), sample(4, 3, dtype="float64")

    def looped_inside(w: Any) -> Any:
        return ops.sum(rv.vectorize(lambda row: ops.tanh(ops.matmul(row, w)))(x))

    plain = rv.gradient(lambda w: ops.sum(ops.tanh(ops.matmul(x, w))))(w)
    np.testing.assert_allclose(rv.gradient(looped_inside)(w), plain, rtol=1e-12)
    np.testing.assert_allclose(rv.compile(rv.gradient(looped_inside))(w), plain, rtol=1e-12)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [((0, 0), (0, 0)), ((0, None), (0, 0)), ((None, 0), (0, 0)), ((None, 0), (0, None))],
)
def test_calls_within_calls(inner: tuple[Any, Any], outer: tuple[Any, Any]) -> None:
    shapes = [
        tuple(n for n, axis in ((3, out), (5, own)) if axis is not None) + matrix
        for out, own, matrix in zip(outer, inner, ((4, 6), (6, 2)), strict=True)
    ]
    a, b = (sample(*shape) for shape in shapes)
    many = rv.vectorize(rv.vectorize(lambda a, b: ops.tanh(a @ b), inner), outer)
    expected = np.empty((3, 5, 4, 2), np.float32)
    for i, j in np.ndindex(3, 5):
        one = [
            x[tuple(k for k, axis in ((i, out), (j, own)) if axis is not None)]
            for x, out, own in zip((a, b), outer, inner, strict=True)
        ]
        expected[i, j] = np.tanh(one[0] @ one[1])
    np.testing.assert_allclose(many(a, b), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(rv.compile(many)(a, b), expected, rtol=1e-5, atol=1e-6)


def test_rows_of_tables() -> None:
    tables, numbers = sample(9, 6, 2), np.array([1, 0, 5])

    def rows(table: Any, numbers: Any) -> Any:
        return ops.take(table, numbers), ops.scatter_add(numbers, ops.take(table, numbers), 7)

    many = rv.vectorize(rows, axes=(0, None))
    for found, added in (many(tables, numbers), rv.compile(many)(tables, numbers)):
        np.testing.assert_array_equal(found, tables[:, numbers])
        assert added.shape == (9, 7, 2)
        np.testing.assert_array_equal(added[:, [0, 1, 5]], tables[:, [0, 1, 5]])


def test_random_numbers_are_shared_by_all_calls() -> None:
    draw = lambda x: x + ops.random_uniform((3,), np.int64(1), np.int64(2), 0)  # noqa: E731
    found = rv.compile(rv.vectorize(draw))(np.zeros((4, 3), np.float32))
    np.testing.assert_array_equal(found, np.repeat(found[:1], 4, axis=0))


def test_errors_of_vectorize() -> None:
    add = rv.vectorize(lambda a, b: a + b)
    with pytest.raises(ShapeError, match="as many calls"):
        add(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ShapeError, match="finds no axis 0"):
        add(np.ones(3), 1.0)
    for axes in ((0,), (None, None), None):
        with pytest.raises(ArgumentError, match="axes"):
            rv.vectorize(lambda a, b: a + b, axes)(np.ones(3), np.ones(3))
    with pytest.raises(ShapeError, match="one known length"):
        trace(rv.vectorize(lambda x: x), [Spec((N, 2), "float32")])
    with pytest.raises(UnsupportedOperationError, match="'take' has no form for many"):
        rv.vectorize(ops.take, axes=(None, 0))(np.ones((3, 2)), np.zeros((4, 2), np.int64))
    with pytest.raises(UnsupportedOperationError, match="'scatter_add' has no form for many"):
        rv.vectorize(lambda i, u: ops.scatter_add(i, u, 3), axes=0)(
            np.zeros((4, 2), np.int64), np.ones((4, 2, 2))
        )
    with pytest.raises(UnsupportedOperationError, match="'scan' has no form for many"):
        rv.vectorize(lambda x: ops.scan(lambda s, t: ((s + t,), (s,)), [np.zeros(())], [x])[1][0])(
            np.ones((4, 3))
        )


def test_errors_of_products_side_by_side() -> None:
    with pytest.raises(ShapeError, match="as many on both sides"):
        ops.lane_contract(np.ones((4, 3, 8)), np.ones((3, 2, 9)), ((1,), (0,)))
    with pytest.raises(ShapeError, match="as many on both sides"):
        apply(
            "lane_contract", [np.ones((4, 3)), np.ones((3, 2))], contracting=((1,), (0,)),
            batch=((), ()), own=(False, False),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "columns", "depth", "count"), [(1, 1, 1, 16), (9, 7, 5, 16), (13, 3, 17, 40)]
)
@pytest.mark.parametrize("own", [(True, True), (False, True), (True, False)])
def test_products_side_by_side(
    rows: int, columns: int, depth: int, count: int, own: tuple[bool, bool]
) -> None:
    a = sample(rows, depth, *([count] if own[0] else []))
    b = sample(depth, columns, *([count] if own[1] else []))
    side_by_side = rv.compile(lambda a, b: ops.lane_contract(a, b, ((1,), (0,)), own=own))(a, b)
    product = rv.compile(lambda a, b: a @ b)
    for k in range(count):
        left, right = (x[..., k] if has else x for x, has in zip((a, b), own, strict=True))
        expected = product(np.ascontiguousarray(left), np.ascontiguousarray(right))
        np.testing.assert_array_equal(side_by_side[..., k], expected)
