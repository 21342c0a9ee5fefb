"""Contracts of the layers: formula, shapes, gradient, configuration, and every error."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.graph.transforms import gradient
from ranvier.layers import (
    ACTIVATIONS,
    INITIALIZERS,
    L2,
    LAYERS,
    Activation,
    Context,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Parameter,
    Rescaling,
)
from ranvier.layers.base import initial_values
from ranvier.layers.initializers import fans
from ranvier.networks import Network

#: One or more of every registered layer, with an input shape each.
CASES: tuple[tuple[Layer, tuple[int, ...], str], ...] = (
    (Dense(3), (5,), "Dense(3)"),
    (Dense(1, use_bias=False), (1,), "Dense(1, use_bias=False)"),
    (Dense(4, "tanh", kernel_initializer="he_normal"), (7,),
     "Dense(4, activation='tanh', kernel_initializer='he_normal')"),
    (Dense(2, "softmax", kernel_regularizer=L2(0.1)), (3,),
     "Dense(2, activation='softmax', kernel_regularizer=L2(factor=0.1))"),
    (Activation("gelu"), (3, 5), "Activation('gelu')"),
    (Activation("softmax"), (4,), "Activation('softmax')"),
    (Flatten(), (3, 1, 5), "Flatten()"),
    (Flatten(), (), "Flatten()"),
    (Dropout(0.25), (9,), "Dropout(0.25)"),
    (Dropout(0.0), (9,), "Dropout(0.0)"),
    (Rescaling(0.5), (3, 3), "Rescaling(0.5)"),
    (Rescaling(2, offset=-1), (3,), "Rescaling(2.0, offset=-1.0)"),
)  # fmt: skip


def training(seed: int = 0, step: int = 1, dtype: str = "float64") -> Context:
    return Context(training=True, seed=np.int64(seed), step=np.int64(step), dtype=dtype)


def values_of(layer: Layer, shape: tuple[int, ...], dtype: str = "float64") -> dict[str, Any]:
    generator = np.random.default_rng(3)
    return {
        name: initial_values(p, fans(p.shape), generator, dtype)
        for name, p in layer.declare(shape).items()
    }


def test_every_layer_has_a_case() -> None:
    ours = {name for name, layer in LAYERS.items() if layer.__module__.startswith("ranvier.")}
    assert ours == {type(layer).__name__ for layer, _, _ in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2])
def test_configuration_goes_through_json(case: tuple[Layer, tuple[int, ...], str]) -> None:
    layer, _, text = case
    again = type(layer).from_config(json.loads(json.dumps(layer.config())))
    assert again.config() == layer.config()
    assert again.describe() == repr(layer) == text


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2])
def test_shapes_and_dtypes(case: tuple[Layer, tuple[int, ...], str], dtype: str, rows: int) -> None:
    layer, shape, _ = copy.deepcopy(case)
    network = Network([layer], dtype)
    network.build(shape)
    x = np.random.default_rng(0).normal(size=(rows, *shape)).astype(dtype)
    for context in (Context(dtype=dtype), training(dtype=dtype)):
        y = layer.forward(x, layer.values, context)
        assert y.shape == (rows, *network.output_shape)
        assert y.dtype == np.dtype(dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2])
def test_gradient(case: tuple[Layer, tuple[int, ...], str]) -> None:
    layer, shape, _ = case
    values = values_of(layer, shape)
    x = np.random.default_rng(5).normal(size=(3, *shape))
    names = list(values)

    def loss(x: Any, *arrays: Any) -> Any:
        y = layer.forward(x, dict(zip(names, arrays, strict=True)), training())
        return ops.sum(y * y * y)

    arrays = [x, *values.values()]
    found = gradient(loss, tuple(range(len(arrays))))(*arrays)
    for place, array in enumerate(arrays):
        direction = np.random.default_rng(place).normal(size=array.shape)
        ends = []
        for sign in (1e-6, -1e-6):
            moved = [a + sign * direction if i == place else a for i, a in enumerate(arrays)]
            ends.append(float(loss(*moved)))
        expected = (ends[0] - ends[1]) / 2e-6
        assert float((found[place] * direction).sum()) == pytest.approx(expected, rel=1e-6)


def test_dense_is_its_formula() -> None:
    x, values = np.array([[1.0, 2.0]]), {"weight": np.eye(2) * 3, "bias": np.array([-4.0, 0.5])}
    assert Dense(2).forward(x, values, Context()).tolist() == [[-1.0, 6.5]]
    assert Dense(2, "relu").forward(x, values, Context()).tolist() == [[0.0, 6.5]]
    assert Dense(2, "relu").before_activation(x, values, Context()).tolist() == [[-1.0, 6.5]]
    assert Dense(2, use_bias=False).forward(x, values, Context()).tolist() == [[3.0, 6.0]]
    declared = Dense(10).declare((784,))
    assert {name: p.shape for name, p in declared.items()} == {"weight": (784, 10), "bias": (10,)}


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_every_activation_is_a_layer(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    layer = Activation(name)
    assert (layer.forward(x, {}, Context()) == ACTIVATIONS[name](x)).all()
    assert (layer.before_activation(x, {}, Context()) == x).all()
    assert layer.last_activation == name


def test_flatten_keeps_the_order() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    assert Flatten().forward(x, {}, Context())[1].tolist() == list(range(12, 24))


def test_rescaling_takes_bytes() -> None:
    x = np.array([[0, 255]], np.uint8)
    assert Rescaling(1 / 255).forward(x, {}, Context()).dtype == np.float32
    y = Rescaling(1 / 255, -0.5).forward(x, {}, Context(dtype="float64"))
    assert y.tolist() == [[-0.5, 0.5]]


def test_dropout_is_the_identity_outside_training() -> None:
    x = np.ones((3, 4))
    assert Dropout(0.9).forward(x, {}, Context()) is x


def test_dropout_keeps_the_mean_and_changes_with_step_and_place() -> None:
    x, layer = np.ones((400, 500)), Dropout(0.2)
    y = layer.forward(x, {}, training())
    assert sorted(set(y.ravel().tolist())) == [0.0, 1.25]
    assert (y == 0).mean() == pytest.approx(0.2, abs=0.005)
    assert (y == layer.forward(x, {}, training())).all()
    assert (y != layer.forward(x, {}, training(step=2))).any()
    context = training()
    assert (layer.forward(x, {}, context) != layer.forward(x, {}, context)).any()
    single = layer.forward(x.astype("f4"), {}, training(dtype="float32"))
    assert ((single == 0) == (y == 0)).all()


def test_dropout_does_not_swallow_a_nan() -> None:
    assert np.isnan(Dropout(0.99).forward(np.full((4, 4), np.nan), {}, training())).all()


def test_sites_are_counted_in_each_context() -> None:
    assert [Context().random_site(), Context().random_site()] == [0, 0]
    context = Context()
    assert [context.random_site(), context.random_site()] == [0, 1]


# --- initializers, regularizers

DEVIATIONS = {
    "zeros": 0.0,
    "ones": 0.0,
    "glorot_uniform": (2 / 700) ** 0.5,
    "glorot_normal": (2 / 700) ** 0.5,
    "he_uniform": (2 / 400) ** 0.5,
    "he_normal": (2 / 400) ** 0.5,
}


@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_initial_weights_have_their_variance(name: str) -> None:
    weights = INITIALIZERS[name]((400, 300), 400, 300, np.random.default_rng(0))
    assert weights.shape == (400, 300)
    assert weights.dtype == np.float64
    assert weights.std() == pytest.approx(DEVIATIONS[name], rel=0.01)
    assert weights.mean() == pytest.approx(1.0 if name == "ones" else 0.0, abs=1e-3)
    if name.endswith("uniform"):
        assert np.abs(weights).max() <= DEVIATIONS[name] * 3**0.5


def test_fans() -> None:
    assert fans((784, 10)) == (784, 10)
    assert fans((3, 5, 16, 32)) == (240, 480)
    assert fans((10,)) == (10, 10)
    assert fans(()) == (1, 1)


def test_l2_and_its_gradient() -> None:
    w = np.array([[1.0, -2.0]])
    assert float(L2(0.5)(w)) == 2.5
    assert gradient(L2(0.5))(w).tolist() == [[1.0, -2.0]]
    assert L2().factor == 0.01


# --- layers of one's own


class Shift(Layer):
    """A layer that a user might write; not registered."""

    def __init__(self, start: float = 0.0) -> None:
        self.start = start

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        return {"offset": Parameter(input_shape, INITIALIZERS["ones"])}

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return x + parameters["offset"] + self.start


def test_a_layer_of_ones_own() -> None:
    layer = Shift(2.0)
    network = Network([layer])
    network.build((3,))
    assert layer.offset.tolist() == [1.0, 1.0, 1.0]
    assert layer.offset is network.parameters["layers.0.offset"]
    assert layer.describe() == "Shift(start=2.0)"


def test_parameters_before_and_after_building() -> None:
    layer = Dense(2)
    assert not hasattr(layer, "weight")
    with pytest.raises(AttributeError, match="once its network is built"):
        _ = layer.weight
    Network([layer]).build((3,))
    assert layer.weight.shape == (3, 2)
    with pytest.raises(AttributeError, match="has no 'kernel'"):
        _ = layer.kernel
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert (again.weight == layer.weight).all()
        assert again.weight is not layer.weight


class Forgetful(Layer):
    """Does not keep its argument."""

    def __init__(self, size: int) -> None:
        pass

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return x


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("units of 0", errors.ArgumentError, lambda: Dense(0), ("Dense", "units", "0")),
    ("units of -3", errors.ArgumentError, lambda: Dense(-3), ("-3",)),
    ("units of text", errors.ArgumentError, lambda: Dense("64"), ("'64'", "integer")),
    ("units of 2.0", errors.ArgumentError, lambda: Dense(2.0), ("2.0",)),
    ("units of True", errors.ArgumentError, lambda: Dense(True), ("True",)),
    ("too many units", errors.ArgumentError, lambda: Dense(2**31), ("2147483647",)),
    ("an activation", errors.ArgumentError, lambda: Dense(2, "relo"), ("relo", "did you mean")),
    ("no name", errors.ArgumentError, lambda: Dense(2, np.tanh), ("activation", "names")),
    ("bias", errors.ArgumentError, lambda: Dense(2, use_bias=1), ("use_bias", "True or False")),
    ("initializer", errors.ArgumentError,
     lambda: Dense(2, kernel_initializer="glorot"), ("kernel_initializer", "glorot_uniform")),
    ("bias initializer", errors.ArgumentError,
     lambda: Dense(2, bias_initializer="zero"), ("bias_initializer", "zeros")),
    ("regularizer", errors.ArgumentError,
     lambda: Dense(2, kernel_regularizer=0.1), ("kernel_regularizer", "L2(1e-4)")),
    ("regularizer's name", errors.UnknownNameError,
     lambda: Dense(2, kernel_regularizer={"name": "L3", "config": {}}), ("L3", "L2")),
    ("L2", errors.ArgumentError, lambda: L2(-1.0), ("factor", "-1.0", "at least 0")),
    ("L2 of NaN", errors.ArgumentError, lambda: L2(float("nan")), ("nan",)),
    ("activation layer", errors.ArgumentError, lambda: Activation("rleu"), ("rleu",)),
    ("no activation", errors.ArgumentError, lambda: Activation(None), ("None",)),
    ("rate of 1", errors.ArgumentError, lambda: Dropout(1.0), ("rate", "below 1")),
    ("rate of -0.1", errors.ArgumentError, lambda: Dropout(-0.1), ("-0.1",)),
    ("rate of text", errors.ArgumentError, lambda: Dropout("0.5"), ("'0.5'",)),
    ("scale", errors.ArgumentError, lambda: Rescaling(float("inf")), ("scale", "inf")),
    ("offset", errors.ArgumentError, lambda: Rescaling(1, None), ("offset", "None")),
    ("no seed", errors.ArgumentError,
     lambda: Dropout(0.5).forward(np.ones(2), {}, Context(training=True)), ("seed", "step")),
    ("pictures", errors.ShapeError, lambda: Dense(64).declare((26, 26, 8)),
     ("Dense(64)", "(N, 26, 26, 8)", "(N, features)", "Flatten()")),
    ("scalars", errors.ShapeError, lambda: Dense(64).declare(()), ("(N,)", "(N, 1)")),
    ("config left over", errors.ArgumentError,
     lambda: Flatten.from_config({"units": 3}), ("Flatten", "units")),
    ("config missing", errors.ArgumentError, lambda: Dense.from_config({"units": 3}), ("Dense",)),
    ("no config", errors.ArgumentError, lambda: Dense.from_config([]), ("list",)),
    ("not kept", errors.ArgumentError, lambda: Forgetful(3).describe(),
     ("Forgetful", "size", "self.size = size")),
    ("initial shape", errors.ShapeError,
     lambda: initial_values(
         Parameter((3,), lambda *a: np.zeros(2)), (3, 3), np.random.default_rng(0), "float32"
     ), ("(2,)", "(3,)")),
    ("registered twice", errors.ArgumentError,
     lambda: LAYERS.register("Dense")(Dense), ("Dense",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)
