"""Padding, concatenation and gradients of slices in native code: numbers, borders, fusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from random_graphs import make
from ranvier.backends.compile import Program
from ranvier.graph.gradient import gradients_of
from ranvier.layers import Context, Dense, Layer, Parameter
from ranvier.layers.initializers import INITIALIZERS
from ranvier.ops.graph import Graph, evaluate

Array = np.ndarray
DTYPES = ("float32", "float64", "int32")
#: Lengths of parts: single, odd, whole vectors, borders inside of vectors, borders far apart.
LENGTHS: tuple[tuple[int, ...], ...] = (
    (1,), (1, 1), (5, 3), (16, 16), (100, 28), (17, 1, 40), (33, 15, 64, 7), (3,) * 12,
)  # fmt: skip


def numbers(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> Array:
    return (10.0 * np.random.default_rng(seed).normal(size=shape)).astype(dtype)


def compare(function: Callable[..., Any], *arguments: Any, tolerance: float = 1e-11) -> Any:
    native = rv.compile(function)(*arguments)
    reference = rv.compile(function, engine="reference")(*arguments)
    for found, wanted in zip(native, reference, strict=True):
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(found, wanted, tolerance, tolerance)
    return native


# --- numbers


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_concatenation_is_numpy_s(dtype: str, lengths: tuple[int, ...]) -> None:
    shapes = [(None,), (None, 7), (7, None), (1, None), (None, 20, 3), (2, None, 5), (2, 3, None)]
    parts = [
        [
            numbers(tuple(length if d is None else d for d in shape), dtype, k)
            for k, length in enumerate(lengths)
        ]
        for shape in shapes
    ]
    axes = [shape.index(None) for shape in shapes]

    def join(parts: Any) -> list[Any]:
        wholes = [ops.concatenate(p, axis) for p, axis in zip(parts, axes, strict=True)]
        return [w * 2 + 1 for w in wholes]

    for found, some, axis in zip(rv.compile(join)(parts), parts, axes, strict=True):
        wanted = np.concatenate(some, axis) * 2 + 1
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found, wanted.astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", [(0, 0), (1, 0), (0, 1), (3, 5), (16, 16), (40, 2)], ids=str)
def test_padding_is_numpy_s(widths: tuple[int, int], dtype: str) -> None:
    arrays = [numbers(s, dtype) for s in ((1,), (33,), (5, 100), (7, 1), (2, 17, 3))]

    def padded(arrays: Any) -> list[Any]:
        return [ops.pad(x, axis, *widths) for x in arrays for axis in range(x.ndim)]

    wanted = []
    for x in arrays:
        for axis in range(x.ndim):
            sides = [(0, 0)] * x.ndim
            sides[axis] = widths
            wanted.append(np.pad(x, sides))
    for found, expected in zip(rv.compile(padded)(arrays), wanted, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_booleans_are_joined_too() -> None:
    x, y = numbers((3, 20)) > 0.0, numbers((3, 5)) > 0.0
    found = rv.compile(lambda x, y: ops.pad(ops.concatenate([x, y, x], 1), 0, 1, 0))(x, y)
    np.testing.assert_array_equal(found, np.pad(np.concatenate([x, y, x], 1), ((1, 0), (0, 0))))


@pytest.mark.parametrize("count", [30, 400])
@pytest.mark.parametrize("axis", [0, 1])
def test_many_parts(axis: int, count: int) -> None:
    """More parts than there may be stretches: then each element's part is found at run time."""
    x = numbers((count, 40) if axis == 0 else (40, count))

    def turned_around(x: Any) -> Any:
        return ops.concatenate(
            [ops.slice_axis(x, axis, k, k + 1) for k in range(count)][::-1], axis
        )

    np.testing.assert_array_equal(rv.compile(turned_around)(x), np.flip(x, axis))


def test_padding_on_all_sides_and_joined_along_two_axes() -> None:
    a, b = numbers((2, 5, 6, 3)), numbers((2, 5, 4, 3), seed=1)
    c = numbers((2, 2, 10, 3), seed=2)

    def images(a: Any, b: Any, c: Any) -> list[Any]:
        whole = ops.concatenate([ops.concatenate([a, b], 2), c], 1)
        around = whole
        for axis in (1, 2, 3):
            around = ops.pad(around, axis, 2, 1)
        return [whole, around, ops.sum(around, axis=-1), ops.sum(around, axis=0)]

    compare(images, a, b, c)


