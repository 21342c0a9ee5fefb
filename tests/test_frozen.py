"""Frozen layers: their numbers stay to the bit, whatever trains around them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.optimizers import OPTIMIZERS

Array = np.ndarray
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 5))
Y = np.sin(X[:, :2])


def network(**first: Any) -> rv.Sequential:
    """Every sort of parameter: weights, biases, slopes, norms, running statistics."""
    return rv.Sequential(
        rv.Dense(6, **first), rv.BatchNorm(), rv.PReLU(), rv.Dense(4, "tanh"), rv.LayerNorm(),
        rv.RMSNorm(), rv.Dense(2), dtype="float64",
    ).build((5,))  # fmt: skip


def parameters(model: rv.Sequential) -> dict[str, Array]:
    return {name: array.copy() for name, array in model.network.parameters.items()}


def fit(model: rv.Sequential, epochs: int = 3, **arguments: Any) -> Any:
    given = {"optimizer": rv.SGD(0.05), "batch_size": 8, "verbose": False, **arguments}
    return model.fit(X, Y, epochs=epochs, **given)


def check_frozen(model: rv.Sequential, before: dict[str, Array], frozen: set[int]) -> None:
    for name, array in model.network.parameters.items():
        number = int(name.split(".")[1])
        same = bool((array == before[name]).all())
        assert same == (number in frozen), name


WITH_PARAMETERS = (0, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("number", WITH_PARAMETERS)
def test_each_layer_can_be_frozen_alone(number: int, engine: str) -> None:
    model = network()
    model.layers[number].trainable = False
    before = parameters(model)
    fit(model, engine=engine)
    check_frozen(model, before, {number})


def test_several_layers_are_frozen_and_thaw() -> None:
    model = network()
    frozen = {0, 1, 3}
    for number in frozen:
        model.layers[number].trainable = False
    before = parameters(model)
    fit(model)
    check_frozen(model, before, frozen)
    for layer in model.layers:
        layer.trainable = True
    before = parameters(model)
    fit(model)
    check_frozen(model, before, set())


def made(kind: Any) -> Any:
    """An optimizer whose updates move a weight without a gradient too, where it has such."""
    arguments = {"weight_decay": 0.1} if "weight_decay" in kind().config() else {}
    return kind(**arguments)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    "kind", list(dict.fromkeys(kind for _, kind in OPTIMIZERS.items())), ids=lambda k: k.__name__
)
def test_no_optimizer_touches_a_frozen_layer(kind: Any, engine: str) -> None:
    model = network()
    model.layers[0].trainable = model.layers[3].trainable = False
    before = parameters(model)
    fit(model, optimizer=made(kind), engine=engine)
    check_frozen(model, before, {0, 3})


def test_a_frozen_layer_has_no_state() -> None:
    model = network()
    model.layers[3].trainable = False
    program = model.training_program(X, Y, optimizer=rv.Adam(), batch_size=8)
    table = str(program.memory().table())
    assert "state.layers.0.weight.mean" in table
    assert "state.layers.3.weight" not in table


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_frozen_weights_are_not_penalized(engine: str) -> None:
    plain = network()
    penalized = network(kernel_regularizer=rv.L2(0.5))
    trained = copy.deepcopy(penalized)
    plain.layers[0].trainable = penalized.layers[0].trainable = False
    losses = [fit(model, engine=engine)["loss"] for model in (plain, penalized, trained)]
    assert losses[0] == losses[1]
    assert losses[2][0] > losses[1][0]
    for name, array in plain.network.parameters.items():
        assert (array == penalized.network.parameters[name]).all()


def test_what_lies_before_a_frozen_layer_gets_its_gradient() -> None:
    """The gradient passes through: with a frozen end, only the start can lower the loss."""
    model = network()
    for number in (1, 2, 3, 4, 5, 6):
        model.layers[number].trainable = False
    before = parameters(model)
    history = fit(model, epochs=20)
    check_frozen(model, before, {1, 2, 3, 4, 5, 6})
    assert history["loss"][-1] < 0.9 * history["loss"][0]


def test_frozen_stays_frozen_in_a_file_and_a_copy(tmp_path: Any) -> None:
    model = network()
    model.layers[1].trainable = model.layers[3].trainable = False
    model.save(tmp_path / "model.safetensors")
    for again in (rv.load(tmp_path / "model.safetensors"), copy.deepcopy(model)):
        assert [layer.trainable for layer in again.layers] == [
            number not in (1, 3) for number in range(7)
        ]
        before = parameters(again)
        fit(again)
        check_frozen(again, before, {1, 3})


@pytest.mark.parametrize("number", WITH_PARAMETERS)
def test_others_train_as_if_its_parameters_were_constants(number: int) -> None:
    """The same losses natively and by the reference, with any one layer frozen."""
    losses = []
    for engine in ("native", "reference"):
        model = network()
        model.layers[number].trainable = False
        losses.append(fit(model, engine=engine)["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-11)
