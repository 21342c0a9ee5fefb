"""Shapes: tuples of integers and symbolic extents.

A symbolic extent such as ``N`` (the rows of a batch) has a name instead of a number. Programs are
planned for a capacity of it and every loop over it runs to the count of the call, so a short last
batch needs neither a mask nor another program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ranvier.foundation.errors import ShapeError


@dataclass(frozen=True)
class Extent:
    """A length that is known only when a program runs.

    Args:
        name: how it prints; two extents with the same name are the same length.
    """

    name: str

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


Dimension: TypeAlias = int | Extent
Shape: TypeAlias = tuple[Dimension, ...]

#: The rows of a batch.
N = Extent("N")


def show_shape(shape: Shape) -> str:
    """``(N, 784)``: a shape as text."""
    inner = ", ".join(str(d) for d in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def known(dimension: Dimension) -> int:
    """A length that must be a number by now.

    Raises:
        ShapeError: if it is symbolic.
    """
    if isinstance(dimension, Extent):
        raise ShapeError(
            f"The length {dimension} is not a number yet.",
            happened=f"{dimension} is symbolic: its number comes with each call",
            needed="an axis of known length",
            fix="keep symbolic extents to the first axis, the rows of a batch",
        )
    return dimension


def known_shape(shape: Shape) -> tuple[int, ...]:
    """A shape of numbers only.

    Raises:
        ShapeError: if one of its lengths is symbolic.
    """
    return tuple(known(d) for d in shape)


def split_extents(shape: Shape) -> tuple[int, tuple[str, ...]]:
    """The product of the integers of a shape, and the sorted names of its extents."""
    size, names = 1, []
    for dimension in shape:
        if isinstance(dimension, Extent):
            names.append(dimension.name)
        else:
            size *= dimension
    return size, tuple(sorted(names))


def resolve(shape: Shape, counts: dict[str, int]) -> tuple[int, ...]:
    """The shape with each symbolic extent replaced by its count."""
    return tuple(counts[d.name] if isinstance(d, Extent) else d for d in shape)
