"""Values joined along an axis: a choice by the place on it, and loops that stop at its borders.

Joining and padding are expressions like others: ``j < 100 ? a[i, j] : b[i, j - 100]``, with indices
held inside their parts. Where loops are written in stretches between the borders, each choice is
made while the code is written, so that a stretch reads its own part alone, in whole vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ranvier.compiler.groups import LANES, Expr, Group, walk
from ranvier.compiler.index import Axis, Index, clamped
from ranvier.foundation.shapes import known
from ranvier.ops.value import Value

#: Stretches of the innermost loop, and of a nest with all its loops, beyond which choices are left
#: to run time. A long list of parts is code for each of them; a nest repeats it for each stretch.
MOST_INNER, MOST_STRETCHES = 256, 64


@dataclass(frozen=True)
class Part:
    """A value, or zeros, from one place on the joined axis to another."""

    start: int
    stop: int
    value: Value | None


def parts_of(node: Value) -> list[Part]:
    """What a concatenation or padding is made of, in order; nothing empty."""
    axis = node.attributes["axis"]
    values: list[Value | None] = list(node.inputs)
    lengths = [known(v.shape[axis]) for v in node.inputs]
    if node.op == "pad":
        values = [None, *values, None]
        lengths = [node.attributes["before"], *lengths, node.attributes["after"]]
    parts, start = [], 0
    for value, length in zip(values, lengths, strict=True):
        if length:
            parts.append(Part(start, start + length, value))
        start += length
    return parts


def joined(
    node: Value, indices: tuple[Index, ...], pull: Callable[[Value, tuple[Index, ...]], Expr]
) -> Expr:
    """An element of a joined value: of the only part it can come from, or a choice.

    Args:
        node: a concatenation or padding.
        indices: of the element.
        pull: gives the element of a part.
    """
    axis = node.attributes["axis"]
    place = indices[axis]
    low, high = place.limits({}) or (0, known(node.shape[axis]) - 1)

    def one(part: Part) -> Expr:
        if part.value is None:
            return Expr("const", (), node.dtype, 0)
        inside = clamped(place.plus(Index((), part.start), -1), 0, part.stop - part.start - 1)
        return pull(part.value, (*indices[:axis], inside, *indices[axis + 1 :]))

    def choice(parts: Sequence[Part]) -> Expr:
        if len(parts) == 1:
            return one(parts[0])
        half = len(parts) // 2
        position = Expr("index", (), "int32", place)
        border = Expr("const", (), "int32", parts[half].start)
        before = Expr("less", (position, border), "bool")
        return Expr("select", (before, choice(parts[:half]), choice(parts[half:])), node.dtype)

    return choice([p for p in parts_of(node) if p.start <= high and p.stop > low])


def is_cut(expr: Expr, position: int) -> bool:
    """Whether an expression reads parts that have borders along an axis of its group."""
    for e in walk(expr):
        indices = e.payload[1] if e.op == "root" else e.indices()
        for axis, _ in (cut for index in indices for cut in index.cuts()):
            if axis is None or axis.position == position:
                return True
    return False


def borders_of(group: Group) -> dict[Axis, tuple[int, ...]]:
    """Where along the axes of a group's loops parts of joined values begin or end.

    Inner axes come first; axes that would make too many stretches are left out.
    """
    found: dict[Axis, set[int]] = {}
    for root in group.roots:
        for e in walk(root.expr) if root.expr is not None else ():
            for axis, place in (cut for index in e.indices() for cut in index.cuts()):
                if axis is None or axis.position >= len(group.domain):
                    continue
                if isinstance(axis.length, int) and 0 < place < axis.length:
                    found.setdefault(axis, set()).add(place)
    borders, count = {}, 1
    for axis in sorted(found, key=lambda a: -a.position):
        places, is_inner = tuple(sorted(found[axis])), axis.position == len(group.domain) - 1
        count *= len(stretches(places, known(axis.length), LANES if is_inner else 1))
        if count > (MOST_INNER if is_inner else MOST_STRETCHES):
            break
        borders[axis] = places
    return borders


def stretches(borders: Sequence[int], count: int, unit: int) -> list[tuple[int, int]]:
    """A loop in pieces: from border to border, what lies around a border in a unit of its own.

    Example:
        >>> stretches((100,), 128, 1)
        [(0, 100), (100, 128)]
        >>> stretches((100,), 128, 16)
        [(0, 96), (96, 112), (112, 128)]
    """
    edges = {0}
    for border in borders:
        edges |= {border // unit * unit, -(-border // unit) * unit}
    starts = sorted(edge for edge in edges if edge < max(count, 1))
    return list(zip(starts, [*starts[1:], count], strict=True))
