"""Shapes of a network, found by tracing each layer's forward pass; nothing is allocated.

Every error names the layer, what it receives and from whom.
"""

from __future__ import annotations

from collections.abc import Sequence

from ranvier.foundation.errors import RanvierError, ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.layers import Layer
from ranvier.layers.base import IN_FRONT
from ranvier.layers.shapes import LayerShapes, RowShape, shapes_of
from ranvier.networks.wiring import Call, Wiring


def infer_shapes(
    layers: Sequence[Layer], wiring: Wiring, inputs: Sequence[RowShape], dtype: str
) -> tuple[LayerShapes, ...]:
    """The shapes of every call of a layer.

    Args:
        layers: by number.
        wiring: their calls.
        inputs: of one example of each input, without the batch axis.
        dtype: of the network.

    Raises:
        ShapeError: if a layer cannot read what it receives.
        DTypeError: if a layer gives other numbers than the network's.
        TraceError: if a layer's forward pass is not written in operations.
    """
    found: list[LayerShapes] = []
    shapes: dict[int, RowShape] = dict(enumerate(inputs))
    first: dict[int, LayerShapes] = {}
    for call in wiring.calls:
        layer, read = layers[call.layer], tuple(shapes[value] for value in call.reads)
        try:
            one = shapes_of(layer, read, dtype)
        except RanvierError as error:
            raise _placed(error, layers, wiring, call, read) from error
        if len(call.gives) != len(one.output_shapes):
            raise ShapeError(
                f"layer {call.layer}, {layer.describe()}, gives another number of values.",
                happened=f"it gives {len(one.output_shapes)}",
                needed=f"{len(call.gives)}, as the network was described",
                fix="take the description from a network of the same layers",
            )
        _check_shared(layer, call.layer, first.setdefault(call.layer, one), one)
        shapes.update(zip(call.gives, one.output_shapes, strict=True))
        found.append(one)
    return tuple(found)


def _check_shared(layer: Layer, number: int, first: LayerShapes, again: LayerShapes) -> None:
    """A layer used twice has one set of parameters, so both uses must ask for the same."""
    for name, parameter in again.parameters.items():
        if name not in first.parameters or first.parameters[name].shape != parameter.shape:
            raise ShapeError(
                f"layer {number}, {layer.describe()}, is shared by inputs of different shapes.",
                happened=f"for {show_shape((N, *again.input_shape))} its {name} has shape "
                f"{show_shape(parameter.shape)}, for {show_shape((N, *first.input_shape))} not",
                needed="the same shape in each place where the layer is used",
                fix=f"write {layer.describe()} a second time, or bring the inputs into one shape",
            )


def _placed(
    error: RanvierError,
    layers: Sequence[Layer],
    wiring: Wiring,
    call: Call,
    read: Sequence[RowShape],
) -> RanvierError:
    """The same error with the layer's number, what it receives and from whom."""
    number, layer = call.layer, layers[call.layer]
    receives = "it receives " + "; ".join(
        f"{show_shape((N, *shape))} from {_source(layers, wiring, value)}"
        for shape, value in zip(read, call.reads, strict=True)
    )
    place = "in front of layer 0"
    before = wiring.source(call.reads[0])
    if before is not None:
        place = f"between layer {wiring.calls[before].layer} and layer {number}"
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


def _source(layers: Sequence[Layer], wiring: Wiring, value: int) -> str:
    place = wiring.source(value)
    if place is not None:
        number = wiring.calls[place].layer
        return f"layer {number}, {layers[number].describe()}"
    if len(wiring.inputs) == 1:
        return "the data"
    return f"the input {wiring.inputs[value]!r}"
