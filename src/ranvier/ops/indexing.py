"""Rows of a table by their numbers: take, and scatter-add, each the other's gradient.

Numbers outside the table are held at its first and last row, so that no engine ever reads or writes
elsewhere. Where they come from data they are checked once, in Python (``Embedding.check_rows``).
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.dtypes import is_float
from ranvier.foundation.errors import ArgumentError, DTypeError, ShapeError
from ranvier.foundation.shapes import show_shape
from ranvier.ops.value import (
    GradientTools,
    Primitive,
    Spec,
    Tensor,
    Value,
    apply,
    law_broken,
    primitive,
)


def _check_indices(operation: str, indices: Spec) -> None:
    if indices.dtype == "bool" or is_float(indices.dtype):
        raise DTypeError(
            f"{operation} needs row numbers.",
            happened=f"its indices have dtype {indices.dtype}",
            needed="integers, from 0 to the table's rows less 1",
            fix="convert them, for example with ops.cast(x, 'int32')",
        )


def _held(indices: NDArray[Any], length: int) -> NDArray[np.int64]:
    """Row numbers held inside a table."""
    return np.clip(indices.astype(np.int64), 0, length - 1)


# --- take


def _take_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    table, indices = specs
    _check_indices("take", indices)
    shape = table.shape
    if len(shape) != 2 or not all(isinstance(d, int) for d in shape) or shape[0] == 0:
        raise ShapeError(
            f"take cannot read rows of {show_shape(shape)}.",
            happened=f"the table has shape {show_shape(shape)}",
            needed="(V, D): at least one row, both lengths known",
            fix="reshape the table to two axes",
        )
    return Spec((*indices.shape, shape[1]), table.dtype)


def _take_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    table, indices = arrays
    return table[_held(indices, len(table))]


def _take_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    table, indices = node.inputs
    return (apply("scatter_add", [indices, d], length=table.shape[0]), None)


primitive(Primitive("take", "take", _take_rule, _take_meaning, _take_gradient))


def take(table: Tensor, indices: Tensor) -> Any:
    """Rows of a table by their numbers.

    Formula: ``out[..., d] = table[indices[...], d]``; numbers below 0 mean row 0, numbers behind
    the last row mean the last.

    **Shapes**: ``table: (V, D), indices: (...) -> (..., D)``

    Args:
        table: two axes, of known lengths.
        indices: integers of any dtype and shape.

    Raises:
        ShapeError: if the table has not two axes of known length, or no row.
        DTypeError: if the indices are not integers.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> table = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
        >>> ops.take(table, np.array([2, 0, 2])).tolist()
        [[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]
    """
    return apply("take", [table, indices])


# --- scatter-add


def _check_updates(operation: str, indices: Spec, updates: Spec) -> None:
    _check_indices(operation, indices)
    if updates.dtype == "bool":
        raise DTypeError(
            f"{operation} needs numbers.",
            happened="its updates are boolean",
            needed="a numeric dtype",
            fix="convert them with ops.cast(x, 'float32')",
        )
    width = updates.shape[-1] if updates.shape else None
    if not isinstance(width, int) or updates.shape[:-1] != indices.shape:
        raise ShapeError(
            f"{operation} needs a row for every row number.",
            happened=f"updates have shape {show_shape(updates.shape)}, "
            f"row numbers {show_shape(indices.shape)}",
            needed="shapes (..., D), with D known, and (...)",
            fix="reshape the updates, or the row numbers",
        )


def _scatter_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    indices, updates = specs
    _check_updates("scatter_add", indices, updates)
    return Spec((attributes["length"], updates.shape[-1]), updates.dtype)


def _scatter_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    indices, updates = arrays
    out = np.zeros((attributes["length"], updates.shape[-1]), updates.dtype)
    np.add.at(out, _held(indices, len(out)), updates)
    return out


def _scatter_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    return (None, apply("take", [d, node.inputs[0]]))


primitive(Primitive("scatter_add", "scatter", _scatter_rule, _scatter_meaning, _scatter_gradient))


def scatter_add(indices: Tensor, updates: Tensor, length: int) -> Any:
    """Rows added up by their numbers, in their order: what reaches a table through :func:`take`.

    Formula: ``out[v, d] = sum of updates[..., d] where indices[...] = v``; numbers below 0 count
    as 0, numbers behind the last row as the last.

    **Shapes**: ``indices: (...), updates: (..., D) -> (V, D)``

    Args:
        indices: integers of any dtype and shape.
        updates: a row for each of them.
        length: rows V of the result, at least 1.

    Raises:
        ShapeError: if there is not a row of known length for every row number.
        DTypeError: if the indices are not integers, or the updates are boolean.
        ArgumentError: for another length.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.scatter_add(np.array([2, 0, 2]), np.array([[1.0], [2.0], [4.0]]), 3).tolist()
        [[2.0], [0.0], [5.0]]
    """
    return apply("scatter_add", [indices, updates], length=_length(length))


def _length(length: object) -> int:
    try:
        number = operator.index(length)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1 or isinstance(length, bool):
        raise ArgumentError(
            "scatter_add: the argument length is not understood.",
            happened=f"length is {length!r:.80}",
            needed="the rows of the result: an integer, at least 1",
            fix="give the rows of the table that the row numbers point into",
        )
    return number


# --- onto a table: made by the compiler for updates that write touched rows only


def _onto_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    base, indices, updates = specs
    _check_updates("scatter_onto", indices, updates)
    if len(base.shape) != 2 or base != Spec((base.shape[0], updates.shape[-1]), updates.dtype):
        raise law_broken("scatter_onto", f"{updates} cannot be added to rows of {base}")
    return base


def _onto_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    base, indices, updates = arrays
    out = np.array(base)
    np.add.at(out, _held(indices, len(out)), updates)
    return out


primitive(Primitive("scatter_onto", "scatter", _onto_rule, _onto_meaning))
