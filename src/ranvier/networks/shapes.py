"""Shapes of a stack of layers, found by tracing its forward pass; nothing is allocated.

Every error names the layer, what it receives and from whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.foundation.errors import DTypeError, RanvierError, ShapeError, TraceError
from ranvier.foundation.shapes import Extent, N, show_shape
from ranvier.layers import Context, Layer, Parameter
from ranvier.layers.base import IN_FRONT
from ranvier.ops.value import Value, input_value


@dataclass(frozen=True)
class LayerShapes:
    """What one layer reads, gives and holds.

    Attributes:
        input_shape: of one example, without the batch axis.
        output_shape: of one example, without the batch axis.
        parameters: what the layer declared, by short name.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: dict[str, Parameter]


def infer_shapes(
    layers: Sequence[Layer], input_shape: tuple[int, ...], dtype: str
) -> tuple[LayerShapes, ...]:
    """The shapes of every layer for inputs of a shape.

    Args:
        layers: in their order.
        input_shape: of one example, without the batch axis.
        dtype: of the network.

    Raises:
        ShapeError: if a layer cannot read what it receives.
        DTypeError: if a layer gives other numbers than the network's.
        TraceError: if a layer's forward pass is not written in operations.
    """
    found: list[LayerShapes] = []
    shape = input_shape
    for number, layer in enumerate(layers):
        try:
            parameters = layer.declare(shape)
            output = _output_shape(layer, shape, parameters, dtype)
        except RanvierError as error:
            raise _placed(error, layers, number, shape) from error
        found.append(LayerShapes(shape, output, parameters))
        shape = output
    return tuple(found)


def _output_shape(
    layer: Layer, shape: tuple[int, ...], parameters: dict[str, Parameter], dtype: str
) -> tuple[int, ...]:
    context = Context(
        training=True,
        seed=input_value("seed", (), "int64"),
        step=input_value("step", (), "int64"),
        dtype=dtype,
    )
    x = input_value("x", (N, *shape), dtype)
    leaves = {name: input_value(name, p.shape, dtype) for name, p in parameters.items()}
    result: Any = layer.forward(x, leaves, context)
    if not isinstance(result, Value):
        raise TraceError(
            f"{layer.describe()} gives something else than a value.",
            happened=f"its forward pass returned a {type(result).__name__}",
            needed="what operations of ranvier.ops gave",
            fix="write the forward pass in ranvier.ops, and return its result",
        )
    if result.dtype != dtype:
        raise DTypeError(
            f"{layer.describe()} gives numbers of another dtype than the network's.",
            happened=f"it gives {result.dtype}",
            needed=dtype,
            fix="end its forward pass with ops.cast(result, context.dtype)",
        )
    lengths = tuple(d for d in result.shape[1:] if not isinstance(d, Extent))
    if result.shape[:1] != (N,) or len(lengths) != len(result.shape) - 1:
        raise ShapeError(
            f"{layer.describe()} loses the batch axis.",
            happened=f"from {show_shape(x.shape)} it makes {show_shape(result.shape)}",
            needed="(N, ...): one result for each example, of known lengths",
            fix="keep axis 0 in the layer's forward pass",
        )
    return lengths


def _placed(
    error: RanvierError, layers: Sequence[Layer], number: int, shape: tuple[int, ...]
) -> RanvierError:
    """The same error with the layer's number, what it receives and from whom."""
    layer = layers[number]
    source = f"layer {number - 1}, {layers[number - 1].describe()}" if number else "the data"
    receives = f"it receives {show_shape((N, *shape))} from {source}"
    place = f"between layer {number - 1} and layer {number}" if number else "in front of layer 0"
    own = error.headline.removeprefix(layer.describe()).strip()
    happened = receives
    if not isinstance(error, ShapeError) or own != "cannot read its input.":
        happened += f"\n{error.headline} {error.happened}"
    return type(error)(
        f"layer {number}, {layer.describe()}, cannot read its input."
        if isinstance(error, ShapeError)
        else f"layer {number}, {layer.describe()}, cannot be used.",
        happened=happened,
        needed=error.needed,
        fix=error.fix.replace(IN_FRONT, place),
    )
