"""When a loss is no longer a number: the step runs again, operation by operation, for the place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ranvier.foundation.errors import TrainingError
from ranvier.foundation.shapes import Extent
from ranvier.ops.graph import Graph, evaluate, topological
from ranvier.ops.value import Value
from ranvier.optimizers import Optimizer, ParameterGroups, optimizers_of
from ranvier.training.graphs import Recipe


def failure_of(graph: Graph, recipe: Recipe, inputs: Mapping[str, Any], step: int) -> TrainingError:
    """The error for a step whose loss is not finite.

    Args:
        graph: of the step; its first output is the loss.
        inputs: what the step read, by input name; "rows" are the batch's row numbers.
        step: its number, from 0.
    """
    node, value = _first_bad(graph, inputs)
    rows = inputs["rows"]
    where, likely = "in the loss itself", "the loss or its inputs are too large"
    if node is not None and value is not None:
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        kind = "NaN" if np.isnan(value[place]) else "infinite"
        row = ""
        if node.shape and isinstance(node.shape[0], Extent) and place:
            row = f", row {int(rows[place[0]])} of the data"
        where = f"{node.op} of shape {tuple(value.shape)} gave {kind} first, at {place}{row}"
        likely = _likely(node, inputs)
    weights = max(
        (float(np.abs(inputs[n]).max()) for n in recipe.network.parameters if inputs[n].size),
        default=0.0,
    )
    return TrainingError(
        f"Training stopped at step {step + 1}: the loss is not a finite number.",
        happened=f"{where}; the largest weight is {weights:.3g}; {likely}",
        needed="finite numbers everywhere",
        fix=f"use a smaller learning rate (it is {_rates(recipe.optimizer)}), scale the "
        "inputs to mean 0 and deviation 1, or train in float64; the model keeps its last weights",
    )


def _first_bad(graph: Graph, inputs: Mapping[str, Any]) -> tuple[Value | None, Any]:
    """The first node on the way to the loss whose numbers are not all finite."""
    loss = graph.outputs[0]
    nodes = [v for v in topological([loss]) if v.op not in ("input", "constant", "scan", "extent")]
    probe = Graph(graph.inputs, tuple(nodes))
    results = evaluate(probe, [inputs[v.name] for v in graph.inputs])
    for node, result in zip(nodes, results, strict=True):
        array = np.asarray(result)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return node, array
    return None, None


def _rates(optimizer: Optimizer | ParameterGroups) -> str:
    """The learning rate or rates, as text."""
    rates = [one.learning_rate for one in optimizers_of(optimizer)]
    return " and ".join(f"{r:g}" if isinstance(r, int | float) else repr(r) for r in rates)


def _likely(node: Value, inputs: Mapping[str, Any]) -> str:
    if any(not np.isfinite(inputs[n]).all() for n in inputs if n.startswith("layers.")):
        return "a weight was no longer finite, so the learning rate is probably too large"
    if node.op == "contract":
        return "weights or inputs have grown too large, so the learning rate is probably too large"
    return "probably the learning rate is too large"
