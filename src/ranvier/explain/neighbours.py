"""What the data itself says of its targets: nearest rows, single columns, how well they tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranvier.explain.subject import Array

Matrix = NDArray[np.float64]


def feature_matrix(x: Array) -> Matrix:
    """Rows as vectors, each column with mean 0 and deviation 1 (or 0 where it is constant).

    **Shapes** ``x: (N, ...) -> (N, F)``
    """
    rows = x.reshape(len(x), -1).astype(np.float64)
    deviation = rows.std(axis=0)
    return np.asarray((rows - rows.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0))


def target_matrix(targets: Array, classes: int) -> Matrix:
    """Targets as numbers: classes as one column each with 0 and 1.

    **Shapes** ``targets: (N,)`` class indices or ``(N, ...)`` numbers ``-> (N, C)``
    """
    if targets.dtype.kind == "f":
        return targets.reshape(len(targets), -1).astype(np.float64)
    return np.eye(classes)[targets.astype(np.int64)]


def explained(found: Matrix, wanted: Matrix) -> float:
    """The share of the targets' variance that answers explain: 1 - error / variance; 0 without.

    **Shapes** ``found: (N, C), wanted: (N, C)``
    """
    variance = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    return 1.0 - float(((found - wanted) ** 2).sum()) / variance if variance > 0.0 else 0.0


def told_by_order(column: Matrix, wanted: Matrix, order_of_ties: Array) -> float:
    """How much one column alone tells of the targets, from 0 (nothing) to 1 (all).

    Formula: ``1 - sum |y_(i+1) - y_(i)|^2 / (2 sum |y - mean|^2)`` with rows in the order of the
    column: the ratio of von Neumann, "Distribution of the ratio of the mean square successive
    difference to the variance", Ann. Math. Stat. 12, 1941. It needs no shape of the dependence.

    **Shapes** ``column: (N,), wanted: (N, C), order_of_ties: (N,)``
    """
    order = np.lexsort((order_of_ties, column))
    steps = np.diff(wanted[order], axis=0)
    variance = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    if variance == 0.0:
        return 0.0
    error = float((steps**2).sum()) * len(wanted) / max(1, len(wanted) - 1)
    return 1.0 - error / (2.0 * variance)


def nearest(rows: Matrix, count: int) -> NDArray[np.int64]:
    """The nearest other rows of each row, nearest first. **Shapes** ``(N, F) -> (N, count)``"""
    squares = (rows**2).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * (rows @ rows.T)
    np.fill_diagonal(distances, np.inf)
    count = min(count, len(rows) - 1)
    found = np.argpartition(distances, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(distances, found, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(found, order, axis=1), np.int64)
