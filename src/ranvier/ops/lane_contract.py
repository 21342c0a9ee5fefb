"""The product of many small matrices that lie side by side: the last axis tells them apart.

What :func:`ranvier.ops.contract` is for one pair of operands, this is for a whole row of pairs at
once, one in each lane of a vector. Networks too small to fill a vector fill it together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import Dimension, Extent, known, show_shape
from ranvier.ops.contract import meaning_of, rule_of, side_of
from ranvier.ops.reduce import sum as sum_over
from ranvier.ops.value import (
    GradientTools,
    Primitive,
    Spec,
    Tensor,
    Value,
    apply,
    broadcast_to,
    primitive,
    shape_of,
)
from ranvier.ops.views import expand, reshape, transpose


def _apart(spec: Spec, own: bool) -> tuple[Spec, Dimension | None]:
    """One matrix of an operand, and how many there are; None where all lanes share it."""
    return (Spec(spec.shape[:-1], spec.dtype), spec.shape[-1]) if own else (spec, None)


def _rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    pairs = [_apart(spec, own) for spec, own in zip(specs, attributes["own"], strict=True)]
    counts = {count for _, count in pairs if count is not None}
    if len(counts) != 1:
        raise ShapeError(
            "A product of matrices side by side needs as many on both sides.",
            happened=f"operands are {' and '.join(show_shape(s.shape) for s in specs)}",
            needed="last axes of one length, or one operand that all share",
            fix="broadcast one of them first",
        )
    one = rule_of([spec for spec, _ in pairs], attributes)
    return Spec((*one.shape, counts.pop()), one.dtype)


def _meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    return meaning_of(arrays, attributes, attributes["own"])


def _gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    (ca, cb), (ba, bb) = node.attributes["contracting"], node.attributes["batch"]
    (a, b), (own_a, own_b) = node.inputs, node.attributes["own"]
    return (
        _side(d, (a, b), (ca, cb), (ba, bb), (own_a, own_b), first=True),
        _side(d, (b, a), (cb, ca), (bb, ba), (own_b, own_a), first=False),
    )


def _side(
    d: Value,
    pair: tuple[Value, Value],
    contracting: tuple[tuple[int, ...], tuple[int, ...]],
    batch: tuple[tuple[int, ...], tuple[int, ...]],
    own: tuple[bool, bool],
    first: bool,
) -> Any:
    """Gradient of one operand: of each lane's matrix, or of the one that all share."""
    wanted, other = pair
    sizes = (wanted.ndim - own[0], other.ndim - own[1])
    pattern = side_of(sizes, contracting, batch, first)
    operands = [d, other] if first else [other, d]
    lanes = (True, own[1]) if first else (own[1], True)
    product = lane_contract(operands[0], operands[1], pattern.contracting, pattern.batch, lanes)
    if pattern.order != tuple(range(len(pattern.order))):
        product = apply("transpose", [product], axes=(*pattern.order, len(pattern.order)))
    return product if own[0] else sum_over(product, axis=-1)


primitive(Primitive("lane_contract", "contract", _rule, _meaning, _gradient))


def lane_contract(
    a: Tensor,
    b: Tensor,
    contracting: tuple[tuple[int, ...], tuple[int, ...]],
    batch: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
    own: tuple[bool, bool] = (True, True),
) -> Any:
    """Sums of products over pairs of axes, for each place of the last axis.

    Formula: ``out[batch, free of a, free of b, m] = sum over contracting of a[..., m] * b[..., m]``

    Args:
        a: first operand.
        b: second operand, of the same dtype.
        contracting: axes of a, and the axes of b they are paired with, to sum over.
        batch: axes of a, and of b, that go side by side and come first in the result.
        own: whether each of them has a last axis for the places; one without is shared by all.

    Raises:
        ShapeError: lengths that do not fit.

    Example:
        >>> import numpy as np
        >>> from ranvier.ops.lane_contract import lane_contract
        >>> x, w = np.ones((5, 4)), np.ones((4, 3, 16))
        >>> lane_contract(x, w, ((1,), (0,)), own=(False, True)).shape
        (5, 3, 16)
    """
    if len(contracting[0]) != 1:
        if len(contracting[0]) > 1 and any(_is_symbolic(a, axis) for axis in contracting[0]):
            return _batched(a, b, contracting, batch, own)
        a, left = _one_summed(a, batch[0], contracting[0], own[0])
        b, right = _one_summed(b, batch[1], contracting[1], own[1])
        both = tuple(range(len(batch[0])))
        contracting, batch = ((left,), (right,)), (both, both)
    return apply("lane_contract", [a, b], contracting=contracting, batch=batch, own=own)


def _is_symbolic(x: Tensor, axis: int) -> bool:
    return isinstance(shape_of(x)[axis], Extent)


def _one_summed(
    x: Tensor, batch: Sequence[int], summed: Sequence[int], own: bool
) -> tuple[Any, int]:
    """x with batch axes, free axes, and one axis for all that are summed; and that axis."""
    shape = shape_of(x)
    lanes = [len(shape) - 1] * own
    free = [k for k in range(len(shape) - own) if k not in (*batch, *summed)]
    kept = tuple(shape[k] for k in (*batch, *free))
    depth = math.prod(known(shape[k]) for k in summed)
    turned = transpose(x, (*batch, *free, *summed, *lanes))
    return reshape(turned, (*kept, depth, *(shape[k] for k in lanes))), len(kept)


def _batched(
    a: Tensor,
    b: Tensor,
    contracting: tuple[tuple[int, ...], tuple[int, ...]],
    batch: tuple[tuple[int, ...], tuple[int, ...]],
    own: tuple[bool, bool],
) -> Any:
    """The same as matrices one after another, where several axes cannot be merged into one."""
    count = shape_of(a if own[0] else b)[-1]
    pair = [
        x if has else broadcast_to(expand(x, len(shape_of(x))), (*shape_of(x), count))
        for x, has in zip((a, b), own, strict=True)
    ]
    lanes = [len(shape_of(x)) - 1 for x in pair]
    first = ((lanes[0], *batch[0]), (lanes[1], *batch[1]))
    product = apply("contract", pair, contracting=contracting, batch=first)
    return transpose(product, (*range(1, len(shape_of(product))), 0))
