"""The graphs of a training program: a step (loss, gradients, updates) and a validation batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier import ops
from ranvier.foundation.shapes import N, Shape
from ranvier.graph.gradient import gradients_of
from ranvier.layers.base import Context
from ranvier.losses import Loss
from ranvier.metrics import Metric, WholeSetMetric
from ranvier.networks.network import Network
from ranvier.ops.graph import Graph
from ranvier.ops.value import Value, input_value
from ranvier.optimizers import Optimizer, ParameterGroups
from ranvier.training.rules import EPOCH, PENALTY, UpdateRules, host_numbers, is_scheduled
from ranvier.training.statistics import finish_graph, statistics_of, streaming
from ranvier.training.updates import average_name, updated

#: Scalars that a step reads, with their dtypes; the loops around it set them.
SCALARS = {
    "control.step_real": "float64",
    "control.step_number": "int64",
    "control.seed": "int64",
    "control.rate": "float64",
}
X, TARGETS, WEIGHTS = "data.x", "data.targets", "data.weights"


def numbered(name: str, count: int) -> list[str]:
    """The names of inputs of one kind: ``data.x``; of several, ``data.x.0``, ``data.x.1``."""
    return [name] if count == 1 else [f"{name}.{number}" for number in range(count)]


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
            metrics' statistics, and the updates.
        updates: from the place of an output to the input that it replaces.
        data: names of the data inputs in order.
        statistics: how many outputs after the loss are metrics' statistics.
        finish: the metrics at the end of an epoch, from the sums of all statistics.
        state: first numbers of the optimizer's state, by input name.
        averages: from a parameter to the input with its running average, if there is one.
        numbers: scalars that the host gives the update, in order.
    """

    graph: Graph
    updates: dict[int, str]
    data: tuple[str, ...]
    statistics: int
    finish: Graph
    state: dict[str, float]
    averages: dict[str, str] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What is trained and how: everything that the graphs are made from.

    Attributes:
        network: whose parameters are trained.
        losses, metrics, targets, loss_weights: of each output of the network.
        optimizer: of the parameters.
        x: of each input of the network.
        weighted: whether rows have weights.
        rules: what is done to gradients and weights beside the optimizer's update.
    """

    network: Network
    losses: tuple[Loss, ...]
    optimizer: Optimizer | ParameterGroups
    metrics: tuple[tuple[Metric, ...], ...]
    x: tuple[DataSpec, ...]
    targets: tuple[DataSpec, ...]
    weighted: bool
    loss_weights: tuple[float, ...] = (1.0,)
    rules: UpdateRules = field(default_factory=UpdateRules)

    @property
    def logits(self) -> tuple[bool, ...]:
        """Whether the loss of each output reads what goes into its last activation."""
        pairs = zip(self.losses, self.network.last_activations, strict=True)
        return tuple(loss.takes_logits(activation) for loss, activation in pairs)


def _parameters(network: Network) -> dict[str, Value]:
    return {
        name: input_value(name, tuple(array.shape), network.dtype)
        for name, array in network.parameters.items()
    }


def _data(recipe: Recipe) -> dict[str, Value]:
    specs = {
        **dict(zip(numbered(X, len(recipe.x)), recipe.x, strict=True)),
        **dict(zip(numbered(TARGETS, len(recipe.targets)), recipe.targets, strict=True)),
    }
    found = {n: input_value(n, (N, *spec.shape), spec.dtype) for n, spec in specs.items()}
    if recipe.weighted:
        found[WEIGHTS] = input_value(WEIGHTS, (N,), recipe.network.dtype)
    return found


def _outputs(
    recipe: Recipe,
    parameters: Mapping[str, Value],
    data: Mapping[str, Value],
    context: Context,
) -> tuple[Any, ...]:
    x = tuple(data[name] for name in numbered(X, len(recipe.x)))
    found = recipe.network.forward(x, parameters, context, logits=recipe.logits)
    return found if isinstance(found, tuple) else (found,)


def _targets(recipe: Recipe, data: Mapping[str, Value]) -> tuple[Any, ...]:
    found = [data[name] for name in numbered(TARGETS, len(recipe.targets))]
    dtype = recipe.network.dtype
    return tuple(ops.cast(t, dtype) if t.dtype.startswith("float") else t for t in found)


def _loss_rows(recipe: Recipe, outputs: Sequence[Any], targets: Sequence[Any]) -> Any:
    """The loss of each row: of all outputs, each times its weight."""
    total: Any = None
    for loss, out, target, weight in zip(
        recipe.losses, outputs, targets, recipe.loss_weights, strict=True
    ):
        rows = loss(out, target)
        rows = rows if weight == 1.0 else rows * weight
        total = rows if total is None else total + rows
    return total


def _statistics(
    recipe: Recipe, outputs: Sequence[Value], targets: Sequence[Value], weights: Value | None
) -> list[tuple[Value, ...]]:
    """The statistics of each streaming metric, output after output."""
    return [
        kept
        for metrics, out, target in zip(recipe.metrics, outputs, targets, strict=True)
        for kept in statistics_of(streaming(metrics), out, target, weights)
    ]


def step_graph(recipe: Recipe) -> StepGraph:
    """The graph of one training step."""
    network = recipe.network
    parameters, data = _parameters(network), _data(recipe)
    numbers = tuple(host_numbers(recipe.optimizer, recipe.rules))
    own = [*([EPOCH] if is_scheduled(recipe.optimizer) else []), *numbers]
    dtypes = {**SCALARS, **dict.fromkeys(own, "float64")}
    scalars = {name: input_value(name, (), dtype) for name, dtype in dtypes.items()}
    context = Context(True, scalars["control.seed"], scalars["control.step_number"], network.dtype)
    outputs = _outputs(recipe, parameters, data, context)
    targets, weights = _targets(recipe, data), data.get(WEIGHTS)
    rows = _loss_rows(recipe, outputs, targets)
    loss = ops.mean(rows if weights is None else rows * weights)
    penalty = network.penalty(parameters)
    if penalty is not None and PENALTY in scalars:
        penalty = penalty * ops.cast(scalars[PENALTY], penalty.dtype)
    if penalty is not None:
        loss = loss + penalty
    trained = network.trainable
    gradients = gradients_of(loss, [parameters[name] for name in trained])
    statistics = _statistics(recipe, outputs, targets, weights)
    results: list[Value] = [loss, *(number for kept in statistics for number in kept)]
    count, replaced = len(results) - 1, {}
    weights_now = {name: parameters[name] for name in trained}
    constraints = {name: network.declared[name].constraint for name in trained}
    stage = updated(recipe.optimizer, weights_now, gradients, scalars, recipe.rules, constraints)
    # What layers keep by themselves, such as running statistics, changes with the same step.
    for target, value in {**stage.values, **context.assigned}.items():
        replaced[len(results)] = target
        results.append(value)
    inputs = [*parameters.values(), *stage.inputs.values(), *scalars.values(), *data.values()]
    labels = ["loss", *(f"statistic{k}" for k in range(count))]
    labels += [f"new {target}" for target in replaced.values()]
    graph = Graph(tuple(inputs), tuple(results), tuple(labels))
    metrics = [metric for own in recipe.metrics for metric in streaming(own)]
    finish = finish_graph(metrics, statistics)
    return StepGraph(
        graph, replaced, tuple(data), count, finish, stage.first, stage.averages, numbers
    )


def _validated(
    recipe: Recipe, data: Mapping[str, Value]
) -> tuple[dict[str, Value], tuple[Any, ...]]:
    """Parameters, and what the losses read, layers not in training.

    Where weights are averaged, it is the average that is validated.
    """
    parameters = _parameters(recipe.network)
    if recipe.rules.average is not None:
        for name in recipe.network.trainable:
            own = average_name(name)
            parameters[name] = input_value(own, parameters[name].shape, recipe.network.dtype)
    context = Context(False, dtype=recipe.network.dtype)
    return parameters, _outputs(recipe, parameters, data, context)


def outputs_graph(recipe: Recipe) -> Graph:
    """What losses and metrics read of each output of the network, for a validation batch."""
    data = {name: v for name, v in _data(recipe).items() if name.startswith(X)}
    parameters, outputs = _validated(recipe, data)
    return Graph((*parameters.values(), *data.values()), outputs)


def validation_graph(recipe: Recipe) -> Graph:
    """The loss's sum and rows and the metrics' statistics of one batch, layers not in training."""
    data = _data(recipe)
    data.pop(WEIGHTS, None)
    parameters, outputs = _validated(recipe, data)
    targets = _targets(recipe, data)
    rows = _loss_rows(recipe, outputs, targets)
    count = ops.length(rows, 0, rows.dtype)
    statistics = _statistics(recipe, outputs, targets, None)
    results = (ops.sum(rows), count, *(number for kept in statistics for number in kept))
    return Graph((*parameters.values(), *data.values()), results)


def forward_graph(network: Network, x: Sequence[DataSpec]) -> Graph:
    """The outputs of the network for a batch, layers not in training."""
    parameters = _parameters(network)
    leaves = tuple(
        input_value(name, (N, *spec.shape), spec.dtype)
        for name, spec in zip(numbered(X, len(x)), x, strict=True)
    )
    found = network.forward(leaves, parameters, Context(False, dtype=network.dtype))
    outputs = found if isinstance(found, tuple) else (found,)
    return Graph((*parameters.values(), *leaves), outputs)


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


def several(given: Any) -> tuple[Any, ...]:
    """A tuple of what is one thing or several."""
    return tuple(given) if isinstance(given, tuple | list) else (given,)


def source_arrays(
    data: Sequence[np.ndarray[Any, Any]],
    weights: np.ndarray[Any, Any] | None,
    validation: tuple[Any, Any] | None,
    dtype: str,
) -> tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]:
    """The rows to train on, weights last, and those to validate on, as the program reads them."""
    train = [source_array(one, one.dtype.name) for one in data]
    given = () if validation is None else (*several(validation[0]), *several(validation[1]))
    held = [
        source_array(one, like.dtype.name)
        for one, like in zip(given, train if given else (), strict=True)
    ]
    if weights is not None:
        train.append(source_array(weights, dtype))
    return train, held


def columns_of(
    metrics: Sequence[Sequence[Metric]], outputs: Sequence[str], validated: bool
) -> dict[str, Metric | None]:
    """The history's columns in order, each with its metric; the losses have none.

    With several outputs a metric's column starts with its output's name: ``"age_mae"``. Metrics of
    whole sets are computed on validation rows only and come last.
    """
    streaming: dict[str, Metric | None] = {"loss": None}
    whole: dict[str, Metric | None] = {}
    for output, own in zip(outputs, metrics, strict=True):
        start = f"{output}_" if len(outputs) > 1 else ""
        for metric in own:
            kept = whole if isinstance(metric, WholeSetMetric) else streaming
            kept[start + metric.name] = metric
    if not validated:
        return streaming
    return {**streaming, **{f"val_{name}": m for name, m in {**streaming, **whole}.items()}}


def names_of_columns(
    metrics: Sequence[Sequence[Metric]], outputs: Sequence[str], validated: bool
) -> tuple[str, ...]:
    """The names of the history's columns in order."""
    return tuple(columns_of(metrics, outputs, validated))
