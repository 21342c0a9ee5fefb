"""Splitting rows into a part to train on and a part to test on, the same way on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import ArgumentError, DataError
from ranvier.foundation.random import permuted_rows


def train_test_split(
    n: int, fraction: float, seed: int, classes: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of a training part and of a test part.

    With ``classes`` each class gives its share (largest remainders make up the total), and each
    class with two rows or more gives at least one and keeps at least one.

    Args:
        n: the number of rows.
        fraction: the share of the test part, between 0 and 1.
        seed: chooses the rows.
        classes: ``(n,)`` class indices to stratify by, or None.

    Returns:
        ``(train, test)``, each sorted; together every row once.

    Raises:
        ArgumentError: a fraction outside (0, 1), a negative seed, or other lengths.
        DataError: fewer than two rows.

    >>> train, test = train_test_split(10, 0.2, seed=0)
    >>> len(train), len(test)
    (8, 2)
    """
    _check(n, fraction, seed, classes)
    order = permuted_rows(seed, 0, n)
    chosen = np.zeros(n, bool)
    if classes is None:
        chosen[order[: min(max(round(n * fraction), 1), n - 1)]] = True
    else:
        labels, indices = np.unique(classes, return_inverse=True)
        shares = _shares(np.bincount(indices.reshape(-1)), fraction)
        shuffled = indices.reshape(-1)[order]
        for label in range(len(labels)):
            chosen[order[np.flatnonzero(shuffled == label)[: shares[label]]]] = True
    if not chosen.any():
        raise DataError(
            "The rows cannot be split by class.",
            happened=f"each of the {n} classes has one row only",
            needed="a class with at least two rows",
            fix="give more rows; if the targets are numbers and no classes, say so with floats, or "
            "with kind='numbers' (--kind numbers)",
        )
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _shares(counts: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """Test rows of each class by largest remainders, within what the class can give."""
    quotas = counts * fraction
    shares = np.floor(quotas).astype(np.int64)
    # Stable: among equal remainders the class named first.
    by_remainder = np.argsort(shares - quotas, kind="stable")
    missing = round(float(counts.sum()) * fraction) - int(shares.sum())
    shares[by_remainder[: max(missing, 0)]] += 1
    most = np.maximum(counts - 1, 0)
    return np.asarray(np.clip(shares, np.minimum(1, most), most), np.int64)


def _check(n: int, fraction: float, seed: int, classes: NDArray[Any] | None) -> None:
    if not 0.0 < fraction < 1.0:
        raise ArgumentError(
            "The fraction of a split is out of range.",
            happened=f"it is {fraction}",
            needed="a number between 0 and 1, both excluded",
            fix="0.2 sets a fifth of the rows aside",
        )
    if seed < 0:
        raise ArgumentError(
            "The seed of a split is out of range.",
            happened=f"it is {seed}",
            needed="an integer of 0 or more",
            fix="choose another seed",
        )
    if n < 2:
        raise DataError(
            "There are too few rows to split.",
            happened=f"there are {n}",
            needed="at least two rows",
            fix="give more rows, or test data of its own",
        )
    if classes is not None and len(classes) != n:
        raise ArgumentError(
            "The classes of a split do not match the rows.",
            happened=f"there are {n} rows and {len(classes)} classes",
            needed="one class a row",
            fix="pass the class indices of exactly these rows",
        )
