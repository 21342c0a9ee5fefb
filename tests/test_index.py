"""Index expressions: a reshape is index arithmetic, compared with NumPy place by place."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ranvier.compiler.index import (
    Axis,
    Clamped,
    Index,
    Quotient,
    axes_of,
    clamped,
    quotient,
    remainder,
    reshaped,
)
from ranvier.compiler.joins import stretches
from ranvier.foundation.errors import InternalError, ShapeError, UnsupportedOperationError
from ranvier.foundation.shapes import Extent, N, Shape, known, known_shape, resolve

#: What N counts when indices are computed here.
ROWS = 5


def value_of(index: Index, places: dict[Axis, int]) -> int:
    total = index.constant
    for atom, coefficient in index.terms:
        if isinstance(atom, Axis):
            number = places[atom]
        else:
            inner = value_of(atom.index, places)
            if isinstance(atom, Clamped):
                total += coefficient * min(max(inner, atom.low), atom.high)
                continue
            whole = isinstance(atom, Quotient)
            number = inner // atom.divisor if whole else inner % atom.divisor
        total += coefficient * number
    return total


def check_reshape(old: Shape, new: Shape) -> None:
    """Every place of ``new`` must name the element of ``old`` that NumPy's reshape gives."""
    numbers_old, numbers_new = (resolve(s, {"N": ROWS}) for s in (old, new))
    source = np.arange(np.prod(numbers_old, dtype=int)).reshape(numbers_old)
    wanted = source.reshape(numbers_new)
    indices = reshaped(axes_of(new), new, old)
    assert len(indices) == len(old)
    for place in np.ndindex(*numbers_new):
        places = {Axis(k, d): i for k, (d, i) in enumerate(zip(new, place, strict=True))}
        where = tuple(value_of(index, places) for index in indices)
        assert source[where] == wanted[place], f"{old} -> {new} at {place}: {where}"


def splits(size: int, most: int = 4) -> list[tuple[int, ...]]:
    """All shapes of up to ``most`` axes with a number of elements, ones included."""
    found = []
    for length in range(most + 1):
        options = [d for d in range(1, size + 1) if size % d == 0]
        found += [s for s in itertools.product(options, repeat=length) if np.prod(s) == size]
    return found


@pytest.mark.parametrize("size", [1, 2, 4, 6, 12])
def test_reshape_of_known_shapes_is_numpy_s(size: int) -> None:
    shapes = splits(size, most=3 if size > 6 else 4)
    for old, new in itertools.product(shapes, shapes):
        check_reshape(old, new)


@pytest.mark.parametrize("size", [1, 6])
def test_reshape_behind_the_rows_of_a_batch(size: int) -> None:
    shapes = splits(size, most=3)
    for old, new in itertools.product(shapes, shapes):
        check_reshape((N, *old), (N, *new))
        check_reshape((1, N, *old), (N, 1, *new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((2, 3, N), (6, N)),
        ((6, N), (2, 3, N)),
        ((4, N, 6), (2, 2, N, 3, 2)),
        ((2, 3, N, 4), (6, N, 2, 2)),
        ((3, 1, N, 1, 2), (1, 3, N, 2)),
        ((1, 1, N), (N,)),
        ((N,), (1, N, 1, 1)),
    ],
)
def test_rows_may_stand_anywhere_if_they_stay_an_axis(old: Shape, new: Shape) -> None:
    check_reshape(old, new)


@pytest.mark.parametrize(
    ("old", "new"), [((4, N), (N, 4)), ((N, 4), (4, N)), ((2, N, 2), (N, 4)), ((N, 6), (2, N, 3))]
)
def test_rows_that_change_places_are_refused(old: Shape, new: Shape) -> None:
    with pytest.raises(UnsupportedOperationError, match="cannot reshape"):
        reshaped(axes_of(new), new, old)


def test_shapes_of_different_size_break_the_law() -> None:
    with pytest.raises(InternalError, match="reshape"):
        reshaped(axes_of((4,)), (4,), (3,))


