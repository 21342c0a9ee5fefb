"""Which values get a name in a group, and the expressions between them.

A root is a value that some group computes by name: anchors (products, reductions), operands of
products, outputs, and what is dear and read more than once. Everything between roots is pulled, as
an expression, into whoever reads it; views become index expressions on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ranvier.compiler.groups import Buffer, Expr
from ranvier.compiler.index import Axis, Index, axes_of, reshaped
from ranvier.compiler.joins import joined
from ranvier.foundation.errors import UnsupportedOperationError
from ranvier.foundation.random import BLOCK
from ranvier.foundation.shapes import Dimension, known, show_shape
from ranvier.ops.graph import Graph
from ranvier.ops.value import PRIMITIVES, Value

#: What recomputing costs, in simple operations; more than the threshold is kept if read twice.
COSTS = {"exp": 10, "log": 12, "tanh": 12, "erf": 15, "divide": 5, "sqrt": 5, "sin": 20, "cos": 20}
RANDOM_COST = 40
#: A row that lies anywhere: read once, so that an update in place need not wait for other readers.
TAKE_COST = 8
RECOMPUTE_THRESHOLD = 6
#: Operations in a chain after which a value gets a name, however it is read.
DEEPEST = 40

ANCHORS = ("contract", "reduce", "scatter")
#: The position of the axis that stands for a computed row, in the index of what is gathered.
GATHERED = 200


def strip_views(value: Value) -> Value:
    """The value behind a chain of views."""
    while PRIMITIVES[value.op].kind == "view":
        value = value.inputs[0]
    return value


def is_anchor(value: Value) -> bool:
    """Whether a value is a product, a reduction or a scatter."""
    return PRIMITIVES[value.op].kind in ANCHORS


def find_roots(graph: Graph) -> set[int]:
    """The ids of all roots."""
    roots = {id(strip_views(v)) for v in graph.outputs}
    consumers: dict[int, int] = {}
    for node in graph.nodes():
        for value in node.inputs:
            consumers[id(value)] = consumers.get(id(value), 0) + 1
            if (row := strip_views(value)) is not value and row.op == "take":
                consumers[id(row)] = consumers.get(id(row), 0) + 1
        if is_anchor(node):
            roots.add(id(node))
        if PRIMITIVES[node.op].kind == "contract":
            roots |= {id(strip_views(v)) for v in node.inputs}
        if node.op == "take":
            roots.add(id(strip_views(node.inputs[0])))
        if node.op == "reshape" and PRIMITIVES[node.inputs[0].op].kind == "join":
            roots.add(id(node.inputs[0]))  # under merged axes its parts have no even borders
    costs: dict[int, int] = {}
    depths: dict[int, int] = {}
    for node in graph.nodes():
        depths[id(node)] = 1 + max((depths[id(v)] for v in node.inputs), default=0)
        costs[id(node)] = cost = _cost(node, costs, roots)
        kind = PRIMITIVES[node.op].kind
        dear = cost > RECOMPUTE_THRESHOLD and (consumers.get(id(node), 0) > 1 or not node.shape)
        if (
            kind in ("elementwise", "random", "take", "join")
            and node.inputs
            and (dear or depths[id(node)] > DEEPEST)
        ):
            roots.add(id(node))
        if id(node) in roots:
            costs[id(node)] = depths[id(node)] = 0
    return {i for i in roots if i not in {id(v) for v in graph.inputs}}


def _cost(node: Value, costs: Mapping[int, int], roots: set[int]) -> int:
    if id(node) in roots or node.op in ("input", "constant", "iota", "extent"):
        return 0
    own = RANDOM_COST if node.op == "random_uniform" else COSTS.get(node.op, 1)
    if node.op == "take":
        own = TAKE_COST
    if PRIMITIVES[node.op].kind == "view":
        own = 0
    return own + sum(costs[id(v)] for v in node.inputs)


class Puller:
    """Builds expressions; a root met on the way becomes a "root" leaf at its index.

    Args:
        roots: ids of values that have a name.
        buffers: of inputs and constants, by ``id``.
    """

    def __init__(self, roots: set[int], buffers: dict[int, Buffer]) -> None:
        self.roots = roots
        self.buffers = buffers
        self._known: dict[Any, Expr] = {}

    def body(self, value: Value) -> Expr:
        """The expression of a root itself, at every place of its shape."""
        return self._operation(value, axes_of(value.shape))

    def pull(self, value: Value, indices: tuple[Index, ...]) -> Expr:
        """The element of a value at some indices."""
        key = (id(value), indices)
        if key not in self._known:
            self._known[key] = self._pull(value, indices)
        return self._known[key]

    def _pull(self, value: Value, indices: tuple[Index, ...]) -> Expr:
        if id(value) in self.roots:
            return Expr("root", (), value.dtype, (value, indices))
        if id(value) in self.buffers:
            return Expr("load", (), value.dtype, (self.buffers[id(value)], indices))
        return self._operation(value, indices)

    def _operation(self, value: Value, indices: tuple[Index, ...]) -> Expr:
        kind = PRIMITIVES[value.op].kind
        if kind == "view":
            return self.pull(value.inputs[0], _through(value, indices))
        if value.op == "constant":
            return Expr("const", (), value.dtype, np.asarray(value.attributes["value"]).item())
        if value.op == "extent":
            return Expr("extent", (), value.dtype, value.attributes["extent"])
        if value.op == "iota":
            return Expr("index", (), value.dtype, indices[value.attributes["axis"]])
        if value.op == "random_uniform":
            args = tuple(self.pull(v, ()) for v in value.inputs)
            place = _linear(value, indices)
            return Expr("random", args, value.dtype, (value.attributes["site"], place))
        if kind == "join":
            return joined(value, indices, self.pull)
        if value.op == "take":
            return self._gather(value, indices)
        args = tuple(self.pull(v, indices) for v in value.inputs)
        return Expr(value.op, args, value.dtype)

    def _gather(self, value: Value, indices: tuple[Index, ...]) -> Expr:
        """An element of a row that is found by its number."""
        table, numbers = value.inputs
        length = table.shape[0]
        axis = Axis(GATHERED, length)
        element = self.pull(table, (Index.of(axis), indices[-1]))
        return Expr("gather", (self.row(numbers, indices[:-1], length), element), value.dtype, axis)

    def row(self, numbers: Value, indices: tuple[Index, ...], length: Dimension) -> Expr:
        """A row number, held inside a table of a length."""
        number = self.pull(numbers, indices)
        if number.dtype != "int64":
            number = Expr("cast", (number,), "int64")
        for op, limit in (("maximum", 0), ("minimum", known(length) - 1)):
            number = Expr(op, (number, Expr("const", (), "int64", limit)), "int64")
        return number


def _linear(value: Value, indices: tuple[Index, ...]) -> Index:
    """The number of an element, rows starting at whole blocks (see ``random.uniform``)."""
    total, stride = Index(), 1
    for place in range(len(indices) - 1, -1, -1):
        total = total.plus(indices[place], stride)
        length = value.shape[place]
        if place == 0:
            break
        if not isinstance(length, int):
            raise UnsupportedOperationError(
                "The native engine cannot number these random elements.",
                happened=f"shape {show_shape(value.shape)} has a symbolic axis after the first",
                needed="a symbolic extent only as the first axis",
                fix="draw the numbers in another order of axes and transpose them",
            )
        stride *= length
        if place == len(indices) - 1:
            stride = -(-stride // BLOCK) * BLOCK
    return total


def _through(node: Value, indices: tuple[Index, ...]) -> tuple[Index, ...]:
    """Where a view's element comes from."""
    source = node.inputs[0]
    if node.op == "reshape":
        return reshaped(indices, node.shape, source.shape)
    if node.op == "transpose":
        axes = node.attributes["axes"]
        return tuple(indices[axes.index(i)] for i in range(source.ndim))
    if node.op == "broadcast_to":
        lead = node.ndim - source.ndim
        return tuple(
            Index() if source.shape[i] == 1 else indices[lead + i] for i in range(source.ndim)
        )
    axis, start = node.attributes["axis"], node.attributes["start"]  # slice
    return tuple(
        index.plus(Index((), start)) if i == axis else index for i, index in enumerate(indices)
    )
