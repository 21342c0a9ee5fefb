"""Primitives that move numbers without computing: reshape, transpose, broadcast, slice, pad ...

Most cost nothing when compiled: they become index expressions of whoever reads them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ranvier.foundation.dtypes import promote
from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.foundation.shapes import Extent, Shape, show_shape, split_extents
from ranvier.ops.reduce import sum as sum_over
from ranvier.ops.value import (
    GradientTools,
    Primitive,
    Spec,
    Tensor,
    Value,
    apply,
    broadcast_to,
    dtype_of,
    law_broken,
    primitive,
    shape_of,
)

__all__ = ["broadcast_to", "concatenate", "expand", "pad", "reshape", "slice_axis", "transpose"]


# --- reshape


def _reshape_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    old, new = specs[0].shape, tuple(attributes["shape"])
    if split_extents(old) != split_extents(new):
        raise ShapeError(
            f"reshape cannot turn {show_shape(old)} into {show_shape(new)}.",
            happened="the two shapes do not hold the same number of elements",
            needed="the same product of lengths, and the same symbolic extents",
            fix="check the new shape; Flatten() makes one row of features an example",
        )
    return Spec(new, specs[0].dtype)


primitive(
    Primitive(
        "reshape",
        "view",
        _reshape_rule,
        lambda arrays, attributes: np.reshape(arrays[0], attributes["shape"]),
        lambda tools, node, d: (reshape(d, node.inputs[0].shape),),
    )
)


def reshape(x: Tensor, shape: Shape) -> Any:
    """The same elements in row-major order under another shape; one entry may be -1."""
    shape = _infer(shape_of(x), tuple(shape))
    return x if shape == shape_of(x) else apply("reshape", [x], shape=shape)


def _infer(old: Shape, new: Shape) -> Shape:
    if -1 not in new:
        return new
    rest = [d for d in new if d != -1]
    size, extents = split_extents(old)
    known, named = split_extents(tuple(rest))
    missing = [e for e in extents if e not in named]
    if len(rest) != len(new) - 1 or size % max(known, 1) or len(missing) > 1:
        raise ShapeError(
            f"reshape cannot find the -1 in {show_shape(new)}.",
            happened=f"the value has shape {show_shape(old)}",
            needed="one -1 that makes the number of elements the same",
            fix="write the length out",
        )
    if missing and size != known:
        raise ShapeError(
            f"reshape cannot merge {missing[0]} with other axes in {show_shape(new)}.",
            happened=f"the value has shape {show_shape(old)}",
            needed="symbolic extents that stay an axis of their own",
            fix=f"keep {missing[0]} as an axis and reshape the others",
        )
    found: int | Extent = Extent(missing[0]) if missing else size // max(known, 1)
    return tuple(found if d == -1 else d for d in new)


def expand(x: Tensor, axis: int) -> Any:
    """x with a new axis of length 1."""
    shape = shape_of(x)
    axis = axis % (len(shape) + 1)
    return apply("reshape", [x], shape=(*shape[:axis], 1, *shape[axis:]))


# --- transpose


def _transpose_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    axes = attributes["axes"]
    if sorted(axes) != list(range(len(specs[0].shape))):
        raise ShapeError(
            f"transpose cannot reorder {show_shape(specs[0].shape)} by {axes}.",
            happened=f"axes are {axes}",
            needed="each axis exactly once",
            fix=f"give a permutation of {tuple(range(len(specs[0].shape)))}",
        )
    return Spec(tuple(specs[0].shape[a] for a in axes), specs[0].dtype)


def _transpose_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    axes = node.attributes["axes"]
    return (transpose(d, tuple(axes.index(i) for i in range(len(axes)))),)


primitive(
    Primitive(
        "transpose",
        "view",
        _transpose_rule,
        lambda arrays, attributes: np.transpose(arrays[0], attributes["axes"]),
        _transpose_gradient,
    )
)


def transpose(x: Tensor, axes: tuple[int, ...] | None = None) -> Any:
    """x with its axes in another order (reversed when left out)."""
    count = len(shape_of(x))
    order = tuple(reversed(range(count))) if axes is None else tuple(axes)
    return x if order == tuple(range(count)) else apply("transpose", [x], axes=order)


# --- broadcast


def _broadcast_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    old, new = specs[0].shape, tuple(attributes["shape"])
    padded = (1,) * (len(new) - len(old)) + tuple(old)
    if len(old) > len(new) or any(a != b and a != 1 for a, b in zip(padded, new, strict=True)):
        raise ShapeError(
            f"broadcast_to cannot repeat {show_shape(old)} to {show_shape(new)}.",
            happened="an axis has another length and is not 1",
            needed="equal lengths, or 1, axis by axis from the right",
            fix="reshape the value first",
        )
    return Spec(new, specs[0].dtype)


def _broadcast_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    old = node.inputs[0].shape
    lead = node.ndim - len(old)
    axes = [i for i in range(node.ndim) if i < lead or old[i - lead] != node.shape[i]]
    return (reshape(sum_over(d, axis=tuple(axes)), old) if axes else d,)


primitive(
    Primitive(
        "broadcast_to",
        "view",
        _broadcast_rule,
        lambda arrays, attributes: np.broadcast_to(arrays[0], attributes["shape"]),
        _broadcast_gradient,
    )
)


# --- slice and pad: each is the other's gradient


def _slice_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    axis, start, stop = attributes["axis"], attributes["start"], attributes["stop"]
    shape = specs[0].shape
    length = shape[axis]
    if isinstance(length, Extent) or not 0 <= start <= stop <= length:
        raise ShapeError(
            f"slice cannot take {start}:{stop} of axis {axis} of {show_shape(shape)}.",
            happened=f"the axis has length {length}",
            needed="0 <= start <= stop <= length, on an axis of known length",
            fix="check the bounds",
        )
    return Spec((*shape[:axis], stop - start, *shape[axis + 1 :]), specs[0].dtype)


def _slice_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    index = [slice(None)] * arrays[0].ndim
    index[attributes["axis"]] = slice(attributes["start"], attributes["stop"])
    return arrays[0][tuple(index)]


def _slice_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    axis, start = node.attributes["axis"], node.attributes["start"]
    return (pad(d, axis, start, node.inputs[0].shape[axis] - node.attributes["stop"]),)


primitive(Primitive("slice", "view", _slice_rule, _slice_meaning, _slice_gradient))


def slice_axis(x: Tensor, axis: int, start: int, stop: int) -> Any:
    """Elements ``start`` to ``stop`` (exclusive) along one axis of known length.

    Its gradient is :func:`pad`.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.slice_axis(np.arange(5.0), 0, 1, 3).tolist()
        [1.0, 2.0]
    """
    axis = axis % max(1, len(shape_of(x)))
    return apply("slice", [x], axis=axis, start=start, stop=stop)


def _pad_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    axis, shape = attributes["axis"], specs[0].shape
    if isinstance(shape[axis], Extent) or attributes["before"] < 0 or attributes["after"] < 0:
        raise ShapeError(
            f"pad cannot extend axis {axis} of {show_shape(shape)}.",
            happened=f"before {attributes['before']}, after {attributes['after']}",
            needed="lengths of at least 0, on an axis of known length",
            fix="check the lengths; to shorten an axis use slice_axis",
        )
    length = shape[axis] + attributes["before"] + attributes["after"]
    return Spec((*shape[:axis], length, *shape[axis + 1 :]), specs[0].dtype)


def _pad_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    widths = [(0, 0)] * arrays[0].ndim
    widths[attributes["axis"]] = (attributes["before"], attributes["after"])
    return np.pad(arrays[0], widths)


def _pad_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    axis, start = node.attributes["axis"], node.attributes["before"]
    return (slice_axis(d, axis, start, start + node.inputs[0].shape[axis]),)


primitive(Primitive("pad", "join", _pad_rule, _pad_meaning, _pad_gradient))


def pad(x: Tensor, axis: int, before: int, after: int) -> Any:
    """x with zeros before and after along one axis of known length.

    Its gradient is :func:`slice_axis`.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.pad(np.ones(2), 0, 1, 2).tolist()
        [0.0, 1.0, 1.0, 0.0, 0.0]
    """
    axis = axis % max(1, len(shape_of(x)))
    return apply("pad", [x], axis=axis, before=before, after=after)


# --- concatenate


def _concatenate_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    axis, first, total = attributes["axis"], specs[0], 0
    for spec in specs:
        length = spec.shape[axis]
        same = (*spec.shape[:axis], *spec.shape[axis + 1 :]) == (
            *first.shape[:axis],
            *first.shape[axis + 1 :],
        )
        if spec.dtype != first.dtype:
            raise law_broken("concatenate", f"operands are {first} and {spec}")
        if isinstance(length, Extent) or not same:
            raise ShapeError(
                f"concatenate cannot join {show_shape(first.shape)} and {show_shape(spec.shape)}.",
                happened=f"they differ in more than axis {axis}, or that axis is symbolic",
                needed="equal lengths on all other axes",
                fix="reshape one of them first",
            )
        total += length
    return Spec((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


def _concatenate_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    axis, start, parts = node.attributes["axis"], 0, []
    for value in node.inputs:
        parts.append(slice_axis(d, axis, start, start + value.shape[axis]))
        start += value.shape[axis]
    return parts


primitive(
    Primitive(
        "concatenate",
        "join",
        _concatenate_rule,
        lambda arrays, attributes: np.concatenate(arrays, attributes["axis"]),
        _concatenate_gradient,
    )
)


def concatenate(values: Sequence[Tensor], axis: int = -1) -> Any:
    """Values joined along one axis; dtypes that differ become the wider one.

    **Shapes**: ``(..., F_1, ...), (..., F_2, ...), ... -> (..., F_1 + F_2 + ..., ...)``

    Args:
        values: at least one; all other axes have equal lengths.
        axis: of known length in every value, so not the rows of a batch.

    Raises:
        ArgumentError: if there is no value.
        ShapeError: if other axes differ, or the axis is symbolic.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.concatenate([np.zeros((1, 2)), np.ones((1, 1))]).tolist()
        [[0.0, 0.0, 1.0]]
    """
    parts = list(values)
    if not parts:
        raise ArgumentError(
            "concatenate has nothing to join.",
            happened="the list of values is empty",
            needed="at least one value",
            fix="leave the call out where there is none",
        )
    dtype = functools.reduce(promote, map(dtype_of, parts))
    parts = [x if dtype_of(x) == dtype else apply("cast", [x], dtype=dtype) for x in parts]
    return apply("concatenate", parts, axis=axis % max(1, len(shape_of(parts[0]))))
