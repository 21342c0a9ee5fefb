"""One column of a table: what is done to it, found from the training rows.

Numbers are standardized, texts become one 0/1 feature a category, and a column in which values were
missing gets one more 0/1 feature that says where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.inputs import is_missing, is_number
from ranvier.data.strict_json import Fields, odd
from ranvier.foundation.errors import DataError, DTypeError

#: Texts with more different values than this, or with nearly as many as rows, are no categories.
MOST_CATEGORIES = 1000
_FEW_CATEGORIES = 20
_KEYS = ("name", "kind", "mean", "scale", "indicator", "categories")


@dataclass(frozen=True)
class Column:
    """What is done to one column.

    Attributes:
        name: the name of the column.
        kind: ``"number"``, ``"text"`` or ``"unused"``.
        mean, scale: of numbers: (value - mean) / scale; a missing one becomes 0.
        indicator: whether one more feature is 1 where the value is missing.
        categories: of texts, sorted: one feature each; an unknown one is 0 everywhere.
    """

    name: str
    kind: str
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many features the column becomes."""
        if self.kind == "unused":
            return 0
        return (len(self.categories) if self.kind == "text" else 1) + int(self.indicator)

    @property
    def prepared_names(self) -> tuple[str, ...]:
        """The names of these features."""
        if self.kind == "unused":
            return ()
        names = (
            [f"{self.name} = {category}" for category in self.categories]
            if self.kind == "text"
            else [self.name]
        )
        return (*names, f"{self.name} is missing") if self.indicator else tuple(names)


def fit_column(name: str, values: NDArray[Any]) -> tuple[Column, list[str]]:
    """What to do to a column, and sentences about it."""
    if holds_texts(name, values):
        return _fit_texts(name, as_texts(values))
    numbers = as_numbers(name, values)
    missing = np.isnan(numbers)
    present = numbers[~missing] if missing.any() else numbers
    if not len(present):
        return Column(name, "unused"), [f"Column {name!r} is left out: it has no values."]
    notes = []
    low, high = float(present.min()), float(present.max())
    if low == high:
        mean, scale = low, 1.0
        notes.append(f"Column {name!r} is constant ({low:g}); it says nothing.")
    else:
        # Scaled by the range first: squares of large values would overflow.
        shifted = (present / 2 - low / 2) / (high / 2 - low / 2)
        mean = float(low + (high / 2 - low / 2) * shifted.mean() * 2)
        scale = float((high / 2 - low / 2) * shifted.std() * 2)
        scale = scale if np.isfinite(scale) and scale > 0 else 1.0
    if missing.any():
        notes.append(
            f"Column {name!r}: {int(missing.sum())} missing values became the mean, and one more "
            "feature says where."
        )
    return Column(name, "number", mean, scale, bool(missing.any())), notes


