"""What losses of embeddings share: several points an example, and distances between them."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import N, Shape, show_shape
from ranvier.ops import Tensor
from ranvier.ops.value import shape_of


def point(outputs: Tensor, number: int) -> Any:
    """One of the points of each example. **Shapes**: ``outputs: (N, k, D) -> (N, D)``"""
    rows, _, width = shape_of(outputs)
    return ops.reshape(ops.slice_axis(outputs, 1, number, number + 1), (rows, width))


def squared_distance(first: Tensor, second: Tensor, shift: float = 0.0) -> Any:
    """The square of the Euclidean distance. **Shapes**: ``(N, D), (N, D) -> (N,)``

    Args:
        first: points.
        second: points.
        shift: added to every coordinate of the difference.
    """
    difference = ops.subtract(first, second)
    if shift:
        difference = ops.add(difference, shift)
    return ops.sum(ops.multiply(difference, difference), axis=1)


def root(squared: Tensor) -> Any:
    """The square root whose slope at 0 is 0: two equal points are pushed in no direction.

    Example:
        >>> import numpy as np
        >>> root(np.array([0.0, 9.0])).tolist()
        [0.0, 3.0]
    """
    # As "not above 0", so that a NaN stays a NaN; the inner one keeps the slope finite.
    zero = ops.less_equal(squared, 0.0)
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, squared)))


def check_points(name: str, outputs: Shape, targets: Shape, count: int) -> None:
    """Refuse outputs that are not ``count`` points an example.

    Raises:
        ShapeError: naming both shapes.
    """
    if len(outputs) == 3 and outputs[1] == count:
        return
    raise ShapeError(
        f"{name} cannot read outputs {show_shape(outputs)}.",
        happened=f"outputs have shape {show_shape(outputs)}, targets {show_shape(targets)}",
        needed=f"{show_shape((N, count))[:-1]}, D): {count} points of D numbers an example",
        fix=f"end a graph of layers with Stack()([...]) of {count} outputs of one shared network",
    )
