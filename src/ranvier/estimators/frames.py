"""Data frames of any library, read through narwhals (the only file that imports it)."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import missing_extra

#: The columns of a table by name: numbers (NaN where missing) or objects (None where missing).
Columns: TypeAlias = dict[str, NDArray[Any]]


def _narwhals() -> ModuleType:
    try:
        import narwhals
    except ImportError as error:
        raise missing_extra(
            "narwhals", "tables", "A data frame with columns that are no numbers"
        ) from error
    return narwhals


def category_columns(x: object, always: bool = False) -> Columns | None:
    """The columns of a data frame of which some are no numbers; None for everything else.

    Columns of numbers and booleans come as float64, all others (categories, texts, enumerations)
    as objects.

    Args:
        x: what a user gives.
        always: whether a frame of numbers only is read too.

    Raises:
        MissingExtraError: for such a frame where narwhals is not installed.
    """
    frame_like = hasattr(x, "columns") and hasattr(x, "dtypes")
    if not frame_like or (_all_numbers(x) and not always):
        return None
    narwhals = _narwhals()
    frame = narwhals.from_native(x, eager_only=True, pass_through=True)
    if not isinstance(frame, narwhals.DataFrame):
        return None
    found: Columns = {}
    for name in frame.columns:
        column = frame[name]
        numeric = column.dtype.is_numeric() or column.dtype == narwhals.Boolean
        found[str(name)] = _numbers(column.to_list()) if numeric else _objects(column.to_list())
    return found if always or any(one.dtype == object for one in found.values()) else None


def _all_numbers(x: Any) -> bool:
    """Whether the frame's own names of its dtypes are all those of numbers."""
    starts = ("int", "uint", "float", "bool")
    return all(str(dtype).lower().startswith(starts) for dtype in x.dtypes)


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _objects(values: list[Any]) -> NDArray[Any]:
    found = np.empty(len(values), object)
    # NaN among objects is how pandas writes a missing text; it differs from itself.
    found[:] = [None if value is None or value != value else str(value) for value in values]
    return found
