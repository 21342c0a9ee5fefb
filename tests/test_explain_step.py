"""One example through a network and back: its numbers are those of training, and add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import ops
from ranvier.explain import step_through
from ranvier.explain.passes import pulled_back, recorded_pass
from ranvier.foundation.errors import ArgumentError, DataError, NotBuiltError, PositionError
from ranvier.losses import resolve

X = np.random.default_rng(0).standard_normal((40, 6))
LABELS = np.random.default_rng(1).integers(0, 3, 40)
NUMBERS = np.random.default_rng(2).standard_normal((40, 2))


def diamond() -> rv.Model:
    x = rv.Input((6,))
    shared = rv.Dense(6, activation="tanh")
    h = rv.Add()([shared(x), shared(shared(x)), x])
    return rv.Model(x, rv.Dense(3)(rv.LayerNorm()(h)), dtype="float64").build()


def sequential(*layers: rv.Layer) -> rv.Sequential:
    return rv.Sequential(*layers, dtype="float64").build((6,))


def nested_softmax() -> rv.Layer:
    return rv.Sequential(rv.Dense(3, activation="softmax")).as_layer()


MODELS: dict[str, tuple[Any, Any]] = {
    "relu": (lambda: sequential(rv.Dense(5, activation="relu"), rv.Dense(3)), LABELS),
    "softmax": (lambda: sequential(rv.Dense(4), rv.Dense(3, activation="softmax")), LABELS),
    "hidden softmax": (lambda: sequential(rv.Dense(4, activation="softmax"), rv.Dense(3)), LABELS),
    "binary": (lambda: sequential(rv.Dense(1, activation="sigmoid")), LABELS % 2),
    "numbers": (
        lambda: sequential(rv.Dense(4, activation="gelu", use_bias=False), rv.Dense(2)),
        NUMBERS,
    ),
    "penalty": (
        lambda: sequential(rv.Dense(4, kernel_regularizer=rv.L2(0.1)), rv.Dense(2)), NUMBERS,
    ),
    "between": (
        lambda: sequential(rv.BatchNorm(), rv.Dense(4), rv.Activation("elu"), rv.Dropout(0.5),
                           rv.PReLU(), rv.RMSNorm(), rv.Dense(2)),
        NUMBERS,
    ),
    "diamond": (diamond, LABELS),
    "nested": (
        lambda: sequential(rv.Dense(5), nested_softmax()),
        LABELS,
    ),
}  # fmt: skip


def whole_gradients(model: rv.Model, x: np.ndarray, y: np.ndarray) -> tuple[float, dict[str, Any]]:
    """The loss of rows and its gradients, taken through the whole network at once."""
    network = model.network
    arrays, targets = model.training_arrays(x, y)
    last = network.last_activation
    kind = "numbers" if targets[0].dtype.kind == "f" else "classes"
    loss = _loss(network.output_shape, kind, last)

    def value(parameters: dict[str, Any]) -> Any:
        logits = loss.takes_logits(last)
        context = rv.Context(dtype=network.dtype)
        outputs = network.forward(arrays, parameters, context, logits=logits)
        total = ops.mean(loss(outputs, targets[0]))
        penalty = network.penalty(parameters)
        return total if penalty is None else total + penalty

    found, gradients = rv.value_and_gradient(value)(dict(network.parameters))
    return float(found), gradients


def _loss(shape: tuple[int, ...], kind: str, last: str | None) -> rv.Loss:
    return resolve(None, shape, kind, None, last)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_what_reverse_mode_gives(name: str) -> None:
    make, targets = MODELS[name]
    model = make()
    found = model.step_through(X[3], targets[3], learning_rate=0.1)
    loss, gradients = whole_gradients(model, X[3:4], targets[3:4])
    assert np.isclose(found.loss + found.penalty, loss, rtol=1e-12)
    assert set(found.gradients) == set(model.network.trainable)
    for parameter, gradient in found.gradients.items():
        np.testing.assert_allclose(gradient, gradients[parameter], rtol=1e-10, atol=1e-14)
        expected = model.network.parameters[parameter] - 0.1 * gradient
        np.testing.assert_allclose(found.updated[parameter], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", MODELS)
def test_a_pass_of_many_rows_is_too(name: str) -> None:
    make, targets = MODELS[name]
    model = make()
    network = model.network
    arrays, values = model.training_arrays(X, targets)
    kind = "numbers" if values[0].dtype.kind == "f" else "classes"
    losses = [_loss(network.output_shape, kind, network.last_activation)]
    found = recorded_pass(network, arrays, values, losses)
    loss, gradients = whole_gradients(model, X, targets)
    if network.penalty(network.parameters) is None:
        assert np.isclose(float(found.loss), loss, rtol=1e-12)
        for parameter in network.trainable:
            mine = found.gradients[parameter]
            np.testing.assert_allclose(mine, gradients[parameter], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_and_sums_add_up_exactly(dtype: str) -> None:
    model = rv.Sequential(rv.Dense(5, activation="tanh"), rv.Dense(3), dtype=dtype).build((6,))
    found = step_through(model, X[0], LABELS[0])
    read = X[0].astype(dtype)
    for layer in found.layers:
        np.testing.assert_array_equal(layer.inputs, read)
        for unit in range(layer.units):
            way, back = layer.neuron(unit), layer.neuron_backward(unit)
            assert way.net_input == way.partials[-1] + way.bias
            assert (way.products == way.inputs * way.weights).all()
            assert way.partials[0] == way.products[0]
            for k in range(1, len(way.products)):
                assert way.partials[k] == way.partials[k - 1] + way.products[k]
            assert way.output == layer.outputs[unit]
            assert back.delta == layer.net_gradient[unit]
            assert (back.gradients == back.inputs * back.delta).all()
            assert (back.gradients == layer.gradients["weight"][:, unit]).all()
            assert (back.sent == back.weights * back.delta).all()
            if back.slope is not None:
                assert np.isclose(back.delta, back.output_gradient * back.slope, rtol=1e-6)
        sent = np.stack([layer.neuron_backward(unit).sent for unit in range(layer.units)])
        assert (np.add.accumulate(sent, axis=0)[-1] == layer.input_gradient).all()
        read = layer.outputs
    np.testing.assert_allclose(found.outputs[0], model.predict(X[:1])[0], rtol=1e-5)


def test_the_step_is_the_step_that_training_makes() -> None:
    model = rv.Sequential(rv.Dense(5, activation="tanh"), rv.Dense(2), dtype="float64")
    model.build((6,))
    found = model.step_through(X[0], NUMBERS[0], learning_rate=0.05)
    before = {n: a.copy() for n, a in model.network.parameters.items()}
    model.fit(X[:1], NUMBERS[:1], epochs=1, optimizer=rv.SGD(0.05), verbose=False)
    for name, array in model.network.parameters.items():
        np.testing.assert_allclose(found.updated[name], array, rtol=1e-12)
        assert (before[name] != array).any()
    assert found.loss_after < found.loss
    after = model.evaluate(X[:1], NUMBERS[:1])["loss"]
    assert np.isclose(found.loss_after, after, rtol=1e-9)


def test_several_inputs_and_outputs() -> None:
    a, b = rv.Input((6,), name="a"), rv.Input((2,), name="b")
    h = rv.Concatenate()([rv.Dense(4, activation="tanh")(a), b])
    model = rv.Model((a, b), {"kind": rv.Dense(3)(h), "size": rv.Dense(2)(h)}, dtype="float64")
    model.build()
    one = model.step_through((X[0], NUMBERS[0]), {"kind": LABELS[0], "size": NUMBERS[1]})
    two = model.step_through({"a": X[:1], "b": NUMBERS[:1]}, (LABELS[:1], NUMBERS[1:2]))
    assert one.loss == two.loss
    assert one.loss_names == ("categorical_cross_entropy", "mean_squared_error")
    assert "; " in one.target_name
    assert len(one.outputs) == 2


def test_frozen_layers_do_not_move() -> None:
    model = sequential(rv.Dense(4), rv.Dense(3))
    model.layers[0].trainable = False
    found = model.step_through(X[0], LABELS[0])
    assert set(found.gradients) == {"layers.1.weight", "layers.1.bias"}
    assert (found.updated["layers.0.weight"] == model.layers[0].weight).all()


def test_embeddings_read_integers() -> None:
    model = rv.Sequential(rv.Embedding(7, 3), rv.Flatten(), rv.Dense(2), dtype="float64")
    model.build((4,))
    found = model.step_through(np.array([1, 5, 5, 0]), 1)
    assert found.layers[0].input_gradient is None
    touched = np.flatnonzero(np.abs(found.gradients["layers.0.weight"]).sum(axis=1))
    assert touched.tolist() == [0, 1, 5]


def test_the_text_tells_it_all() -> None:
    model = sequential(rv.Dense(4, activation="relu"), rv.Dropout(0.5), rv.Dense(3))
    model.fit(X, np.array(["a", "b", "c"])[LABELS], epochs=1, verbose=False)
    found = model.step_through(X[0], "b", learning_rate=0.5)
    text = str(found)
    for words in (
        "Target: 'b', class 1", "FORWARD", "LOSS", "BACKWARD", "UPDATE", "sum so far",
        "x * delta = gradient", "arriving", "back to input 0", "categorical_cross_entropy reads",
        "passes on its 4 numbers", "gradients back as they are", "new = old - 0.5 x gradient",
    ):  # fmt: skip
        assert words in text
    assert text.count("neuron 3 of layer 0") == 0
    assert found.text(None).count("neuron 3 of layer 0") == 2
    assert len(found.text(0)) < len(text)


def test_a_long_layer_is_cut_in_the_text() -> None:
    model = rv.Sequential(rv.Dense(60, kernel_regularizer=rv.L2(0.1)), rv.Dense(1)).build((50,))
    text = str(model.step_through(np.ones(50), 1.0))
    assert "30 more" in text
    assert "40 more" in text
    assert "penalties on weights" in text
    assert "the penalty adds a gradient" in text


def test_errors() -> None:
    with pytest.raises(NotBuiltError, match="step_through needs a model with parameters"):
        rv.Sequential(rv.Dense(2)).step_through([1.0], 0)
    with pytest.raises(ArgumentError, match="needs a model"):
        step_through("model", X[0], 1)  # type: ignore[arg-type]
    model = sequential(rv.Dense(3), rv.Dropout(0.1))
    with pytest.raises(DataError, match="takes one example"):
        model.step_through(X[:2], LABELS[:2])
    with pytest.raises(ArgumentError, match="learning_rate"):
        model.step_through(X[0], LABELS[0], learning_rate=0.0)
    found = model.step_through(X[0], LABELS[0])
    with pytest.raises(ArgumentError, match="has no neurons"):
        found.layers[1].neuron(0)
    with pytest.raises(PositionError, match="has no neuron 3"):
        found.layers[0].neuron_backward(3)
    with pytest.raises(ArgumentError, match="neurons"):
        found.text(-1)


def test_pulled_back_leaves_integers_alone() -> None:
    found = pulled_back(
        lambda x, k: x * ops.cast(k, "float64"), [np.ones(3), np.arange(3)], [np.ones(3)]
    )
    assert found[1] is None
    assert np.asarray(found[0]).tolist() == [0.0, 1.0, 2.0]