def _fit_texts(name: str, texts: NDArray[Any]) -> tuple[Column, list[str]]:
    present = [text for text in texts if text is not None]
    missing = len(texts) - len(present)
    categories = sorted(set(present))
    if not categories:
        return Column(name, "unused"), [f"Column {name!r} is left out: it has no values."]
    most = min(MOST_CATEGORIES, max(_FEW_CATEGORIES, len(present) // 2))
    if len(categories) > most:
        return Column(name, "unused"), [
            f"Column {name!r} is left out: {len(categories)} different texts in {len(present)} "
            "rows are no categories."
        ]
    notes = [
        f"Column {name!r} became {len(categories)} features, one a category; a category that is "
        "not among them becomes 0 everywhere."
    ]
    if missing:
        notes.append(f"Column {name!r}: {missing} missing values have a feature of their own.")
    return Column(name, "text", indicator=missing > 0, categories=tuple(categories)), notes


def write_column(column: Column, values: NDArray[Any], out: NDArray[np.float32]) -> None:
    """Write the features of a column, ``values: (N,)`` into ``out: (N, width)``."""
    if column.kind == "text":
        texts = as_texts(values)
        positions = {category: i for i, category in enumerate(column.categories)}
        chosen = np.array([positions.get(text, -1) for text in texts], np.int64)
        out[:] = 0.0
        known = np.flatnonzero(chosen >= 0)
        out[known, chosen[known]] = 1.0
        if column.indicator:
            out[:, -1] = [text is None for text in texts]
        return
    numbers = as_numbers(column.name, values)
    missing = np.isnan(numbers)
    with np.errstate(over="ignore"):
        out[:, 0] = np.where(missing, 0.0, (numbers - column.mean) / column.scale)
    far = ~np.isfinite(out[:, 0])
    if far.any():
        row = int(far.argmax())
        raise DataError(
            f"The column {column.name!r} has a value far outside the training's in row {row}.",
            happened=f"it is {numbers[row]:g}; the mean was {column.mean:g}, "
            f"the deviation {column.scale:g}",
            needed="a value that fits into float32 after scaling",
            fix="correct the value, or leave the field empty",
        )
    if column.indicator:
        out[:, 1] = missing


def unknown_categories(column: Column, values: NDArray[Any], what: str = "rows") -> str:
    """A sentence about texts that are none of a column's categories; empty if there are none.

    >>> town = Column("town", "text", categories=("Oslo", "Rome"))
    >>> unknown_categories(town, np.array(["Oslo", "Paris", "Paris"]))
    "Column 'town': 2 of 3 rows have a category that the training did not have: 'Paris'."
    """
    if column.kind != "text":
        return ""
    known = {*column.categories, None}
    unknown = [text for text in as_texts(values) if text not in known]
    if not unknown:
        return ""
    different = list(dict.fromkeys(unknown))
    shown = ", ".join(f"{text!r:.40}" for text in different[:5])
    more = f" and {len(different) - 5} more" if len(different) > 5 else ""
    verb = "has" if len(unknown) == 1 else "have"
    return (
        f"Column {column.name!r}: {len(unknown)} of {len(values)} {what} {verb} a category that "
        f"the training did not have: {shown}{more}."
    )


def common_rows(columns: Mapping[str, NDArray[Any]]) -> int:
    """The number of rows that all columns have; at least one.

    Raises:
        DataError: no columns, no rows, or columns of different lengths.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if not lengths or min(lengths.values()) == 0:
        raise DataError(
            "The table is empty.",
            happened=f"it has {len(lengths)} columns to learn from and no rows"
            if lengths
            else "no column is left to learn from",
            needed="at least one row and one column besides the target",
            fix="look at the file, and at which columns were left out",
        )
    first, rows = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != rows:
            raise DataError(
                f"The column {name!r} has another length than {first!r}.",
                happened=f"{name!r} has {length} rows, {first!r} has {rows}",
                needed="columns of one length",
                fix="complete or cut the columns",
            )
    return rows


def holds_texts(name: str, values: NDArray[Any]) -> bool:
    """Whether a column holds texts, not numbers; a mixture is refused by row."""
    if values.dtype.kind in "UST":
        return True
    if values.dtype.kind != "O":
        return False
    first: type[str] | type[float] | None = None
    for row, value in enumerate(values):
        if is_missing(value) or (isinstance(value, str) and value == ""):
            continue
        if not isinstance(value, str) and not is_number(value):
            raise _not_a_number(name, row, value)
        found = str if isinstance(value, str) else float
        first = first or found
        if found is not first:
            raise DataError(
                f"The column {name!r} mixes texts and numbers, first in row {row}.",
                happened=f"it is {value!r:.60}, after the other sort",
                needed="only texts or only numbers",
                fix="convert the column to one of both",
            )
    return first is str


def as_texts(values: NDArray[Any]) -> NDArray[Any]:
    """A column as stripped texts, None where missing; numbers are written as in a file."""
    texts = np.empty(len(values), object)
    for row, value in enumerate(values):
        if is_missing(value):
            continue
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            value = int(value)
        text = (
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        ).strip()
        texts[row] = text or None
    return texts


def as_numbers(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """A column as float64, NaN where missing.

    Raises:
        DataError: text or infinity, with column and row.
    """
    if values.ndim != 1:
        raise DataError(
            f"The column {name!r} is not a column.",
            happened=f"its shape is {values.shape}",
            needed="one value a row, (N,)",
            fix="give each column as an array of one axis",
        )
    if values.dtype.kind in "OUST":
        numbers = np.array([_number(name, row, value) for row, value in enumerate(values)])
    elif values.dtype.kind in "biuf":
        numbers = values.astype(np.float64)
    else:
        raise DTypeError(
            f"The column {name!r} has a dtype that is neither numbers nor texts.",
            happened=f"its dtype is {values.dtype}",
            needed="numbers or texts",
            fix="convert the column first, for example dates to days since the first one",
        )
    numbers = np.asarray(numbers, np.float64)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise DataError(
            f"The column {name!r} has infinity in row {int(infinite.argmax())}.",
            happened=f"{int(infinite.sum())} of {len(numbers)} values are infinite",
            needed="finite numbers, or missing values",
            fix="correct the values, or leave the fields empty",
        )
    return numbers


def _number(name: str, row: int, value: object) -> float:
    if is_missing(value) or value in ("", b""):
        return float("nan")
    try:
        if isinstance(value, (str, bytes)) or is_number(value):
            return float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        pass
    raise _not_a_number(name, row, value)


def _not_a_number(name: str, row: int, value: object) -> DataError:
    return DataError(
        f"The column {name!r} needs numbers, and row {row} has none.",
        happened=f"it is {value!r:.60}",
        needed="a number, or an empty field where it is missing",
        fix=f"correct this value in row {row} (counted from 0)",
    )


def column_to_json(column: Column) -> Mapping[str, object]:
    """A column as plain values."""
    return {key: getattr(column, key) for key in _KEYS}


def column_from_json(value: object, place: str) -> Column:
    """A column from untrusted values; odd ones are a ModelFileError."""
    fields = Fields(value, place, _KEYS)
    column = Column(
        name=fields.text("name"),
        kind=fields.one_of("kind", ("number", "text", "unused")),
        mean=fields.number("mean"),
        scale=fields.number("scale"),
        indicator=fields.flag("indicator"),
        categories=fields.texts("categories", MOST_CATEGORIES),
    )
    if column.scale <= 0:
        raise odd(f"{place}.scale", f"it is {column.scale}", "a positive number")
    if len(set(column.categories)) != len(column.categories):
        raise odd(f"{place}.categories", "a category is there twice", "different categories")
    if (column.kind == "text") != bool(column.categories):
        raise odd(f"{place}.categories", "they do not fit the kind", "categories for texts only")
    return column
