"""Index expressions: where in a buffer the element at a place of a loop nest lies.

An :class:`Index` is a constant plus multiples of atoms; an atom is an axis of the loop nest, the
quotient or remainder of another index (from reshapes that merge axes), or another index held
between two places (where values are joined, so that no part is read outside of it). Adding
``n * (L // n) + L % n`` gives ``L`` back, so a reshape of contiguous axes costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ranvier.foundation.errors import UnsupportedOperationError
from ranvier.foundation.shapes import Dimension, Extent, Shape, show_shape, split_extents
from ranvier.ops.value import law_broken


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


@dataclass(frozen=True)
class Clamped:
    """``index`` held between two places; what is read at an end instead is never believed."""

    index: Index
    low: int
    high: int

    def __str__(self) -> str:
        return f"({self.index} in {self.low}..{self.high})"


Atom: TypeAlias = Axis | Quotient | Remainder | Clamped
#: The lowest and the highest place of axes, where less than all of an axis is walked.
Spans: TypeAlias = Mapping[Axis, tuple[int, int]]


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
                out = out.plus(again(atom, atom.index.substitute(places)), coefficient)
        return out

    def limits(self, spans: Spans) -> tuple[int, int] | None:
        """The lowest and the highest number it can be; None along a symbolic axis.

        Args:
            spans: of axes that are not walked from end to end.
        """
        low = high = self.constant
        for atom, coefficient in self.terms:
            ends = _limits(atom, spans)
            if ends is None:
                return None
            low += coefficient * ends[coefficient < 0]
            high += coefficient * ends[coefficient > 0]
        return low, high

    def settled(self, spans: Spans) -> Index:
        """The index without what holds it where it is anyway."""
        if not any(self.cuts()):
            return self
        out = Index((), self.constant)
        for atom, coefficient in self.terms:
            if isinstance(atom, Axis):
                out = out.plus(Index(((atom, 1),)), coefficient)
            else:
                out = out.plus(again(atom, atom.index.settled(spans), spans), coefficient)
        return out

    def cuts(self) -> Iterator[tuple[Axis | None, int]]:
        """Where along an axis the index begins or ends to be held; no axis if it is not that easy.

        A loop between two such places need not hold it, or is not needed at all.
        """
        for atom, _ in self.terms:
            if isinstance(atom, Axis):
                continue
            yield from atom.index.cuts()
            if isinstance(atom, Clamped):
                (inner, pace), *others = atom.index.terms
                easy = isinstance(inner, Axis) and pace == 1 and not others
                axis = inner if easy and isinstance(inner, Axis) else None
                yield axis, atom.low - atom.index.constant
                yield axis, atom.high + 1 - atom.index.constant


def again(atom: Quotient | Remainder | Clamped, inner: Index, spans: Spans | None = None) -> Index:
    """What an atom does to its index, done to another."""
    if isinstance(atom, Clamped):
        return clamped(inner, atom.low, atom.high, spans)
    return (quotient if isinstance(atom, Quotient) else remainder)(inner, atom.divisor)


def _limits(atom: Atom, spans: Spans) -> tuple[int, int] | None:
    if isinstance(atom, Axis):
        known = None if isinstance(atom.length, Extent) else (0, atom.length - 1)
        return spans.get(atom, known)
    if isinstance(atom, Remainder):
        return 0, atom.divisor - 1
    inner = atom.index.limits(spans)
    if isinstance(atom, Quotient):
        return None if inner is None else (inner[0] // atom.divisor, inner[1] // atom.divisor)
    low, high = inner or (atom.low, atom.high)
    return min(max(low, atom.low), atom.high), max(min(high, atom.high), atom.low)


def clamped(index: Index, low: int, high: int, spans: Spans | None = None) -> Index:
    """``index`` between ``low`` and ``high``, both at least 0; itself where it is there anyway."""
    ends = index.limits(spans or {})
    if ends is not None and low <= ends[0] and ends[1] <= high:
        return index
    if not index.terms:
        return Index((), min(max(index.constant, low), high))
    return Index(((Clamped(index, low, high), 1),))


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
        if isinstance(atom, Clamped):
            length = atom.high + 1
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


def reshaped(indices: tuple[Index, ...], new: Shape, old: Shape) -> tuple[Index, ...]:
    """Where in ``old`` the element lies that ``indices`` name in ``new``.

    Axes are matched from the left in blocks with equal products, so that a symbolic axis and its
    neighbours stay apart.

    Raises:
        UnsupportedOperationError: if a symbolic axis would be cut or change places.
    """
    out: list[Index] = []
    for block_old, block_new in _blocks(old, new):
        lengths_old, lengths_new = old[block_old], new[block_new]
        if len(lengths_old) == len(lengths_new) == 1:
            out.append(indices[block_new.start])
            continue
        if not (_leads(lengths_old) and _leads(lengths_new)):
            raise UnsupportedOperationError(
                f"The native engine cannot reshape {show_shape(old)} to {show_shape(new)}.",
                happened=f"{show_shape(lengths_old)} would have to become "
                f"{show_shape(lengths_new)}",
                needed="symbolic extents that keep their place",
                fix="keep the rows of a batch as the first axis",
            )
        linear = Index()
        for length, index in zip(lengths_new, indices[block_new], strict=True):
            if length != 1:
                # A symbolic axis leads its block: there is nothing yet that it could scale.
                times = 1 if isinstance(length, Extent) else length
                linear = Index().plus(linear, times).plus(index)
        out.extend(_unravel(linear, lengths_old))
    return tuple(out)


def _leads(lengths: Shape) -> bool:
    """Whether a symbolic length, if there is one, comes before all others but ones."""
    real = [length for length in lengths if length != 1]
    return not any(isinstance(length, Extent) for length in real[1:])


def _blocks(old: Shape, new: Shape) -> Iterator[tuple[slice, slice]]:
    """Runs of axes of both shapes that hold the same number of elements, as short as can be."""
    a = b = 0
    while a < len(old) or b < len(new):
        first_a, first_b = a, b
        a, b = min(a + 1, len(old)), min(b + 1, len(new))
        while split_extents(old[first_a:a]) != split_extents(new[first_b:b]):
            if a == len(old) and b == len(new):
                raise law_broken("reshape", f"{show_shape(old)} cannot be {show_shape(new)}")
            behind = _behind(old[first_a:a], new[first_b:b])
            if b == len(new) or (behind and a < len(old)):
                a += 1
            else:
                b += 1
        yield slice(first_a, a), slice(first_b, b)


def _behind(left: Shape, right: Shape) -> bool:
    a, b = split_extents(left), split_extents(right)
    return (len(a[1]), a[0]) < (len(b[1]), b[0])


def _unravel(linear: Index, lengths: Shape) -> list[Index]:
    """The row-major place ``linear`` as one index an axis."""
    out: list[Index] = []
    for place in range(len(lengths) - 1, -1, -1):
        length = lengths[place]
        if length == 1:
            out.append(Index())
        elif isinstance(length, Extent) or all(d == 1 for d in lengths[:place]):
            out.append(linear)  # whatever is left is the leading axis
            linear = Index()
        else:
            out.append(remainder(linear, length))
            linear = quotient(linear, length)
    return out[::-1]