def test_views_of_a_concatenation() -> None:
    a, b = numbers((6, 20)), numbers((6, 13), seed=1)

    def views(a: Any, b: Any) -> list[Any]:
        whole = ops.concatenate([a, b], 1)
        return [
            ops.slice_axis(whole, 1, 3, 18),
            ops.slice_axis(whole, 1, 21, 30),
            ops.slice_axis(whole, 1, 15, 27),
            ops.transpose(whole),
            ops.reshape(whole, (9, 22)),
            ops.reshape(ops.tanh(ops.concatenate([b, a], 1)), (2, 99)) * 2.0,
            ops.broadcast_to(whole, (3, 6, 33)) + 1.0,
            ops.expand(whole, 1),
        ]

    compare(views, a, b)


# --- what must not mix


def test_a_nan_stays_in_its_part() -> None:
    a, b = np.full((4, 20), np.nan), np.ones((4, 30))

    def f(a: Any, b: Any) -> list[Any]:
        whole = ops.concatenate([b, a, b], 1)
        return [whole, ops.sum(ops.pad(b, 1, 5, 7), axis=1), ops.sum(whole, axis=0)]

    joined, sums, columns = rv.compile(f)(a, b)
    np.testing.assert_array_equal(
        np.isnan(joined[0]), np.repeat([False, True, False], [30, 20, 30])
    )
    assert sums.tolist() == [30.0] * 4
    np.testing.assert_array_equal(np.isnan(columns), np.isnan(joined[0]))


def test_a_part_that_is_infinite_times_zero_elsewhere() -> None:
    """Padding is a choice and no product with zeros: infinity next to it is no NaN."""
    x = np.full((3, 17), np.inf)
    found = rv.compile(lambda x: ops.pad(ops.multiply(x, 2.0), 1, 3, 3))(x)
    np.testing.assert_array_equal(found, np.pad(x, ((0, 0), (3, 3))))


# --- sums, products, neighbours


def test_sums_and_products_over_a_concatenation() -> None:
    a, b, w = numbers((9, 20)) / 10, numbers((9, 13), seed=1) / 10, numbers((33, 7), seed=2)
    bias = numbers((9, 40), seed=3)

    def f(a: Any, b: Any, w: Any, bias: Any) -> list[Any]:
        whole = ops.concatenate([ops.tanh(a), b * 2.0], 1)
        product = ops.matmul(whole, w)
        return [
            product,
            ops.softmax(whole),
            ops.max(whole, axis=0),
            ops.sum(whole, axis=0),
            ops.mean(whole),
            ops.matmul(ops.transpose(whole), whole),
            ops.matmul(product, ops.transpose(w)) + ops.concatenate([b, a], 1),
            ops.concatenate([product, whole], 1) * bias,
        ]

    compare(f, a, b, w, bias)


def test_random_numbers_in_parts_are_those_of_their_own_places() -> None:
    def f(seed: Any, step: Any) -> list[Any]:
        a = ops.random_uniform((5, 70), seed, step, 1)
        b = ops.random_uniform((5, 90), seed, step, 2)
        return [ops.concatenate([a, b, a], 1), ops.pad(b, 1, 7, 60), ops.concatenate([b, a], 1)]

    compare(f, np.int64(3), np.int64(5), tolerance=0.0)


def test_a_concatenation_is_one_group_of_whole_vectors() -> None:
    a, b = numbers((512, 100), "float32"), numbers((512, 28), "float32")
    program = rv.compile(lambda a, b: ops.relu(ops.concatenate([ops.tanh(a), b], 1))).program(a, b)
    assert len(program.planned.groups) == 1
    text = program.source()
    assert "insertelement" not in text, "an element is read by itself"
    # 96 and 112 are the ends of the vector in which the first part ends and the second begins.
    assert "shufflevector" in text
    assert "select(less(j, 100)" in program.passes()


