"""Networks: shapes, parameters, forward pass, architecture, and every error."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.layers import (
    L2,
    Activation,
    Context,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Parameter,
    Rescaling,
)
from ranvier.networks import Network
from ranvier.ops.value import Value, input_value


def pictures(dtype: str = "float32") -> Network:
    network = Network(
        [
            Rescaling(1 / 255),
            Flatten(),
            Dense(8, "relu", kernel_regularizer=L2(0.5)),
            Dropout(0.5),
            Dense(3, "softmax", kernel_regularizer=L2(0.25)),
        ],
        dtype,
    )
    network.build((4, 5), seed=7)
    return network


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapes_and_parameters(dtype: str) -> None:
    network = pictures(dtype)
    assert network.input_shape == (4, 5)
    assert network.output_shape == (3,)
    assert {name: a.shape for name, a in network.parameters.items()} == {
        "layers.2.weight": (20, 8),
        "layers.2.bias": (8,),
        "layers.4.weight": (8, 3),
        "layers.4.bias": (3,),
    }
    assert network.trainable == list(network.parameters)
    for array in network.parameters.values():
        assert array.dtype == np.dtype(dtype)
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert network.layers[2].weight is network.parameters["layers.2.weight"]
    assert (network.parameters["layers.2.bias"] == 0).all()


def test_initial_numbers_depend_on_seed_and_name_only() -> None:
    first, again = pictures(), pictures()
    for name, array in first.parameters.items():
        assert (array == again.parameters[name]).all()
    before = first.parameters["layers.2.weight"]
    first.build((4, 5), seed=8)
    assert (first.parameters["layers.2.weight"] != before).any()
    assert first.layers[2].weight is first.parameters["layers.2.weight"]
    double = pictures("float64").parameters["layers.2.weight"]
    assert (double.astype("f4") == again.parameters["layers.2.weight"]).all()
    square = Network([Dense(4), Dense(4)])
    square.build((4,))
    assert (square.parameters["layers.0.weight"] != square.parameters["layers.1.weight"]).any()


def test_forward_is_layer_after_layer() -> None:
    network = pictures("float64")
    x = np.arange(40, dtype=np.uint8).reshape(2, 4, 5)
    p = network.parameters
    h = np.maximum(x.reshape(2, 20) / 255 @ p["layers.2.weight"] + p["layers.2.bias"], 0)
    z = h @ p["layers.4.weight"] + p["layers.4.bias"]
    logits = network.forward(x, p, Context(dtype="float64"), logits=True)
    np.testing.assert_allclose(logits, z, rtol=1e-12)
    outputs = network.forward(x, p, Context(dtype="float64"))
    np.testing.assert_allclose(outputs, ops.softmax(z), rtol=1e-12)
    assert network.last_activation == "softmax"


def test_logits_of_an_activation_layer_and_of_none() -> None:
    network = Network([Dense(2), Activation("sigmoid")])
    network.build((3,))
    x = np.ones((1, 3), "f4")
    logits = network.forward(x, network.parameters, Context(), logits=True)
    np.testing.assert_allclose(logits, x @ network.layers[0].weight, rtol=1e-6)
    plain = Network([Dense(2)])
    plain.build((3,))
    both = [plain.forward(x, plain.parameters, Context(), logits=one) for one in (True, False)]
    assert (both[0] == both[1]).all()
    assert plain.last_activation is None


def test_forward_can_be_traced() -> None:
    network = pictures()
    leaves = {n: input_value(n, a.shape, "float32") for n, a in network.parameters.items()}
    context = Context(
        training=True,
        seed=input_value("seed", (), "int64"),
        step=input_value("step", (), "int64"),
    )
    result: Value = network.forward(input_value("x", (N, 4, 5), "uint8"), leaves, context)
    assert (result.shape, result.dtype) == ((N, 3), "float32")


def test_penalty_counts_what_is_trained() -> None:
    network = pictures("float64")
    p = network.parameters
    parts = [0.5 * (p["layers.2.weight"] ** 2).sum(), 0.25 * (p["layers.4.weight"] ** 2).sum()]
    assert float(network.penalty(p)) == pytest.approx(sum(parts))
    network.layers[2].trainable = False
    assert float(network.penalty(p)) == pytest.approx(parts[1])
    assert network.trainable == ["layers.4.weight", "layers.4.bias"]
    network.layers[4].trainable = False
    assert network.penalty(p) is None
    assert network.trainable == []


def test_architecture_goes_through_json() -> None:
    network = pictures("float64")
    network.layers[2].trainable = False
    again = Network.from_architecture(json.loads(json.dumps(network.architecture())))
    assert not again.built
    assert again.parameters == {}
    assert again.architecture() == network.architecture()
    assert repr(again) == repr(network)
    assert again.output_shape == (3,)
    assert not again.layers[2].trainable
    again.fill({name: array.copy() for name, array in network.parameters.items()})
    x, context = np.ones((2, 4, 5)), Context(dtype="float64")
    outputs = [net.forward(x, net.parameters, context) for net in (network, again)]
    assert (outputs[0] == outputs[1]).all()


def test_architecture_of_an_unbuilt_network() -> None:
    network = Network.from_architecture(Network([Dense(3)]).architecture())
    assert network.input_shape is None


def test_copies_hold_arrays_of_their_own() -> None:
    network = pictures()
    for again in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert again.layers[2].weight is again.parameters["layers.2.weight"]
        assert again.layers[2].weight is not network.layers[2].weight
        again.build((4, 5), seed=9)


def test_the_table() -> None:
    rows = pictures().layer_table()
    assert [row.number for row in rows] == [0, 1, 2, 3, 4]
    assert [row.output_shape for row in rows] == [
        "(N, 4, 5)", "(N, 20)", "(N, 8)", "(N, 8)", "(N, 3)",
    ]  # fmt: skip
    assert [row.parameters for row in rows] == [0, 0, 168, 0, 27]
    assert [row.flops for row in rows] == [40, 0, 8 * (40 + 2), 0, 3 * (16 + 2)]
    assert rows[1].description == "Flatten()"


def test_shapes_allocate_nothing() -> None:
    # Some 8 exabytes of weights: only numbers in a tuple.
    network = Network([Dense(2**31 - 1), Dense(2**30)])
    network.set_input_shape((1000,))
    assert network.declared["layers.1.weight"].shape == (2**31 - 1, 2**30)
    assert not network.built


def test_examples_without_axes() -> None:
    network = Network([Flatten(), Dense(2)])
    network.build(())
    assert network.forward(np.ones(3, "f4"), network.parameters, Context()).shape == (3, 2)


# --- errors


class Own(Layer):
    """A layer whose forward pass is given."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return self.function(x)


