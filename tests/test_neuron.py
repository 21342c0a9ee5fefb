"""Neurons: what one computes, what it shows, and the neurons of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import ops
from ranvier.foundation import errors
from ranvier.layers import ACTIVATIONS, Dense, LayerNeuron, Neurons
from ranvier.layers.neuron import product_of_factors, reads_whole_rows

Array = np.ndarray
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def neuron_of(inputs: int, dtype: str, activation: str | None, combine: str) -> rv.Neuron:
    weights = np.random.default_rng(inputs).normal(size=inputs).astype(dtype)
    return rv.Neuron(weights, 0.3, activation, combine)


def rows_of(inputs: int, dtype: str) -> Array:
    return np.random.default_rng(100 + inputs).normal(size=(5, inputs)).astype(dtype)


def textbook(neuron: rv.Neuron, x: Array) -> Array:
    combined = (x * neuron.weights).sum(-1) if neuron.combine == "sum" else (
        (x * neuron.weights).prod(-1)
    )  # fmt: skip
    return np.tanh(combined + neuron.bias)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("combine", ["sum", "product"])
@pytest.mark.parametrize("inputs", [1, 2, 3, 7, 17])
def test_a_neuron_is_its_formula(inputs: int, combine: str, dtype: str) -> None:
    neuron, x = neuron_of(inputs, dtype, "tanh", combine), rows_of(inputs, dtype)
    wanted, atol = textbook(neuron, x.astype("f8")), TOLERANCE[dtype]
    found, native = neuron(x), rv.compile(neuron)(x)
    assert found.dtype == native.dtype == np.dtype(dtype)
    assert found.shape == native.shape == (5,)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4 * atol)
    np.testing.assert_allclose(native, wanted, rtol=0, atol=4 * atol)
    one = neuron(x[0])
    assert np.shape(one) == ()
    assert one == pytest.approx(wanted[0], abs=4 * atol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("combine", ["sum", "product"])
@pytest.mark.parametrize("inputs", [1, 2, 5, 8])
def test_the_gradient_by_inputs_weights_and_bias(inputs: int, combine: str, dtype: str) -> None:
    x, first = rows_of(inputs, dtype), neuron_of(inputs, dtype, "tanh", combine)

    def total(x: Any, weights: Any, bias: Any) -> Any:
        return ops.sum(rv.Neuron(weights, bias, "tanh", combine)(x))

    slopes = rv.gradient(total, (0, 1, 2))
    arguments = (x, first.weights, np.array(first.bias, dtype))
    found = slopes(*arguments)
    native = rv.compile(slopes)(*arguments)
    for place, (slope, fast) in enumerate(zip(found, native, strict=True)):
        np.testing.assert_allclose(fast, slope, 1e-4 if dtype == "float32" else 1e-11, 1e-6)
        if dtype == "float64":
            for index in np.ndindex(slope.shape):
                ends = []
                for step in (1e-6, -1e-6):
                    moved = [np.array(argument) for argument in arguments]
                    moved[place][index] += step
                    ends.append(float(total(*moved)))
                assert slope[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("factors", "wanted"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([0.0, 3.0, 4.0], [12.0, 0.0, 0.0]),
        ([0.0, 3.0, 0.0], [0.0, 0.0, 0.0]),
        ([5.0], [1.0]),
        ([0.0], [1.0]),
    ],
)
def test_the_gradient_of_a_product_is_right_at_zero(
    factors: list[float], wanted: list[float]
) -> None:
    slope = rv.gradient(product_of_factors)
    assert slope(np.array(factors)).tolist() == wanted
    assert rv.compile(slope)(np.array(factors)).tolist() == wanted


def test_the_product_is_no_power() -> None:
    """Weights are factors here, and exponents in the product units of Durbin and Rumelhart."""
    assert float(rv.Neuron([2.0, 3.0], combine="product")([5.0, 7.0])) == 2 * 5 * 3 * 7


@pytest.mark.parametrize("name", [n for n, _ in ACTIVATIONS.items() if not reads_whole_rows(n)])
def test_every_activation_of_one_number(name: str) -> None:
    neuron = rv.Neuron([0.5, -1.0], 0.25, name)
    x = np.array([[2.0, 0.5], [-1.0, 0.25]])
    wanted = np.asarray(ACTIVATIONS[name](x @ neuron.weights + 0.25))
    np.testing.assert_allclose(neuron(x), wanted, 1e-14)
    assert [neuron.explain(row).output for row in x] == pytest.approx(wanted.tolist())


def test_a_function_is_an_activation_too() -> None:
    def cubed(x: Any) -> Any:
        return x * x * x

    neuron = rv.Neuron([1.0, 1.0], activation=cubed)
    assert float(neuron([1.0, 1.0])) == 8.0
    assert neuron.explain([1.0, 1.0]).activation == "the function cubed"


def test_which_activations_read_whole_rows() -> None:
    assert {name for name, _ in ACTIVATIONS.items() if reads_whole_rows(name)} == {
        "softmax",
        "log_softmax",
    }
    assert not reads_whole_rows(None)


def test_a_neuron_keeps_its_own_weights() -> None:
    weights = np.array([1.0, 2.0])
    neuron = rv.Neuron(weights)
    weights[0] = 7.0
    assert neuron.weights.tolist() == [1.0, 2.0]
    assert rv.Neuron([1, 2]).weights.dtype == np.float64
    assert rv.Neuron(np.ones(2, "f4")).weights.dtype == np.float32


# --- numbers that add up


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("combine", ["sum", "product"])
@pytest.mark.parametrize("inputs", [1, 2, 5, 50])
def test_explained_numbers_add_up_exactly(inputs: int, combine: str, dtype: str) -> None:
    neuron, x = neuron_of(inputs, dtype, "sigmoid", combine), rows_of(inputs, dtype)[0]
    found = neuron.explain(x)
    kind = np.dtype(dtype).type
    assert found.inputs.tolist() == x.tolist()
    assert found.weights.tolist() == neuron.weights.tolist()
    so_far = None
    for product, weight, value, partial in zip(
        found.products, found.weights, found.inputs, found.partials, strict=True
    ):
        assert product == kind(weight) * kind(value)
        if so_far is None:
            so_far = product
        else:
            so_far = so_far + product if combine == "sum" else so_far * product
        assert partial == so_far
    assert found.net_input == so_far + kind(neuron.bias)
    assert found.output == ops.sigmoid(found.net_input)
    assert found.activation == "sigmoid"
    for number in (found.net_input, found.output, found.bias, *found.partials):
        assert number.dtype == np.dtype(dtype)
    assert found.output == pytest.approx(float(neuron(x)), abs=8 * TOLERANCE[dtype])


def test_the_table() -> None:
    found = rv.Neuron([0.5, -1.0], bias=0.25, activation="relu").explain([2.0, 0.5])
    assert str(found).splitlines() == [
        "Neuron([0.5, -1.0], bias=0.25, activation='relu')",
        "    input    x  weight  product  sum so far",
        "        0  2.0     0.5      1.0         1.0",
        "        1  0.5    -1.0     -0.5         0.5",
        "     bias                  0.25        0.75",
        "net input                              0.75",
        "     relu                              0.75",
    ]


def test_the_numbers_of_the_table_are_the_numbers() -> None:
    neuron, x = neuron_of(7, "float32", None, "product"), rows_of(7, "float32")[0]
    found = neuron.explain(x)
    lines = [line.split() for line in str(found).splitlines()]
    assert [np.float32(line[3]) for line in lines[2:9]] == found.products.tolist()
    assert [np.float32(line[4]) for line in lines[2:9]] == found.partials.tolist()
    assert np.float32(lines[-1][-1]) == found.output
    assert lines[1][-3:] == ["product", "so", "far"]
    assert lines[-1][0] == "output"


def test_a_long_table_is_cut() -> None:
    text = str(rv.Neuron(np.ones(100)).explain(np.ones(100)))
    assert "80 more" in text
    assert len(text.splitlines()) == 1 + 1 + 21 + 3
    assert "Neuron(<100 weights>)" in text
    assert "more" not in str(rv.Neuron(np.ones(21)).explain(np.ones(21)))


def test_how_a_neuron_prints() -> None:
    assert repr(rv.Neuron([1.0])) == "Neuron([1.0])"
    assert repr(rv.Neuron([1, 2], 0.5, "relu", "product")) == (
        "Neuron([1.0, 2.0], bias=0.5, activation='relu', combine='product')"
    )
    seen = []

    def traced(weights: Any) -> Any:
        seen.append(repr(rv.Neuron(weights)))
        return ops.sum(weights)

    rv.compile(traced)(np.ones(2))
    assert "float64(2,)" in seen[0]


# --- the neurons of a layer


def model_of(activation: str | None, dtype: str = "float32", **arguments: Any) -> rv.Sequential:
    model = rv.Sequential(Dense(4, activation=activation, **arguments), dtype=dtype)
    return model.build((3,), seed=5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [None, "relu", "tanh", "softmax", "log_softmax"])
def test_layer_neurons_compute_what_the_layer_gives(activation: str | None, dtype: str) -> None:
    model = model_of(activation, dtype, bias_initializer="lecun_normal")
    x = rows_of(3, dtype)
    outputs = model.predict(x)
    tolerance = 10 * TOLERANCE[dtype]
    for place, neuron in enumerate(model.layers[0].neurons):
        np.testing.assert_allclose(neuron(x), outputs[:, place], tolerance, tolerance)
        np.testing.assert_allclose(rv.compile(neuron)(x), outputs[:, place], tolerance, tolerance)
        assert float(neuron(x[0])) == pytest.approx(outputs[0, place], abs=tolerance)
        found = neuron.explain(x[0])
        assert found.output == pytest.approx(outputs[0, place], abs=tolerance)
        assert found.weights.tolist() == model.layers[0].weight[:, place].tolist()
        assert found.bias == model.layers[0].bias[place]
        assert found.net_input == found.partials[-1] + found.bias


def test_softmax_says_that_it_reads_the_whole_layer() -> None:
    neuron = model_of("softmax").layers[0].neurons[2]
    found = neuron.explain([1.0, 2.0, 3.0])
    assert found.layer_net_inputs is not None
    assert found.layer_net_inputs[2] == found.net_input
    assert found.output == ops.softmax(found.layer_net_inputs)[2]
    assert "all 4 neurons" in found.note
    assert found.note in str(found)
    assert "net inputs of the layer: " in str(found)
    assert model_of("relu").layers[0].neurons[2].explain([1.0, 2.0, 3.0]).note == ""
    slope = rv.compile(rv.gradient(neuron))(np.ones(3, "f4"))
    np.testing.assert_allclose(slope, rv.gradient(neuron)(np.ones(3, "f4")), 1e-4, 1e-6)
    assert slope.any()


def test_a_wide_softmax_layer_is_cut_in_print() -> None:
    layer = rv.Sequential(Dense(30, activation="softmax")).build((2,)).layers[0]
    text = str(layer.neurons[0].explain([1.0, 2.0]))
    assert text.splitlines()[-2].endswith(", ...")
    assert text.splitlines()[-2].count(",") == 20


def test_neurons_read_the_live_arrays() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("f4")
    model = rv.Sequential(Dense(4, activation="tanh"), Dense(1)).build((3,))
    neuron = model.layers[0].neurons[3]
    before = neuron.weights.copy()
    model.fit(x, x[:, 0], epochs=2, verbose=False)
    assert (neuron.weights != before).any()
    assert neuron.weights.tolist() == model.layers[0].weight[:, 3].tolist()
    assert neuron.bias == model.layers[0].bias[3]
    neuron.weights[0] = 9.0
    assert model.layers[0].weight[0, 3] == 9.0


def test_a_layer_without_bias() -> None:
    neuron = model_of(None, use_bias=False).layers[0].neurons[0]
    assert neuron.bias == 0.0
    assert neuron.explain([1.0, 0.0, 0.0]).output == neuron.weights[0]
    softmax = model_of("softmax", use_bias=False).layers[0].neurons[0]
    assert softmax.explain([1.0, 0.0, 0.0]).bias == 0.0


def test_neurons_are_a_sequence() -> None:
    neurons = model_of("relu").layers[0].neurons
    assert isinstance(neurons, Neurons)
    assert len(neurons) == 4
    assert all(isinstance(neuron, LayerNeuron) for neuron in neurons)
    names = [repr(neuron) for neuron in neurons]
    assert names == [f"Dense(4, activation='relu').neurons[{k}]" for k in range(4)]
    assert repr(neurons[-1]) == repr(neurons[np.int64(3)]) == names[3]
    assert [repr(neuron) for neuron in neurons[1:3]] == names[1:3]
    assert [repr(neuron) for neuron in neurons[::-2]] == [names[3], names[1]]
    assert repr(neurons[1:][0]) == names[1]
    assert [repr(neuron) for neuron in reversed(neurons)] == names[::-1]
    assert len(neurons[9:]) == 0
    assert "4 neurons of Dense" in repr(neurons)
    assert neurons[1].activation == "relu"
    assert neurons[1].combine == "sum"


# --- errors

ERRORS: tuple[tuple[str, type[Exception], Callable[[], object], tuple[str, ...]], ...] = (
    ("weights that are a text", errors.ArgumentError, lambda: rv.Neuron("many"),
     ("weights", "many")),
    ("ragged weights", errors.ArgumentError, lambda: rv.Neuron([[1.0], [1.0, 2.0]]), ("weights",)),
    ("no weights", errors.ShapeError, lambda: rv.Neuron([]), ("(0,)", "(F,)")),
    ("one number", errors.ShapeError, lambda: rv.Neuron(3.0), ("()", "(F,)")),
    ("a matrix", errors.ShapeError, lambda: rv.Neuron(np.ones((2, 3))), ("(2, 3)",)),
    ("a weight that is not finite", errors.ArgumentError, lambda: rv.Neuron([1.0, np.nan]),
     ("weight 1", "nan")),
    ("a bias that is not finite", errors.ArgumentError, lambda: rv.Neuron([1.0], np.inf),
     ("bias",)),
    ("an unknown activation", errors.ArgumentError, lambda: rv.Neuron([1.0], 0.0, "rellu"),
     ("rellu", "'relu'")),
    ("softmax", errors.ArgumentError, lambda: rv.Neuron([1.0], 0.0, "softmax"),
     ("softmax", "all neurons")),
    ("an unknown combination", errors.ArgumentError, lambda: rv.Neuron([1.0], combine="mean"),
     ("combine", "mean")),
    ("too many inputs", errors.ShapeError, lambda: rv.Neuron([1.0, 2.0])([1.0, 2.0, 3.0]),
     ("A neuron with 2 inputs", "(3,)", "(2,)")),
    ("a single number", errors.ShapeError, lambda: rv.Neuron([1.0])(1.0), ("()",)),
    ("inputs that are texts", errors.ArgumentError, lambda: rv.Neuron([1.0])(["a"]), ("x is",)),
    ("several rows explained", errors.ShapeError, lambda: rv.Neuron([1.0]).explain([[1.0], [2.0]]),
     ("one example", "x[0]")),
    ("traced rows explained", errors.TraceError,
     lambda: rv.compile(lambda x: rv.Neuron([1.0]).explain(x).output)(np.ones(1)), ("array",)),
    ("before it is built", errors.NotBuiltError, lambda: Dense(3).neurons,
     ("Dense(3)", "model.build")),
    ("no such neuron", errors.PositionError, lambda: model_of(None).layers[0].neurons[4],
     ("Dense(4)", "neuron 4", "from 0 to 3")),
    ("no such neuron from behind", IndexError, lambda: model_of(None).layers[0].neurons[-5],
     ("Dense(4)",)),
    ("no number", errors.PositionError, lambda: model_of(None).layers[0].neurons["first"],
     ("first",)),
    ("too few inputs of a layer", errors.ShapeError,
     lambda: model_of("softmax").layers[0].neurons[1]([1.0]), ("neurons[1]", "(3,)")),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert isinstance(caught.value, errors.RanvierError)
    for part in parts:
        assert part in str(caught.value)
