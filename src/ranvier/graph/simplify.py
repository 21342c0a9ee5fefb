"""Simplification: rewrite rules that keep every value, and merging of equal nodes.

No rule may change bits beyond what its comment says, and none may swallow a NaN: x * 0 stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.foundation.shapes import Extent
from ranvier.ops.graph import Graph, rebuild, substitute
from ranvier.ops.value import PRIMITIVES, Value, constant


def inline(graph: Graph) -> Graph:
    """Replace composites by their definitions; scans keep their bodies, inlined within."""

    def expand(node: Value) -> Value | None:
        if node.op == "composite":
            inner: Graph = inline(node.attributes["graph"])
            places = dict(zip(map(id, inner.inputs), node.inputs, strict=True))
            return substitute(inner.outputs, places)[0]
        if node.op == "scan":
            body = inline(node.attributes["body"])
            return Value(
                "scan", node.inputs, {**node.attributes, "body": body}, node.shape, node.dtype
            )
        return None

    return _rewritten(graph, expand)


def simplify(graph: Graph) -> Graph:
    """Fold constants, drop identities, merge equal nodes."""
    for _ in range(3):
        graph = _rewritten(graph, _first_rule)
    return merge(graph)


def _rewritten(graph: Graph, rule: Callable[[Value], Value | None]) -> Graph:
    leaves = {id(v): v for v in graph.inputs}
    return Graph(graph.inputs, tuple(substitute(graph.outputs, leaves, rule)), graph.names)


def merge(graph: Graph) -> Graph:
    """Make equal nodes one node (random numbers are told apart by their site)."""
    known: dict[Any, Value] = {}

    def rule(node: Value) -> Value | None:
        if node.op == "input":
            return None
        key = (node.op, tuple(id(v) for v in node.inputs), _key(node))
        return known.setdefault(key, node)

    return _rewritten(graph, rule)


def _key(node: Value) -> Any:
    parts: list[Any] = []
    for name, value in node.attributes.items():
        if isinstance(value, np.ndarray):
            parts.append((name, value.dtype.name, value.shape, value.tobytes()))
        elif isinstance(value, Graph):
            parts.append((name, id(value)))
        else:
            parts.append((name, value))
    return tuple(parts)


def scalar_value(value: Value) -> float | None:
    """The number that a value has everywhere, if it is a constant under broadcasts."""
    while value.op in ("broadcast_to", "reshape"):
        value = value.inputs[0]
    if value.op == "constant" and value.attributes["value"].size == 1:
        return float(value.attributes["value"].item())
    return None


def _first_rule(node: Value) -> Value | None:
    for rule in (_identities, _views, _fold, _sink_reshape):
        found = rule(node)
        if found is not None:
            return found
    return None


def _identities(node: Value) -> Value | None:
    if node.op in ("copy", "stop_gradient"):  # their work is done once gradients are there
        return node.inputs[0]
    if node.op == "cast" and node.inputs[0].dtype == node.dtype:
        return node.inputs[0]
    if node.op in ("add", "multiply", "subtract", "divide"):
        return _neutral(node)
    if node.op == "negative" and node.inputs[0].op == "negative":
        return node.inputs[0].inputs[0]
    return None


def _neutral(node: Value) -> Value | None:
    """x * 1, x / 1 and x - 0 are x to the bit; x + 0 is but for the sign of a zero."""
    a, b = node.inputs
    neutral = 0.0 if node.op in ("add", "subtract") else 1.0
    if scalar_value(b) == neutral:
        return a
    if node.op in ("add", "multiply") and scalar_value(a) == neutral:
        return b
    return None


def _views(node: Value) -> Value | None:
    if node.op not in ("reshape", "transpose", "broadcast_to"):
        return None
    inner = node.inputs[0]
    if node.op != "transpose" and inner.shape == node.shape:
        return inner
    if node.op == "transpose" and node.attributes["axes"] == tuple(range(node.ndim)):
        return inner
    if inner.op != node.op:
        return None
    if node.op == "transpose":
        axes = tuple(inner.attributes["axes"][i] for i in node.attributes["axes"])
        return rebuild(
            Value("transpose", (), {"axes": axes}, node.shape, node.dtype), (inner.inputs[0],)
        )
    return rebuild(node, (inner.inputs[0],)) if _composes(node, inner) else None


def _composes(node: Value, inner: Value) -> bool:
    return node.op == "reshape" or (
        node.op == "broadcast_to" and inner.ndim >= inner.inputs[0].ndim
    )


def _fold(node: Value) -> Value | None:
    """Compute operations on small constants now, broadcasts kept symbolic."""
    if not node.inputs or node.op in ("broadcast_to", "scan", "item", "composite"):
        return None
    if PRIMITIVES[node.op].kind == "elementwise":
        return _fold_broadcast(node)
    if any(v.op != "constant" for v in node.inputs) or node.op == "random_uniform":
        return None
    if any(isinstance(d, Extent) for d in node.shape):
        return None
    arrays = [v.attributes["value"] for v in node.inputs]
    if sum(a.size for a in arrays) > 1024:
        return None
    return constant(PRIMITIVES[node.op].meaning(arrays, node.attributes), node.dtype)


def _fold_broadcast(node: Value) -> Value | None:
    """An elementwise operation on repeated scalars is a repeated scalar."""
    scalars = []
    for value in node.inputs:
        leaf = value
        while leaf.op in ("broadcast_to", "reshape"):
            leaf = leaf.inputs[0]
        if leaf.op != "constant" or leaf.attributes["value"].size != 1:
            return None
        scalars.append(leaf.attributes["value"].reshape(()))
    folded = constant(PRIMITIVES[node.op].meaning(scalars, node.attributes), node.dtype)
    if not node.shape:
        return folded
    return Value("broadcast_to", (folded,), {"shape": node.shape}, node.shape, node.dtype)


def _sink_reshape(node: Value) -> Value | None:
    """reshape(f(x)) = f(reshape(x)) for a unary f, so that reshapes meet their inputs as views."""
    if node.op != "reshape" or not node.inputs:
        return None
    inner = node.inputs[0]
    if PRIMITIVES[inner.op].kind != "elementwise" or len(inner.inputs) != 1:
        return None
    moved = rebuild(node, (inner.inputs[0],))
    return rebuild(inner, (moved,))
