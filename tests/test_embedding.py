"""Tables and their rows: take and scatter-add, their native form, updates in place, the layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from ranvier.backends.reference.groups import run_groups
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.compiler.touched_rows import write_touched_rows
from ranvier.foundation import errors
from ranvier.foundation.shapes import Extent, N
from ranvier.graph.gradient import gradients_of
from ranvier.graph.transforms import gradient, value_and_gradient
from ranvier.layers import Context, Embedding, Normal
from ranvier.ops.graph import Graph, evaluate, trace
from ranvier.ops.value import Spec, Value, apply, input_value

Array = np.ndarray
NEAR = {"float32": {"rtol": 3e-6, "atol": 3e-6}, "float64": {"rtol": 1e-13, "atol": 1e-13}}
INTEGERS = ("uint8", "int8", "uint16", "int16", "int32", "int64")
PANELS = {"float32": 32, "float64": 16}


def table_of(rows: int, width: int, dtype: str = "float64", seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(dtype)


# --- meaning


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (6,), (2, 3), (2, 1, 3)])
def test_take_is_indexing(shape: tuple[int, ...], dtype: str) -> None:
    table, indices = (
        table_of(100, 3),
        np.random.default_rng(1).integers(0, 100, shape).astype(dtype),
    )
    found = ops.take(table, indices)
    assert found.shape == (*shape, 3)
    np.testing.assert_array_equal(found, table[indices.astype(int)])


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (9,), (4, 3)])
def test_scatter_add_adds_row_after_row(shape: tuple[int, ...], dtype: str) -> None:
    indices = np.random.default_rng(1).integers(0, 4, shape).astype(dtype)
    updates = np.random.default_rng(2).normal(size=(*shape, 2)).astype("float32")
    expected = np.zeros((4, 2), "float32")
    for row, update in zip(indices.reshape(-1), updates.reshape(-1, 2), strict=True):
        expected[row] += update
    np.testing.assert_array_equal(ops.scatter_add(indices, updates, 4), expected)


def test_numbers_outside_are_held_at_the_ends() -> None:
    table, indices = table_of(3, 2), np.array([-(2**40), -1, 3, 2**40])
    np.testing.assert_array_equal(ops.take(table, indices), table[[0, 0, 2, 2]])
    found = ops.scatter_add(indices, np.ones((4, 1)), 3)
    assert found.tolist() == [[2.0], [0.0], [2.0]]
    assert ops.take(table_of(300, 1), np.array([255], "uint8")).shape == (1, 1)


# --- gradients


def numeric(f: Callable[..., Any], x: Array) -> Array:
    out = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][place] += 1e-6
        moved[1][place] -= 1e-6
        out[place] = (float(f(moved[0])) - float(f(moved[1]))) / 2e-6
    return out


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3)])
def test_gradients_are_finite_differences(shape: tuple[int, ...]) -> None:
    indices = np.random.default_rng(3).integers(0, 4, shape)
    weight = np.random.default_rng(4).normal(size=(*shape, 3))

    def taken(table: Any) -> Any:
        rows = ops.take(table, indices)
        return ops.sum(rows * rows * weight)

    def scattered(updates: Any) -> Any:
        table = ops.scatter_add(indices, updates, 4)
        return ops.sum(table * table * table)

    def twice(table: Any) -> Any:
        d = gradient(lambda t: ops.sum(taken(t) * taken(t)))(table)
        return ops.sum(d * d)

    for function, x in ((taken, table_of(4, 3)), (scattered, weight), (twice, table_of(4, 3))):
        _, found = value_and_gradient(function)(x)
        np.testing.assert_allclose(found, numeric(function, x), rtol=1e-5, atol=1e-5)


def test_indices_have_no_gradient() -> None:
    def f(x: Any) -> Any:
        return ops.sum(ops.take(x, ops.cast(x, "int32")))

    assert gradient(f)(np.array([[1.5, 0.5]])).tolist() == [[2.0, 2.0]]


# --- native


def forms(table: Any, indices: Any, weight: Any) -> dict[str, Any]:
    """What can stand around a take and a scatter of indices (N, T)."""
    rows, length = ops.take(table, indices), table.shape[0]
    count, steps, width = weight.shape

    def loss(table: Any, weight: Any) -> Any:
        rows = ops.take(table, indices)
        return ops.sum(rows * rows * weight)

    of_table, of_weight = gradient(loss, (0, 1))(table, weight)
    return {
        "taken": rows,
        "of the table": of_table,
        "of the weight": of_weight,
        "chain": ops.tanh(rows * weight) + 1.0,
        "sum of steps": ops.sum(rows, axis=1),
        "sum of examples": ops.sum(rows, axis=0),
        "sum along a row": ops.sum(rows * weight, axis=2),
        "softmax": ops.softmax(rows),
        "computed table": ops.take(table * 2.0 + 1.0, indices),
        "flat, then more": ops.reshape(rows, (count, steps * width)) * 3.0,
        "turned": ops.transpose(rows, (2, 1, 0)) + 0.5,
        "turned table": ops.take(ops.transpose(ops.transpose(table) * 2.0), indices),
        "product": ops.matmul(ops.reshape(rows, (count, steps * width)), _square(steps * width)),
        "found index": ops.take(table, ops.argmax(weight)),
        "index of an index": ops.take(table, ops.cast(ops.take(table, indices) * 3.0, "int32")),
        "both ways": ops.take(ops.scatter_add(indices, weight, length), indices),
        "scattered": ops.scatter_add(indices, weight * 2.0, length) * 0.5,
        "sum of the scattered": ops.sum(ops.scatter_add(indices, weight, length), axis=0),
        "one row": ops.take(table, ops.argmax(ops.sum(weight, axis=(0, 2)))),
        "onto": apply("scatter_onto", [table, indices, weight]),
    }


def _square(size: int) -> Array:
    return np.linspace(-1.0, 1.0, size * size).reshape(size, size).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 33, 64])
@pytest.mark.parametrize("rows", [1, 5])
def test_native_code_is_the_reference(rows: int, width: int, dtype: str) -> None:
    generator = np.random.default_rng(width)
    indices = generator.integers(-2, rows + 2, (7, 3))  # duplicates, and some outside
    table, weight = table_of(rows, width, dtype), generator.normal(size=(7, 3, width)).astype(dtype)

    def f(table: Any, indices: Any, weight: Any) -> Any:
        return forms(table, indices, weight)

    native = rv.compile(f)(table, indices, weight)
    reference = rv.compile(f, engine="reference")(table, indices, weight)
    for name, expected in reference.items():
        found = native[name]
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), name
        near = {"rtol": 2e-5, "atol": 2e-5} if name == "product" else NEAR[dtype]
        np.testing.assert_allclose(found, expected, **near, err_msg=name)


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_dtypes_of_indices_and_tables(dtype: str, kind: str) -> None:
    table = (table_of(9, 5) * 100.0).astype(dtype)
    indices = np.array([[0, 8, 3], [3, 100, 3]]).astype(kind)

    def f(table: Any, indices: Any) -> Any:
        rows = ops.take(table, indices)
        return rows, ops.scatter_add(indices, rows, 9)

    for found, expected in zip(rv.compile(f)(table, indices), f(table, indices), strict=True):
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found, expected)


def test_a_scalar_index_and_updates_without_rows() -> None:
    table = table_of(4, 19)

    def f(table: Any, index: Any) -> Any:
        return ops.take(table, index), ops.scatter_add(index, ops.take(table, index), 3)

    for found, expected in zip(
        rv.compile(f)(table, np.int32(2)), f(table, np.int32(2)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


# --- groups: what is computed where, without LLVM


def step_of(
    update: Callable[[Value, Value], Value], width: int = 33, symbolic: bool = True
) -> tuple[Graph, dict[int, str], dict[str, Array]]:
    """A factorization's step: new tables by a rule from (table, gradient)."""
    count: int | Extent = N if symbolic else 6
    user, item = (input_value(name, (5, width), "float64") for name in ("user", "item"))
    pairs = input_value("pairs", (count, 2), "int32")
    target = input_value("target", (count,), "float64")
    rows = [
        ops.take(t, ops.reshape(ops.slice_axis(pairs, 1, k, k + 1), (count,)))
        for k, t in enumerate((user, item))
    ]
    off = ops.sum(rows[0] * rows[1], axis=1) - target
    loss = ops.mean(off * off)
    changes = [
        update(t, g) for t, g in zip((user, item), gradients_of(loss, [user, item]), strict=True)
    ]
    graph = Graph((user, item, pairs, target), (loss, *changes), ("loss", "new user", "new item"))
    generator = np.random.default_rng(5)
    values = {
        "user": table_of(5, width, seed=1),
        "item": table_of(5, width, seed=2),
        "pairs": generator.integers(0, 4, (6, 2)).astype("int32"),
        "target": generator.normal(size=6),
    }
    return graph, {1: "user", 2: "item"}, values


