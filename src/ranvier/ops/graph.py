"""A graph of values, how it is traced from a function, and its plain evaluation.

Evaluation calls the meaning of each primitive in order: the definition every engine is held to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranvier.foundation.errors import TraceError
from ranvier.foundation.shapes import Extent, Shape
from ranvier.ops.value import PRIMITIVES, Spec, Value, constant, input_value, is_python_number


@dataclass(frozen=True)
class Graph:
    """A function as values: inputs, outputs, everything between reachable from the outputs.

    Attributes:
        inputs: leaves in the order of the arguments.
        outputs: results in order.
        names: a name for each output.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    names: tuple[str, ...] = ()

    def nodes(self) -> list[Value]:
        """All values that the outputs need, each after its inputs."""
        return topological(self.outputs)

    def extents(self) -> list[Extent]:
        """The symbolic extents that occur, sorted by name."""
        found = {d for v in [*self.inputs, *self.nodes()] for d in v.shape if isinstance(d, Extent)}
        return sorted(found, key=lambda extent: extent.name)

    def subgraphs(self) -> Iterator[tuple[Value, Graph]]:
        """The nodes that carry a graph of their own, with it."""
        for node in self.nodes():
            for attribute in node.attributes.values():
                if isinstance(attribute, Graph):
                    yield node, attribute


def topological(outputs: Sequence[Value]) -> list[Value]:
    """Values in an order in which each comes after its inputs; no recursion, so depth is free."""
    order: list[Value] = []
    seen: set[int] = set()
    stack: list[tuple[Value, bool]] = [(v, False) for v in reversed(outputs)]
    while stack:
        value, done = stack.pop()
        if done:
            order.append(value)
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        stack.append((value, True))
        stack.extend((v, False) for v in reversed(value.inputs) if id(v) not in seen)
    return order


def trace(
    function: Callable[..., Any], specs: Sequence[Spec], names: Sequence[str] = ()
) -> tuple[Graph, bool]:
    """Run a function on leaves instead of arrays and keep what it did.

    Args:
        function: takes one value per spec; returns a value or a tuple of values.
        specs: shape and dtype of each argument.
        names: names of the arguments, for printing.

    Returns:
        The graph, and whether the function returned a tuple.

    Raises:
        TraceError: if it returns something that is not a value.
    """
    labels = list(names) or [f"argument{i}" for i in range(len(specs))]
    inputs = tuple(
        input_value(label, spec.shape, spec.dtype)
        for label, spec in zip(labels, specs, strict=True)
    )
    result = function(*inputs)
    several = isinstance(result, tuple | list)
    outputs = tuple(_as_value(v) for v in (result if several else [result]))
    return Graph(inputs, outputs), several


def _as_value(result: Any) -> Value:
    if isinstance(result, Value):
        return result
    if is_python_number(result) or isinstance(result, np.ndarray | np.generic):
        return constant(result)
    raise TraceError(
        "A traced function returned something that is not a value.",
        happened=f"it returned a {type(result).__name__}",
        needed="a value, or a tuple of values",
        fix="return what operations of ranvier.ops gave",
    )


def captured(graph: Graph, since: int) -> list[Value]:
    """Values that a traced body uses but that were made before it: its free variables."""
    inner = {id(v) for v in graph.inputs}
    found: list[Value] = []
    seen: set[int] = set()
    stack = list(graph.outputs)
    while stack:
        value = stack.pop()
        if id(value) in seen or id(value) in inner:
            continue
        seen.add(id(value))
        if value.number < since and value.op != "constant":
            found.append(value)
        else:
            stack.extend(value.inputs)
    return sorted(found, key=lambda v: v.number)


def substitute(
    outputs: Sequence[Value],
    replacements: Mapping[int, Value],
    rewrite: Callable[[Value], Value | None] | None = None,
) -> list[Value]:
    """Rebuild outputs with some values (by ``id``) replaced, bottom up.

    Args:
        replacements: from ``id(value)`` to what stands in its place.
        rewrite: may give another value for a node whose inputs are rebuilt already.
    """
    new: dict[int, Value] = dict(replacements)
    pinned = set(replacements)
    for value in topological(outputs):
        if id(value) in pinned:
            continue
        inputs = tuple(new[id(v)] for v in value.inputs)
        node = value
        if any(a is not b for a, b in zip(inputs, value.inputs, strict=True)):
            node = rebuild(value, inputs)
        other = rewrite(node) if rewrite else None
        new[id(value)] = node if other is None else other
    return [new[id(v)] for v in outputs]


def rebuild(value: Value, inputs: tuple[Value, ...]) -> Value:
    """The same operation on other inputs; its shape is found anew."""
    spec = PRIMITIVES[value.op].rule([v.spec for v in inputs], value.attributes)
    return Value(value.op, inputs, value.attributes, spec.shape, spec.dtype, value.name)


def resolve_attribute(attribute: Any, counts: Mapping[str, int]) -> Any:
    """An attribute with symbolic extents replaced by their counts."""
    if isinstance(attribute, Extent):
        return counts[attribute.name]
    if isinstance(attribute, tuple):
        return tuple(resolve_attribute(a, counts) for a in attribute)
    return attribute


def evaluate(
    graph: Graph, arrays: Sequence[Any], counts: Mapping[str, int] | None = None
) -> list[Any]:
    """Evaluate a graph by the meaning of its operations.

    Args:
        graph: the graph.
        arrays: one array for each input.
        counts: lengths of symbolic extents; found from the arrays where possible.
    """
    lengths = dict(counts or {})
    for value, array in zip(graph.inputs, arrays, strict=True):
        lengths.update(_lengths(value.shape, np.shape(array)))
    results: dict[int, Any] = {id(v): a for v, a in zip(graph.inputs, arrays, strict=True)}
    for node in graph.nodes():
        if id(node) in results:
            continue
        attributes = {k: resolve_attribute(a, lengths) for k, a in node.attributes.items()}
        if node.op in ("scan", "composite"):
            attributes["counts"] = lengths
        inputs = [results[id(v)] for v in node.inputs]
        with np.errstate(all="ignore"):  # NaN and infinity are results, as in native code
            results[id(node)] = PRIMITIVES[node.op].meaning(inputs, attributes)
    return [results[id(v)] for v in graph.outputs]


def _lengths(shape: Shape, actual: tuple[int, ...]) -> dict[str, int]:
    return {
        d.name: length for d, length in zip(shape, actual, strict=True) if isinstance(d, Extent)
    }
