"""Index expressions: a reshape is index arithmetic, compared with NumPy place by place."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ranvier.compiler.index import Axis, Index, Quotient, axes_of, quotient, remainder, reshaped
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