RULES: dict[str, tuple[Callable[[Value, Value], Value], bool]] = {
    "plain": (lambda w, g: w - 0.1 * g, True),
    "added": (lambda w, g: -0.1 * g + w, True),
    "divided": (lambda w, g: w - g / 8.0, True),
    "negative": (lambda w, g: w + -(g * 0.1), True),
    "as it is": (lambda w, g: w - g, True),
    "decay": (lambda w, g: w - 0.1 * (g + 0.5 * w), False),
    "sign": (lambda w, g: w - 0.1 * ops.tanh(g), False),
    "norm": (lambda w, g: w - g / ops.sqrt(ops.sum(g * g)), False),
    "over g": (lambda w, g: w - 0.1 / (g + 4.0), False),
    "turned round": (lambda w, g: 0.1 * g - w, False),
    "without w": (lambda w, g: 0.1 * g, False),
}


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("width", [1, 16, 33])
@pytest.mark.parametrize("name", RULES)
def test_updates_are_the_meaning_and_touch_what_they_may(
    name: str, width: int, symbolic: bool
) -> None:
    rule, touched = RULES[name]
    graph, updates, values = step_of(rule, width, symbolic)
    capacity = {"N": 6} if symbolic else {}
    planned = compile_plan(Request(graph, frozenset(), updates, capacity, PANELS))
    expected = evaluate(graph, [values[v.name] for v in graph.inputs])
    found = run_groups(planned, values, capacity)
    for key, wanted in zip(graph.names, expected, strict=True):
        np.testing.assert_allclose(found[key], wanted, rtol=1e-12, atol=1e-12)
    scatters = [group for group in planned.groups if group.kind == "scatter"]
    assert len(scatters) == 2
    assert all((group.base is not None) == touched for group in scatters)
    # In place: no whole gradient exists, and no table has a copy.
    whole = [b for b in planned.memory.buffers if b.shape == (5, width) and b.role != "state"]
    assert bool(whole) != touched or name == "without w"


