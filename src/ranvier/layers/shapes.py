"""The shapes of one layer, found by tracing its forward pass; nothing is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from ranvier.foundation.errors import DTypeError, ShapeError, TraceError
from ranvier.foundation.shapes import Extent, N, show_shape
from ranvier.layers.context import Context, Parameter
from ranvier.ops.value import Value, input_value

#: The shape of one example, without the batch axis.
RowShape: TypeAlias = tuple[int, ...]


class LayerLike(Protocol):
    """What is asked of a layer here; :class:`ranvier.layers.base.Layer` is one."""

    @property
    def several_inputs(self) -> bool:
        """Whether it reads several values at once."""

    @property
    def reads_integers(self) -> bool:
        """Whether it reads integers as they are."""

    def describe(self) -> str:
        """How it would be written in Python."""

    def declare(self, input_shape: Any) -> dict[str, Parameter]:
        """The parameters for inputs of a shape."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        """The layer's formula."""


@dataclass(frozen=True)
class LayerShapes:
    """What a layer reads, gives and holds in one place of a network.

    Attributes:
        input_shapes: of one example, one for each input.
        output_shapes: of one example, one for each output; nearly always one.
        parameters: what the layer declared, by short name.
    """

    input_shapes: tuple[RowShape, ...]
    output_shapes: tuple[RowShape, ...]
    parameters: dict[str, Parameter]

    @property
    def input_shape(self) -> RowShape:
        """Of its first input."""
        return self.input_shapes[0]

    @property
    def output_shape(self) -> RowShape:
        """Of its first output."""
        return self.output_shapes[0]


def shapes_of(layer: LayerLike, inputs: tuple[RowShape, ...], dtype: str) -> LayerShapes:
    """The shapes of a layer that reads inputs of some shapes.

    Raises:
        ShapeError: if the layer cannot read them, or loses the batch axis.
        DTypeError: if it gives other numbers than the network's.
        TraceError: if its forward pass is not written in operations.
    """
    parameters = layer.declare(inputs if layer.several_inputs else inputs[0])
    context = Context(
        training=True,
        seed=input_value("seed", (), "int64"),
        step=input_value("step", (), "int64"),
        dtype=dtype,
    )
    read = "int32" if layer.reads_integers else dtype
    values = tuple(input_value(f"x{k}", (N, *shape), read) for k, shape in enumerate(inputs))
    leaves = {name: input_value(name, p.shape, dtype) for name, p in parameters.items()}
    result: Any = layer.forward(values if layer.several_inputs else values[0], leaves, context)
    results = result if isinstance(result, tuple) else (result,)
    given = tuple(_row_shape(layer, inputs, one, dtype) for one in results)
    return LayerShapes(inputs, given, parameters)


def _row_shape(layer: LayerLike, inputs: tuple[RowShape, ...], result: Any, dtype: str) -> RowShape:
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
        read = " and ".join(show_shape((N, *shape)) for shape in inputs)
        raise ShapeError(
            f"{layer.describe()} loses the batch axis.",
            happened=f"from {read} it makes {show_shape(result.shape)}",
            needed="(N, ...): one result for each example, of known lengths",
            fix="keep axis 0 in the layer's forward pass",
        )
    return lengths
