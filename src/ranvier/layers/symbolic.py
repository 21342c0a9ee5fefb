"""Layers wired into a graph: what flows between them before there are numbers.

``Input((4,))`` starts a graph, calling a layer adds to it, ``Model(inputs, outputs)`` closes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.foundation.errors import ArgumentError, RanvierError, ShapeError
from ranvier.foundation.shapes import N, Shape, show_shape
from ranvier.layers.arguments import whole_number
from ranvier.layers.shapes import LayerLike, RowShape, shapes_of


@dataclass(frozen=True, eq=False)
class SymbolicCall:
    """One call of a layer on parts of a graph.

    Attributes:
        layer: that was called.
        inputs: what it reads.
        outputs: how many values it gives.
    """

    layer: LayerLike
    inputs: tuple[SymbolicTensor, ...]
    outputs: int


class SymbolicTensor:
    """What a layer of a graph gives, known by its shape only.

    Args:
        row_shape: of one example, without the batch axis.
        name: of an input; "" otherwise.
        call: that gives it; None for an input.
        index: which of that call's outputs it is.
    """

    def __init__(
        self,
        row_shape: RowShape,
        name: str = "",
        call: SymbolicCall | None = None,
        index: int = 0,
    ) -> None:
        self.row_shape = row_shape
        self.name = name
        self.call = call
        self.index = index

    @property
    def shape(self) -> Shape:
        """With the batch axis: ``(N, ...)``."""
        return (N, *self.row_shape)

    def __repr__(self) -> str:
        return f"<{self.source} gives {show_shape(self.shape)}>"

    @property
    def source(self) -> str:
        """What gives it, as text."""
        if self.call is not None:
            return self.call.layer.describe()
        return f"Input {self.name!r}" if self.name else "an Input"


def Input(shape: Sequence[int], name: str = "") -> SymbolicTensor:  # noqa: N802 - as Keras has it
    """The start of a graph of layers: one input of a model.

    **Shapes**: one example has ``shape``; layers see ``(N, *shape)``

    Args:
        shape: of one example, without the batch axis; () for one number an example.
        name: by which `fit` and `predict` find its array in a dict; left out: "input_0" and so on.

    Raises:
        ArgumentError: a shape that is not made of positive integers, or a name that is no text.

    Example:
        >>> import ranvier as rv
        >>> x = rv.Input((4,), name="measurements")
        >>> h = rv.Dense(8, activation="relu")(x)
        >>> rv.Model(x, rv.Add()([rv.Dense(4)(h), x])).output_shape
        (4,)
    """
    if not isinstance(name, str):
        raise ArgumentError(
            "Input: the argument name is not understood.",
            happened=f"name is {name!r:.80}",
            needed="a text",
            fix='write for example Input((4,), name="measurements")',
        )
    if not isinstance(shape, tuple | list):
        raise ArgumentError(
            "Input: the argument shape is not understood.",
            happened=f"shape is {shape!r:.80}",
            needed="a tuple: the shape of one example, without the batch axis",
            fix="write for example Input((784,)) for rows of 784 features",
        )
    lengths = (whole_number("Input", f"shape[{axis}]", length) for axis, length in enumerate(shape))
    return SymbolicTensor(tuple(lengths), name)


def connect(layer: LayerLike, arguments: tuple[Any, ...]) -> Any:
    """What a layer gives for symbolic inputs: one tensor, or a tuple for several outputs.

    Raises:
        ArgumentError: for something else than symbolic tensors, or another number of them.
        ShapeError: if the layer cannot read them.
    """
    inputs = _flat(arguments)
    for one in inputs:
        if not isinstance(one, SymbolicTensor):
            raise ArgumentError(
                f"{layer.describe()} was called with something that is no part of a graph.",
                happened=f"it was given a {type(one).__name__}",
                needed="what rv.Input(...) or another layer's call gave",
                fix="for numbers, put the layer into a model and call model.predict(X)",
            )
    if not inputs or (len(inputs) > 1 and not layer.several_inputs):
        raise ArgumentError(
            f"{layer.describe()} was called with {len(inputs)} inputs.",
            happened=f"it reads {'several' if layer.several_inputs else 'one'}",
            needed="one input" if not layer.several_inputs else "one or more inputs",
            fix="join them first, for example with rv.Concatenate()([a, b])",
        )
    try:
        shapes = shapes_of(layer, tuple(one.row_shape for one in inputs), "float32")
    except ShapeError as error:
        raise _from_where(error, layer, inputs) from error
    call = SymbolicCall(layer, inputs, len(shapes.output_shapes))
    given = tuple(
        SymbolicTensor(shape, "", call, index) for index, shape in enumerate(shapes.output_shapes)
    )
    return given[0] if len(given) == 1 else given


def _flat(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(arguments) == 1 and isinstance(arguments[0], tuple | list):
        arguments = tuple(arguments[0])
    return arguments


def _from_where(
    error: ShapeError, layer: LayerLike, inputs: tuple[SymbolicTensor, ...]
) -> RanvierError:
    sources = "; ".join(f"{show_shape(one.shape)} from {one.source}" for one in inputs)
    own = error.headline.removeprefix(layer.describe()).strip()
    happened = f"it receives {sources}"
    if own != "cannot read its input.":
        happened += f"\n{error.headline} {error.happened}"
    return ShapeError(
        f"{layer.describe()} cannot read its input.",
        happened=happened,
        needed=error.needed,
        fix=error.fix,
    )
