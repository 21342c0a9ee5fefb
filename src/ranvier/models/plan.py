"""A fit as it was understood: rows, loss, optimizer, metrics, monitor, and what the model learns.

This is everything a training program needs, before anything is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ranvier import losses, metrics, optimizers
from ranvier.data.preparation import Preparation
from ranvier.data.targets import Targets
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import number
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.metrics.loss import LossMetric
from ranvier.models.callbacks import Callbacks, arranged
from ranvier.models.fitting import FitData
from ranvier.models.parts import wishes
from ranvier.networks.network import Network
from ranvier.optimizers import LBFGS, Optimizer, OptimizerLike, ParameterGroups
from ranvier.training.callbacks import Callback
from ranvier.training.graphs import names_of_columns
from ranvier.training.program import Monitor

Metrics: TypeAlias = Sequence[str | Metric] | str | Metric | None
#: One for all outputs, a tuple with one for each, or a dict by the output's name.
Losses: TypeAlias = str | Loss | tuple[str | Loss | None, ...] | Mapping[str, str | Loss] | None
LossWeights: TypeAlias = float | tuple[float, ...] | Mapping[str, float] | None


@dataclass(frozen=True, eq=False)
class FitPlan:
    """What a fit will do.

    Attributes:
        data: the rows.
        losses, metrics, loss_weights: of each output.
        optimizer, monitor, listeners: what training uses.
        preparations: what the model will know of each output: classes, or how many numbers.
        notes: every decision that was made for the user, in plain sentences.
    """

    data: FitData
    losses: tuple[Loss, ...]
    optimizer: Optimizer | ParameterGroups
    metrics: tuple[tuple[Metric, ...], ...]
    loss_weights: tuple[float, ...]
    monitor: Monitor | None
    listeners: tuple[Callback, ...]
    preparations: tuple[Preparation, ...]
    notes: tuple[str, ...]


def plan_fit(
    network: Network,
    data: FitData,
    loss: Losses,
    loss_weights: LossWeights,
    optimizer: OptimizerLike,
    metric_names: Any,
    callbacks: Callbacks,
    known: Sequence[Preparation | None],
) -> FitPlan:
    """Choose what was left open and check that it all fits the network.

    Raises:
        UnknownNameError, ArgumentError: a loss, optimizer, metric or callback not understood.
        ShapeError, DTypeError, DataError: a loss that does not fit the outputs or the targets.
    """
    names = network.wiring.output_names
    asked = wishes(loss, names, "loss")
    wanted_metrics = wishes(metric_names, names, "metrics")
    chosen, found, notes = [], [], [*data.notes]
    for place, targets in enumerate(data.targets):
        last = network.last_activations[place]
        one = chosen_loss(network, place, asked[place], targets)
        if data.validation is not None:
            one.check_values(data.validation[1][place], "y of validation")
        chosen.append(one)
        own = resolve_metrics(wanted_metrics[place], targets.kind, one, last)
        # The loss of all outputs together is there anyway; of several each is of interest.
        found.append(own if len(names) == 1 else (LossMetric(one), *own))
        notes += _said(losses.choice_notes(asked[place], one, last), names, place)
    columns = names_of_columns(found, names, data.validation is not None)
    wanted = arranged(callbacks, columns)
    preparations = tuple(
        learnt(data.x[0].shape[1:], targets, one)
        for targets, one in zip(data.targets, known, strict=True)
    )
    update = optimizers.resolve(optimizer)
    if isinstance(update, LBFGS):
        notes.append("L-BFGS uses all rows at once; an epoch is one of its iterations.")
    return FitPlan(
        data, tuple(chosen), update, tuple(found),
        checked_loss_weights(loss_weights, names), wanted.monitor, wanted.listeners,
        preparations, (*notes, *wanted.notes),
    )  # fmt: skip


def chosen_loss(network: Network, place: int, asked: str | Loss | None, targets: Targets) -> Loss:
    """The loss of one output; it fits the output and the targets.

    Raises:
        UnknownNameError, ArgumentError, ShapeError, DTypeError: otherwise.
    """
    shape, classes = network.output_shapes[place], len(targets.class_names) or None
    last = network.last_activations[place]
    one = losses.resolve(asked, shape, targets.kind, classes, last)
    one.check(shape, targets.values.shape[1:], targets.kind, classes)
    return one


def _said(notes: Sequence[str], names: Sequence[str], place: int) -> list[str]:
    """Notes on one of several outputs name it."""
    return list(notes) if len(names) == 1 else [f"Output {names[place]!r}: {n}" for n in notes]


def checked_loss_weights(given: LossWeights, names: Sequence[str]) -> tuple[float, ...]:
    """The weight of each output's loss in the sum.

    Raises:
        ArgumentError: something else than numbers of 0 or more, one for each output.
    """
    found = []
    for weight in wishes(given, names, "loss_weights"):
        one = 1.0 if weight is None else weight
        found.append(number("fit", "loss_weights", one, 0.0))
    return tuple(found)


def resolve_metrics(
    spec: Metrics, kind: str, loss: Loss, last_activation: str | None
) -> tuple[Metric, ...]:
    """The metrics that are meant; left out, those that fit the targets.

    Raises:
        ArgumentError: the same name twice.
        UnknownNameError: a metric that does not exist.
    """
    wanted = metrics.default_metrics(kind) if spec is None else spec
    if isinstance(wanted, str | Metric | type):
        wanted = (wanted,)  # of a class `resolve` says what is wrong
    # The metric sees what the loss sees: logits, or the probabilities of a final sigmoid.
    seen = last_activation == "sigmoid" and not loss.takes_logits(last_activation)
    found = tuple(metrics.resolve(one, probabilities=seen) for one in wanted)
    names = [metric.name for metric in found]
    if len(set(names)) < len(names) or "loss" in names:
        raise ArgumentError(
            "Two columns of the history would have one name.",
            happened=f"metrics are called {', '.join(names)}; the loss is always there",
            needed="different names",
            fix="name each metric once",
        )
    return found


def learnt(shape: tuple[int, ...], targets: Targets, known: Preparation | None) -> Preparation:
    """What the model knows after this fit: its inputs are read as they are, its classes are named.

    A preparation of an earlier fit or a command line that means the same targets is kept.
    """
    if known is not None and _same_targets(known, targets) and known.prepared_shape == shape:
        return known
    found = Preparation("array", tuple(shape)).with_targets(targets)
    outputs = len(found.target_mean)
    # `fit` never rescales the user's numbers, so there is nothing to restore.
    return replace(found, target_mean=(0.0,) * outputs, target_scale=(1.0,) * outputs)


def _same_targets(known: Preparation, targets: Targets) -> bool:
    if known.task != targets.task:
        return False
    if targets.kind == "numbers":
        return len(known.target_mean) == targets.values.reshape(len(targets.values), -1).shape[1]
    return known.class_values == tuple(targets.class_values.tolist())
