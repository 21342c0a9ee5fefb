"""The product: sums over pairs of axes, with optional batch axes (a batched matrix product)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


def rule_of(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    """The shape and dtype of a product."""
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


def meaning_of(
    arrays: Sequence[Any], attributes: Mapping[str, Any], own: tuple[bool, bool] = (False, False)
) -> Any:
    """The product of two arrays; ``own`` says which has a last axis for products side by side."""
    a, b = arrays
    (ca, cb), (ba, bb) = attributes["contracting"], attributes["batch"]
    letters = "abcdefghijklmnopqrstuvwxyz"
    name_a = [letters[i] for i in range(a.ndim - own[0])]
    name_b = [letters[a.ndim + i] for i in range(b.ndim - own[1])]
    for i, j in zip((*ca, *ba), (*cb, *bb), strict=True):
        name_b[j] = name_a[i]
    out = [name_a[i] for i in ba]
    out += [n for i, n in enumerate(name_a) if i not in (*ca, *ba)]
    out += [n for j, n in enumerate(name_b) if j not in (*cb, *bb)]
    for names, has in zip((name_a, name_b, out), (*own, any(own)), strict=True):
        names += ["z"] * has
    text = f"{''.join(name_a)},{''.join(name_b)}->{''.join(out)}"
    with np.errstate(all="ignore"):
        return np.einsum(text, a, b, optimize=True).astype(a.dtype, copy=False)


@dataclass(frozen=True)
class Side:
    """How the gradient of one operand comes from what arrives and the other operand.

    Attributes:
        contracting, batch: of the product of the two; what arrives comes first for the first
            operand, last for the second.
        order: its axes in the operand's order.
    """

    contracting: tuple[tuple[int, ...], tuple[int, ...]]
    batch: tuple[tuple[int, ...], tuple[int, ...]]
    order: tuple[int, ...]


def side_of(
    sizes: tuple[int, int],
    contracting: tuple[tuple[int, ...], tuple[int, ...]],
    batch: tuple[tuple[int, ...], tuple[int, ...]],
    first: bool,
) -> Side:
    """Gradient of one operand: contract what arrives with the other over the other's free axes.

    Args:
        sizes: how many axes the operand and the other one have.
        contracting, batch: axes of the operand, and of the other one.
        first: whether it is the product's first operand.
    """
    count = len(batch[0])
    free = [i for i in range(sizes[0]) if i not in (*contracting[0], *batch[0])]
    other_free = [i for i in range(sizes[1]) if i not in (*contracting[1], *batch[1])]
    start = count + (len(free) if first else 0)
    d_axes = tuple(range(start, start + len(other_free)))
    pairs = list(zip(contracting[0], contracting[1], strict=True))
    pairs.sort(key=lambda pair: pair[1])  # the other's summed axes come out in this order
    d_batch, summed = tuple(range(count)), [a for a, _ in pairs]
    if first:  # d . other^T: free axes of the operand, then its summed axes
        axes = [*batch[0], *free, *summed]
        pattern = (d_axes, tuple(other_free)), (d_batch, batch[1])
    else:  # other^T . d: summed axes of the operand, then its free axes
        axes = [*batch[0], *summed, *free]
        pattern = (tuple(other_free), d_axes), (batch[1], d_batch)
    return Side(*pattern, tuple(axes.index(i) for i in range(sizes[0])))


def _gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    a, b = node.inputs
    (ca, cb), (ba, bb) = node.attributes["contracting"], node.attributes["batch"]
    found = []
    for pair, side in (
        ([d, b], side_of((a.ndim, b.ndim), (ca, cb), (ba, bb), first=True)),
        ([a, d], side_of((b.ndim, a.ndim), (cb, ca), (bb, ba), first=False)),
    ):
        product = apply("contract", pair, contracting=side.contracting, batch=side.batch)
        if side.order != tuple(range(len(side.order))):
            product = apply("transpose", [product], axes=side.order)
        found.append(product)
    return found


primitive(Primitive("contract", "contract", rule_of, meaning_of, _gradient))


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
