"""Networks of an ensemble: trained one after the other, asked together."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.targets import Targets
from ranvier.estimators.parameters import Checked
from ranvier.estimators.row_loss import NAME as CORRECTION
from ranvier.estimators.row_loss import RowLossCorrection, corrected
from ranvier.estimators.scikit import scikit
from ranvier.estimators.stopping import StoppingRule
from ranvier.foundation.errors import DataError, TrainingError
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.models import Model
from ranvier.models.callbacks import Callbacks
from ranvier.models.request import FitRequest, training_program, understood
from ranvier.optimizers import LBFGS
from ranvier.training.events import EpochEnded
from ranvier.training.program import TrainingProgram
from ranvier.training.rules import UpdateRules

Rows = tuple[NDArray[Any], ...]


@dataclass(eq=False)
class Member:
    """One trained network.

    Attributes:
        model: the network.
        hidden: its part up to the last hidden layer; both have the same layers.
        seed: of its first weights and its orders of rows.
        state: the optimizer's numbers, where training may go on.
        history: one number an epoch for each name.
        epochs: in all fits so far.
    """

    model: Model
    hidden: Model
    seed: int
    state: dict[str, NDArray[Any]] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    epochs: int = 0

    def outputs(self, x: Rows) -> NDArray[Any]:
        """What the last layer gives. **Shapes**: ``x: (N, ...) each -> (N, outputs)``"""
        found: NDArray[Any] = self.model.predict(x if len(x) > 1 else x[0])
        return found

    def inside(self, x: Rows) -> NDArray[Any]:
        """What the last hidden layer gives. **Shapes**: ``x: (N, ...) each -> (N, units)``"""
        found: NDArray[Any] = self.hidden.predict(x if len(x) > 1 else x[0])
        return found


@dataclass(frozen=True, eq=False)
class Task:
    """What every member of an ensemble is trained on.

    Attributes:
        x: rows of each input.
        targets: of the rows.
        validation: rows and targets, or None.
        weights: of the rows, or None.
        loss: of outputs and targets.
        loss_weight: its factor.
        score: the column of the history that early stopping watches, or None.
        rules: around the optimizer.
        callbacks: the user's.
        then: called after each epoch of the first member, or None.
        shuffle, verbose: as the estimator's parameters.
    """

    x: Rows
    targets: Targets
    validation: tuple[Rows, Targets] | None
    weights: NDArray[np.float64] | None
    loss: Loss
    loss_weight: float
    score: str | None
    rules: UpdateRules
    callbacks: Callbacks
    then: Callable[[EpochEnded], bool] | None
    shuffle: bool
    verbose: bool

    @property
    def rows(self) -> int:
        """How many rows there are to learn from."""
        return len(self.targets.values)


def train(member: Member, task: Task, parameters: Checked, epochs: int, go_on: bool) -> Any:
    """Train a member for some epochs at most; returns the rule that watched it.

    Args:
        member: its network may be without numbers yet.
        task: what to learn.
        parameters: of the estimator.
        epochs: at most.
        go_on: whether the optimizer goes on from the member's state.

    Raises:
        DataError: weights or a loss that are no finite numbers any more.
    """
    rule = _rule(task, parameters, member)
    user = task.callbacks if isinstance(task.callbacks, Sequence) else [task.callbacks]
    scheduled = parameters.changes == "schedule"
    each = bool(user) or rule.needs_each_epoch or parameters.driven or scheduled
    program = _program(member, task, parameters, [rule, *user] if each else [])
    if go_on and member.state:
        program.resume(member.state)
    try:
        interrupted = _run(program, rule, member, epochs, each)
    except TrainingError as error:
        raise DataError(
            f"{parameters.place}: Solver produced non-finite parameter weights.",
            happened=error.happened,
            needed="data and a learning rate that keep the loss finite",
            fix="scale the columns of X, for example with StandardScaler, or lower "
            "learning_rate_init",
        ) from error
    rule.put_back(member.model.network.parameters)
    member.state = {} if isinstance(parameters.optimizer, LBFGS) else program.state()
    if interrupted:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    return rule


def _run(
    program: TrainingProgram, rule: StoppingRule, member: Member, epochs: int, each: bool
) -> bool:
    """Run until the rule says so; returns whether the user ended it."""
    done = 0
    while done < epochs:
        # The rule cannot end training earlier than this, so these epochs are one native call.
        history = program.run(epochs if each else min(rule.certain, epochs - done))
        lines = [
            dict(zip(history, line, strict=True)) for line in zip(*history.values(), strict=True)
        ]
        losses = [corrected(line) for line in lines]
        for name, numbers in {**history, "loss": losses}.items():
            if not name.endswith(CORRECTION):
                member.history.setdefault(name, []).extend(numbers)
        done += history.epochs
        member.epochs += history.epochs
        if not each:
            # No short circuit: every loss is counted, and only the last one can end it.
            over = [rule.count(loss) for loss in losses]
            rule.converged = any(over)
        if history.interrupted:
            return True
        if each or rule.converged:
            break
    return False


def _program(
    member: Member, task: Task, parameters: Checked, callbacks: Callbacks
) -> TrainingProgram:
    held: Any = None
    if task.validation is not None:
        x, targets = task.validation
        held = (x if len(x) > 1 else x[0], targets)
    metrics: list[Metric | str] = []
    if task.score not in (None, "val_loss"):
        metrics.append(str(task.score).removeprefix("val_"))
    batch = parameters.batch_size(task.rows)
    if batch < task.rows:
        metrics.append(RowLossCorrection(task.loss, task.loss_weight))
    request = FitRequest(
        task.x if len(task.x) > 1 else task.x[0],
        task.targets,
        task.loss,
        parameters.optimizer,
        batch,
        held,
        callbacks,
        metrics,
        task.weights,
        None,
        task.shuffle,
        member.seed,
        "native",
        task.rules,
        task.loss_weight,
        parameters.threads,
    )
    plan = understood(request, member.model.network, (None,))
    return training_program(request, plan, member.model.network)


def _rule(task: Task, parameters: Checked, member: Member) -> StoppingRule:
    before = member.epochs

    def inverse(epoch: int) -> float:
        return parameters.rate / math.pow((before + epoch) * task.rows + 1, parameters.power)

    return StoppingRule(
        parameters.tolerance,
        parameters.patience,
        score=task.score if parameters.early else None,
        negative=task.score == "val_loss",
        rate=inverse if parameters.changes == "invscaling" else None,
        adaptive=parameters.changes == "adaptive",
        solver="lbfgs" if parameters.driven else "first order",
        most_evaluations=parameters.evaluations,
        say=task.verbose,
        then=task.then,
    )


def warn_unconverged(rule: StoppingRule, parameters: Checked, epochs: int) -> None:
    """Say so where all epochs passed and the loss was still going down."""
    if rule.converged or len(rule.losses) < epochs:
        return
    warnings.warn(
        f"{parameters.place}: Maximum iterations ({epochs}) reached and the optimization hasn't "
        "converged yet. A larger max_iter lets it go on.",
        scikit.ConvergenceWarning,
        stacklevel=4,
    )