def test_neighbours_merge_into_plain_strides() -> None:
    (merged,) = reshaped(axes_of((3, 4)), (3, 4), (12,))
    assert str(merged) == "4*i + j"
    assert merged.coefficient(Axis(0, 3)) == 4


def test_cutting_and_merging_again_gives_the_axis_back() -> None:
    cut = reshaped(axes_of((12,)), (12,), (3, 4))
    assert [str(index) for index in cut] == ["(i) // 4", "(i) % 4"]
    back = cut[1].plus(cut[0], 4)
    assert back == Index.of(Axis(0, 12))


@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 8, 12])
def test_quotient_and_remainder_are_python_s(divisor: int) -> None:
    first, second = Axis(0, 3), Axis(1, 4)
    index = Index(((first, 4), (second, 1)), 5)
    for i, j in np.ndindex(3, 4):
        places, number = {first: i, second: j}, 4 * i + j + 5
        assert value_of(quotient(index, divisor), places) == number // divisor
        assert value_of(remainder(index, divisor), places) == number % divisor


def test_known_lengths_are_numbers() -> None:
    assert known(7) == 7
    assert known_shape((2, 3)) == (2, 3)
    with pytest.raises(ShapeError, match="The length T is not a number yet"):
        known_shape((2, Extent("T")))


# --- indices held between two places


def index_cases() -> list[Index]:
    """Sums, quotients and remainders of two axes, held and held again."""
    i, j = Index.of(Axis(0, 5)), Index.of(Axis(1, 7))
    found = [i, j, i.plus(j, 3), j.plus(Index((), 4), -1), Index((), 2)]
    held = [clamped(index, low, low + 2) for index in found for low in (0, 1, 4)]
    twice = [clamped(index.plus(Index((), -2)), 0, 1) for index in held]
    parts = [part(index, 3) for index in held for part in (quotient, remainder)]
    return [*found, *held, *twice, *parts, *(index.plus(i, 2) for index in parts)]


def test_limits_and_settled_forms_hold_at_every_place() -> None:
    first, second = Axis(0, 5), Axis(1, 7)
    for index in index_cases():
        for low, high in [(0, 6), (0, 0), (2, 4), (5, 6)]:
            span = {second: (low, high)}
            places = [{first: a, second: b} for a in range(5) for b in range(low, high + 1)]
            numbers = [value_of(index, place) for place in places]
            assert [value_of(index.settled(span), place) for place in places] == numbers
            ends = index.limits(span)
            assert ends is not None
            assert ends[0] <= min(numbers) <= max(numbers) <= ends[1], str(index)


def test_a_held_index_knows_what_it_is_without_the_hold() -> None:
    j = Index.of(Axis(1, 128))
    part = clamped(j.plus(Index((), -100)), 0, 27)
    assert str(part) == "(j + -100 in 0..27)"
    assert list(part.cuts()) == [(Axis(1, 128), 100), (Axis(1, 128), 128)]
    assert part.settled({Axis(1, 128): (100, 127)}) == j.plus(Index((), -100))
    assert part.settled({Axis(1, 128): (99, 127)}) == part
    assert clamped(j, 0, 127) == j
    assert part.coefficient(Axis(1, 128)) is None
    assert part.substitute({Axis(1, 128): Index((), 105)}) == Index((), 5)
    assert Index.of(Axis(0, N)).limits({}) is None
    assert clamped(Index.of(Axis(0, N)), 0, 3).limits({}) == (0, 3)


@pytest.mark.parametrize("unit", [1, 16, 64])
def test_stretches_walk_a_loop_once(unit: int) -> None:
    for borders in [(), (16,), (5, 6, 7), (15, 17, 33), (100, 128), (1, 199)]:
        found = stretches(borders, 200, unit)
        assert (found[0][0], found[-1][1]) == (0, 200)
        for (start, stop), (following, _) in itertools.pairwise([*found, (200, 0)]):
            assert start < stop == following
            assert start % unit == 0
            # A border lies at an end, or in a unit of its own.
            assert stop - start <= unit or not any(start < b < stop for b in borders)
