"""What becomes of the columns that an estimator reads: missing values and categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.columns import common_rows
from ranvier.estimators.frames import Columns
from ranvier.foundation.errors import DataError

#: Categories that a column may have.
MOST_CATEGORIES = 10_000


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories.

    Attributes:
        name: of the column.
        values: the categories of the training, sorted.
    """

    name: str
    values: tuple[str, ...]

    def codes(self, column: NDArray[Any]) -> NDArray[np.int32]:
        """1 for the first category and so on; 0 where it is missing or was not there in training.

        **Shapes**: ``column: (N,) -> (N,)``
        """
        places = {value: place for place, value in enumerate(self.values, 1)}
        return np.array([places.get(value, 0) for value in column], np.int32)


@dataclass(frozen=True)
class Table:
    """How a data frame becomes arrays.

    Attributes:
        numbers: names of the columns of numbers.
        categories: the others.
        embedded: whether categories become indices of their own and not columns of 0 and 1.
    """

    numbers: tuple[str, ...]
    categories: tuple[CategoryColumn, ...]
    embedded: bool

    @classmethod
    def learnt(cls, columns: Columns, embedded: bool) -> Table:
        """The table that a training part shows.

        Raises:
            DataError: a column with more categories than can be meant.
        """
        found = []
        for name, column in columns.items():
            if column.dtype != object:
                continue
            values = tuple(sorted({str(value) for value in column if value is not None}))
            if len(values) > MOST_CATEGORIES:
                raise DataError(
                    f"The column {name!r} has {len(values)} different texts.",
                    happened="as a category each would be a column of its own",
                    needed=f"at most {MOST_CATEGORIES} categories",
                    fix="leave it out, or put fewer groups in its place",
                )
            found.append(CategoryColumn(name, values))
        names = tuple(name for name, column in columns.items() if column.dtype != object)
        return cls(names, tuple(found), embedded)

    def numbers_of(self, columns: Columns, dtype: str) -> NDArray[Any]:
        """The columns of numbers, and categories as columns of 0 and 1 unless they are embedded.

        **Shapes**: each column ``(N,) -> (N, F)``

        Raises:
            DataError: a column that is missing, or no longer what it was in training.
        """
        rows = common_rows(columns)
        needed = (*self.numbers, *(one.name for one in self.categories))
        missing = [name for name in needed if name not in columns]
        if missing:
            raise DataError(
                f"The column {missing[0]!r} is missing.",
                happened="the columns are: " + ", ".join(list(columns)[:50]),
                needed="the columns of the training: " + ", ".join(needed[:50]),
                fix="add it; None stands for a missing value",
            )
        parts = [self._column(columns, name)[:, None] for name in self.numbers]
        for one in () if self.embedded else self.categories:
            codes = one.codes(columns[one.name])
            parts.append(codes[:, None] == np.arange(1, len(one.values) + 1))
        return np.concatenate([np.zeros((rows, 0)), *parts], axis=1).astype(dtype)

    def _column(self, columns: Columns, name: str) -> NDArray[Any]:
        column = columns[name]
        if column.dtype == object:
            raise DataError(
                f"The column {name!r} holds texts.",
                happened="in training it held numbers",
                needed="columns of the same kinds as in training",
                fix="convert it to numbers",
            )
        return column

    def codes_of(self, columns: Columns) -> tuple[NDArray[np.int32], ...]:
        """The indices of each embedded column. **Shapes**: ``-> (N,)`` each"""
        if not self.embedded:
            return ()
        return tuple(one.codes(columns[one.name]) for one in self.categories)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many indices each embedded column has."""
        return tuple(len(one.values) + 1 for one in self.categories) if self.embedded else ()


@dataclass(frozen=True, eq=False)
class Filling:
    """What stands in the place of missing numbers.

    Attributes:
        means: of each column, over what is there.
        marked: columns that get another one with 1 where the number is missing.
    """

    means: NDArray[Any]
    marked: NDArray[np.int64]

    @classmethod
    def learnt(cls, x: NDArray[Any]) -> Filling:
        """The filling that a training part shows. **Shapes**: ``x: (N, F)``

        Raises:
            DataError: a column without a single number.
        """
        missing = np.isnan(x)
        empty = missing.all(axis=0)
        if empty.any():
            raise DataError(
                f"Column {int(empty.argmax())} of X has no number at all.",
                happened="all its values are missing",
                needed="at least one number in each column",
                fix="leave the column out",
            )
        return cls(
            np.asarray(np.nanmean(x, axis=0, dtype=np.float64)), np.flatnonzero(missing.any(axis=0))
        )

    def filled(self, x: NDArray[Any]) -> NDArray[Any]:
        """Numbers everywhere. **Shapes**: ``x: (N, F) -> (N, F + marked)``"""
        missing = np.isnan(x)
        whole = np.where(missing, self.means, x)
        return np.concatenate([whole, missing[:, self.marked]], axis=1).astype(x.dtype)