# --- gradients


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_slices_and_parts(dtype: str) -> None:
    x, y = numbers((7, 40), dtype) / 10, numbers((7, 9), dtype, 1) / 10

    def loss(x: Any, y: Any) -> Any:
        gates = [ops.slice_axis(x, 1, k, k + 10) for k in range(0, 40, 10)]
        cell = ops.tanh(gates[0]) * ops.sigmoid(gates[1]) + gates[2] * gates[3]
        whole = ops.concatenate([cell, y, ops.slice_axis(x, 1, 5, 25), y * y], 1)
        again = ops.concatenate([whole, ops.pad(whole, 1, 2, 1)], 1)
        return ops.mean(again * again) + ops.sum(ops.slice_axis(y, 0, 2, 3))

    both = rv.value_and_gradient(loss, (0, 1))
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    compare(lambda x, y: [both(x, y)[0], *both(x, y)[1]], x, y, tolerance=tolerance)


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_gradients_of_random_functions(first: int) -> None:
    compared = 0
    for seed in range(first, first + 40):
        dtype = ("float32", "float64")[seed % 2]
        case = make(seed, dtype)
        if not any(v.op in ("pad", "concatenate", "slice") for v in case.graph.nodes()):
            continue
        loss: Any = None
        for output in case.graph.outputs:
            term = ops.mean(ops.tanh(ops.cast(output, dtype)))
            loss = term if loss is None else loss + term
        leaves = [v for v in case.graph.inputs if v.dtype == dtype and v.ndim]
        found = [g for g in gradients_of(loss, leaves) if g is not None]
        graph = Graph(case.graph.inputs, (loss, *found))
        arrays = [case.arrays[v.name] for v in graph.inputs]
        allowed = 3e-4 if dtype == "float32" else 1e-10
        results = zip(Program(graph)(arrays), evaluate(graph, arrays), strict=True)
        for native, wanted in results:
            np.testing.assert_allclose(native, wanted, allowed, allowed, err_msg=f"seed {seed}")
        compared += 1
    assert compared >= 10


# --- in training


class Crossed(Layer):
    """Slices of the input and of a weight, changed and joined in another order."""

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        return {"scale": Parameter((input_shape[-1],), INITIALIZERS["normal"])}

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        last, half = x.ndim - 1, x.shape[-1] // 2
        left, right = (ops.slice_axis(x, last, *ends) for ends in ((0, half), (half, x.shape[-1])))
        scale = parameters["scale"]
        low, high = (ops.slice_axis(scale, 0, *ends) for ends in ((0, 3), (3, scale.shape[0])))
        turned = ops.concatenate([ops.tanh(high), low], 0)
        return ops.concatenate([right, ops.pad(left * 0.5, last, 1, 2), x * turned], last)


class Framed(Layer):
    """Images with a frame of zeros, beside themselves upside down."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        framed = ops.pad(ops.pad(x, 1, 1, 1), 2, 1, 2)
        rows = [ops.slice_axis(framed, 1, k, k + 1) for k in reversed(range(framed.shape[1]))]
        return ops.concatenate([framed, ops.concatenate(rows, 1) * framed], 3)


def stack(kind: str, dtype: str) -> rv.Sequential:
    if kind == "images":
        layers = [rv.Reshape((4, 5, 2)), Framed(), rv.Activation("tanh"), rv.Flatten()]
        return rv.Sequential(*layers, Dense(3), dtype=dtype)
    if kind == "first":
        return rv.Sequential(Crossed(), Dense(8, "tanh"), Dense(3), dtype=dtype)
    return rv.Sequential(
        Dense(19, "relu"), Crossed(), rv.Dropout(0.3), Crossed(), Dense(3), dtype=dtype
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["images", "first", "between"])
def test_a_training_program_with_joins(kind: str, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(45, 40)).astype(dtype)
    y = np.random.default_rng(1).integers(0, 3, 45)
    found = {}
    for engine in ("native", "reference"):
        model = stack(kind, dtype)
        history = model.fit(x, y, epochs=3, batch_size=16, engine=engine, verbose=False)
        found[engine] = [
            history["loss"],
            *(v for layer in model.layers for v in layer.values.values()),
        ]
    allowed = 2e-4 if dtype == "float32" else 1e-9
    for native, reference in zip(found["native"], found["reference"], strict=True):
        np.testing.assert_allclose(native, reference, allowed, allowed)
    assert found["native"][0][-1] < found["native"][0][0]


@pytest.mark.parametrize("kind", ["images", "first", "between"])
def test_a_row_does_not_depend_on_its_batch(kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(45, 40)).astype("float32")
    model = stack(kind, "float32").build((40,))
    whole = model.predict(x)
    for rows in (1, 7):
        pieces = [model.predict(x[k : k + rows]) for k in range(0, len(x), rows)]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
