"""Normal forms before fusion: products of matrices, reductions of three axes, data copied in.

After this pass every contract is (batch..., M, K) by (batch..., K, N) up to strides with one axis
each (of sequences, N and T may both stay, or both be summed over), and every data source that a
product or a vector loop reads has been copied into the arena.
"""

from __future__ import annotations

from collections.abc import Sequence

from ranvier.foundation.dtypes import FLOATS
from ranvier.foundation.errors import UnsupportedOperationError
from ranvier.foundation.shapes import Dimension, Extent, Shape, show_shape
from ranvier.ops.graph import Graph, substitute
from ranvier.ops.value import PRIMITIVES, Value, apply, broadcast_to
from ranvier.ops.views import reshape

#: Kinds of primitives that the native engine has a lowering for.
LOWERED = ("leaf", "elementwise", "view", "reduce", "contract", "random", "join", "take", "scatter")


def refuse_unlowered(graph: Graph) -> Graph:
    """Refuse operations that have a meaning but no native form.

    Raises:
        UnsupportedOperationError: naming the operation and the two ways out.
    """
    for node in graph.nodes():
        if PRIMITIVES[node.op].kind not in LOWERED and node.op != "item":
            raise UnsupportedOperationError(
                f"The native engine cannot run {node.op!r} yet.",
                happened=f"{node.op!r} on {show_shape(node.inputs[0].shape)} has a meaning, "
                "but no native form",
                needed="operations of the kinds " + ", ".join(LOWERED),
                fix='run it with engine="reference" (NumPy, slower), '
                "or write it with other operations",
            )
        if node.op == "cast" and node.dtype == "float16" and node.inputs[0].dtype != "float16":
            raise UnsupportedOperationError(
                "The native engine cannot run 'cast' to float16.",
                happened=f"a value of dtype {node.inputs[0].dtype} is to become float16",
                needed="another dtype: float16 is read from data, but not written",
                fix="keep float32, and convert the result with NumPy, or "
                'run it with engine="reference"',
            )
        found = {v.dtype for v in node.inputs}
        computes = node.op not in ("cast", "copy") and PRIMITIVES[node.op].kind != "view"
        if (computes and "float16" in found) or (node.op == "contract" and not found <= {*FLOATS}):
            raise UnsupportedOperationError(
                f"The native engine cannot run {node.op!r} on {' and '.join(sorted(found))}.",
                happened="products are of floats, and nothing is computed in float16",
                needed="float32 or float64",
                fix='convert first, for example with ops.cast(x, "float32"), '
                'or run it with engine="reference"',
            )
    return graph


def normalize(graph: Graph, data: frozenset[str]) -> Graph:
    """Bring contracts and reductions into normal form and copy data in.

    Args:
        graph: inlined and simplified.
        data: names of the inputs that are rows of a data source.
    """
    copies = {
        id(v): apply("copy", [v])
        for v in graph.inputs
        if v.name in data and _feeds_product(graph, v)
    }
    sources = {id(v): v for v in graph.inputs}

    def rewrite(node: Value) -> Value | None:
        return _contract(node) if node.op == "contract" else None

    outputs = substitute(graph.outputs, {**sources, **copies}, rewrite)
    seen: set[int] = set()
    for place, value in enumerate(outputs):
        # An output needs a place of its own: views, leaves and repetitions are copied into one.
        if PRIMITIVES[value.op].kind in ("view", "leaf", "contract") or id(value) in seen:
            outputs[place] = apply("copy", [value])
        seen.add(id(outputs[place]))
    return Graph(graph.inputs, tuple(outputs), graph.names)


def _feeds_product(graph: Graph, leaf: Value) -> bool:
    views = {id(leaf)}
    for node in graph.nodes():
        if not any(id(v) in views for v in node.inputs):
            continue
        if PRIMITIVES[node.op].kind == "contract":
            return True
        if PRIMITIVES[node.op].kind == "view":
            views.add(id(node))
    return any(id(output) in views for output in graph.outputs)