@pytest.mark.parametrize("width", [1, 16, 33])
@pytest.mark.parametrize(
    ("shapes", "touched"),
    [
        (((N,), (N,)), True),
        (((N,), (N, 2)), True),
        (((N, 3), (N,), (N, 2, 2)), True),
        (((N, 2), (3,)), False),
        (((N,), ()), False),
    ],
)
def test_a_table_that_is_read_in_several_places(
    shapes: tuple[Any, ...], touched: bool, width: int
) -> None:
    table = input_value("table", (5, width), "float64")
    numbers = [input_value(f"rows{k}", shape, "int32") for k, shape in enumerate(shapes)]

    def loss_of(table: Value) -> Value:
        total: Any = 0.0
        for k, rows in enumerate(numbers):
            taken = ops.take(table, rows)
            total = ops.mean(taken * taken * (k + 1.0)) + total
        return total

    (d,) = gradients_of(loss_of(table), [table])
    graph = Graph((table, *numbers), (loss_of(table), table - 0.5 * d), ("loss", "new"))
    planned = compile_plan(Request(graph, frozenset(), {1: "table"}, {"N": 6}, PANELS))
    generator = np.random.default_rng(0)
    values = {"table": table_of(5, width)}
    for value in numbers:
        known = tuple(6 if isinstance(length, Extent) else length for length in value.shape)
        values[value.name] = generator.integers(0, 4, known).astype("int32")
    expected = evaluate(graph, [values[v.name] for v in graph.inputs], {"N": 6})
    found = run_groups(planned, values, {"N": 6})
    np.testing.assert_allclose(found["new"], expected[1], rtol=1e-12, atol=1e-12)
    scatters = [group for group in planned.groups if group.kind == "scatter"]
    assert [group.base is not None for group in scatters] == ([True] if touched else [False] * 2)


