"""The error of a training that fails: layer, neuron, row, operation, step, cause and remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import ops
from ranvier.foundation.errors import TrainingError
from ranvier.layers import Context, Dense
from ranvier.networks.network import Network
from ranvier.ops.value import input_value
from ranvier.training.marked import mark_of, marked

X = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 64)
ENGINES = ("native", "reference")


def failing(model: rv.Model, x: Any = X, y: Any = Y, **arguments: Any) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        model.fit(x, y, verbose=False, shuffle=False, **arguments)
    return caught.value


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_that_grew(engine: str) -> None:
    model = rv.Sequential(rv.Dense(8, activation="relu"), rv.Dense(3))
    error = failing(model, optimizer=rv.SGD(1e25), engine=engine)
    assert "step 2:" in error.headline
    assert "in layer 1, Dense(3), neuron" in error.happened
    assert "contract of shape (32, 3)" in error.happened
    assert "weights have grown" in error.happened
    assert "smaller learning rate (it is 1e+25)" in error.fix


@pytest.mark.parametrize("engine", ENGINES)
def test_an_exponential_that_overflows_names_neuron_and_row(engine: str) -> None:
    model = rv.Sequential(rv.Dense(4, activation="exponential"), rv.Dense(3)).build((5,))
    model.layers[0].weight[:] = 0.0
    model.layers[0].weight[2, 1] = 1.0
    x = X.copy()
    x[:, 2] = 0.5
    x[40, 2] = 99.0
    error = failing(model, x, batch_size=16, optimizer=rv.SGD(1e-6), engine=engine)
    assert "in layer 0, Dense(4, activation='exponential'), neuron 1" in error.happened
    assert "row 40 of the data" in error.happened
    assert "exp of 99 is more than float32 holds (exp of 88.72)" in error.happened
    assert "step 3:" in error.headline
    assert "bound what goes into it" in error.fix


@pytest.mark.parametrize(
    ("function", "cause", "remedy"),
    [
        (lambda v: ops.log(v - v - 2.0), "a logarithm of -2", "ops.maximum(x, 1e-7)"),
        (lambda v: ops.sqrt(v - v - 4.0), "a square root of -4", "ops.maximum(x, 0.0)"),
        (lambda v: ops.divide(v - v + 3.0, v - v), "3 divided by 0", "away from 0"),
    ],
    ids=["log", "sqrt", "divide"],
)
def test_operations_outside_their_domain(function: Any, cause: str, remedy: str) -> None:
    error = failing(rv.Sequential(rv.Dense(4), rv.Lambda(function), rv.Dense(3)))
    assert "in layer 1, Lambda" in error.happened
    assert cause in error.happened
    assert remedy in error.fix


def test_inputs_without_scale() -> None:
    model = rv.Sequential(rv.Dense(8), rv.Dense(1))
    error = failing(model, X * 1e20, (X[:, :1] * 1e20), optimizer="sgd")
    assert "in the loss, row" in error.happened
    assert "are not scaled" in error.happened
    assert error.fix.startswith("scale the inputs")


def test_a_layer_inside_another_network() -> None:
    inner = rv.Sequential(rv.Dense(4), rv.Lambda(lambda v: ops.log(v - v)))
    error = failing(rv.Sequential(inner, rv.Dense(3)))
    assert "in layer 1, Lambda" in error.happened
    assert ", inside layer 0, Nested" in error.happened


def test_a_composite_says_what_inside_it_failed() -> None:
    @ops.with_gradient(lambda node, d: (d,))
    def inverted(x: Any) -> Any:
        return ops.divide(1.0, x - x)

    error = failing(rv.Sequential(rv.Dense(4), rv.Lambda(inverted), rv.Dense(3)))
    assert "inverted (inside it divide)" in error.happened
    assert "1 divided by 0" in error.happened


def test_bad_numbers_that_were_there_before() -> None:
    model = rv.Sequential(rv.Dense(4), rv.Dense(3)).build((5,))
    program = model.training_program(X, Y, engine="reference")
    program._engine.load({"layers.1.weight": np.full((4, 3), np.nan, np.float32)})
    with pytest.raises(TrainingError, match=r"layers.1.weight\[0, 0\] was NaN before this step"):
        program.run(1)
    x = X.copy()
    program = model.training_program(x, Y, engine="reference", shuffle=False)
    program._sources[0][0][9, 3] = np.inf
    with pytest.raises(TrainingError, match="row 9 of X holds an infinite number") as caught:
        program.run(1)
    assert "leave out row 9" in caught.value.fix
    y = X[:, :1].copy()
    model = rv.Sequential(rv.Dense(1))
    program = model.training_program(X, y, engine="reference", shuffle=False)
    program._sources[0][1][7] = np.nan
    with pytest.raises(TrainingError, match="row 7 of y holds NaN"):
        program.run(1)


def test_marks_tell_the_uses_of_a_layer_apart() -> None:
    shared = Dense(5)
    x = rv.Input((5,))
    network: Network = rv.Model(x, shared(shared(x))).build().network
    copied, marks = marked(network)
    leaf = input_value("x", (2, 5), "float32")
    found = copied.forward(leaf, network.parameters, Context())
    assert len(marks) == 2
    mark = mark_of(marks, found)
    assert mark is not None
    assert mark.first == max(one.first for one in marks)
    assert mark_of(marks, leaf) is None