def _contract(node: Value) -> Value | None:
    """One free and one summed axis on each side, by merging neighbours."""
    a, b = node.inputs
    (ca, cb), (ba, bb) = node.attributes["contracting"], node.attributes["batch"]
    free_a = [i for i in range(a.ndim) if i not in (*ca, *ba)]
    free_b = [i for i in range(b.ndim) if i not in (*cb, *bb)]
    if len(ca) == len(free_a) == len(free_b) == 1:
        return None
    if not ba and _leads([a.shape[i] for i in free_a]):
        return _rows_apart(node, free_a, free_b)
    pairs = sorted(zip(ca, cb, strict=True), key=lambda pair: isinstance(a.shape[pair[0]], int))
    if not ba and _leads([a.shape[i] for i, _ in pairs]):
        return _sums_apart(node, pairs, free_a, free_b)
    left = _matrix(a, ba, free_a, ca)
    right = _matrix(b, bb, free_b, cb)
    count = len(ba)
    batch = tuple(range(count))
    product = apply(
        "contract", [left, right], contracting=((count + 1,), (count + 1,)), batch=(batch, batch)
    )
    shaped: Value = reshape(product, node.shape)
    return shaped


def _leads(lengths: list[Dimension]) -> bool:
    """Whether a symbolic axis comes first and more than ones, all known, behind it."""
    others = [d for d in lengths[1:] if isinstance(d, int)]
    leads = bool(lengths) and isinstance(lengths[0], Extent) and len(others) == len(lengths) - 1
    return leads and max(others, default=1) > 1


def _rows_apart(node: Value, free_a: list[int], free_b: list[int]) -> Value:
    """(N, T, K) by the same (K, U) in every row of the batch."""
    a, b = node.inputs
    (ca, cb), first = node.attributes["contracting"], a.shape[free_a[0]]
    left = _cube(a, [free_a[0]], free_a[1:], ca)
    right = _matrix(b, (), free_b, cb)
    right = broadcast_to(right, (first, *right.shape))
    axes = ((2,), (2,))
    product = apply("contract", [left, right], contracting=axes, batch=((0,), (0,)))
    shaped: Value = reshape(product, node.shape)
    return shaped


def _sums_apart(
    node: Value, pairs: list[tuple[int, int]], free_a: list[int], free_b: list[int]
) -> Value:
    """(N, T, M) by (N, T, U), summed over N and T."""
    (first_a, first_b), others = pairs[0], pairs[1:]
    left = _cube(node.inputs[0], [first_a], [i for i, _ in others], free_a)
    right = _cube(node.inputs[1], [first_b], [j for _, j in others], free_b)
    axes = ((0, 1), (0, 1))
    product = apply("contract", [left, right], contracting=axes, batch=((), ()))
    shaped: Value = reshape(product, node.shape)
    return shaped


def _cube(x: Value, *axes: Sequence[int]) -> Value:
    """x with three groups of axes in order, each group merged into one axis."""
    order = tuple(i for group in axes for i in group)
    lengths = tuple(_merged(tuple(x.shape[i] for i in group)) for group in axes)
    if order != tuple(range(x.ndim)):
        x = apply("transpose", [x], axes=order)
    cube: Value = reshape(x, lengths)
    return cube


def _matrix(x: Value, batch: tuple[int, ...], free: list[int], summed: tuple[int, ...]) -> Value:
    """x as (batch..., free, summed), neighbours merged."""
    order = (*batch, *free, *summed)
    if order != tuple(range(x.ndim)):
        x = apply("transpose", [x], axes=order)
    lead = tuple(x.shape[: len(batch)])
    rows = _merged(tuple(x.shape[len(batch) : len(batch) + len(free)]))
    depth = _merged(tuple(x.shape[len(batch) + len(free) :]))
    matrix: Value = reshape(x, (*lead, rows, depth))
    return matrix


def _merged(shape: Shape) -> int | Extent:
    extents = [d for d in shape if isinstance(d, Extent)]
    size = 1
    for d in shape:
        size *= d if isinstance(d, int) else 1
    if not extents:
        return size
    if len(extents) == 1 and size == 1:
        return extents[0]
    raise UnsupportedOperationError(
        "The native engine cannot run this product yet.",
        happened=f"it would have to merge the axes {show_shape(shape)} into one",
        needed="one free and one summed axis on each side, or merged axes of known length",
        fix='run it with engine="reference", or reshape the operand to (N, features) first',
    )