def test_rows_are_not_joined_along_a_symbolic_axis() -> None:
    table, numbers = input_value("table", (5, 3), "float64"), input_value("rows", (N, 2), "int32")
    taken = ops.take(table, ops.transpose(numbers))
    loss = ops.mean(taken * taken) + ops.mean(ops.take(table, ops.transpose(numbers + 1)))
    graph = Graph((table, numbers), (table - gradients_of(loss, [table])[0],))
    assert write_touched_rows(graph, {0: "table"}).outputs[0] is graph.outputs[0]


@pytest.mark.parametrize("width", [1, 8, 33])
def test_a_shared_layer_trains_as_the_reference(width: int) -> None:
    generator = np.random.default_rng(0)
    words, more = generator.integers(0, 9, (50, 3)), generator.integers(0, 9, 50)
    y, found = generator.normal(size=(50, 1)), []
    for engine in ("native", "reference"):
        first, second, shared = rv.Input((3,)), rv.Input(()), Embedding(9, width)
        whole = rv.Concatenate()([rv.Flatten()(shared(first)), shared(second)])
        model = rv.Model([first, second], rv.Dense(1)(whole), dtype="float64")
        model.fit(
            [words, more], y, epochs=3, batch_size=16, optimizer=rv.SGD(0.1), engine=engine,
            verbose=False,
        )  # fmt: skip
        found.append(model.network.parameters)
    for name, array in found[0].items():
        np.testing.assert_allclose(array, found[1][name], rtol=1e-10, atol=1e-12)


def test_a_table_that_its_own_update_reads_is_copied_first() -> None:
    def other_rows(node: Value, d: Value) -> tuple[Any, ...]:
        table, indices, others = node.inputs
        return ops.scatter_add(indices, d * ops.take(table, others), 5), None, None

    @ops.with_gradient(other_rows)
    def strange(table: Any, indices: Any, others: Any) -> Any:
        return ops.take(table, indices) + ops.cast(ops.expand(others, 1), table.dtype)

    graph, _ = trace(
        lambda table, indices, others: (
            ops.sum(strange(table, indices, others)),
            table - 0.5 * gradient(lambda t: ops.sum(strange(t, indices, others)))(table),
        ),
        [Spec((5, 7), "float64"), Spec((6,), "int32"), Spec((6,), "int32")],
        ["table", "indices", "others"],
    )
    planned = compile_plan(Request(graph, frozenset(), {1: "table"}, {}, PANELS))
    values = {
        "table": table_of(5, 7),
        "indices": np.array([0, 1, 2, 1, 0, 4], "int32"),
        "others": np.array([1, 2, 0, 1, 4, 0], "int32"),
    }
    expected = evaluate(graph, [values[v.name] for v in graph.inputs])
    found = run_groups(planned, values)
    np.testing.assert_allclose(found["output1"], expected[1], rtol=1e-13)
    assert any(b.shape == (5, 7) and b.role == "temporary" for b in planned.memory.buffers)


def test_listings_name_rows() -> None:
    graph, updates, _ = step_of(RULES["plain"][0])
    planned: Planned = compile_plan(Request(graph, frozenset(), updates, {"N": 6}, PANELS))
    text = planned.show_passes()
    assert "gather(minimum(maximum(cast(pairs[i, 0]), 0), 4), user[a200, j])" in text
    assert "= user + scatter(" in text
    assert "scatter_onto(user" in text


