"""A short training on a copy, to see what a rate and a batch size do to this network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier.explain.findings import Finding
from ranvier.explain.passes import row_losses
from ranvier.explain.subject import Array, Subject
from ranvier.foundation.errors import TrainingError
from ranvier.networks.network import Network
from ranvier.optimizers import LBFGS, Optimizer, ParameterGroups, Schedule
from ranvier.training.callbacks import Callback
from ranvier.training.events import StepEnded, TrainingStarted
from ranvier.training.program import TrainingProgram

#: Steps of a trial.
STEPS = 30
#: A step that changes a weight matrix by more than this share of itself is too large ...
LARGE_UPDATE = 0.3
#: ... and by less than this: too small.
SMALL_UPDATE = 1e-6
#: How much the loss may grow in a trial, in losses of the best constant answer.
GROWN = 0.1
#: Batches below this are never called too large.
FEWEST_IN_BATCH = 128


@dataclass
class _Watcher(Callback):
    """Writes down losses and how much each weight matrix changes in a step."""

    steps: int
    names: Sequence[str]
    every = "step"
    losses: list[float] = field(default_factory=list)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    _before: dict[str, Array] = field(default_factory=dict)

    def on_start(self, event: TrainingStarted) -> None:
        """The weights before the first step."""
        self._before = {name: event.parameters[name] for name in self.names}

    def on_step(self, event: StepEnded) -> None:
        """What a step changed."""
        self.losses.append(event.loss)
        now = {name: event.parameters[name] for name in self.names}
        for name, array in now.items():
            size = float(np.linalg.norm(self._before[name].astype(np.float64)))
            change = float(np.linalg.norm((array - self._before[name]).astype(np.float64)))
            if size > 0.0:
                self.ratios.setdefault(name, []).append(change / size)
        self._before = now
        if event.step >= self.steps:
            event.stop()


@dataclass(frozen=True)
class Trial:
    """What came of a short training.

    Attributes:
        before, after: the mean loss of all rows; after is infinite if training broke off.
        ratios: the median of each weight matrix's update over its size.
        steps: how many were done.
    """

    before: float
    after: float
    ratios: dict[str, float]
    steps: int


def run_trial(
    subject: Subject,
    optimizer: Optimizer | ParameterGroups,
    batch_size: int,
    steps: int,
    seed: int,
    engine: str,
) -> Trial:
    """Train a copy for some steps.

    Args:
        subject: the network and rows.
        optimizer: with a state of its own.
        batch_size: of its steps.
        steps: how many at most.
        seed: of the order of rows and of random layers.
        engine: "native" or "reference".
    """
    network = copied(subject.network)
    declared = network.declared
    names = [n for n in network.trainable if len(declared[n].shape) > 1]
    watcher = _Watcher(steps, names)
    before = mean_loss(subject, network)
    size = max(1, min(batch_size, subject.rows))
    epochs = -(-steps // max(1, subject.rows // size))
    none: list[Any] = [()] * len(subject.losses) if len(subject.losses) > 1 else []
    program = TrainingProgram(
        network, subject.losses, copy.deepcopy(optimizer), none,
        subject.x, subject.targets, batch_size=size, seed=seed, engine=engine, callbacks=[watcher],
    )  # fmt: skip
    try:
        program.run(epochs)
        after = mean_loss(subject, network)
    except TrainingError:
        after = float("inf")
    ratios = {name: float(np.median(found)) for name, found in watcher.ratios.items()}
    return Trial(before, after if np.isfinite(after) else float("inf"), ratios, len(watcher.losses))


def copied(network: Network) -> Network:
    """A network of its own with the same numbers."""
    return copy.deepcopy(network)


def mean_loss(subject: Subject, network: Network) -> float:
    """The mean loss of all rows, layers as after training."""
    rows = row_losses(network, subject.x, subject.targets, subject.losses)
    return float(np.mean(rows, dtype=np.float64))


def slower(optimizer: Optimizer | ParameterGroups, factor: float) -> Optimizer | None:
    """The same optimizer with a rate times a factor; None where its rate is no single number."""
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer.learning_rate, Schedule):
        return None
    other = copy.deepcopy(optimizer)
    other.learning_rate = optimizer.learning_rate * factor
    return other


def trial_findings(
    subject: Subject,
    optimizer: Optimizer | ParameterGroups,
    batch_size: int,
    unit: float,
    seed: int,
    engine: str,
) -> tuple[list[Finding], dict[str, float]]:
    """What a rate and a batch size do to this network.

    Args:
        subject, optimizer, batch_size, seed, engine: of the trial.
        unit: the loss of the best constant answer.

    Returns:
        Findings, and what was measured.
    """
    if isinstance(optimizer, LBFGS):
        return [], {}
    trial = run_trial(subject, optimizer, batch_size, STEPS, seed, engine)
    numbers = {"loss before the trial": trial.before, "loss after the trial": trial.after}
    numbers |= {f"update / weight of {name}": ratio for name, ratio in trial.ratios.items()}
    findings = _rate_findings(subject, optimizer, batch_size, trial, unit, seed, engine)
    if not findings:
        findings += _update_findings(trial, unit)
        findings += _batch_findings(subject, optimizer, batch_size, unit, seed, engine)
    return findings, numbers


def _rate_findings(
    subject: Subject,
    optimizer: Optimizer | ParameterGroups,
    batch_size: int,
    trial: Trial,
    unit: float,
    seed: int,
    engine: str,
) -> list[Finding]:
    if trial.after <= trial.before + GROWN * unit:
        return []
    for factor in (0.1, 0.01, 0.001):
        other = slower(optimizer, factor)
        if other is None:
            return []
        found = run_trial(subject, other, batch_size, STEPS, seed, engine)
        if found.after <= trial.before + 0.5 * GROWN * unit:
            break
    else:
        return []
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer.learning_rate, Schedule):
        return []
    rate = optimizer.learning_rate
    end = "is no finite number" if np.isinf(trial.after) else f"is {trial.after:.4g}"
    return [
        Finding(
            "rate_too_large",
            "severe",
            f"learning rate {rate:g} of {optimizer.describe()}",
            f"after {STEPS} steps the loss {end}, before it was {trial.before:.4g}; with a rate of "
            f"{rate * factor:g} it is {found.after:.4g}",
            {"before": trial.before, "after": trial.after, "after_smaller": found.after,
             "smaller_rate": rate * factor},
            f"use a learning rate of {rate * factor:g} or so (rv.learning_rate_range_test shows "
            "more), warm up, or clip gradients: fit(..., clip_norm=1.0)",
        )
    ]  # fmt: skip


def _update_findings(trial: Trial, unit: float) -> list[Finding]:
    if not trial.ratios:
        return []
    findings = []
    high = max(trial.ratios, key=lambda name: trial.ratios[name])
    if trial.ratios[high] > LARGE_UPDATE:
        findings.append(
            Finding(
                "updates_too_large",
                "warning",
                high,
                f"a step changes {high} by {trial.ratios[high]:.3g} times its own size; about "
                "0.001 is usual",
                {"ratios": dict(trial.ratios)},
                "use a smaller learning rate, or larger first weights if these are nearly 0",
            )
        )
    low = min(trial.ratios, key=lambda name: trial.ratios[name])
    # A network that has learnt its task has nothing left to change.
    if max(trial.ratios.values()) < SMALL_UPDATE and trial.before > 0.25 * unit:
        findings.append(
            Finding(
                "updates_too_small",
                "warning",
                low,
                f"a step changes no weight by more than {max(trial.ratios.values()):.3g} times its "
                f"own size, and the loss is still {trial.before:.4g}",
                {"ratios": dict(trial.ratios)},
                "use a larger learning rate (rv.learning_rate_range_test finds one)",
            )
        )
    return findings


def _batch_findings(
    subject: Subject,
    optimizer: Optimizer | ParameterGroups,
    batch_size: int,
    unit: float,
    seed: int,
    engine: str,
) -> list[Finding]:
    """Whether a smaller batch learns more from as many rows."""
    size = min(batch_size, subject.rows)
    smaller = max(32, size // 16)
    if size < FEWEST_IN_BATCH or subject.rows < 4 * smaller:
        return []
    epochs = 2
    large = run_trial(subject, optimizer, size, epochs * max(1, subject.rows // size), seed, engine)
    steps = epochs * (subject.rows // smaller)
    small = run_trial(subject, optimizer, smaller, steps, seed, engine)
    gained = max(0.0, large.before - large.after)
    more = large.before - small.after
    if more < 0.15 * unit or more < 2.0 * gained:
        return []
    return [
        Finding(
            "batch_too_large",
            "warning",
            f"batch size {size}",
            f"in {epochs} epochs of {subject.rows} rows the loss goes from {large.before:.4g} to "
            f"{large.after:.4g} ({large.steps} steps), with batches of {smaller} to "
            f"{small.after:.4g} ({small.steps} steps)",
            {"before": large.before, "after": large.after, "after_smaller": small.after,
             "smaller_batch": smaller},
            f"use a batch_size of {smaller} or so; or a larger learning rate together with the "
            "large batch, and more epochs",
        )
    ]  # fmt: skip
