"""Layers of several inputs, and functions as layers: formula, gradient, native code, errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.graph.transforms import gradient
from ranvier.layers import (
    LAYERS,
    Add,
    Average,
    Concatenate,
    Context,
    Lambda,
    Layer,
    Maximum,
    Merge,
    Minimum,
    Multiply,
    Stack,
    Subtract,
)
from ranvier.layers.lambda_layer import NAMED
from ranvier.layers.shapes import shapes_of

Array = np.ndarray
Shapes = tuple[tuple[int, ...], ...]

#: Each layer of several inputs with their shapes, NumPy's way to write it, and how it prints.
CASES: tuple[tuple[Layer, Shapes, Callable[..., Array], str], ...] = (
    (Add(), ((3,), (3,)), lambda a, b: a + b, "Add()"),
    (Add(), ((2, 3),) * 4, lambda a, b, c, d: a + b + c + d, "Add()"),
    (Subtract(), ((3,), (3,)), lambda a, b: a - b, "Subtract()"),
    (Multiply(), ((3,),) * 3, lambda a, b, c: a * b * c, "Multiply()"),
    (Average(), ((17,),) * 3, lambda *x: sum(x) / 3, "Average()"),
    (Maximum(), ((2, 3),) * 3, lambda *x: np.stack(x).max(0), "Maximum()"),
    (Minimum(), ((2, 3),) * 2, lambda *x: np.stack(x).min(0), "Minimum()"),
    (Concatenate(), ((3,), (5,), (1,)), lambda *x: np.concatenate(x, -1), "Concatenate()"),
    (Concatenate(1), ((3, 4), (2, 4)), lambda *x: np.concatenate(x, 1), "Concatenate(axis=1)"),
    (Concatenate(-2), ((5, 3, 4), (5, 2, 4)), lambda *x: np.concatenate(x, -2),
     "Concatenate(axis=-2)"),
    (Stack(), ((3,),) * 3, lambda *x: np.stack(x, 1), "Stack()"),
    (Stack(-1), ((3, 4),) * 2, lambda *x: np.stack(x, -1), "Stack(axis=-1)"),
    (Stack(2), ((3,),) * 2, lambda *x: np.stack(x, 2), "Stack(axis=2)"),
)  # fmt: skip


def title(case: Any) -> str:
    return f"{case[0]} {case[1]}"


def inputs(shapes: Shapes, rows: int = 5, dtype: str = "float64") -> tuple[Array, ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=(rows, *shape)).astype(dtype) for shape in shapes)


def test_every_layer_of_several_inputs_has_a_case() -> None:
    ours = {
        name
        for name, layer in LAYERS.items()
        if layer.several_inputs is True and layer.__module__.startswith("ranvier.")
    }
    assert ours == {type(layer).__name__ for layer, *_ in CASES}


@pytest.mark.parametrize("case", CASES, ids=title)
def test_configuration_goes_through_json(case: Any) -> None:
    layer, _, _, text = case
    again = LAYERS[type(layer).__name__].from_config(json.loads(json.dumps(layer.config())))
    assert again.describe() == repr(layer) == text


@pytest.mark.parametrize("case", CASES, ids=title)
def test_shapes_are_known_before_there_are_numbers(case: Any) -> None:
    layer, shapes, expected, _ = case
    assert layer.declare(shapes) == {}
    found = shapes_of(layer, shapes, "float32")
    assert found.output_shape == expected(*inputs(shapes)).shape[1:]
    moves_only = isinstance(layer, Concatenate | Stack)
    size = int(np.prod(found.output_shape))
    assert layer.flops(shapes, found.output_shape) == (
        0 if moves_only else (len(shapes) - 1) * size
    )


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", CASES, ids=title)
def test_each_is_its_formula(case: Any, engine: str, dtype: str, rows: int) -> None:
    layer, shapes, expected, _ = case
    values = inputs(shapes, rows, dtype)
    y = rv.compile(lambda *x: layer.forward(x, {}, Context(dtype=dtype)), engine=engine)(*values)
    assert y.dtype == np.dtype(dtype)
    np.testing.assert_allclose(y, expected(*values), rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", CASES, ids=title)
def test_gradients_are_slopes(case: Any, engine: str) -> None:
    layer, shapes, _, _ = case
    values = inputs(shapes)

    def loss(*x: Any) -> Any:
        y = layer.forward(x, {}, Context(dtype="float64"))
        return ops.sum(y * y * y)

    places = tuple(range(len(values)))
    found = rv.compile(lambda *x: gradient(loss, places)(*x), engine=engine)(*values)
    for place, array in enumerate(values):
        direction = np.random.default_rng(place).normal(size=array.shape)
        ends = []
        for step in (1e-6, -1e-6):
            moved = [a + step * direction if i == place else a for i, a in enumerate(values)]
            ends.append(float(loss(*moved)))
        expected = (ends[0] - ends[1]) / 2e-6
        assert float((found[place] * direction).sum()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_nan_stays_a_nan_in_its_row(case: Any) -> None:
    layer, shapes, _, _ = case
    values = inputs(shapes, 2)
    for array in values:
        array[0] = np.nan
    for engine in ("native", "reference"):
        y = rv.compile(lambda *x: layer.forward(x, {}, Context()), engine=engine)(*values)
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1]).all()


def test_a_merge_of_ones_own() -> None:
    class Product(Merge):
        exactly = 2

        def merge(self, values: Any) -> Any:
            return values[0] * values[1] + 1.0

    y = Product().forward((np.full((1, 2), 2.0), np.full((1, 2), 3.0)), {}, Context())
    assert y.tolist() == [[7.0, 7.0]]
    with pytest.raises(errors.ShapeError, match="2 inputs"):
        Product().declare(((2,),) * 3)


# --- in graphs of layers


def graph_of(case: Any, dtype: str = "float64") -> rv.Model:
    """Each input through a layer of its own, merged, and read by a last layer."""
    layer, shapes, _, _ = case
    starts = [rv.Input(shape, name=f"part{k}") for k, shape in enumerate(shapes)]
    merged = copy.deepcopy(layer)([rv.PReLU()(start) for start in starts])
    return rv.Model(starts, rv.Dense(2)(rv.Flatten()(merged)), dtype=dtype)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_graph_trains_natively_and_survives_its_file(case: Any, tmp_path: Any) -> None:
    values = {f"part{k}": x for k, x in enumerate(inputs(case[1], 20))}
    y = np.sin(np.concatenate([x.reshape(20, -1)[:, :1] for x in values.values()], 1)[:, :2])
    models = []
    for engine in ("native", "reference"):
        model = graph_of(case)
        history = model.fit(values, y, optimizer=rv.SGD(0.05), epochs=4, batch_size=8,
                            engine=engine, verbose=False)  # fmt: skip
        assert history["loss"][-1] < history["loss"][0]
        models.append(model)
    for name, array in models[0].network.parameters.items():
        np.testing.assert_allclose(array, models[1].network.parameters[name], 1e-9, 1e-12)
    models[0].save(tmp_path / "model.safetensors")
    again = rv.load(tmp_path / "model.safetensors")
    assert (again.predict(values) == models[0].predict(values)).all()
    assert case[3] in again.summary()


def test_a_residual_block_is_its_formula() -> None:
    x = rv.Input((4,))
    inner = rv.Dense(4, "relu")
    model = rv.Model(x, rv.Add()([inner(x), x])).build()
    numbers = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")
    expected = np.maximum(numbers @ inner.weight + inner.bias, 0) + numbers
    np.testing.assert_allclose(model.predict(numbers), expected, rtol=1e-5, atol=1e-6)


def siamese(points: int, dtype: str = "float64") -> tuple[rv.Model, list[Layer]]:
    """One network for all points of an example."""
    starts = [rv.Input((4,), name=f"part{k}") for k in range(points)]
    shared: list[Layer] = [rv.Dense(8, "tanh"), rv.Dense(2)]
    ends = [shared[1](shared[0](start)) for start in starts]
    return rv.Model(starts, rv.Stack()(ends), dtype=dtype), shared


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_shared_network_learns_who_belongs_together(engine: str) -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, (120, 2))
    centers = 2.0 * rng.normal(size=(2, 4))
    x = {f"part{k}": centers[kind[:, k]] + 0.3 * rng.normal(size=(120, 4)) for k in (0, 1)}
    same = kind[:, 0] == kind[:, 1]
    model, shared = siamese(2)
    model.fit(x, same, loss="contrastive", optimizer=rv.Adam(0.01), epochs=30, engine=engine,
              verbose=False)  # fmt: skip
    found = model.predict(x)
    distance = np.linalg.norm(found[:, 0] - found[:, 1], axis=1)
    assert distance[same].max() < distance[~same].min()
    assert model.evaluate(x, same)["loss"] < 0.02
    hidden = np.tanh(x["part1"] @ shared[0].weight + shared[0].bias)
    np.testing.assert_allclose(found[:, 1], hidden @ shared[1].weight + shared[1].bias, 1e-9, 1e-9)


@pytest.mark.parametrize("y", [np.zeros(120), np.zeros(120, int), np.arange(120)], ids=repr)
def test_triplets_need_no_targets(y: Array) -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 120)
    centers = rng.normal(size=(2, 4))
    kinds = {"part0": kind, "part1": kind, "part2": 1 - kind}
    x = {name: centers[k] + 0.3 * rng.normal(size=(120, 4)) for name, k in kinds.items()}
    model, _ = siamese(3, "float32")
    history = model.fit(x, y, loss="triplet", optimizer=rv.Adam(0.01), epochs=30, verbose=False)
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    found = model.predict(x)
    near, far = (np.linalg.norm(found[:, 0] - found[:, k], axis=1) for k in (1, 2))
    assert (near < far).all()


def test_a_graph_names_the_input_that_differs() -> None:
    a, b, c = rv.Input((4,)), rv.Input((4,)), rv.Input((3,))
    with pytest.raises(errors.ShapeError) as caught:
        rv.Add()([a, b, rv.Dense(5)(c)])
    for part in ("Add()", "input 2 has shape (N, 5)", "Dense(5)"):
        assert part in str(caught.value)
    with pytest.raises(errors.ShapeError, match="1 input"):
        rv.Average()(a)


# --- functions as layers


@pytest.mark.parametrize("name", list(NAMED))
def test_named_operations_can_be_saved(name: str, tmp_path: Any) -> None:
    x = np.random.default_rng(0).uniform(0.5, 2.0, (6, 4)).astype("f4")
    layer = Lambda(name)
    expected = NAMED[name](x)
    np.testing.assert_array_equal(layer.forward(x, {}, Context()), expected)
    model = rv.Sequential(layer, rv.Dense(2)).build((4,))
    model.save(tmp_path / "model.safetensors")
    again = rv.load(tmp_path / "model.safetensors")
    assert again.layers[0].describe() == f"Lambda({name!r})"
    assert (again.predict(x) == model.predict(x)).all()


def test_every_named_operation_is_one_of_ops() -> None:
    assert all(NAMED[name] is getattr(ops, name) for name in NAMED)


def test_a_function_trains_natively() -> None:
    x = np.random.default_rng(0).normal(size=(32, 3))
    y = (x[:, :1] - x[:, 1:2]) ** 2
    models = []
    for engine in ("native", "reference"):
        square = Lambda(lambda x: x * x)
        model = rv.Sequential(rv.Dense(4), square, rv.Dense(1), dtype="float64")
        history = model.fit(x, y, optimizer=rv.SGD(0.02), epochs=20, batch_size=8, engine=engine,
                            verbose=False)  # fmt: skip
        assert history["loss"][-1] < 0.5 * history["loss"][0]
        models.append(model)
    for name, array in models[0].network.parameters.items():
        np.testing.assert_allclose(array, models[1].network.parameters[name], rtol=1e-10)
    assert copy.deepcopy(models[0]).predict(x).tolist() == models[0].predict(x).tolist()


def double(x: Any) -> Any:
    return x * 2.0


def test_how_a_function_prints() -> None:
    assert repr(Lambda(double)) == "Lambda(double)"
    assert repr(Lambda("exp")) == "Lambda('exp')"
    assert Lambda(double).flops((2, 3), (2, 3)) == 6


def _save(tmp_path: Any, function: Any) -> None:
    rv.Sequential(Lambda(function), rv.Dense(1)).build((2,)).save(tmp_path / "m.safetensors")


def test_a_function_is_not_written_into_a_file(tmp_path: Any) -> None:
    with pytest.raises(errors.ArgumentError) as caught:
        _save(tmp_path, double)
    text = str(caught.value)
    assert "Lambda(double)" in text
    assert "layer class" in text
    assert not list(tmp_path.iterdir())


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("one input", errors.ShapeError, lambda: Add().declare(((3,),)),
     ("Add()", "1 input: (N, 3)", "two inputs or more", "Add()([a, b])")),
    ("three for Subtract", errors.ShapeError, lambda: Subtract().declare(((3,),) * 3),
     ("Subtract()", "3 inputs", "2 inputs")),
    ("other lengths", errors.ShapeError, lambda: Multiply().declare(((3,), (3,), (4,))),
     ("input 2 has shape (N, 4)", "input 0 has (N, 3)", "the same shape")),
    ("other axes", errors.ShapeError, lambda: Average().declare(((3, 1), (3,))),
     ("input 1 has shape (N, 3)", "(N, 3, 1)")),
    ("no silent repetition", errors.ShapeError, lambda: Maximum().declare(((3,), (1,))),
     ("input 1", "(N, 1)")),
    ("Concatenate of other lengths", errors.ShapeError,
     lambda: Concatenate().declare(((2, 3), (2, 5), (4, 3))),
     ("Concatenate()", "input 2 has shape (N, 4, 3)", "but axis -1")),
    ("Concatenate of other axes", errors.ShapeError, lambda: Concatenate().declare(((3,), (3, 3))),
     ("input 1", "(N, 3, 3)")),
    ("Concatenate of one", errors.ShapeError, lambda: Concatenate().declare(((3,),)), ("1 input",)),
    ("Concatenate along rows", errors.ArgumentError, lambda: Concatenate(0),
     ("Concatenate", "rows of a batch", "axis=-1")),
    ("Concatenate of text", errors.ArgumentError, lambda: Concatenate("last"), ("axis", "'last'")),
    ("no such axis", errors.ShapeError, lambda: Concatenate(2).declare(((3,), (3,))),
     ("Concatenate(axis=2)", "(N, 3)", "axis 2")),
    ("Concatenate of the batch from behind", errors.ShapeError,
     lambda: Concatenate(-2).declare(((3,), (3,))), ("axis -2",)),
    ("Stack along rows", errors.ArgumentError, lambda: Stack(0), ("Stack", "axis is 0")),
    ("Stack of other lengths", errors.ShapeError, lambda: Stack().declare(((3,), (4,))),
     ("Stack()", "input 1 has shape (N, 4)")),
    ("Stack too far", errors.ShapeError, lambda: Stack(3).declare(((3,), (3,))), ("axis 3",)),
    ("Lambda of a number", errors.ArgumentError, lambda: Lambda(3), ("Lambda", "function is 3")),
    ("Lambda of a name", errors.ArgumentError, lambda: Lambda("sqr"),
     ("'sqr'", "did you mean 'sqrt'")),
    ("Lambda without rows", errors.ShapeError,
     lambda: rv.Sequential(Lambda(ops.sum)).build((2,)), ("batch axis", "layer 0")),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)