def test_a_scatter_has_no_gradient_once_it_is_an_update() -> None:
    base = input_value("base", (3, 2), "float64")
    onto = apply("scatter_onto", [base, np.array([0]), np.ones((1, 2))])
    with pytest.raises(errors.UnsupportedOperationError, match="scatter_onto has no gradient"):
        gradients_of(ops.sum(onto), [base])


# --- errors


ERRORS: tuple[tuple[str, type[errors.RanvierError], Callable[[], Any], tuple[str, ...]], ...] = (
    ("a vector as table", errors.ShapeError,
     lambda: ops.take(np.ones(3), np.array([0])), ("(3,)", "(V, D)")),
    ("an empty table", errors.ShapeError,
     lambda: ops.take(np.ones((0, 3)), np.array([0])), ("(0, 3)", "at least one row")),
    ("a batch as table", errors.ShapeError,
     lambda: ops.take(input_value("x", (N, 3), "float32"), np.array([0])), ("(N, 3)", "known")),
    ("float indices", errors.DTypeError,
     lambda: ops.take(np.ones((3, 2)), np.array([0.0])), ("take", "float64", "integers")),
    ("boolean indices", errors.DTypeError,
     lambda: ops.scatter_add(np.array([True]), np.ones((1, 2)), 3), ("scatter_add", "bool")),
    ("boolean updates", errors.DTypeError,
     lambda: ops.scatter_add(np.array([0]), np.ones((1, 2), bool), 3), ("updates", "boolean")),
    ("updates without indices", errors.ShapeError,
     lambda: ops.scatter_add(np.array([0, 1]), np.ones((3, 2)), 3), ("(3, 2)", "(2,)")),
    ("an update without a width", errors.ShapeError,
     lambda: ops.scatter_add(np.array(0), np.float64(1.0), 3), ("()",)),
    ("no length", errors.ArgumentError,
     lambda: ops.scatter_add(np.array([0]), np.ones((1, 2)), 0), ("length is 0", "at least 1")),
    ("a length that is no integer", errors.ArgumentError,
     lambda: ops.scatter_add(np.array([0]), np.ones((1, 2)), 2.5), ("2.5",)),
    ("a length that is a truth", errors.ArgumentError,
     lambda: ops.scatter_add(np.array([0]), np.ones((1, 2)), True), ("True",)),
    ("onto another table", errors.InternalError,
     lambda: apply("scatter_onto", [np.ones((3, 4)), np.array([0]), np.ones((1, 2))]),
     ("scatter_onto",)),
    ("rows of a table", errors.ArgumentError, lambda: Embedding(0, 4), ("num_embeddings", "0")),
    ("width of a table", errors.ArgumentError, lambda: Embedding(4, 1.5), ("embedding_dim",)),
    ("an initializer", errors.ArgumentError,
     lambda: Embedding(4, 2, "unifrom"), ("embeddings_initializer", "uniform")),
    ("a penalty", errors.ArgumentError,
     lambda: Embedding(4, 2, embeddings_regularizer=0.1), ("embeddings_regularizer",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)


# --- the layer


def test_the_layer_is_its_formula() -> None:
    layer, values = Embedding(4, 2), {"weight": table_of(4, 2)}
    for x in (np.array([3, 0]), np.array([[1, 1], [2, 0]]), np.array([3, 0], "uint8")):
        y = layer.forward(x, values, Context())
        np.testing.assert_array_equal(y, values["weight"][x])
    floats = layer.forward(np.array([3.0, 0.0], "float32"), values, Context())
    np.testing.assert_array_equal(floats, values["weight"][[3, 0]])
    truths = layer.forward(np.array([True, False]), values, Context())
    np.testing.assert_array_equal(truths, values["weight"][[1, 0]])
    assert layer.declare(())["weight"].shape == layer.declare((7,))["weight"].shape == (4, 2)
    assert Embedding.reads_integers


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3)])
def test_the_contract_of_layers(shape: tuple[int, ...]) -> None:
    rv.testing.check_layer(Embedding(3, 17), shape)