class Huge(Layer):
    """A layer whose initializer finds no memory."""

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        return {"weight": Parameter((10**6, 10**6), out_of_memory)}

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return x


def out_of_memory(*arguments: Any) -> Any:
    raise MemoryError


def built(*layers: Layer, shape: Any = (4,), seed: Any = 0) -> Network:
    network = Network(layers)
    network.build(shape, seed)
    return network


def second_home() -> None:
    layer = Dense(2)
    built(layer)
    built(layer)


def filled(changes: dict[str, Any]) -> None:
    network = Network([Dense(2)])
    network.set_input_shape((3,))
    values = {"layers.0.weight": np.ones((3, 2), "f4"), "layers.0.bias": np.ones(2, "f4")}
    network.fill({k: v for k, v in {**values, **changes}.items() if v is not None})


def architecture(**changes: Any) -> Any:
    return {**built(Dense(2)).architecture(), **changes}


def one_layer(**changes: Any) -> Any:
    layer = {"layer": "Dense", "config": Dense(2).config(), "trainable": True}
    return architecture(layers=[{**layer, **changes}])


SHARED = Dense(2)
ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("pictures into Dense", errors.ShapeError,
     lambda: built(Rescaling(2), Dense(64), shape=(26, 26, 8)),
     ("layer 1, Dense(64), cannot read its input.", "(N, 26, 26, 8) from layer 0, Rescaling(2.0)",
      "(N, features)", "put Flatten() between layer 0 and layer 1")),
    ("pictures into the first", errors.ShapeError, lambda: built(Dense(64), shape=(26, 26)),
     ("layer 0", "from the data", "put Flatten() in front of layer 0")),
    ("an operation inside", errors.ShapeError,
     lambda: built(Dense(2), Own(lambda x: ops.matmul(x, np.ones((3, 3), "f4")))),
     ("layer 1", "(N, 2) from layer 0, Dense(2)", "(3, 3)")),
    ("no value", errors.TraceError, lambda: built(Own(lambda x: None)), ("layer 0", "NoneType")),
    ("another dtype", errors.DTypeError, lambda: built(Own(lambda x: ops.cast(x, "float64"))),
     ("layer 0", "float64", "context.dtype")),
    ("no batch axis", errors.ShapeError, lambda: built(Own(ops.sum)), ("layer 0", "()", "axis 0")),
    ("batch axis moved", errors.ShapeError, lambda: built(Own(ops.transpose)), ("(4, N)",)),
    ("no layers", errors.ArgumentError, lambda: Network([]), ("at least one layer",)),
    ("no layer", errors.ArgumentError, lambda: Network([Dense(2), 3]), ("layer 1", "3")),
    ("a class", errors.ArgumentError, lambda: Network([Flatten]), ("layer 0", "write Flatten()")),
    ("twice", errors.ArgumentError, lambda: Network([SHARED, Flatten(), SHARED]),
     ("layer 2", "layer 0")),
    ("dtype", errors.DTypeError, lambda: Network([Dense(2)], "int32"), ("int32", "float32")),
    ("no shape", errors.NotBuiltError, lambda: Network([Dense(2)]).output_shape, ("build",)),
    ("no table", errors.NotBuiltError, lambda: Network([Dense(2)]).layer_table(), ("build",)),
    ("another network's layer", errors.ArgumentError, second_home, ("layer 0", "Dense(2)")),
    ("a number as shape", errors.ArgumentError, lambda: built(Dense(2), shape=784), ("(784,)",)),
    ("a length of 0", errors.ArgumentError, lambda: built(Dense(2), shape=(0,)),
     ("input_shape[0]",)),
    ("seed", errors.ArgumentError, lambda: built(Dense(2), seed=-1), ("seed", "-1")),
    ("memory", errors.ArgumentError, lambda: built(Huge()),
     ("layer 0", "4,000,000,000,000 bytes")),
    ("built for another", errors.ArgumentError, lambda: built(Dense(2)).set_input_shape((5,)),
     ("(N, 4)", "(N, 5)")),
    ("missing", errors.ShapeError, lambda: filled({"layers.0.bias": None}),
     ("layers.0.bias", "missing")),
    ("left over", errors.ShapeError, lambda: filled({"layers.1.bias": np.ones(2)}),
     ("layers.1.bias",)),
    ("shape", errors.ShapeError, lambda: filled({"layers.0.bias": np.ones(3, "f4")}),
     ("float32(3,)", "float32(2,)")),
    ("dtype of an array", errors.ShapeError, lambda: filled({"layers.0.bias": np.ones(2)}),
     ("float64(2,)",)),
    ("architecture: a list", errors.ModelFileError, lambda: Network.from_architecture([]),
     ("architecture", "list")),
    ("architecture: keys", errors.ModelFileError,
     lambda: Network.from_architecture(architecture(more=1)), ("more",)),
    ("architecture: dtype", errors.ModelFileError,
     lambda: Network.from_architecture(architecture(dtype="int32")), ("int32",)),
    ("architecture: shape", errors.ModelFileError,
     lambda: Network.from_architecture(architecture(input_shape=[0])), ("input_shape",)),
    ("architecture: a huge length", errors.ModelFileError,
     lambda: Network.from_architecture(architecture(input_shape=[2**40])), ("input_shape",)),
    ("architecture: many axes", errors.ModelFileError,
     lambda: Network.from_architecture(architecture(input_shape=[1] * 17)), ("input_shape",)),
    ("architecture: no layers", errors.ModelFileError,
     lambda: Network.from_architecture(architecture(layers=[])), ("at least one layer",)),
    ("architecture: unknown layer", errors.ModelFileError,
     lambda: Network.from_architecture(one_layer(layer="Dens")), ("layer 0", "Dens", "'Dense'")),
    ("architecture: a name that is none", errors.ModelFileError,
     lambda: Network.from_architecture(one_layer(layer=3)), ("layers[0].layer",)),
    ("architecture: config", errors.ModelFileError,
     lambda: Network.from_architecture(one_layer(config={**Dense(2).config(), "units": 10**30})),
     ("layers[0].config", "units")),
    ("architecture: config missing", errors.ModelFileError,
     lambda: Network.from_architecture(one_layer(config={})), ("layers[0].config",)),
    ("architecture: config a list", errors.ModelFileError,
     lambda: Network.from_architecture(one_layer(config=["units"])), ("layers[0].config",)),
    ("architecture: trainable", errors.ModelFileError,
     lambda: Network.from_architecture(one_layer(trainable="yes")), ("trainable",)),
    ("architecture: does not fit", errors.ShapeError,
     lambda: Network.from_architecture(architecture(input_shape=[2, 2])), ("layer 0",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)


def test_the_message_of_the_design() -> None:
    with pytest.raises(errors.ShapeError) as caught:
        built(Own(lambda x: x), Dense(64), shape=(26, 26, 8))
    lines = str(caught.value).splitlines()
    assert lines[0] == "layer 1, Dense(64), cannot read its input."
    assert lines[2] == "  what it needs   (N, features): one row of features an example"
    assert lines[3] == "  how to fix      put Flatten() between layer 0 and layer 1"


def test_a_failed_build_leaves_a_network_that_can_be_built() -> None:
    network = Network([Dense(2)])
    with pytest.raises(errors.ShapeError):
        network.build((3, 3))
    assert not network.built
    network.build((3,))
    assert network.built
