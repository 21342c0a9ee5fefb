"""Scan: a body applied step after step along the first axis, carrying values on.

Its gradient runs the other way: it first runs the body again to keep every step's carries (the
residuals), then scans backwards over the body's pullback. Everything is written in operations, so
gradients of gradients come free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ranvier.foundation.errors import ShapeError, TraceError
from ranvier.foundation.shapes import resolve, show_shape
from ranvier.ops.elementwise import add
from ranvier.ops.graph import Graph, captured, evaluate, substitute, trace
from ranvier.ops.value import (
    GradientTools,
    Primitive,
    Spec,
    Tensor,
    Value,
    broadcast_to,
    constant,
    dtype_of,
    law_broken,
    primitive,
    shape_of,
)

# A scan node's inputs are: first carries, sequences, captured values. Its results are the last
# carries, then the stacked outputs; "item" nodes take them apart.


def _scan_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    body: Graph = attributes["body"]
    carries, sequences = attributes["carries"], attributes["sequences"]
    for place, (spec, leaf) in enumerate(zip(specs, body.inputs, strict=True)):
        is_sequence = carries <= place < carries + sequences
        found = Spec(spec.shape[1:], spec.dtype) if is_sequence else spec
        if found != leaf.spec:
            raise law_broken("scan", f"operand {place} is {found}, its body takes {leaf.spec}")
    for number in range(carries):
        if body.outputs[number].spec != body.inputs[number].spec:
            raise ShapeError(
                f"scan's body changes carry {number}.",
                happened=f"{body.inputs[number].spec} goes in, {body.outputs[number].spec} out",
                needed="the same shape and dtype from step to step",
                fix="start with a carry of the shape that the body returns",
            )
    return Spec((), "bool")  # a bundle; only "item" reads it


def _scan_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    body: Graph = attributes["body"]
    carries, sequences = attributes["carries"], attributes["sequences"]
    carry = list(arrays[:carries])
    inputs, rest = arrays[carries : carries + sequences], list(arrays[carries + sequences :])
    length, counts = attributes["length"], attributes.get("counts", {})
    steps = range(length - 1, -1, -1) if attributes["reverse"] else range(length)
    specs = [v.spec for v in body.outputs[carries:]]
    stacked = [np.zeros((length, *resolve(s.shape, counts)), s.dtype) for s in specs]
    for t in steps:
        results = evaluate(body, [*carry, *(x[t] for x in inputs), *rest], counts)
        carry = results[:carries]
        for whole, part in zip(stacked, results[carries:], strict=True):
            whole[t] = part
    return (*carry, *stacked)


def _bundle_gradient(tools: GradientTools, node: Value, d: Any) -> Sequence[Any]:
    """Gradients of a scan's inputs; d is one value or None for each of its results."""
    body: Graph = node.attributes["body"]
    nc, ns = node.attributes["carries"], node.attributes["sequences"]
    sequences, rest = node.inputs[nc : nc + ns], node.inputs[nc + ns :]
    keep = Graph(body.inputs, (*body.outputs[:nc], *body.inputs[:nc]))
    kept = _items(_node(keep, node.inputs, nc, ns, node.attributes))[nc:]
    back = tools.pullback(body)
    count = len(body.inputs)
    # The pullback takes (inputs, d outputs); the backward body carries (d carry, d captured).
    d_carry = [Value("input", (), {}, v.shape, v.dtype, f"d_{v.name}") for v in body.inputs[:nc]]
    d_rest = [Value("input", (), {}, v.shape, v.dtype, f"d_{v.name}") for v in rest]
    d_stacked = back.inputs[count + nc :]
    from_back = dict(zip(map(id, back.inputs[count : count + nc]), d_carry, strict=True))
    outputs = substitute(back.outputs, from_back)
    new_rest = [add(a, b) for a, b in zip(d_rest, outputs[nc + ns :], strict=True)]
    leaves = (*d_carry, *d_rest, *back.inputs[: nc + ns], *d_stacked, *back.inputs[nc + ns : count])
    backward = Graph(tuple(leaves), (*outputs[:nc], *new_rest, *outputs[nc : nc + ns]))
    zero_rest = [_zeros(v) for v in rest]
    operands = (*d[:nc], *zero_rest, *kept, *sequences, *d[nc:], *rest)
    attributes = {**node.attributes, "reverse": not node.attributes["reverse"]}
    total = len(kept) + ns + len(d_stacked)
    results = _items(_node(backward, operands, nc + len(rest), total, attributes))
    return [*results[:nc], *results[nc + len(rest) :], *results[nc : nc + len(rest)]]


