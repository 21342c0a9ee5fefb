"""A graph for one made into the same graph for many: a new last axis, a place for each.

Every operation has a rule for the new axis. It comes last, where vectors run, so that elementwise
work and products of small networks fill whole vectors. Sums keep the order that they have in the
graph of one, so that each place has the bits of the graph run alone. What does not depend on an
input with the new axis stays as it is and is computed once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ranvier.foundation.errors import UnsupportedOperationError
from ranvier.foundation.shapes import show_shape
from ranvier.graph.simplify import inline, simplify
from ranvier.ops.graph import Graph
from ranvier.ops.value import PRIMITIVES, Value, apply, broadcast_to, input_value
from ranvier.ops.views import reshape


def vectorized(
    graph: Graph, own: Collection[str], places: int, shared: Collection[int] = ()
) -> Graph:
    """The graph for many places at once.

    Args:
        graph: for one.
        own: names of the inputs of which every place has its own: they get a last axis.
        places: how many.
        shared: places of the outputs that need no axis of their own; the others all have one.

    Raises:
        UnsupportedOperationError: an operation without a rule for the new axis.

    Example:
        >>> from ranvier import ops
        >>> from ranvier.ops.graph import trace
        >>> from ranvier.ops.value import Spec
        >>> specs = [Spec((5, 4), "float32"), Spec((4, 3), "float32")]
        >>> graph, _ = trace(lambda x, w: ops.tanh(x @ w), specs, ["x", "w"])
        >>> many = vectorized(graph, ["w"], 16)
        >>> [v.shape for v in (*many.inputs, *many.outputs)]
        [(5, 4), (4, 3, 16), (5, 3, 16)]
    """
    graph = simplify(inline(graph))
    vectorizer = _Vectorizer(places)
    inputs = tuple(vectorizer.leaf(v, v.name in own) for v in graph.inputs)
    for node in graph.nodes():
        if id(node) not in vectorizer.new:
            vectorizer.add(node)
    outputs = [
        vectorizer.new[id(v)] if number in shared else vectorizer.wide(v)
        for number, v in enumerate(graph.outputs)
    ]
    return Graph(inputs, tuple(outputs), graph.names)


class _Vectorizer:
    """Makes nodes one after another.

    Attributes:
        new: from the id of a node of the graph of one to the node for many.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.new: dict[int, Value] = {}
        self._own: set[int] = set()
        self._wide: dict[int, Value] = {}

    def leaf(self, value: Value, own: bool) -> Value:
        """An input."""
        self.new[id(value)] = value
        if own:
            shape = (*value.shape, self.places)
            self.new[id(value)] = input_value(value.name, shape, value.dtype)
            self._own.add(id(value))
        return self.new[id(value)]

    def add(self, node: Value) -> None:
        """Any other node."""
        if not any(id(v) in self._own for v in node.inputs):
            inputs = tuple(self.new[id(v)] for v in node.inputs)
            self.new[id(node)] = Value(
                node.op, inputs, node.attributes, node.shape, node.dtype, node.name
            )
            return
        rule = RULES.get(PRIMITIVES[node.op].kind)
        if rule is None:
            self._refuse(node)
        else:
            self.new[id(node)] = rule(self, node)
            self._own.add(id(node))

    def has(self, value: Value) -> bool:
        """Whether a value of the graph of one has the new axis."""
        return id(value) in self._own

    def wide(self, value: Value) -> Value:
        """A value with the new axis; repeated along it if all places share it."""
        found = self.new[id(value)]
        if id(value) in self._own:
            return found
        if id(value) not in self._wide:
            narrow = reshape(found, (*found.shape, 1))
            self._wide[id(value)] = broadcast_to(narrow, (*found.shape, self.places))
        return self._wide[id(value)]

    def _refuse(self, node: Value) -> None:
        shapes = " and ".join(show_shape(v.shape) for v in node.inputs)
        raise UnsupportedOperationError(
            f"{node.op!r} has no form for many at once.",
            happened=f"it is applied to {shapes}, which differs from place to place",
            needed="operations of the kinds " + ", ".join(sorted(RULES)),
            fix="call the function for one place after another",
        )

    # --- rules

    def each(self, node: Value) -> Value:
        """Elementwise: the same for every place."""
        return self._again(node, [self.wide(v) for v in node.inputs], dict(node.attributes))

    def view(self, node: Value) -> Value:
        """Views leave the last axis where it is."""
        attributes, shape = dict(node.attributes), (*node.shape, self.places)
        if node.op in ("reshape", "broadcast_to"):
            attributes["shape"] = shape
        if node.op == "broadcast_to":
            return broadcast_to(self.wide(node.inputs[0]), shape)
        if node.op == "transpose":
            attributes["axes"] = (*attributes["axes"], node.ndim)
        return self._again(node, [self.wide(v) for v in node.inputs], attributes)

    def reduce(self, node: Value) -> Value:
        """The axis keeps its number; what was summed along a row keeps the order of a row."""
        attributes = dict(node.attributes)
        if attributes["axis"] == node.inputs[0].ndim - 1:
            attributes["as_row"] = True
        return self._again(node, [self.wide(node.inputs[0])], attributes)

    def contract(self, node: Value) -> Value:
        """Products side by side; an operand that all places share stays as it is."""
        (summed, _), own = node.attributes["contracting"], tuple(map(self.has, node.inputs))
        if node.op != "contract" or len(summed) != 1:
            self._refuse(node)
        operands = [self.new[id(v)] for v in node.inputs]
        return self._again(node, operands, {**node.attributes, "own": own}, "lane_contract")

    def take(self, node: Value) -> Value:
        """Rows of a table that differs; which rows is the same for all."""
        table, numbers = node.inputs
        if self.has(numbers):
            self._refuse(node)
        rows, width = table.shape
        flat = reshape(self.wide(table), (rows, -1))
        found = apply("take", [flat, self.new[id(numbers)]])
        shaped: Value = reshape(found, (*node.shape[:-1], width, self.places))
        return shaped

    def _again(
        self, node: Value, inputs: Sequence[Value], attributes: dict[str, Any], op: str = ""
    ) -> Value:
        value: Value = apply(op or node.op, inputs, **attributes)
        return value


#: How each kind of primitive takes the new axis.
RULES: dict[str, Callable[[_Vectorizer, Value], Value]] = {
    "elementwise": _Vectorizer.each,
    "view": _Vectorizer.view,
    "reduce": _Vectorizer.reduce,
    "contract": _Vectorizer.contract,
    "join": _Vectorizer.each,
    "take": _Vectorizer.take,
}
