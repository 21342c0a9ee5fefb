"""Updates of tables that write only the rows that a batch has read.

``w - rate * scatter_add(rows, d)`` leaves all other rows as they are, so it becomes ``w`` with
``-(rate * d)`` added to its rows, in their order and in place: the gradient never exists. Several
scatters, of a table that is read in several places, are joined to one. With momentum, decay or a
norm of the whole gradient every row moves, and nothing is rewritten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import ranvier.ops as ops
from ranvier.ops.graph import Graph
from ranvier.ops.value import Value, apply, broadcast_to


def write_touched_rows(graph: Graph, updates: Mapping[int, str]) -> Graph:
    """Rewrite the updates that subtract a multiple of a scatter, or add one.

    Args:
        graph: inlined and simplified.
        updates: from the place of an output to the name of the input that it replaces.
    """
    consumers: dict[int, int] = {id(v): 1 for v in graph.outputs}
    for node in graph.nodes():
        for value in node.inputs:
            consumers[id(value)] = consumers.get(id(value), 0) + 1
    outputs = list(graph.outputs)
    for place, name in updates.items():
        found = _rewritten(outputs[place], name, consumers)
        outputs[place] = outputs[place] if found is None else found
    return Graph(graph.inputs, tuple(outputs), graph.names)


def _rewritten(new: Value, name: str, consumers: Mapping[int, int]) -> Value | None:
    if new.op not in ("add", "subtract") or consumers[id(new)] != 1:
        return None
    table, change = new.inputs
    if new.op == "add" and change.op == "input":
        table, change = change, table
    if table.op != "input" or table.name != name or table.ndim != 2:
        return None
    found = _scaled(change, consumers)
    if found is None:
        return None
    rows, step = found
    if new.op == "subtract":
        step = apply("negative", [step])
    onto: Value = apply("scatter_onto", [table, rows, step])
    return onto


def _scaled(change: Value, consumers: Mapping[int, int]) -> tuple[Value, Value] | None:
    """Row numbers and rows of a change that is a scatter times numbers that are alike everywhere.

    What others read too would have to be computed twice; it stays as it is.
    """
    if consumers[id(change)] != 1:
        return None
    if change.op == "scatter_add":
        rows, step = change.inputs
        return rows, step
    if change.op == "negative":
        inner = _scaled(change.inputs[0], consumers)
        return inner and (inner[0], apply("negative", [inner[1]]))
    if change.op == "add":
        return _joined([_scaled(value, consumers) for value in change.inputs])
    if change.op in ("multiply", "divide"):
        left, right = change.inputs
        for factor, other in ((left, right), (right, left)):
            scalar = _alike(factor)
            if scalar is None or (change.op == "divide" and factor is left):
                continue
            inner = _scaled(other, consumers)
            if inner is not None:
                rows, step = inner
                same = broadcast_to(scalar, step.shape)
                pair = [same, step] if factor is left else [step, same]
                return rows, apply(change.op, pair)
    return None


def _joined(parts: Sequence[tuple[Value, Value] | None]) -> tuple[Value, Value] | None:
    """Two scatters as one: for every example the rows of the first, then those of the second."""
    found = [part for part in parts if part is not None]
    examples = {rows.shape[:1] for rows, _ in found}
    known = all(isinstance(d, int) for rows, _ in found for d in rows.shape[1:])
    if len(found) < 2 or len(examples) > 1 or () in examples or not known:
        return None
    rows = [_listed(ops.cast(numbers, "int64"), 1) for numbers, _ in found]
    return ops.concatenate(rows, 1), ops.concatenate([_listed(step, 2) for _, step in found], 1)


def _listed(value: Value, axes: int) -> Value:
    """(N, ...) with all rows of an example along its second axis."""
    count = math.prod(d for d in value.shape[1 : value.ndim + 1 - axes] if isinstance(d, int))
    listed: Value = ops.reshape(
        value, (value.shape[0], count, *value.shape[value.ndim + 1 - axes :])
    )
    return listed


def _alike(value: Value) -> Value | None:
    """The one number that a value holds everywhere, if it is a scalar broadcast."""
    while value.op == "broadcast_to":
        value = value.inputs[0]
    return value if value.shape == () else None
