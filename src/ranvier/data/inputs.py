"""Checks of the arrays that users hand to fit, predict and evaluate.

Whatever NumPy can read comes back as an array of a supported dtype, without a copy where it can be;
whatever cannot be trained on is an error that names the first row and column at fault.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.dtypes import DATA_DTYPES
from ranvier.foundation.errors import DataError, DTypeError

#: Elements looked at in one go when searching for NaN and infinity: keeps the mask in cache.
_BLOCK_ELEMENTS = 1 << 20


def check_inputs(x: object, name: str = "X") -> NDArray[Any]:
    """Examples as an array that a training program can read.

    **Shapes** ``x: (N, ...) -> (N, ...)``, at least one row and one value a row.

    Args:
        x: an array, a list of rows, or anything with ``__array__``.
        name: what the argument is called, for error messages.

    Returns:
        The examples in their own dtype (``uint8``, integers, ``float16`` to ``float64``, ``bool``).
        Each row is contiguous; rows may lie apart. The memory of ``x`` is used where it fits.

    Raises:
        DataError: ragged, empty, text, missing or not finite values, with the place of the first.
        DTypeError: a dtype that cannot be trained on.

    >>> check_inputs([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    array = as_array(x, name)
    if array.dtype.kind in "OUST":
        array = _numbers_of_objects(array, name)
    check_not_empty(array, name)
    array = _supported(array, name)
    check_finite(array, name)
    return _rows_contiguous(array)


def as_array(x: object, name: str) -> NDArray[Any]:
    """``x`` as an array of at least one axis, of any dtype; ragged lists are refused by row."""
    # Who has a masked array has loaded its module; all others need not wait for it.
    loaded = "numpy.ma" in sys.modules
    if loaded and isinstance(x, np.ma.MaskedArray) and np.ma.getmaskarray(x).any():
        row = int(np.argwhere(np.ma.getmaskarray(x))[0][0])
        raise DataError(
            f"{name} has masked values, the first in row {row}.",
            happened=f"{int(np.ma.getmaskarray(x).sum())} values of the masked array are masked",
            needed="a value everywhere",
            fix="fill them first, for example with x.filled(0)",
        )
    if hasattr(x, "toarray") and not hasattr(x, "__array__"):
        raise DataError(
            f"{name} is a sparse matrix.",
            happened=f"a {type(x).__name__} was given",
            needed="a dense array",
            fix="convert it first: x.toarray()",
        )
    try:
        array = np.asarray(x)
    except (ValueError, TypeError, OverflowError) as error:
        raise _unreadable(x, name, error) from error
    if array.ndim == 0:
        raise DataError(
            f"{name} is not an array of rows.",
            happened=f"a single {type(x).__name__} was given",
            needed="an array or a list with one entry an example",
            fix="put the examples in a list or an array, even when there is only one",
        )
    return array


def _unreadable(x: object, name: str, error: Exception) -> DataError:
    """The error for something NumPy makes no array of: mostly lists of unequal lengths."""
    if isinstance(x, (list, tuple)):
        ragged = _ragged_row(x)
        if ragged is not None:
            row, length, first = ragged
            return DataError(
                f"{name} is ragged: row {row} has another length than row 0.",
                happened=f"row {row} has shape {length}, row 0 has shape {first}",
                needed="rows of one length",
                fix=f"complete or remove row {row}, or pad all rows to one length",
            )
    return DataError(
        f"{name} cannot be read as an array.",
        happened=str(error),
        needed="an array, a list of rows, or an object with __array__",
        fix="convert it with numpy.asarray and look at what comes out",
    )


def _ragged_row(rows: list[Any] | tuple[Any, ...]) -> tuple[int, str, str] | None:
    first = _shape_of(rows[0]) if rows else ""
    for number, row in enumerate(rows):
        shape = _shape_of(row)
        if shape != first or shape == "ragged":
            return number, shape, first
    return None


def _shape_of(row: object) -> str:
    try:
        return str(np.asarray(row).shape)
    except (ValueError, TypeError):
        return "ragged"


def check_not_empty(array: NDArray[Any], name: str) -> None:
    """Refuse an array without rows or without values in a row."""
    if array.size:
        return
    what = "rows" if array.shape[0] == 0 else "values in a row"
    raise DataError(
        f"{name} is empty.",
        happened=f"it has no {what}: its shape is {array.shape}",
        needed="at least one row with at least one value",
        fix="look at how the array was made; a filter may have removed everything",
    )


def place(index: tuple[int, ...]) -> str:
    """``row 3, column 2``: where an element of an array is."""
    if len(index) == 1:
        return f"row {index[0]}"
    if len(index) == 2:
        return f"row {index[0]}, column {index[1]}"
    return f"row {index[0]}, position {tuple(index[1:])}"


def is_missing(value: object) -> bool:
    """Whether an object stands for a missing value: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def is_number(value: object) -> bool:
    """Whether an object is a real number or a boolean."""
    return isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating))


def _numbers_of_objects(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Arrays of Python objects: numbers are taken, the first other thing is named."""
    # Mixed lists become text in NumPy: then the one that reads as no number is to blame.
    blame_words = array.dtype.kind in "UST" and not _all_numbers(array)
    for position, value in enumerate(array.flat):
        if is_number(value) or (blame_words and _reads_as_number(value)):
            continue
        where = place(tuple(int(i) for i in np.unravel_index(position, array.shape)))
        if is_missing(value):
            raise DataError(
                f"{name} has a missing value at {where}.",
                happened=f"it is {value!r}",
                needed="a number everywhere",
                fix="fill missing values first, for example with the mean of the column",
            )
        what = "text" if isinstance(value, (str, bytes)) else f"a {type(value).__name__}"
        raise DataError(
            f"{name} has {what} where numbers are needed, first at {where}.",
            happened=f"it is {_shortened(value)}",
            needed="numbers",
            fix="convert texts that are numbers with numpy.asarray(x, float); give each category a "
            "number or a column of its own; a CSV file with texts is read by open_dataset",
        )
    try:
        return array.astype(np.float64)
    except (OverflowError, ValueError, TypeError) as error:
        raise DataError(
            f"{name} has a number that is too large.",
            happened=str(error),
            needed="numbers that fit into float64",
            fix="scale the values down",
        ) from error


def _reads_as_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False
    return True


def _all_numbers(array: NDArray[Any]) -> bool:
    return all(_reads_as_number(value) for value in array.flat)


def _shortened(value: object) -> str:
    shown = repr(str(value)) if isinstance(value, str) else repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _supported(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype.kind == "c":
        raise DataError(
            f"{name} holds complex numbers.",
            happened=f"Complex data not supported: its dtype is {array.dtype}",
            needed="real numbers",
            fix="give the real and the imaginary part as columns of their own",
        )
    if array.dtype.name not in DATA_DTYPES:
        wider = "int64" if array.dtype.kind == "u" else "float64"
        raise DTypeError(
            f"{name} has a dtype that cannot be trained on.",
            happened=f"its dtype is {array.dtype}",
            needed="one of " + ", ".join(DATA_DTYPES),
            fix=f"convert it first, for example with x.astype('{wider}')",
        )
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def check_finite(array: NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity, naming the first and how many there are.

    Raises:
        DataError: with the row and the column of the first one.
    """
    if array.dtype.kind != "f":
        return
    count, first = 0, None
    step = max(1, _BLOCK_ELEMENTS // max(1, array[0].size))
    for start in range(0, len(array), step):
        bad = ~np.isfinite(array[start : start + step])
        if not bad.any():
            continue
        count += int(bad.sum())
        if first is None:
            inner = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
            first = (start + inner[0], *inner[1:])
    if first is not None:
        value = "NaN" if np.isnan(array[first]) else "infinity"
        raise DataError(
            f"{name} has {value} at {place(first)}.",
            happened=f"{count} of {array.size} values are not finite numbers (NaN or inf)",
            needed="finite numbers everywhere",
            fix="remove these rows, or fill the values, for example with the mean of the column",
        )


def _rows_contiguous(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself if each row is one piece of memory and rows go forward, else a copy."""
    expected = array.itemsize
    for length, stride in zip(array.shape[:0:-1], array.strides[:0:-1], strict=True):
        if length > 1 and stride != expected:
            return np.ascontiguousarray(array)
        expected *= length
    if array.strides[0] < 0 or not array.flags.aligned:
        return np.ascontiguousarray(array)
    # A subclass (a matrix, a memory map) would carry rules of its own along.
    return array.view(np.ndarray) if type(array) is not np.ndarray else array