def _zeros(like: Value) -> Any:
    return broadcast_to(constant(0, like.dtype), like.shape)


def _node(
    body: Graph,
    inputs: Sequence[Value],
    carries: int,
    sequences: int,
    template: Mapping[str, Any],
) -> Value:
    attributes = {
        "body": body,
        "carries": carries,
        "sequences": sequences,
        "length": template["length"],
        "reverse": template["reverse"],
    }
    spec = _scan_rule([v.spec for v in inputs], attributes)
    return Value("scan", tuple(inputs), attributes, spec.shape, spec.dtype)


def _items(node: Value) -> list[Value]:
    """The results of a scan node, each a value of its own."""
    body: Graph = node.attributes["body"]
    carries, length = node.attributes["carries"], node.attributes["length"]
    specs = [
        v.spec if place < carries else Spec((length, *v.shape), v.dtype)
        for place, v in enumerate(body.outputs)
    ]
    return [
        Value("item", (node,), {"index": i, "spec": spec}, spec.shape, spec.dtype)
        for i, spec in enumerate(specs)
    ]


primitive(Primitive("scan", "structural", _scan_rule, _scan_meaning, _bundle_gradient))
primitive(
    Primitive(
        "item",
        "structural",
        lambda specs, attributes: attributes["spec"],
        lambda arrays, attributes: np.asarray(arrays[0][attributes["index"]]),
    )
)


def scan(
    body: Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]],
    first: Sequence[Tensor],
    sequences: Sequence[Tensor],
    reverse: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Apply a body step after step along the first axis of sequences.

    Args:
        body: takes the carries, then one step of each sequence; returns (new carries, outputs),
            two tuples.
        first: carries before the first step.
        sequences: values of shape (T, ...), with T known.
        reverse: go from the last step to the first.

    Returns:
        The last carries, and each output stacked to (T, ...).

    Raises:
        ShapeError: if a carry changes its shape or dtype, or the sequences' lengths differ.
        TraceError: if the body does not return two tuples.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> body = lambda total, x: ((total + x,), (total * x,))
        >>> last, out = ops.scan(body, [np.float32(0)], [np.float32([1, 2, 3])])
        >>> float(last[0]), out[0].tolist()
        (6.0, [0.0, 2.0, 9.0])
    """
    lengths = {shape_of(x)[0] if shape_of(x) else None for x in sequences}
    steps = next(iter(lengths), None)
    if len(lengths) != 1 or not isinstance(steps, int):
        raise ShapeError(
            "scan cannot step through its sequences together.",
            happened="shapes are " + ", ".join(show_shape(shape_of(x)) for x in sequences),
            needed="at least one sequence, all with the same known first length",
            fix="give sequences of shape (T, ...) with one T",
        )
    specs = [Spec(shape_of(x), dtype_of(x)) for x in first]
    specs += [Spec(shape_of(x)[1:], dtype_of(x)) for x in sequences]
    since = constant(0).number

    def flat(*values: Value) -> tuple[Any, ...]:
        result = body(*values)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TraceError(
                "scan's body returned something else than two tuples.",
                happened=f"it returned a {type(result).__name__}",
                needed="(new carries, outputs), each a tuple",
                fix="return (carry,), (output,)",
            )
        return (*result[0], *result[1])

    graph, _ = trace(flat, specs, [f"step{i}" for i in range(len(specs))])
    free = captured(graph, since)
    leaves = [Value("input", (), {}, v.shape, v.dtype, f"captured{i}") for i, v in enumerate(free)]
    outputs = substitute(graph.outputs, dict(zip(map(id, free), leaves, strict=True)))
    closed = Graph((*graph.inputs, *leaves), tuple(outputs))
    template = {"length": steps, "reverse": reverse}
    operands = [*first, *sequences, *free]
    if not any(isinstance(x, Value) for x in operands):
        attributes = {"body": closed, "carries": len(first), "sequences": len(sequences)}
        arrays = [np.asarray(x) for x in operands]
        _scan_rule([Spec(a.shape, dtype_of(a)) for a in arrays], {**attributes, **template})
        results = _scan_meaning(arrays, {**attributes, **template})
        return list(results[: len(first)]), list(results[len(first) :])
    values = [x if isinstance(x, Value) else constant(x) for x in operands]
    items = _items(_node(closed, values, len(first), len(sequences), template))
    return list(items[: len(first)]), list(items[len(first) :])
