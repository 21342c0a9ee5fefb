"""Index expressions: where in a buffer the element at a place of a loop nest lies.

An :class:`Index` is a constant plus multiples of atoms; an atom is an axis of the loop nest, or the
quotient or remainder of another index (from reshapes that merge axes). Adding
``n * (L // n) + L % n`` gives ``L`` back, so a reshape of contiguous axes costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ranvier.foundation.shapes import Dimension, Extent, Shape


@dataclass(frozen=True)
class Axis:
    """A loop variable of a group: its position, and its length where known."""

    position: int
    length: Dimension

    def __str__(self) -> str:
        return "ijklmnopq"[self.position] if self.position < 9 else f"a{self.position}"


@dataclass(frozen=True)
class Quotient:
    """``index // divisor``."""

    index: Index
    divisor: int

    def __str__(self) -> str:
        return f"({self.index}) // {self.divisor}"


@dataclass(frozen=True)
class Remainder:
    """``index % divisor``."""

    index: Index
    divisor: int

    def __str__(self) -> str:
        return f"({self.index}) % {self.divisor}"


Atom: TypeAlias = Axis | Quotient | Remainder


@dataclass(frozen=True)
class Index:
    """``constant + sum of coefficient * atom``."""

    terms: tuple[tuple[Atom, int], ...] = ()
    constant: int = 0

    @staticmethod
    def of(axis: Axis) -> Index:
        """The index that is one axis (zero if it has a single place)."""
        return Index() if axis.length == 1 else Index(((axis, 1),))

    def __str__(self) -> str:
        parts = [str(atom) if c == 1 else f"{c}*{atom}" for atom, c in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return " + ".join(parts)

    def plus(self, other: Index, times: int = 1) -> Index:
        """``self + times * other``."""
        total: dict[Atom, int] = dict(self.terms)
        for atom, coefficient in other.terms:
            total[atom] = total.get(atom, 0) + times * coefficient
        return _rejoined(total, self.constant + times * other.constant)

    def axes(self) -> set[Axis]:
        """The axes it depends on."""
        found: set[Axis] = set()
        for atom, _ in self.terms:
            found |= {atom} if isinstance(atom, Axis) else atom.index.axes()
        return found

    def coefficient(self, axis: Axis) -> int | None:
        """How it grows along an axis; None if not at an even pace."""
        for atom, _ in self.terms:
            if not isinstance(atom, Axis) and axis in atom.index.axes():
                return None
        return dict(self.terms).get(axis, 0)

    def substitute(self, places: Mapping[Axis, Index]) -> Index:
        """The index with axes replaced by other indices."""
        out = Index((), self.constant)
        for atom, coefficient in self.terms:
            if isinstance(atom, Axis):
                out = out.plus(places.get(atom, Index(((atom, 1),))), coefficient)
            else:
                inner = atom.index.substitute(places)
                kind = quotient if isinstance(atom, Quotient) else remainder
                out = out.plus(kind(inner, atom.divisor), coefficient)
        return out


def _rejoined(total: dict[Atom, int], constant: int) -> Index:
    """Drop zeros and turn ``c n (L // n) + c (L % n)`` into ``c L``."""
    for atom in list(total):
        if not isinstance(atom, Remainder) or total.get(atom, 0) == 0:
            continue
        partner = Quotient(atom.index, atom.divisor)
        c = total[atom]
        if total.get(partner, 0) == c * atom.divisor:
            del total[atom], total[partner]
            rest = Index(tuple((a, n) for a, n in total.items() if n), constant)
            return rest.plus(atom.index, c)
    return Index(tuple((a, n) for a, n in total.items() if n), constant)


def _split(index: Index, divisor: int) -> tuple[Index, Index] | None:
    """index as divisor * whole + rest with 0 <= rest < divisor, where that can be seen."""
    whole, rest, largest = [], [], index.constant % divisor
    for atom, coefficient in index.terms:
        if coefficient % divisor == 0:
            whole.append((atom, coefficient // divisor))
            continue
        length = atom.length if isinstance(atom, Axis) else None
        if isinstance(atom, Remainder):
            length = atom.divisor
        if length is None or isinstance(length, Extent) or coefficient < 0:
            return None
        largest += coefficient * (length - 1)
        rest.append((atom, coefficient))
    if largest >= divisor:
        return None
    return (
        Index(tuple(whole), index.constant // divisor),
        Index(tuple(rest), index.constant % divisor),
    )


def quotient(index: Index, divisor: int) -> Index:
    """``index // divisor``."""
    if divisor == 1:
        return index
    split = _split(index, divisor)
    return split[0] if split else Index(((Quotient(index, divisor), 1),))


def remainder(index: Index, divisor: int) -> Index:
    """``index % divisor``."""
    if divisor == 1:
        return Index()
    split = _split(index, divisor)
    return split[1] if split else Index(((Remainder(index, divisor), 1),))


def axes_of(shape: Shape) -> tuple[Index, ...]:
    """The indices that walk a shape, one axis each."""
    return tuple(Index.of(Axis(k, d)) for k, d in enumerate(shape))


def reshaped(indices: Sequence[Index], new: Shape, old: Shape) -> tuple[Index, ...]:
    """Where in ``old`` the element lies that ``indices`` name in ``new``.

    Axes are matched from the left in blocks with equal products, so that a symbolic axis and its
    neighbours stay apart.
    """
    out: list[Index] = []
    a = b = 0
    while a < len(old) or b < len(new):
        block_old, block_new, a, b = _block(old, new, a, b)
        if len(block_old) == len(block_new) == 1:
            out.append(indices[block_new[0]])
            continue
        linear = Index()
        for axis in block_new:
            linear = linear.plus(Index(), 1) if new[axis] == 1 else _scaled(linear, new[axis]).plus(
                indices[axis]
            )
        out.extend(_unravel(linear, [old[axis] for axis in block_old]))
    return tuple(out)


def _scaled(index: Index, length: Dimension) -> Index:
    if isinstance(length, Extent):
        return index  # the leading axis of its block: nothing is to its left but zeros
    return Index().plus(index, length)


def _block(
    old: Shape, new: Shape, a: int, b: int
) -> tuple[list[int], list[int], int, int]:
    """The next axes of both shapes that hold the same number of elements."""
    left, right = [], []
    size_left: list[Dimension] = []
    size_right: list[Dimension] = []
    while True:
        if a < len(old) and (not left or _measure(size_left) != _measure(size_right)
                             and _behind(size_left, size_right)):  # fmt: skip
            left.append(a)
            size_left.append(old[a])
            a += 1
        elif b < len(new) and (not right or _measure(size_left) != _measure(size_right)):
            right.append(b)
            size_right.append(new[b])
            b += 1
        elif _measure(size_left) == _measure(size_right) or (a >= len(old) and b >= len(new)):
            return left, right, a, b
        elif a < len(old):
            left.append(a)
            size_left.append(old[a])
            a += 1
        else:
            return left, right, a, b


def _measure(sizes: Sequence[Dimension]) -> tuple[int, tuple[str, ...]]:
    product, names = 1, []
    for d in sizes:
        if isinstance(d, Extent):
            names.append(d.name)
        else:
            product *= d
    return product, tuple(names)


def _behind(left: Sequence[Dimension], right: Sequence[Dimension]) -> bool:
    a, b = _measure(left), _measure(right)
    return len(a[1]) < len(b[1]) or (len(a[1]) == len(b[1]) and a[0] < b[0])


def _unravel(linear: Index, lengths: Sequence[Dimension]) -> list[Index]:
    out: list[Index] = []
    for place in range(len(lengths) - 1, 0, -1):
        length = lengths[place]
        if isinstance(length, Extent):  # cannot happen for shapes that the law allows
            out.append(linear)
            linear = Index()
            continue
        out.append(remainder(linear, length))
        linear = quotient(linear, length)
    out.append(linear if lengths and lengths[0] != 1 else Index())
    return out[::-1] if lengths else []