def test_configuration_goes_through_json() -> None:
    for layer, text in (
        (Embedding(4, 2), "Embedding(4, 2)"),
        (
            Embedding(4, 2, Normal(0.0, 1.0), rv.L2(0.1)),
            "Embedding(4, 2, embeddings_initializer=Normal(deviation=1.0), "
            "embeddings_regularizer=L2(factor=0.1))",
        ),
    ):
        again = Embedding.from_config(json.loads(json.dumps(layer.config())))
        assert again.config() == layer.config()
        assert again.describe() == repr(layer) == text


@pytest.mark.parametrize(
    ("x", "parts"),
    [
        (
            np.array([0, 3, 4]),
            ("X", "Embedding(4, 2)", "row 2", "it is 4", "1 of 3", "from 0 to 3"),
        ),
        (np.array([[0, 1], [2, -1]]), ("row 1, column 1", "it is -1")),
        (np.array([[0, 200]], "uint8"), ("row 0, column 1", "it is 200")),
        (np.array([1.0, 2.5]), ("row 1", "it is 2.5")),
        (np.array([[1.0], [np.nan]], "float32"), ("row 1, column 0", "nan")),
        (np.array([-np.inf]), ("row 0", "-inf")),
        (np.full((2, 2, 2), 9), ("row 0, position (0, 0)", "8 of 8")),
    ],
)
def test_numbers_without_a_row_are_refused(x: Array, parts: tuple[str, ...]) -> None:
    with pytest.raises(errors.DataError) as caught:
        Embedding(4, 2).check_rows(x)
    for part in parts:
        assert part in str(caught.value)


def test_numbers_with_a_row_are_not() -> None:
    layer = Embedding(4, 2)
    for dtype in (*INTEGERS, "float32", "float64"):
        layer.check_rows(np.array([[0, 3], [1, 2]]).astype(dtype))
    layer.check_rows(np.array([], "int32"))
    layer.check_rows(np.array([True, False]))


# --- training


OPTIMIZERS = {
    "sgd": lambda: rv.SGD(0.1),
    "momentum": lambda: rv.SGD(0.05, momentum=0.9),
    "decay": lambda: rv.SGD(0.1, weight_decay=0.1),
    "adam": lambda: rv.Adam(0.01),
}


def examples(dtype: str = "int64") -> tuple[Array, Array]:
    generator = np.random.default_rng(7)
    x = generator.integers(0, 9, (50, 3)).astype(dtype)  # many duplicates in a batch
    return x, np.sin(x.sum(axis=1, keepdims=True) * 0.7)


def fitted(
    engine: str, optimizer: str, dtype: str, width: int, x: Array, y: Array, rows: int = 11
) -> rv.Sequential:
    model = rv.Sequential(Embedding(rows, width), rv.Flatten(), rv.Dense(1), dtype=dtype)
    model.fit(
        x, y, epochs=3, batch_size=16, optimizer=OPTIMIZERS[optimizer](), engine=engine,
        verbose=False,
    )  # fmt: skip
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 33])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_is_the_reference(optimizer: str, width: int, dtype: str) -> None:
    x, y = examples()
    native, reference = (
        fitted(engine, optimizer, dtype, width, x, y) for engine in ("native", "reference")
    )
    near = {"rtol": 1e-3, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-11}
    for name, array in native.network.parameters.items():
        np.testing.assert_allclose(array, reference.network.parameters[name], **near)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_training_on_other_dtypes_gives_the_same_bits(dtype: str) -> None:
    x, y = examples()
    first = fitted("native", "sgd", "float64", 5, x, y)
    other = fitted("native", "sgd", "float64", 5, x.astype(dtype), y)
    for name, array in first.network.parameters.items():
        np.testing.assert_array_equal(array, other.network.parameters[name])


