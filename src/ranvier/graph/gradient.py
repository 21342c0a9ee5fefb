"""Reverse mode: from a scalar back to what it was computed from.

Each primitive's record gives its own gradient in operations, so the result is a graph like any
other and can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ranvier.foundation.errors import ShapeError, UnsupportedOperationError
from ranvier.foundation.shapes import show_shape
from ranvier.ops.graph import Graph, topological
from ranvier.ops.value import PRIMITIVES, Value, broadcast_to, constant, input_value


class _Tools:
    """What gradient rules of operations with sub-graphs may ask for."""

    def pullback(self, graph: Graph) -> Graph:
        return pullback(graph)


def backpropagate(
    outputs: Sequence[Value], seeds: Sequence[Value], wanted: Sequence[Value]
) -> list[Value]:
    """Gradients of ``sum(seed * output)`` with respect to some values.

    Args:
        outputs: where to start.
        seeds: the gradient arriving at each output, of its shape.
        wanted: values whose gradient is asked for.

    Returns:
        One value each; zeros where nothing depends on it.
    """
    reach = _depends_on(outputs, wanted)
    arriving: dict[int, Any] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        _accumulate(arriving, output, seed)
    wanted_ids = {id(v) for v in wanted}
    for node in reversed(topological(outputs)):
        if id(node) not in reach or id(node) not in arriving or id(node) in wanted_ids:
            continue
        if node.op == "item":
            _pass_item(arriving, node)
            continue
        d = arriving[id(node)]
        if node.op == "scan":
            d = _bundle(d, node)
        for value, part in zip(node.inputs, _rule(node)(_Tools(), node, d), strict=True):
            if part is not None and id(value) in reach:
                _accumulate(arriving, value, part)
    return [_or_zeros(arriving.get(id(v)), v) for v in wanted]


def _rule(node: Value) -> Callable[..., Sequence[Any]]:
    record = PRIMITIVES[node.op]
    if record.gradient is not None:
        return record.gradient
    if record.kind in ("elementwise", "random", "leaf"):  # comparisons, steps, random numbers
        return lambda tools, node, d: [None] * len(node.inputs)
    raise UnsupportedOperationError(
        f"{node.op} has no gradient.",
        happened="a loss depends on it",
        needed="operations that have a gradient",
        fix="put ops.stop_gradient around it if its gradient is meant to be zero",
    )


def _accumulate(arriving: dict[int, Any], value: Value, part: Value) -> None:
    present = arriving.get(id(value))
    arriving[id(value)] = part if present is None else present + part


def _pass_item(arriving: dict[int, Any], node: Value) -> None:
    """Hand the gradient of one result of a scan to the scan, result by result."""
    parts = arriving.setdefault(id(node.inputs[0]), {})
    parts[node.attributes["index"]] = arriving[id(node)]


def _bundle(parts: dict[int, Value], node: Value) -> list[Value]:
    body, carries = node.attributes["body"], node.attributes["carries"]
    length = node.attributes["length"]
    out = []
    for place, result in enumerate(body.outputs):
        shape = result.shape if place < carries else (length, *result.shape)
        zero = broadcast_to(constant(0, result.dtype), shape)
        out.append(parts.get(place, zero))
    return out


def _depends_on(outputs: Sequence[Value], wanted: Sequence[Value]) -> set[int]:
    """Values on a path from what is wanted to the outputs."""
    reach = {id(v) for v in wanted}
    for node in topological(outputs):
        if any(id(v) in reach for v in node.inputs):
            reach.add(id(node))
    return reach


def _or_zeros(found: Any, like: Value) -> Value:
    if isinstance(found, Value):
        return found
    zeros: Value = broadcast_to(constant(0, like.dtype), like.shape)
    return zeros


def pullback(graph: Graph) -> Graph:
    """The graph (inputs, gradients of outputs) -> gradients of inputs."""
    seeds = [input_value(f"d_output{i}", v.shape, v.dtype) for i, v in enumerate(graph.outputs)]
    gradients = backpropagate(graph.outputs, seeds, graph.inputs)
    return Graph((*graph.inputs, *seeds), tuple(gradients))


def gradients_of(loss: Value, wanted: Sequence[Value]) -> list[Value]:
    """Gradients of a scalar with respect to some values.

    Raises:
        ShapeError: if the loss is not a scalar.
    """
    if loss.shape != ():
        raise ShapeError(
            "A gradient needs one number to start from.",
            happened=f"the function gives shape {show_shape(loss.shape)}",
            needed="a scalar, shape ()",
            fix="take ops.mean or ops.sum of it",
        )
    return backpropagate([loss], [constant(1, loss.dtype)], wanted)
