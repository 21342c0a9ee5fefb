"""Splitting rows: every row once, each class its share, the same rows on every machine."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.data.arrays import train_test_split
from ranvier.foundation.errors import ArgumentError, DataError


@pytest.mark.parametrize(("n", "fraction"), [(2, 0.01), (2, 0.99), (10, 0.2), (1001, 0.333)])
def test_every_row_is_in_one_part(n: int, fraction: float) -> None:
    train, test = train_test_split(n, fraction, seed=3)
    assert sorted([*train, *test]) == list(range(n))
    assert len(test) == min(max(round(n * fraction), 1), n - 1)


def test_each_class_gives_its_share() -> None:
    classes = np.repeat([0, 1, 2, 3], [100, 50, 3, 1])
    train, test = train_test_split(len(classes), 0.2, 0, classes)
    assert sorted([*train, *test]) == list(range(154))
    assert np.bincount(classes[test], minlength=4).tolist() == [20, 10, 1, 0]


def test_largest_remainders_make_up_the_total() -> None:
    classes = np.repeat([0, 1, 2], [17, 14, 19])
    _, test = train_test_split(50, 0.1, 0, classes)
    # Quotas 1.7, 1.4 and 1.9 of five rows.
    assert np.bincount(classes[test]).tolist() == [2, 1, 2]


def test_no_class_is_emptied() -> None:
    classes = np.repeat([0, 1], [2, 8])
    train, test = train_test_split(10, 0.95, 0, classes)
    assert np.bincount(classes[train]).tolist() == [1, 1]
    assert np.bincount(classes[test]).tolist() == [1, 7]


def test_the_seed_chooses_the_rows() -> None:
    first = train_test_split(200, 0.25, 0)[1]
    assert np.array_equal(first, train_test_split(200, 0.25, 0)[1])
    assert not np.array_equal(first, train_test_split(200, 0.25, 1)[1])
    texts = np.array(["a", "b"] * 100)
    assert len(train_test_split(200, 0.25, 0, texts)[1]) == 50


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fractions_out_of_range(fraction: float) -> None:
    with pytest.raises(ArgumentError, match="fraction"):
        train_test_split(10, fraction, 0)


def test_other_splits_that_cannot_be_made() -> None:
    with pytest.raises(ArgumentError, match="seed"):
        train_test_split(10, 0.5, -1)
    with pytest.raises(DataError, match="too few rows"):
        train_test_split(1, 0.5, 0)
    with pytest.raises(ArgumentError, match="do not match"):
        train_test_split(10, 0.5, 0, np.zeros(9))
    with pytest.raises(DataError, match="cannot be split by class"):
        train_test_split(3, 0.5, 0, np.arange(3))
