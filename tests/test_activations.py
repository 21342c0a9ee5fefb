"""Contracts of the activations: values, gradients, extremes, NaN, and native code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from ranvier.graph.transforms import gradient
from ranvier.layers import ACTIVATIONS

OURS = [
    name for name, function in ACTIVATIONS.items() if function.__module__.startswith("ranvier.")
]
ALPHA, SCALE = 1.6732632423543772848, 1.0507009873554804934


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


#: Each activation of one number, written with Python's own functions.
FORMULAS: dict[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "identity": lambda x: x,
    "step": lambda x: float(x >= 0.0),
    "relu": lambda x: max(x, 0.0),
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "gelu": lambda x: x * normal(x),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: SCALE * (x if x > 0 else ALPHA * math.expm1(x)),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * math.tanh(softplus(x)),
    "softplus": softplus,
    "softsign": lambda x: x / (1.0 + abs(x)),
    "hard_sigmoid": lambda x: min(max(x / 6.0 + 0.5, 0.0), 1.0),
    "exponential": math.exp,
    "logarithm": lambda x: math.copysign(math.log1p(abs(x)), x),
    "sine": math.sin,
}
#: Those of a whole row.
OF_ROWS = ("softmax", "log_softmax")
#: The gradient at 0 where it is a choice: PyTorch's.
AT_ZERO = {
    "step": 0.0,
    "relu": 0.0,
    "leaky_relu": 0.01,
    "elu": 1.0,
    "selu": SCALE * ALPHA,
    "softsign": 1.0,
    "logarithm": 1.0,
    "sine": 1.0,
    "softplus": 0.5,
    "silu": 0.5,
    "mish": 0.6,
}
POINTS = np.array(
    [-30.0, -9.0, -3.5, -2.9, -1.0, -0.25, -1e-3, 1e-3, 0.25, 1.0, 2.9, 3.5, 9.0, 30.0]
)
#: Where every digit counts: formulas that cancel lose them.
TINY = np.array([-1e-3, -1e-8, -1e-14, 1e-14, 1e-8, 1e-3])


def slopes(name: str) -> Callable[[Any], Any]:
    return gradient(lambda x: ops.sum(ACTIVATIONS[name](x)))


def weighted(name: str) -> Callable[[Any], Any]:
    """A scalar of an activation in which the elements of a row count differently."""

    def total(x: Any) -> Any:
        y = ACTIVATIONS[name](x)
        return ops.sum(y * np.linspace(0.5, 1.5, x.shape[-1]).astype(x.dtype))

    return total


def test_every_activation_has_a_formula() -> None:
    assert set(OURS) == {*FORMULAS, *OF_ROWS}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_is_its_formula(name: str) -> None:
    expected = [FORMULAS[name](x) for x in POINTS]
    np.testing.assert_allclose(ACTIVATIONS[name](POINTS), expected, rtol=1e-14, atol=1e-15)
    single = POINTS.astype("float32")
    got = ACTIVATIONS[name](single)
    assert got.dtype == np.float32
    expected = [FORMULAS[name](float(x)) for x in single]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["tanh", "elu", "selu", "silu", "mish", "softsign", "logarithm", "sine"]
)
def test_no_digits_are_lost_near_0(name: str) -> None:
    expected = [FORMULAS[name](x) for x in TINY]
    np.testing.assert_allclose(ACTIVATIONS[name](TINY), expected, rtol=4e-16)


@pytest.mark.parametrize("name", ["silu", "mish"])
def test_no_digits_are_lost_far_below_0(name: str) -> None:
    x = np.array([-700.0, -100.0, -30.0])
    expected = [value * math.exp(value) for value in x]
    np.testing.assert_allclose(ACTIVATIONS[name](x), expected, rtol=1e-12)


def test_softplus_and_its_gradient_stay_above_0() -> None:
    x = np.array([-700.0, -100.0, -40.0])
    for values in (ops.softplus(x), rv.compile(ops.softplus)(x), slopes("softplus")(x)):
        np.testing.assert_allclose(values, np.exp(x), rtol=1e-14)


def test_known_values() -> None:
    x = np.array([-4.0, -1.0, 0.0, 1.0, 3.0])
    expected = {
        "leaky_relu": [-0.04, -0.01, 0.0, 1.0, 3.0],
        "elu": [math.exp(-4) - 1, math.exp(-1) - 1, 0.0, 1.0, 3.0],
        "selu": [-1.7258986281898945, -1.1113307378125625, 0.0, SCALE, 3 * SCALE],
        "softsign": [-0.8, -0.5, 0.0, 0.5, 0.75],
        "hard_sigmoid": [0.0, 1 / 3, 0.5, 2 / 3, 1.0],
        "logarithm": [-math.log(5), -math.log(2), 0.0, math.log(2), math.log(4)],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(ACTIVATIONS[name](x), values, rtol=1e-14)


def test_log_softmax_of_a_row() -> None:
    x = np.array([[1000.0, 1000.0], [0.0, -2000.0]])
    np.testing.assert_allclose(ACTIVATIONS["log_softmax"](x), [[-math.log(2)] * 2, [0.0, -2000.0]])


@pytest.mark.parametrize("name", OURS)
def test_gradients_are_finite_differences(name: str) -> None:
    x = POINTS[np.abs(POINTS) < 10].reshape(2, -1)
    found, total = gradient(weighted(name))(x), weighted(name)
    for place in np.ndindex(*x.shape):
        ends = []
        for move in (1e-5, -1e-5):
            moved = x.copy()
            moved[place] += move
            ends.append(float(total(moved)))
        expected = (ends[0] - ends[1]) / 2e-5
        assert found[place] == pytest.approx(expected, rel=1e-5, abs=2e-6 * abs(ends[0]) + 1e-10)


@pytest.mark.parametrize("name", AT_ZERO)
def test_the_gradient_at_0(name: str) -> None:
    assert slopes(name)(np.zeros(1))[0] == pytest.approx(AT_ZERO[name], rel=1e-15)


def test_the_gradient_of_hard_sigmoid_at_its_corners() -> None:
    assert slopes("hard_sigmoid")(np.array([-3.0, 3.0, 0.0])).tolist() == [0.0, 0.0, 1 / 6]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in OURS if name != "exponential"])
def test_nothing_overflows(name: str, dtype: str) -> None:
    x = np.array([[-1e4, -800.0, 0.0, 800.0, 1e4]], dtype)
    assert np.isfinite(ACTIVATIONS[name](x)).all()
    assert np.isfinite(slopes(name)(x)).all()


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", OURS)
def test_a_nan_stays_a_nan(name: str, engine: str) -> None:
    x = np.array([[np.nan, 1.0], [2.0, -1.0]], "float32")
    y = rv.compile(ACTIVATIONS[name], engine=engine)(x)
    assert np.isnan(y[0, 0])
    assert np.isfinite(y[1]).all()


@pytest.mark.parametrize(
    ("dtype", "relative", "absolute"), [("float32", 1e-5, 1e-6), ("float64", 1e-12, 1e-14)]
)
@pytest.mark.parametrize("name", OURS)
def test_native_code_is_the_reference(
    name: str, dtype: str, relative: float, absolute: float
) -> None:
    drawn = np.random.default_rng(1).normal(0.0, 3.0, (19, 14))
    x = np.concatenate([drawn, POINTS[None], np.zeros((1, 14))]).astype(dtype)

    def both(x: Any) -> Any:
        return ACTIVATIONS[name](x), gradient(weighted(name))(x)

    for native, reference in zip(
        rv.compile(both)(x), rv.compile(both, engine="reference")(x), strict=True
    ):
        assert native.dtype == reference.dtype == np.dtype(dtype)
        np.testing.assert_allclose(native, reference, rtol=relative, atol=absolute)


@pytest.mark.parametrize("name", ["elu", "logarithm"])
def test_native_code_keeps_the_digits_near_0(name: str) -> None:
    expected = [FORMULAS[name](x) for x in TINY]
    np.testing.assert_allclose(rv.compile(ACTIVATIONS[name])(TINY), expected, rtol=2e-15)


@pytest.mark.parametrize("name", OURS)
def test_every_activation_trains_natively(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    y = np.stack([x[:, 0] * x[:, 1], np.tanh(x[:, 2])], axis=1)
    losses = []
    for engine in ("native", "reference"):
        model = rv.Sequential(rv.Dense(5, name), rv.Dense(2), dtype="float64")
        history = model.fit(x, y, epochs=3, batch_size=8, engine=engine, verbose=False)
        losses.append(history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-11)
    assert losses[0][2] < losses[0][0]
