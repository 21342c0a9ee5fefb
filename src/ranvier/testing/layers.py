"""The contract of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.foundation.shapes import show_shape
from ranvier.graph.transforms import gradient
from ranvier.layers import LAYERS, Context, Dense, Flatten, Layer
from ranvier.layers.shapes import RowShape
from ranvier.layers.symbolic import Input
from ranvier.models import Model
from ranvier.networks.network import Network
from ranvier.testing.contracts import (
    FLOATS,
    broken,
    check_array,
    check_configuration,
    check_engines,
    check_gradient,
    numbers,
    scalar_of,
)
from ranvier.testing.training import (
    check_file,
    check_frozen,
    check_predictions,
    check_training,
    copied,
)

#: What is tried if no shape is given; those that the layer refuses are left out.
SHAPES: tuple[tuple[int, ...], ...] = ((7,), (1,), (3, 5))
#: Rows of a batch: one, and an odd number.
ROWS = (1, 5)

WHAT = ("its prediction", "its result in training")

Array = NDArray[Any]
#: The shape of one example, or one for each input.
Shapes: TypeAlias = Sequence[int] | Sequence[Sequence[int]]


def check_layer(
    layer: Layer,
    input_shape: Shapes | None = None,
    *,
    differentiable: bool = True,
) -> None:
    """Hold a layer to the contract of layers.

    Its configuration makes it again; it gives the shape and dtype that its network finds; its
    gradient with respect to inputs and parameters is its slope (finite differences in float64); the
    native engine gives what the reference gives, in float32 and float64, in training and outside;
    a row's prediction depends neither on its batch nor on other threads; it trains natively, the
    same for the same seed; frozen, it keeps its numbers; if it is registered, a file gives it back.

    Args:
        layer: it is copied, so that it keeps its state.
        input_shape: of one example, without the batch axis, or a list of shapes for a layer of
            several inputs; left out, a few are tried.
        differentiable: False for a layer whose gradient is not its slope on purpose, such as one
            that rounds.

    Raises:
        ContractError: naming the layer and the contract that is broken.
        RanvierError: what the layer itself raises, such as a ShapeError for the input shape.

    Example:
        >>> import ranvier as rv
        >>> class Scale(rv.Layer):
        ...     def declare(self, input_shape):
        ...         return {"factor": rv.Parameter(input_shape[-1:], "ones")}
        ...     def forward(self, x, parameters, context):
        ...         return x * parameters["factor"]
        >>> check_layer(Scale())
    """
    if not isinstance(layer, Layer):
        raise ArgumentError(
            "check_layer needs a layer.",
            happened=f"it was given {layer!r:.80}",
            needed="a layer such as Dense(3)",
            fix="call the class if its brackets are missing",
        )
    check_configuration(layer)
    tried = readable(layer, input_shape)
    for shapes in tried:
        for dtype in FLOATS:
            _check_forward(layer, shapes, dtype)
        if differentiable:
            _check_gradients(layer, shapes)
    if all(tried[0]):  # a model trains on rows of at least one number
        _check_training(layer, tried[0])


def readable(layer: Layer, input_shape: Shapes | None) -> list[tuple[RowShape, ...]]:
    """The shapes of the inputs that are checked: those given, or those of a few that it reads.

    Raises:
        ShapeError: if the layer refuses the one that is given.
        ContractError: if none was given and it refuses all.
    """
    count = 2 if layer.several_inputs else 1
    tried = [(shape,) * count for shape in SHAPES]
    if input_shape is not None:
        several = any(isinstance(one, tuple | list) for one in input_shape)
        given: Any = input_shape if several else [input_shape]
        tried = [tuple(tuple(shape) for shape in given)]
    found, refused = [], ""
    for shapes in tried:
        try:
            copied(layer)(*(Input(shape) for shape in shapes))
            found.append(shapes)
        except ShapeError as error:
            if input_shape is not None:
                raise
            refused = error.needed
    if not found:
        raise broken(
            layer.describe(), "no input shape is known that it reads.",
            "it refuses examples of " + ", ".join(show_shape(shape) for shape in SHAPES)
            + f"; it needs {refused}", "the shape of one example",
            "give it: check_layer(layer, input_shape)",
        )  # fmt: skip
    return found


def batch(layer: Layer, shapes: tuple[RowShape, ...], rows: int, dtype: str) -> tuple[Array, ...]:
    """Inputs that the layer reads: random numbers, or the integers 0 and 1."""
    if layer.reads_integers:
        rng = np.random.default_rng(rows)
        return tuple(rng.integers(0, 2, (rows, *shape)).astype("int32") for shape in shapes)
    return tuple(numbers((rows, *s), dtype, seed=1 + i) for i, s in enumerate(shapes))


def _network(layer: Layer, shapes: tuple[RowShape, ...], dtype: str) -> Network:
    inputs = tuple(Input(shape) for shape in shapes)
    network = Model(inputs, copied(layer)(*inputs), dtype).network
    network.build(seed=3)
    return network


def _moved(network: Network, trained: bool) -> dict[str, Array]:
    """Parameters away from their first numbers: zeros and ones hide mistakes."""
    declared = network.declared
    return {
        name: (array + 0.1 * np.abs(numbers(array.shape, array.dtype.name))).astype(array.dtype)
        for name, array in network.parameters.items()
        if declared[name].trainable == trained
    }


def _result(
    network: Network, x: tuple[Any, ...], values: Mapping[str, Any], context: Context
) -> tuple[Any, ...]:
    """What the layer gives by itself, without what its network does before and after it."""
    layer = network.layers[0]
    own = {name.removeprefix("layers.0."): array for name, array in values.items()}
    found = layer.forward(x if layer.several_inputs else x[0], own, context)
    return found if isinstance(found, tuple) else (found,)


def _check_forward(layer: Layer, shapes: tuple[RowShape, ...], dtype: str) -> None:
    """Shapes, dtypes, and both engines, in training and outside, with all gradients."""
    network = _network(layer, shapes, dtype)
    values, kept = _moved(network, trained=True), _moved(network, trained=False)
    places = (1,) if layer.reads_integers else (0, 1)

    def both(x: Any, values: Any, seed: Any, step: Any) -> Any:
        def training(x: Any, values: Any) -> Any:
            return _result(network, x, {**values, **kept}, Context(True, seed, step, dtype))

        slopes = gradient(lambda x, values: scalar_of(training(x, values)), places)(x, values)
        outside = _result(network, x, {**values, **kept}, Context(dtype=dtype))
        return outside, training(x, values), slopes

    for rows in ROWS:
        x = batch(layer, shapes, rows, dtype)
        arguments = (x, values, np.int64(1), np.int64(2))
        for what, results in zip(WHAT, both(*arguments)[:2], strict=True):
            for array, shape in zip(results, network.output_shapes, strict=True):
                check_array(layer.describe(), what, array, (rows, *shape), dtype)
        check_engines(layer.describe(), both, arguments)


def _check_gradients(layer: Layer, shapes: tuple[RowShape, ...]) -> None:
    network = _network(layer, shapes, "float64")
    values, kept = _moved(network, trained=True), _moved(network, trained=False)
    x = batch(layer, shapes, 3, "float64")
    moved = () if layer.reads_integers else x

    def loss(*arrays: Any) -> Any:
        inputs = arrays[: len(moved)] or x
        own = dict(zip(values, arrays[len(moved) :], strict=True))
        context = Context(True, np.int64(1), np.int64(2), "float64")
        return scalar_of(_result(network, inputs, {**own, **kept}, context))

    names = ["x"] if len(moved) == 1 else [f"input {i}" for i in range(len(moved))]
    names += [name.removeprefix("layers.0.") for name in values]
    if names:
        check_gradient(layer.describe(), loss, [*moved, *values.values()], names)


def _check_training(layer: Layer, shapes: tuple[RowShape, ...]) -> None:
    thing = layer.describe()
    x = batch(layer, shapes, 20, "float64")
    y = np.sin(x[0].reshape(20, -1)[:, :1].astype("float64"))

    def make() -> Model:
        inputs = tuple(Input(shape) for shape in shapes)
        found = copied(layer)(*inputs)
        first = found[0] if isinstance(found, tuple) else found
        return Model(inputs, Dense(1)(Flatten()(first)), dtype="float64").build()

    given = x if len(x) > 1 else x[0]
    model = check_training(thing, make, given, y)
    check_predictions(thing, model, given)
    name = type(layer).__name__
    if name in LAYERS and LAYERS[name] is type(layer):
        check_file(thing, model, given)
    if model.layers[0].values:
        check_frozen(thing, make, given, y)
