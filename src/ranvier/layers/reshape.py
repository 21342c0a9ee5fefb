"""Examples in another shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.shapes import N, known_shape, show_shape
from ranvier.layers.arguments import LARGEST_LENGTH, whole_number
from ranvier.layers.base import LAYERS, Context, Layer, Parameter
from ranvier.ops import Tensor
from ranvier.ops.value import shape_of

#: As many as a model file may give to an input.
MOST_AXES = 16


@LAYERS.register("Reshape")
class Reshape(Layer):
    """The same numbers in row-major order under another shape; costs nothing.

    **Shapes**: ``x: (N, A, B, ...) -> (N, *shape)``, with ``A * B * ...`` the product of the shape

    Args:
        shape: of one example, without the batch axis; one length may be -1 and is found.

    Raises:
        ArgumentError: if the shape is no list of up to 16 lengths with at most one -1.
        ShapeError: in a network, if an example has another number of elements.

    Example:
        >>> import numpy as np
        >>> Reshape((2, -1)).forward(np.arange(6.0).reshape(1, 6), {}, Context()).tolist()
        [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = _lengths(shape)

    def _shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        size, fixed = math.prod(input_shape), math.prod(d for d in self.shape if d != -1)
        if size != fixed and not (-1 in self.shape and size % fixed == 0):
            several = "a multiple of " if -1 in self.shape else ""
            raise self.cannot_read(
                input_shape,
                f"{several}{fixed} elements an example, for {show_shape((N, *self.shape))}",
                f"an example has {size} elements: give Reshape a shape of as many",
            )
        return tuple(size // fixed if d == -1 else d for d in self.shape)

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """No parameters; refuses examples with another number of elements."""
        self._shape_for(input_shape)
        return {}

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """**Shapes**: ``x: (N, A, B, ...) -> (N, *shape)``"""
        batch, *axes = shape_of(x)
        return ops.reshape(x, (batch, *self._shape_for(known_shape(tuple(axes)))))


def _lengths(shape: object) -> tuple[int, ...]:
    lengths = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else None
    if lengths is None or len(lengths) > MOST_AXES or sum(d == -1 for d in lengths) > 1:
        raise ArgumentError(
            "Reshape: the argument shape is not understood.",
            happened=f"shape is {shape!r:.80}",
            needed=f"a tuple of up to {MOST_AXES} lengths, at most one of them -1",
            fix="write for example Reshape((28, 28))",
        )
    return tuple(
        -1 if type(d) is int and d == -1 else whole_number("Reshape", "shape", d, 1, LARGEST_LENGTH)
        for d in lengths
    )
