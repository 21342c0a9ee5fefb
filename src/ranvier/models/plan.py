"""A fit as it was understood: rows, loss, optimizer, metrics, monitor, and what the model learns.

This is everything a training program needs, before anything is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ranvier import losses, metrics, optimizers
from ranvier.data.preparation import Preparation
from ranvier.data.targets import Targets
from ranvier.foundation.errors import ArgumentError
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.models.callbacks import EarlyStopping, monitor_of
from ranvier.models.fitting import FitData
from ranvier.networks.network import Network
from ranvier.optimizers import Optimizer
from ranvier.training.program import Monitor

Metrics: TypeAlias = Sequence[str | Metric] | str | Metric | None


@dataclass(frozen=True, eq=False)
class FitPlan:
    """What a fit will do.

    Attributes:
        data: the rows.
        loss, optimizer, metrics, monitor: what training uses.
        preparation: what the model will know of its data: classes, or how many numbers.
        notes: every decision that was made for the user, in plain sentences.
    """

    data: FitData
    loss: Loss
    optimizer: Optimizer
    metrics: tuple[Metric, ...]
    monitor: Monitor | None
    preparation: Preparation
    notes: tuple[str, ...]


def plan_fit(
    network: Network,
    data: FitData,
    loss: str | Loss | None,
    optimizer: str | Optimizer,
    metric_names: Metrics,
    callbacks: Sequence[EarlyStopping],
    known: Preparation | None,
) -> FitPlan:
    """Choose what was left open and check that it all fits the network.

    Raises:
        UnknownNameError, ArgumentError: a loss, optimizer, metric or callback not understood.
        ShapeError, DTypeError: a loss that does not fit the outputs or the targets.
    """
    targets, last = data.targets, network.last_activation
    classes = len(targets.class_names) or None
    chosen = losses.resolve(loss, network.output_shape, targets.kind, classes, last)
    chosen.check(network.output_shape, targets.values.shape[1:], targets.kind, classes)
    found = resolve_metrics(metric_names, targets.kind, chosen, last)
    names = ["loss", *(metric.name for metric in found)]
    if data.validation is not None:
        names += [f"val_{name}" for name in names]
    monitor, said = monitor_of(callbacks, names)
    preparation = learnt(data, known)
    notes = (*data.notes, *losses.choice_notes(loss, chosen, last), *said)
    return FitPlan(data, chosen, optimizers.resolve(optimizer), found, monitor, preparation, notes)


def resolve_metrics(
    spec: Metrics, kind: str, loss: Loss, last_activation: str | None
) -> tuple[Metric, ...]:
    """The metrics that are meant; left out, those that fit the targets.

    Raises:
        ArgumentError: the same name twice.
        UnknownNameError: a metric that does not exist.
    """
    wanted = metrics.default_metrics(kind) if spec is None else spec
    if isinstance(wanted, str | Metric):
        wanted = (wanted,)
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


def learnt(data: FitData, known: Preparation | None) -> Preparation:
    """What the model knows after this fit: its inputs are read as they are, its classes are named.

    A preparation of an earlier fit or a command line that means the same targets is kept.
    """
    targets = data.targets
    shape = tuple(data.x.shape[1:])
    if known is not None and _same_targets(known, targets) and known.prepared_shape == shape:
        return known
    found = Preparation("array", shape).with_targets(targets)
    outputs = len(found.target_mean)
    # `fit` never rescales the user's numbers, so there is nothing to restore.
    return replace(found, target_mean=(0.0,) * outputs, target_scale=(1.0,) * outputs)


def _same_targets(known: Preparation, targets: Targets) -> bool:
    if known.task != targets.task:
        return False
    if targets.kind == "numbers":
        return len(known.target_mean) == targets.values.reshape(len(targets.values), -1).shape[1]
    return known.class_values == tuple(targets.class_values.tolist())
