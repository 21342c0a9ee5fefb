"""The graphs of a training program: a step (loss, gradients, updates) and a validation batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranvier import ops
from ranvier.foundation.shapes import N, Shape
from ranvier.graph.gradient import gradients_of
from ranvier.layers.base import Context
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.networks.network import Network
from ranvier.ops.graph import Graph
from ranvier.ops.value import Value, input_value
from ranvier.optimizers import Optimizer
from ranvier.training.updates import updated

#: Scalars that a step reads, with their dtypes; the loops around it set them.
SCALARS = {
    "control.step_real": "float64",
    "control.step_number": "int64",
    "control.seed": "int64",
    "control.rate": "float64",
}
X, TARGETS, WEIGHTS = "data.x", "data.targets", "data.weights"


@dataclass(frozen=True)
class DataSpec:
    """Shape and dtype of the rows of one data source, without the row axis."""

    shape: Shape
    dtype: str


@dataclass(frozen=True)
class StepGraph:
    """One training step.

    Attributes:
        graph: inputs are parameters, optimizer state, scalars, data; outputs are the loss, the
            metrics' sums and counts, and the updates.
        updates: from the place of an output to the input that it replaces.
        data: names of the data inputs in order.
        terms: how many outputs after the loss are metrics' terms.
        state: first numbers of the optimizer's state, by input name.
    """

    graph: Graph
    updates: dict[int, str]
    data: tuple[str, ...]
    terms: int
    state: dict[str, float]


@dataclass(frozen=True)
class Recipe:
    """What is trained and how: everything that the graphs are made from."""

    network: Network
    loss: Loss
    optimizer: Optimizer
    metrics: tuple[Metric, ...]
    x: DataSpec
    targets: DataSpec
    weighted: bool

    @property
    def logits(self) -> bool:
        """Whether the loss reads what goes into the last activation."""
        return self.loss.takes_logits(self.network.last_activation)


def _parameters(network: Network) -> dict[str, Value]:
    return {
        name: input_value(name, tuple(array.shape), network.dtype)
        for name, array in network.parameters.items()
    }


def _data(recipe: Recipe) -> dict[str, Value]:
    found = {
        X: input_value(X, (N, *recipe.x.shape), recipe.x.dtype),
        TARGETS: input_value(TARGETS, (N, *recipe.targets.shape), recipe.targets.dtype),
    }
    if recipe.weighted:
        found[WEIGHTS] = input_value(WEIGHTS, (N,), recipe.network.dtype)
    return found


def _outputs(recipe: Recipe, parameters: Mapping[str, Value], x: Value, context: Context) -> Any:
    return recipe.network.forward(x, parameters, context, logits=recipe.logits)


def _targets(recipe: Recipe, data: Mapping[str, Value]) -> Any:
    targets = data[TARGETS]
    if targets.dtype.startswith("float"):
        return ops.cast(targets, recipe.network.dtype)
    return targets


def _terms(recipe: Recipe, outputs: Value, targets: Value, weights: Value | None) -> list[Value]:
    return [t for metric in recipe.metrics for t in metric.terms(outputs, targets, weights)]


def step_graph(recipe: Recipe) -> StepGraph:
    """The graph of one training step."""
    network = recipe.network
    parameters, data = _parameters(network), _data(recipe)
    scalars = {name: input_value(name, (), dtype) for name, dtype in SCALARS.items()}
    context = Context(True, scalars["control.seed"], scalars["control.step_number"], network.dtype)
    outputs = _outputs(recipe, parameters, data[X], context)
    targets, weights = _targets(recipe, data), data.get(WEIGHTS)
    rows = recipe.loss(outputs, targets)
    loss = ops.mean(rows if weights is None else rows * weights)
    penalty = network.penalty(parameters)
    if penalty is not None:
        loss = loss + penalty
    trained = network.trainable
    gradients = gradients_of(loss, [parameters[name] for name in trained])
    results: list[Value] = [loss, *_terms(recipe, outputs, targets, weights)]
    terms, replaced = len(results) - 1, {}
    stage = updated(
        recipe.optimizer, {name: parameters[name] for name in trained}, gradients, scalars
    )
    # What layers keep by themselves, such as running statistics, changes with the same step.
    for target, value in {**stage.values, **context.assigned}.items():
        replaced[len(results)] = target
        results.append(value)
    inputs = [*parameters.values(), *stage.inputs.values(), *scalars.values(), *data.values()]
    labels = ["loss", *(f"term{k}" for k in range(terms)), *(f"new {t}" for t in replaced.values())]
    graph = Graph(tuple(inputs), tuple(results), tuple(labels))
    return StepGraph(graph, replaced, tuple(data), terms, stage.first)


def validation_graph(recipe: Recipe) -> Graph:
    """Sums and counts of the loss and the metrics over one batch, layers not in training."""
    parameters = _parameters(recipe.network)
    data = _data(recipe)
    data.pop(WEIGHTS, None)
    context = Context(False, dtype=recipe.network.dtype)
    outputs = _outputs(recipe, parameters, data[X], context)
    targets = _targets(recipe, data)
    rows = recipe.loss(outputs, targets)
    count = ops.length(rows, 0, rows.dtype)
    results = [ops.sum(rows), count, *_terms(recipe, outputs, targets, None)]
    return Graph((*parameters.values(), *data.values()), tuple(results))


def forward_graph(network: Network, x: DataSpec) -> Graph:
    """The outputs of the last layer for a batch, layers not in training."""
    parameters = _parameters(network)
    leaf = input_value(X, (N, *x.shape), x.dtype)
    outputs = network.forward(leaf, parameters, Context(False, dtype=network.dtype))
    return Graph((*parameters.values(), leaf), (outputs,))


def source_array(array: Any, dtype: str) -> np.ndarray[Any, Any]:
    """Rows as the program reads them: the dtype, each row without gaps; copied only if needed."""
    rows = np.asarray(array, dtype=dtype)
    wanted = np.dtype(dtype).itemsize
    for axis in range(rows.ndim - 1, 0, -1):
        if rows.shape[axis] != 1 and rows.strides[axis] != wanted:
            return np.ascontiguousarray(rows)
        wanted *= rows.shape[axis]
    aligned = rows.flags.aligned and rows.strides[0] % rows.itemsize == 0 if rows.size else True
    return rows if aligned else np.ascontiguousarray(rows)


def names_of_columns(metrics: Sequence[Metric], validated: bool) -> tuple[str, ...]:
    """The history's columns in order."""
    names = ["loss", *(metric.name for metric in metrics)]
    return (*names, *(f"val_{name}" for name in names)) if validated else tuple(names)