def test_a_table_with_one_row() -> None:
    x, y = np.zeros((40, 2), int), np.ones((40, 1))
    for optimizer in OPTIMIZERS:
        models = [
            fitted(engine, optimizer, "float64", 4, x, y, 1) for engine in ("native", "reference")
        ]
        one, other = (m.network.parameters["layers.0.weight"] for m in models)
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_sgd_leaves_rows_alone_that_no_example_has() -> None:
    x, y = examples()
    model = rv.Sequential(Embedding(11, 4), rv.Flatten(), rv.Dense(1))
    model.build((3,), seed=3)
    before = model.network.parameters["layers.0.weight"].copy()
    model.fit(x, y, epochs=2, optimizer=rv.SGD(0.1), verbose=False)
    after = model.network.parameters["layers.0.weight"]
    np.testing.assert_array_equal(after[9:], before[9:])
    assert (after[:9] != before[:9]).any(axis=1).all()


def test_sgd_keeps_no_gradient_of_the_table() -> None:
    x, y = examples()

    def tables(optimizer: rv.Optimizer) -> int:
        model = rv.Sequential(Embedding(1000, 32), rv.Flatten(), rv.Dense(1))
        memory = model.training_program(x, y, optimizer=optimizer, batch_size=16).memory()
        return memory.bytes // (1000 * 32 * 4)

    # The table; with its gradient and the buffer; with its gradient and both moments.
    assert [tables(o) for o in (rv.SGD(), rv.SGD(momentum=0.9), rv.Adam())] == [1, 3, 4]


def test_a_penalty_moves_every_row() -> None:
    x, y = examples()
    models = []
    for engine in ("native", "reference"):
        model = rv.Sequential(
            Embedding(11, 4, embeddings_regularizer=rv.L2(0.1)), rv.Flatten(), rv.Dense(1),
            dtype="float64",
        )  # fmt: skip
        model.build((3,), seed=3)
        before = model.network.parameters["layers.0.weight"].copy()
        model.fit(x, y, epochs=2, optimizer=rv.SGD(0.1), engine=engine, verbose=False)
        assert (model.network.parameters["layers.0.weight"] != before).all()
        models.append(model)
    one, other = (m.network.parameters["layers.0.weight"] for m in models)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_frozen_table_stays() -> None:
    x, y = examples()
    model = rv.Sequential(Embedding(11, 4), rv.Flatten(), rv.Dense(1))
    model.build((3,))
    model.layers[0].trainable = False
    before = model.network.parameters["layers.0.weight"].copy()
    model.fit(x, y, epochs=2, verbose=False)
    np.testing.assert_array_equal(model.network.parameters["layers.0.weight"], before)


def test_predictions_do_not_depend_on_the_batch() -> None:
    x, y = examples()
    model = fitted("native", "adam", "float32", 17, x, y)
    many = np.random.default_rng(0).integers(0, 9, (600, 3))
    whole = model.predict(many)
    pieces = [model.predict(many[a:b]) for a, b in ((0, 1), (1, 257), (257, 300), (300, 600))]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))


def test_a_table_learns_a_number_for_each_row() -> None:
    x = np.random.default_rng(0).integers(0, 6, 60)
    y = np.array([0.5, -1.0, 2.0, 0.0, 1.0, 3.0])[x][:, None]
    model = rv.Sequential(Embedding(6, 1, "zeros"), rv.Flatten(), dtype="float64")
    model.fit(
        x[:, None], y, epochs=200, batch_size=60, optimizer=rv.SGD(2.0), loss="mean_squared_error",
        verbose=False,
    )  # fmt: skip
    found = model.network.parameters["layers.0.weight"][:, 0]
    np.testing.assert_allclose(found, [0.5, -1.0, 2.0, 0.0, 1.0, 3.0], atol=1e-6)


def test_saved_is_loaded(tmp_path: Any) -> None:
    x, y = examples()
    model = fitted("native", "sgd", "float32", 3, x, y)
    model.save(tmp_path / "model.safetensors")
    again = rv.load(tmp_path / "model.safetensors")
    assert again.layers[0].config() == model.layers[0].config()
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
