"""The contract of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.foundation.shapes import show_shape
from ranvier.graph.transforms import gradient
from ranvier.layers import LAYERS, Context, Dense, Flatten, Layer
from ranvier.models import Sequential
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

Array = NDArray[Any]


def check_layer(
    layer: Layer,
    input_shape: Sequence[int] | None = None,
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
        input_shape: of one example, without the batch axis; left out, several are tried.
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
    shapes = readable(layer, input_shape)
    for shape in shapes:
        for dtype in FLOATS:
            _check_forward(layer, shape, dtype)
        if differentiable:
            _check_gradients(layer, shape)
    if shapes[0]:  # a model trains on rows of at least one number
        _check_training(layer, shapes[0])


def readable(layer: Layer, input_shape: Sequence[int] | None) -> list[tuple[int, ...]]:
    """The shapes that are checked: the one that is given, or those of a few that it reads.

    Raises:
        ShapeError: if the layer refuses the one that is given.
        ContractError: if none was given and it refuses all.
    """
    found, refused = [], ""
    for shape in SHAPES if input_shape is None else [tuple(input_shape)]:
        try:
            Network([copied(layer)]).set_input_shape(shape)
            found.append(shape)
        except ShapeError as error:
            if input_shape is not None:
                raise
            refused = error.needed
    if not found:
        tried = ", ".join(show_shape(shape) for shape in SHAPES)
        raise broken(
            layer.describe(), "no input shape is known that it reads.",
            f"it refuses examples of {tried}; it needs {refused}", "the shape of one example",
            "give it: check_layer(layer, input_shape)",
        )  # fmt: skip
    return found


def batch(layer: Layer, shape: tuple[int, ...], rows: int, dtype: str = "float64") -> Array:
    """Rows that the layer reads: random numbers, or the integers 0 and 1."""
    if layer.reads_integers:
        return np.random.default_rng(rows).integers(0, 2, (rows, *shape)).astype("int32")
    return numbers((rows, *shape), dtype, seed=1)


def _built(layer: Layer, shape: tuple[int, ...], dtype: str) -> Network:
    network = Network([copied(layer)], dtype)
    network.build(shape, seed=3)
    return network


def _moved(network: Network, trained: bool) -> dict[str, Array]:
    """Parameters away from their first numbers: zeros and ones hide mistakes."""
    declared = network.declared
    return {
        name: (array + 0.1 * np.abs(numbers(array.shape, array.dtype.name))).astype(array.dtype)
        for name, array in network.parameters.items()
        if declared[name].trainable == trained
    }


def _check_forward(layer: Layer, shape: tuple[int, ...], dtype: str) -> None:
    """Shapes, dtypes, and both engines, in training and outside, with all gradients."""
    network = _built(layer, shape, dtype)
    kept = _moved(network, trained=False)
    reads_numbers = not layer.reads_integers

    def both(x: Any, values: Any, seed: Any, step: Any) -> Any:
        def training(x: Any, values: Any) -> Any:
            return network.forward(x, {**values, **kept}, Context(True, seed, step, dtype))

        def loss(x: Any, values: Any) -> Any:
            return scalar_of(training(x, values))

        places = (0, 1) if reads_numbers else (1,)
        outside = network.forward(x, {**values, **kept}, Context(dtype=dtype))
        return outside, training(x, values), gradient(loss, places)(x, values)

    for rows in ROWS:
        x = batch(layer, shape, rows, dtype)
        arguments = (x, _moved(network, trained=True), np.int64(1), np.int64(2))
        outside, training, *_ = check_engines(layer.describe(), both, arguments)
        expected = (rows, *network.output_shape)
        for what, array in (("its prediction", outside), ("its result in training", training)):
            check_array(layer.describe(), what, array, expected, dtype)


def _check_gradients(layer: Layer, shape: tuple[int, ...]) -> None:
    network = _built(layer, shape, "float64")
    values, kept = _moved(network, trained=True), _moved(network, trained=False)
    x = batch(layer, shape, 3)
    names = list(values)

    def loss(*arrays: Any) -> Any:
        inputs, own = (x, arrays) if layer.reads_integers else (arrays[0], arrays[1:])
        context = Context(True, np.int64(1), np.int64(2), "float64")
        given = {**dict(zip(names, own, strict=True)), **kept}
        return scalar_of(network.forward(inputs, given, context))

    leading = {} if layer.reads_integers else {"x": x}
    short = [name.removeprefix("layers.0.") for name in names]
    if arrays := [*leading.values(), *values.values()]:
        check_gradient(layer.describe(), loss, arrays, [*leading, *short])


def _check_training(layer: Layer, shape: tuple[int, ...]) -> None:
    thing = layer.describe()
    x = batch(layer, shape, 20)
    y = np.sin(x.reshape(20, -1)[:, :1].astype("float64"))

    def make() -> Sequential:
        return Sequential(copied(layer), Flatten(), Dense(1), dtype="float64")

    model = check_training(thing, make, x, y, {})
    check_predictions(thing, model, x)
    name = type(layer).__name__
    if name in LAYERS and LAYERS[name] is type(layer):
        check_file(thing, model, x)
    if model.layers[0].values:
        check_frozen(thing, make, 0, x, y, {})
