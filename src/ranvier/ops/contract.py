"""The product: sums over pairs of axes, with optional batch axes (a batched matrix product)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ranvier.foundation.dtypes import promote
from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import show_shape
from ranvier.ops.value import (
    GradientTools,
    Primitive,
    Spec,
    Tensor,
    Value,
    apply,
    dtype_of,
    law_broken,
    primitive,
    shape_of,
)


def _rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    a, b = specs
    (ca, cb), (ba, bb) = attributes["contracting"], attributes["batch"]
    if a.dtype != b.dtype:
        raise law_broken("contract", f"operands are {a} and {b}")
    if [a.shape[i] for i in ca] != [b.shape[i] for i in cb]:
        raise ShapeError(
            f"A product cannot combine {show_shape(a.shape)} with {show_shape(b.shape)}.",
            happened=f"axes {list(ca)} of the first and {list(cb)} of the second differ in length",
            needed="equal lengths on the axes that are summed over",
            fix="check the number of features on both sides",
        )
    if [a.shape[i] for i in ba] != [b.shape[i] for i in bb]:
        raise ShapeError(
            f"A product cannot pair {show_shape(a.shape)} with {show_shape(b.shape)}.",
            happened="their batch axes differ in length",
            needed="equal lengths on the batch axes",
            fix="broadcast one of them first",
        )
    free_a = [d for i, d in enumerate(a.shape) if i not in (*ca, *ba)]
    free_b = [d for i, d in enumerate(b.shape) if i not in (*cb, *bb)]
    return Spec((*(a.shape[i] for i in ba), *free_a, *free_b), a.dtype)


def _meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    a, b = arrays
    (ca, cb), (ba, bb) = attributes["contracting"], attributes["batch"]
    letters = "abcdefghijklmnopqrstuvwxyz"
    name_a = [letters[i] for i in range(a.ndim)]
    name_b = [letters[a.ndim + i] for i in range(b.ndim)]
    for i, j in zip((*ca, *ba), (*cb, *bb), strict=True):
        name_b[j] = name_a[i]
    out = [name_a[i] for i in ba]
    out += [n for i, n in enumerate(name_a) if i not in (*ca, *ba)]
    out += [n for j, n in enumerate(name_b) if j not in (*cb, *bb)]
    text = f"{''.join(name_a)},{''.join(name_b)}->{''.join(out)}"
    with np.errstate(all="ignore"):
        return np.einsum(text, a, b, optimize=True).astype(a.dtype, copy=False)


def _gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    a, b = node.inputs
    (ca, cb), (ba, bb) = node.attributes["contracting"], node.attributes["batch"]
    return (
        _side(d, a, b, (ca, cb), (ba, bb), first=True),
        _side(d, b, a, (cb, ca), (bb, ba), first=False),
    )


def _side(
    d: Value,
    wanted: Value,
    other: Value,
    contracting: tuple[tuple[int, ...], tuple[int, ...]],
    batch: tuple[tuple[int, ...], tuple[int, ...]],
    first: bool,
) -> Any:
    """Gradient of one operand: contract d with the other over the other's free axes."""
    count = len(batch[0])
    free = [i for i in range(wanted.ndim) if i not in (*contracting[0], *batch[0])]
    other_free = [i for i in range(other.ndim) if i not in (*contracting[1], *batch[1])]
    start = count + (len(free) if first else 0)
    d_axes = tuple(range(start, start + len(other_free)))
    pairs = list(zip(contracting[0], contracting[1], strict=True))
    pairs.sort(key=lambda pair: pair[1])  # the other's summed axes come out in this order
    d_batch = tuple(range(count))
    if first:  # d . other^T: free axes of `wanted`, then its summed axes
        product = apply(
            "contract", [d, other], contracting=(d_axes, tuple(other_free)),
            batch=(d_batch, batch[1]),
        )  # fmt: skip
        axes = [*batch[0], *free, *(a for a, _ in pairs)]
    else:  # other^T . d: summed axes of `wanted`, then its free axes
        product = apply(
            "contract", [other, d], contracting=(tuple(other_free), d_axes),
            batch=(batch[1], d_batch),
        )  # fmt: skip
        axes = [*batch[0], *(a for a, _ in pairs), *free]
    order = tuple(axes.index(i) for i in range(wanted.ndim))
    return product if order == tuple(range(len(order))) else apply(
        "transpose", [product], axes=order
    )  # fmt: skip


primitive(Primitive("contract", "contract", _rule, _meaning, _gradient))


def contract(
    a: Tensor,
    b: Tensor,
    contracting: tuple[tuple[int, ...], tuple[int, ...]],
    batch: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
) -> Any:
    """Sum of products over pairs of axes.

    Formula: ``out[batch, free of a, free of b] = sum over contracting of a * b``.

    Args:
        a: first operand.
        b: second operand.
        contracting: axes of a, and the axes of b they are paired with, to sum over.
        batch: axes of a, and of b, that go side by side and come first in the result.
    """
    dtype = promote(dtype_of(a), dtype_of(b))
    pair = [x if dtype_of(x) == dtype else apply("cast", [x], dtype=dtype) for x in (a, b)]
    return apply("contract", pair, contracting=contracting, batch=batch)


def matmul(a: Tensor, b: Tensor) -> Any:
    """Matrix product of the last axis of a with the second-last of b (2-D b).

    **Shapes**: ``a: (..., F), b: (F, U) -> (..., U)``; with equal leading axes on both, batched.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.matmul(np.ones((2, 3)), np.ones((3, 4))).shape
        (2, 4)
    """
    na, nb = len(shape_of(a)), len(shape_of(b))
    if nb <= 2:
        return contract(a, b, ((na - 1,), (max(nb - 2, 0),)))
    lead = tuple(range(nb - 2))
    return contract(a, b, ((na - 1,), (nb - 2,)), (lead, lead))
