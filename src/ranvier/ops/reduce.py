"""Reductions along one axis: sum, max, min; means and reductions over several axes on top."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ranvier.foundation.errors import ArgumentError, DTypeError
from ranvier.foundation.shapes import Extent, show_shape
from ranvier.ops.value import (
    GradientTools,
    Primitive,
    Spec,
    Tensor,
    Value,
    apply,
    broadcast_to,
    dtype_of,
    primitive,
    shape_of,
)


def _rule(name: str) -> Any:
    def rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
        axis, shape = attributes["axis"], specs[0].shape
        if specs[0].dtype == "bool":
            raise DTypeError(
                f"{name} needs numbers.",
                happened="its operand is boolean",
                needed="a numeric dtype",
                fix="convert it with ops.cast(x, 'float32')",
            )
        return Spec((*shape[:axis], *shape[axis + 1 :]), specs[0].dtype)

    return rule


def _keep(x: Tensor, node: Value) -> Any:
    """x, which lost an axis in ``node``, repeated along it again."""
    axis, shape = node.attributes["axis"], node.inputs[0].shape
    kept = apply("reshape", [x], shape=(*shape[:axis], 1, *shape[axis + 1 :]))
    return broadcast_to(kept, shape)


def _sum_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    return (_keep(d, node),)


def _extreme_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    # Ties share the gradient, as a subgradient and as JAX does.
    x, dtype = node.inputs[0], node.dtype
    hit = apply("cast", [apply("equal", [x, _keep(node, node)])], dtype=dtype)
    share = apply("sum", [hit], axis=node.attributes["axis"])
    return (apply("divide", [hit * _keep(d, node), _keep(share, node)]),)


def _sum_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    return np.sum(arrays[0], axis=attributes["axis"], dtype=arrays[0].dtype)


def _extreme_meaning(function: Callable[..., Any], empty: float) -> Any:
    def meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        x, axis = arrays[0], attributes["axis"]
        if x.shape[axis] == 0:
            fill = empty if x.dtype.kind == "f" else 0
            return np.full((*x.shape[:axis], *x.shape[axis + 1 :]), fill, x.dtype)
        return np.asarray(function(x, axis=axis))

    return meaning


primitive(Primitive("sum", "reduce", _rule("sum"), _sum_meaning, _sum_gradient))
primitive(
    Primitive("max", "reduce", _rule("max"), _extreme_meaning(np.max, -np.inf), _extreme_gradient)
)
primitive(
    Primitive("min", "reduce", _rule("min"), _extreme_meaning(np.min, np.inf), _extreme_gradient)
)


def _axes(x: Tensor, axis: int | tuple[int, ...] | None, name: str) -> list[int]:
    count = len(shape_of(x))
    wanted = range(count) if axis is None else ((axis,) if isinstance(axis, int) else axis)
    for a in wanted:
        if not -count <= a < count:
            raise ArgumentError(
                f"{name} cannot reduce axis {a} of {show_shape(shape_of(x))}.",
                happened=f"the value has {count} axes",
                needed=f"an axis from {-count} to {count - 1}",
                fix="check the axis",
            )
    return sorted({a % (count or 1) for a in wanted}, reverse=True)


def _reduce(name: str, x: Tensor, axis: int | tuple[int, ...] | None, keepdims: bool) -> Any:
    shape, axes = shape_of(x), _axes(x, axis, name)
    for a in axes:  # last axis first, so that the order of the sum is fixed by the shape
        x = apply(name, [x], axis=a)
    if keepdims and axes:
        x = apply("reshape", [x], shape=tuple(1 if i in axes else d for i, d in enumerate(shape)))
    return x


def sum(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """Sum over one axis, several, or all."""
    return _reduce("sum", x, axis, keepdims)


def max(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """Largest element over one axis, several, or all; NaN if any is; -inf of none."""
    return _reduce("max", x, axis, keepdims)


def min(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """Smallest element over one axis, several, or all; NaN if any is; inf of none."""
    return _reduce("min", x, axis, keepdims)


def length(x: Tensor, axis: int, dtype: str = "float32") -> Any:
    """The length of an axis: a number where it is known, else a value found at run time."""
    dimension = shape_of(x)[axis]
    if isinstance(dimension, Extent):
        return Value("extent", (), {"extent": dimension, "dtype": dtype}, (), dtype)
    return float(dimension)


def mean(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """Mean over one axis, several, or all: the sum divided by the count of the call.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> float(ops.mean(np.array([1.0, 2.0, 6.0])))
        3.0
    """
    total = _reduce("sum", x, axis, keepdims)
    for a in _axes(x, axis, "mean"):
        total = total / length(x, a, dtype_of(x))
    return total
