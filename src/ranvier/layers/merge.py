"""Layers that make one value of several: sums, products, extremes, and values side by side."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.layers.arguments import LARGEST_LENGTH, whole_number
from ranvier.layers.base import LAYERS, Context, Layer, Parameter
from ranvier.ops import Tensor
from ranvier.ops.value import shape_of


class Merge(Layer):
    """Base of layers that read several values and give one.

    Shapes are equal and nothing is repeated silently; a subclass gives its formula in
    :meth:`merge`.

    **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``

    Attributes:
        exactly: how many inputs it reads; None: two or more.

    Raises:
        ShapeError: in a graph, for another number of inputs, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> class First(Merge):
        ...     def merge(self, values):
        ...         return values[0]
        >>> First().forward((np.ones((1, 2)), np.zeros((1, 2))), {}, Context()).tolist()
        [[1.0, 1.0]]
    """

    several_inputs = True
    exactly: ClassVar[int | None] = None

    @abstractmethod
    def merge(self, values: Sequence[Tensor]) -> Any:
        """The formula. **Shapes**: ``x: (N, ...), (N, ...), ... -> (N, ...)``"""

    def declare(self, input_shape: Any) -> dict[str, Parameter]:
        """No parameters; checks the shapes of all inputs.

        Args:
            input_shape: a tuple of shapes, each of one example.
        """
        self._check_count(input_shape)
        first = input_shape[0]
        for place, shape in enumerate(input_shape):
            if shape != first:
                raise self._differs(place, shape, first, "the same shape for all inputs")
        return {}

    def forward(self, x: Any, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The formula. **Shapes**: ``x: (N, ...), (N, ...), ... -> (N, ...)``

        Args:
            x: a tuple of values.
            parameters: none.
            context: not used.
        """
        return self.merge(tuple(x))

    def flops(self, input_shape: Any, output_shape: tuple[int, ...]) -> int:
        """One for each number of each input but the first."""
        several = bool(input_shape) and isinstance(input_shape[0], tuple | list)
        return (max(1, len(input_shape) - 1) if several else 1) * math.prod(output_shape)

    def _check_count(self, shapes: Sequence[tuple[int, ...]]) -> None:
        count, needed = len(shapes), self.exactly
        if count == needed or (needed is None and count >= 2):
            return
        receives = " and ".join(show_shape((N, *shape)) for shape in shapes)
        raise ShapeError(
            f"{self.describe()} cannot combine its inputs.",
            happened=f"it receives {count} input{'s' * (count != 1)}: {receives}",
            needed=f"{needed} inputs" if needed else "two inputs or more",
            fix=f"call it with a list in a graph of layers: {self.describe()}([a, b])",
        )

    def _differs(
        self, place: int, shape: tuple[int, ...], first: tuple[int, ...], needed: str
    ) -> ShapeError:
        return ShapeError(
            f"{self.describe()} cannot combine its inputs.",
            happened=f"input {place} has shape {show_shape((N, *shape))}, "
            f"input 0 has {show_shape((N, *first))}",
            needed=needed,
            fix=f"bring input {place} into the shape of input 0, for example with Dense or Reshape",
        )


def _from_left(function: Callable[[Any, Any], Any], values: Sequence[Tensor]) -> Any:
    """Two and two from the left: the order of a sum is part of the program."""
    return functools.reduce(function, values)


@LAYERS.register("Add")
class Add(Merge):
    """The sum of its inputs, as in residual connections.

    Formula: ``x_0 + x_1 + ...``, from the left.

    **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``

    Raises:
        ShapeError: in a graph, for a single input, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> Add().forward((np.ones((1, 2)), np.ones((1, 2))), {}, Context()).tolist()
        [[2.0, 2.0]]
    """

    def merge(self, values: Sequence[Tensor]) -> Any:
        """The sum. **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``"""
        return _from_left(ops.add, values)


@LAYERS.register("Subtract")
class Subtract(Merge):
    """The first of two inputs minus the second.

    Formula: ``x_0 - x_1``.

    **Shapes**: ``x: (N, ...), (N, ...) -> the same``

    Raises:
        ShapeError: in a graph, for other than two inputs, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> Subtract().forward((np.zeros((1, 2)), np.ones((1, 2))), {}, Context()).tolist()
        [[-1.0, -1.0]]
    """

    exactly = 2

    def merge(self, values: Sequence[Tensor]) -> Any:
        """The difference. **Shapes**: ``x: (N, ...), (N, ...) -> the same``"""
        return ops.subtract(values[0], values[1])


@LAYERS.register("Multiply")
class Multiply(Merge):
    """The product of its inputs, element by element, as in gates.

    Formula: ``x_0 * x_1 * ...``, from the left.

    **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``

    Raises:
        ShapeError: in a graph, for a single input, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> Multiply().forward((np.full((1, 2), 2.0), np.full((1, 2), 3.0)), {}, Context()).tolist()
        [[6.0, 6.0]]
    """

    def merge(self, values: Sequence[Tensor]) -> Any:
        """The product. **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``"""
        return _from_left(ops.multiply, values)


@LAYERS.register("Average")
class Average(Merge):
    """The mean of its inputs, as in an ensemble.

    Formula: ``(x_0 + x_1 + ... + x_(k-1)) / k``.

    **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``

    Raises:
        ShapeError: in a graph, for a single input, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> Average().forward((np.zeros((1, 2)), np.ones((1, 2))), {}, Context()).tolist()
        [[0.5, 0.5]]
    """

    def merge(self, values: Sequence[Tensor]) -> Any:
        """The mean. **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``"""
        return ops.divide(_from_left(ops.add, values), float(len(values)))


