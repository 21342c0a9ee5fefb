"""When a loss is no longer a number: the step runs again, operation by operation, for the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import TrainingError
from ranvier.foundation.shapes import Extent
from ranvier.ops.graph import Graph, evaluate, topological
from ranvier.ops.value import Value
from ranvier.optimizers import Optimizer, ParameterGroups, optimizers_of
from ranvier.training.graphs import TARGETS, Recipe, X, step_graph
from ranvier.training.marked import Mark, mark_of, marked

Array = NDArray[Any]


@dataclass(frozen=True)
class _Bad:
    """The first numbers on the way to the loss that are not finite.

    Attributes:
        node: that gave them.
        value: what it gave.
        operands: what it read.
        place: of the first bad number.
        inner: the operation inside, if it is made of several, with what that read.
    """

    node: Value
    value: Array
    operands: tuple[Array, ...]
    place: tuple[int, ...]
    inner: _Bad | None = None

    @property
    def kind(self) -> str:
        """What kind of number it is."""
        return "NaN" if np.isnan(self.value[self.place]) else "an infinite number"

    @property
    def deepest(self) -> _Bad:
        """The single operation that gave it."""
        return self if self.inner is None else self.inner.deepest

    def read(self, number: int) -> float:
        """What an elementwise operation read at the place."""
        whole = np.broadcast_to(self.operands[number], self.value.shape)
        return float(whole[self.place])


def failure_of(recipe: Recipe, inputs: Mapping[str, Any], step: int) -> TrainingError:
    """The error for a step whose loss is not finite.

    It names what was bad first: a number of the data, a weight, or an operation with its layer,
    neuron and row; a likely cause; and what to change.

    Args:
        recipe: of the training.
        inputs: what the step read, by input name; "rows" are the batch's row numbers.
        step: its number, from 0.
    """
    weights = max(
        (float(np.abs(inputs[n]).max()) for n in recipe.network.parameters if inputs[n].size),
        default=0.0,
    )
    network, marks = marked(recipe.network)
    found = step_graph(replace(recipe, network=network)).graph
    bad = _first_bad(found, [inputs[v.name] for v in found.inputs])
    if bad is None:
        # Every operation was finite here, so only the engine that stopped knows more.
        where, cause, fix = "in the loss itself", "the loss is too large", _slower(recipe)
    else:
        where = _where(bad, mark_of(marks, bad.node), inputs["rows"])
        cause, fix = _cause(bad, recipe, inputs)
    return TrainingError(
        f"Training stopped at step {step + 1}: the loss is not a finite number.",
        happened=f"{where}; the largest weight is {weights:.3g};\nlikely cause: {cause}",
        needed="finite numbers everywhere",
        fix=f"{fix}; the model keeps its last weights",
    )


def _first_bad(graph: Graph, arrays: list[Any]) -> _Bad | None:
    """The first node on the way to the first output whose numbers are not all finite."""
    goal = graph.outputs[0]
    skipped = ("input", "constant", "scan", "extent")
    nodes = [v for v in topological([goal]) if v.op not in skipped]
    read = [one for v in nodes for one in v.inputs if one.op not in ("scan", "extent")]
    known = {id(v): v for v in (*nodes, *read)}
    results = evaluate(Graph(graph.inputs, tuple(known.values())), arrays)
    numbers = dict(zip(known, (np.asarray(one) for one in results), strict=True))
    for node in nodes:
        array = numbers[id(node)]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            operands = tuple(numbers[id(v)] for v in node.inputs if id(v) in numbers)
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            inner = None
            if node.op == "composite" and len(operands) == len(node.inputs):
                inner = _first_bad(node.attributes["graph"], list(operands))
            return _Bad(node, array, operands, place, inner)
    return None


def _where(bad: _Bad, mark: Mark | None, rows: Array) -> str:
    """Layer, neuron and row, operation, and what it read."""
    node, place = bad.node, bad.place
    parts = ["in the loss" if mark is None else f"in {mark.title}"]
    by_row = bool(node.shape) and isinstance(node.shape[0], Extent) and bool(place)
    if mark is not None and mark.neurons and len(place) >= 2:
        parts.append(f"neuron {place[-1]}")
    if by_row:
        parts.append(f"row {int(rows[place[0]])} of the data")
    name = node.attributes["definition"] if node.op == "composite" else node.op
    inside = "" if bad.deepest is bad else f" (inside it {bad.deepest.node.op})"
    shape = tuple(bad.value.shape)
    return f"{', '.join(parts)}: {name}{inside} of shape {shape} gave {bad.kind} first, at {place}"


def _cause(bad: _Bad, recipe: Recipe, inputs: Mapping[str, Any]) -> tuple[str, str]:
    """A likely cause, and what to change."""
    rows = inputs["rows"]
    for name, array in inputs.items():
        if np.asarray(array).dtype.kind != "f" or np.isfinite(array).all():
            continue
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(np.asarray(array)))[0])
        kind = "NaN" if np.isnan(np.asarray(array)[place]) else "an infinite number"
        if name.startswith((X, TARGETS)):
            what = "X" if name.startswith(X) else "y"
            row = int(rows[place[0]])
            inside = f" at {place[1:]}" if len(place) > 1 else ""
            return f"row {row} of {what} holds {kind}{inside}", f"correct or leave out row {row}"
        if name in recipe.network.parameters:
            text = f"{name}{list(place)} was {kind} before this step: an update was too large"
            return text, _slower(recipe)
    return _cause_of_operation(bad.deepest, recipe, inputs)


def _cause_of_operation(bad: _Bad, recipe: Recipe, inputs: Mapping[str, Any]) -> tuple[str, str]:
    """The same where all that the step read was finite."""
    op, dtype = bad.node.op, bad.value.dtype
    largest = float(np.finfo(dtype).max)
    if op == "log":
        return (
            f"a logarithm of {bad.read(0):.4g}",
            "keep what goes into it above 0, as in ops.log(ops.maximum(x, 1e-7))",
        )
    if op == "sqrt":
        return (
            f"a square root of {bad.read(0):.4g}",
            "keep what goes into it at 0 or above, as in ops.sqrt(ops.maximum(x, 0.0))",
        )
    if op == "divide":
        return (
            f"{bad.read(0):.4g} divided by {bad.read(1):.4g}",
            "keep the divisor away from 0, for example by adding 1e-7 to it",
        )
    if op == "exp":
        return (
            f"exp of {bad.read(0):.4g} is more than {dtype} holds (exp of {np.log(largest):.4g})",
            f"bound what goes into it, or {_slower(recipe)}",
        )
    sizes = ", ".join(f"{np.abs(one).max():.3g}" for one in bad.operands if one.size)
    data = [np.abs(inputs[n]).max() for n in inputs if n.startswith(X) and np.size(inputs[n])]
    text = f"numbers of up to {sizes} went in, and {dtype} holds up to {largest:.3g}; "
    if data and max(data) > 1e3:
        return (
            f"{text}the inputs reach {float(max(data)):.3g} and are not scaled",
            f"scale the inputs to mean 0 and deviation 1, then {_slower(recipe, scaled=True)}",
        )
    return f"{text}weights have grown: the learning rate is probably too large", _slower(recipe)


def _slower(recipe: Recipe, scaled: bool = False) -> str:
    """What to change where updates were too large."""
    scale = "" if scaled else "scale the inputs to mean 0 and deviation 1, "
    return (
        f"use a smaller learning rate (it is {_rates(recipe.optimizer)}), {scale}"
        "clip gradients (clip_norm=1.0) or train in float64"
    )


def _rates(optimizer: Optimizer | ParameterGroups) -> str:
    """The learning rate or rates, as text."""
    rates = [one.learning_rate for one in optimizers_of(optimizer)]
    return " and ".join(f"{r:g}" if isinstance(r, int | float) else repr(r) for r in rates)
