"""A graph for one made into the same graph for many: a new last axis, a place for each.

Every operation has a rule for the new axis. It comes last, where vectors run, so that elementwise
work and products of small networks fill whole vectors. Sums keep the order that they have in the
graph of one, so that each place has the bits of the graph run alone. What does not depend on an
input with the new axis stays as it is and is computed once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from ranvier.foundation.errors import ArgumentError, ShapeError, UnsupportedOperationError
from ranvier.foundation.shapes import Dimension, show_shape
from ranvier.graph.simplify import inline, simplify
from ranvier.graph.tree import Tree, flatten, unflatten
from ranvier.ops.graph import Graph, captured, evaluate, substitute, trace
from ranvier.ops.lane_contract import lane_contract
from ranvier.ops.value import (
    PRIMITIVES,
    Spec,
    Value,
    apply,
    broadcast_to,
    constant,
    dtype_of,
    input_value,
    shape_of,
)
from ranvier.ops.views import reshape, transpose


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
            self.new[id(node)] = node  # nothing that it is made from has changed
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
            repeated: Value = broadcast_to(self.wide(node.inputs[0]), shape)
            return repeated
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
        a, b = node.inputs
        contracting, (ba, bb) = node.attributes["contracting"], node.attributes["batch"]
        earlier = node.attributes.get("own", (False, False))
        moved = None  # the axis of an earlier row of products, which belongs behind all others
        if all(earlier):
            ba, bb, moved = (a.ndim - 1, *ba), (b.ndim - 1, *bb), 0
        elif earlier[0]:
            moved = a.ndim - len(contracting[0]) - 1
        operands = [self.new[id(v)] for v in node.inputs]
        own = (self.has(a), self.has(b))
        product = lane_contract(operands[0], operands[1], contracting, (ba, bb), own)
        if moved is not None:
            kept = [k for k in range(node.ndim) if k != moved]
            product = transpose(product, (*kept, moved, node.ndim))
        found: Value = product
        return found

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

    def scatter(self, node: Value) -> Value:
        """Rows added to those of a table; which rows is the same for all."""
        if node.op != "scatter_add" or self.has(node.inputs[0]):
            self._refuse(node)
        numbers, updates = node.inputs
        flat = reshape(self.wide(updates), (*updates.shape[:-1], -1))
        found = apply("scatter_add", [self.new[id(numbers)], flat], **node.attributes)
        shaped: Value = reshape(found, (*node.shape, self.places))
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
    "scatter": _Vectorizer.scatter,
}


# --- functions


def vectorize(
    function: Callable[..., Any], axes: int | Sequence[int | None] | None = 0
) -> Callable[..., Any]:
    """The function for many arguments at once: one call instead of a loop of calls.

    Formula: ``vectorize(f)(x)[m] = f(x[m])``

    It is to the bit what the loop gives, and in `rv.compile` short vectors and small matrices of
    many calls fill the vectors of the machine together. It can be differentiated, and what it is
    applied to may be a gradient: ``rv.vectorize(rv.gradient(loss), axes=(0, None))``.

    Args:
        function: of arrays (or tuples, lists, dicts of arrays) to arrays, written in ``rv.ops``.
        axes: the axis of the arguments along which the calls lie; None for arguments that all
            calls share; a tuple for one of its own for each argument.

    Returns:
        A function whose results have the calls along their first axis.

    Raises:
        ArgumentError: axes for another number of arguments, or no argument with calls of its own.
        ShapeError: arguments for different numbers of calls.
        UnsupportedOperationError: an operation without a rule for many.

    See also ``jax.vmap``.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> layer = lambda x, w: rv.ops.tanh(x @ w)
        >>> x, w = np.ones((5, 4)), np.ones((100, 4, 3))
        >>> rv.vectorize(layer, axes=(None, 0))(x, w).shape
        (100, 5, 3)
    """

    def call(*arguments: Any) -> Any:
        leaves, tree = flatten(arguments)
        own = _axes_of_leaves(arguments, axes)
        places = _places(leaves, own)
        tags = [f"argument{k}" for k in range(len(leaves))]
        specs = [_spec_of_one(x, axis) for x, axis in zip(leaves, own, strict=True)]
        out: list[Tree] = []

        def flat(*values: Value) -> tuple[Any, ...]:
            results, shape = flatten(function(*unflatten(tree, values)))
            out.append(shape)
            return tuple(results)

        since = constant(0.0).number
        graph, _ = trace(flat, specs, tags)
        free = captured(graph, since)  # values of an outer function stay themselves
        graph = Graph((*graph.inputs, *free), graph.outputs)
        names = [tag for tag, axis in zip(tags, own, strict=True) if axis is not None]
        many = vectorized(graph, names, places)
        moved = [_last(x, axis) for x, axis in zip(leaves, own, strict=True)]
        if free or any(isinstance(x, Value) for x in moved):
            known = [x if isinstance(x, Value) else constant(x) for x in moved]
            replaced = dict(zip(map(id, many.inputs), known, strict=False))
            results: Sequence[Any] = substitute(many.outputs, replaced)
        else:
            results = evaluate(many, moved)
        return unflatten(out[0], [_first(one) for one in results])

    return call


def _axes_of_leaves(
    arguments: Sequence[Any], axes: int | Sequence[int | None] | None
) -> list[int | None]:
    """The axis with the calls for each array of all arguments."""
    each = list(axes) if isinstance(axes, Sequence) else [axes] * len(arguments)
    if len(each) != len(arguments) or all(axis is None for axis in each):
        raise ArgumentError(
            "vectorize cannot tell along which axes the calls lie.",
            happened=f"axes is {axes!r:.80}, and there are {len(arguments)} arguments",
            needed="an axis or None for each argument, and an axis for at least one",
            fix="write for example axes=(0, None)",
        )
    counts = [len(flatten(one)[0]) for one in arguments]
    return [axis for axis, count in zip(each, counts, strict=True) for _ in range(count)]


def _places(leaves: Sequence[Any], own: Sequence[int | None]) -> int:
    """How many calls there are."""
    found: list[Dimension] = []
    for leaf, axis in zip(leaves, own, strict=True):
        if axis is None:
            continue
        shape = shape_of(leaf)
        if not -len(shape) <= axis < len(shape):
            raise ShapeError(
                f"vectorize finds no axis {axis}.",
                happened=f"an argument has shape {show_shape(shape)}",
                needed=f"an axis {axis}, along which the calls lie",
                fix="give None for arguments that all calls share",
            )
        found.append(shape[axis])
    if len(set(found)) != 1 or not isinstance(found[0], int):
        raise ShapeError(
            "vectorize needs as many calls in every argument.",
            happened="there are " + " and ".join(dict.fromkeys(map(str, found))),
            needed="one known length of the axes along which the calls lie",
            fix="give None for arguments that all calls share",
        )
    return found[0]


def _spec_of_one(leaf: Any, axis: int | None) -> Spec:
    shape = list(shape_of(leaf))
    if axis is not None:
        del shape[axis]
    return Spec(tuple(shape), dtype_of(leaf))


def _last(leaf: Any, axis: int | None) -> Any:
    """A leaf with the axis of the calls behind all others."""
    if axis is None:
        return leaf if isinstance(leaf, Value) else np.asarray(leaf)
    order = [k for k in range(len(shape_of(leaf))) if k != axis % len(shape_of(leaf))]
    return transpose(leaf, (*order, axis % len(shape_of(leaf))))


def _first(result: Any) -> Any:
    """A result with its last axis in front."""
    count = len(shape_of(result))
    moved = transpose(result, (count - 1, *range(count - 1)))
    return moved if isinstance(moved, Value) else np.ascontiguousarray(moved)