@LAYERS.register("Maximum")
class Maximum(Merge):
    """The largest of its inputs, element by element; NaN if one is.

    Formula: ``max(x_0, x_1, ...)``.

    **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``

    Raises:
        ShapeError: in a graph, for a single input, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> Maximum().forward((np.zeros((1, 2)), np.ones((1, 2))), {}, Context()).tolist()
        [[1.0, 1.0]]
    """

    def merge(self, values: Sequence[Tensor]) -> Any:
        """The largest. **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``"""
        return _from_left(ops.maximum, values)


@LAYERS.register("Minimum")
class Minimum(Merge):
    """The smallest of its inputs, element by element; NaN if one is.

    Formula: ``min(x_0, x_1, ...)``.

    **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``

    Raises:
        ShapeError: in a graph, for a single input, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> Minimum().forward((np.zeros((1, 2)), np.ones((1, 2))), {}, Context()).tolist()
        [[0.0, 0.0]]
    """

    def merge(self, values: Sequence[Tensor]) -> Any:
        """The smallest. **Shapes**: ``x: (N, ...), (N, ...), ... -> the same``"""
        return _from_left(ops.minimum, values)


def _axis_beside_rows(place: str, axis: object) -> int:
    found = whole_number(place, "axis", axis, -LARGEST_LENGTH)
    if found == 0:
        raise ArgumentError(
            f"{place}: the argument axis is not understood.",
            happened="axis is 0, the rows of a batch",
            needed="an axis of one example: -1, or 1 or more",
            fix="write axis=-1 for the last axis, axis=1 for the first of an example",
        )
    return found


class _OnAxis(Merge):
    """Base of merges that move numbers along one axis and compute nothing."""

    axis: int

    def _place(self, count: int, shapes: Sequence[tuple[int, ...]]) -> int:
        """The axis, counted from 0 for the rows, among ``count`` axes with the rows."""
        found = self.axis if self.axis > 0 else count + self.axis
        if not 1 <= found < count:
            raise ShapeError(
                f"{self.describe()} cannot combine its inputs.",
                happened=f"they have shape {show_shape((N, *shapes[0]))}",
                needed=f"an axis {self.axis} beside the rows of the batch",
                fix="choose another axis, or Reshape the inputs first",
            )
        return found

    def flops(self, input_shape: Any, output_shape: tuple[int, ...]) -> int:
        """None: numbers are moved."""
        return 0


@LAYERS.register("Concatenate")
class Concatenate(_OnAxis):
    """Its inputs side by side along one axis, as in U-Net and DenseNet.

    **Shapes**: ``x: (N, ..., F_0), (N, ..., F_1), ... -> (N, ..., F_0 + F_1 + ...)``

    Args:
        axis: along which, the rows of the batch counted as 0; -1 is the last.

    Raises:
        ArgumentError: for axis 0.
        ShapeError: in a graph, for a single input, or inputs that differ in another axis.

    Example:
        >>> import numpy as np
        >>> Concatenate().forward((np.zeros((1, 2)), np.ones((1, 1))), {}, Context()).tolist()
        [[0.0, 0.0, 1.0]]
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = _axis_beside_rows("Concatenate", axis)

    def declare(self, input_shape: Any) -> dict[str, Parameter]:
        """No parameters; checks that only the axis differs."""
        self._check_count(input_shape)
        first = input_shape[0]
        place = self._place(1 + len(first), input_shape) - 1
        for number, shape in enumerate(input_shape):
            if len(shape) != len(first) or any(
                a != b for k, (a, b) in enumerate(zip(shape, first, strict=True)) if k != place
            ):
                raise self._differs(
                    number, shape, first, f"equal lengths on all axes but axis {self.axis}"
                )
        return {}

    def merge(self, values: Sequence[Tensor]) -> Any:
        """Side by side. **Shapes**: ``x: (N, ..., F_0), (N, ..., F_1) -> (N, ..., F_0 + F_1)``"""
        return ops.concatenate(values, self.axis)


@LAYERS.register("Stack")
class Stack(_OnAxis):
    """Its inputs along a new axis: ``Stack()([anchor, positive, negative])`` for a triplet loss.

    **Shapes**: ``x: k times (N, ...) -> (N, k, ...)``

    Args:
        axis: where the new axis stands in what it gives, the rows of the batch counted as 0.

    Raises:
        ArgumentError: for axis 0.
        ShapeError: in a graph, for a single input, or inputs of different shapes.

    Example:
        >>> import numpy as np
        >>> Stack().forward((np.zeros((1, 2)), np.ones((1, 2))), {}, Context()).tolist()
        [[[0.0, 0.0], [1.0, 1.0]]]
    """

    def __init__(self, axis: int = 1) -> None:
        self.axis = _axis_beside_rows("Stack", axis)

    def declare(self, input_shape: Any) -> dict[str, Parameter]:
        """No parameters; checks the shapes of all inputs."""
        super().declare(input_shape)
        self._place(2 + len(input_shape[0]), input_shape)
        return {}

    def merge(self, values: Sequence[Tensor]) -> Any:
        """Along a new axis. **Shapes**: ``x: k times (N, ...) -> (N, k, ...)``"""
        # expand counts a negative axis in what it gives, as this layer does.
        place = self.axis % (len(shape_of(values[0])) + 1)
        return ops.concatenate([ops.expand(value, place) for value in values], place)
