"""When training stops, by the rules of scikit-learn's networks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.estimators.row_loss import corrected
from ranvier.training.callbacks import Callback
from ranvier.training.events import EpochEnded

#: The relative decrease of the loss below which L-BFGS ends, as in SciPy.
LEAST_DECREASE = 2.2e-9
#: An adaptive rate is divided by this, and not below the second number.
DIVISOR, SMALLEST_RATE = 5.0, 1e-6


class StoppingRule(Callback):
    """scikit-learn's rule, an epoch after the other.

    An epoch counts as an improvement if its loss is below the best so far by more than `tolerance`
    (a score: above). After more than `patience` epochs in a row that are none, training stops;
    with an adaptive rate it goes on at a fifth of the rate, until that is below 1e-6. The best
    number moves with every better epoch, however little better it is: this is not the rule of
    :class:`ranvier.EarlyStopping`.

    Args:
        tolerance: how much better counts.
        patience: epochs without an improvement that are accepted.
        score: the column of the history that is a score, larger is better; None: the loss decides.
        negative: whether the score is the column's negative.
        rate: of an epoch by its number of epochs before, or None.
        adaptive: whether the rate is divided instead of stopping.
        solver: "lbfgs" has its own rule.
        most_evaluations: of the loss, for L-BFGS.
        say: whether each epoch is printed.
        then: called after each epoch; training stops where it returns True.
    """

    def __init__(
        self,
        tolerance: float,
        patience: float,
        score: str | None = None,
        negative: bool = False,
        rate: Callable[[int], float] | None = None,
        adaptive: bool = False,
        solver: str = "adam",
        most_evaluations: float = math.inf,
        say: bool = False,
        then: Callable[[EpochEnded], bool] | None = None,
    ) -> None:
        self.tolerance, self.patience = tolerance, patience
        self.score, self.negative = score, negative
        self.rate, self.adaptive = rate, adaptive
        self.solver, self.most_evaluations = solver, most_evaluations
        self.say, self.then = say, then
        self.losses: list[float] = []
        self.scores: list[float] = []
        self.best_loss, self.best_score = math.inf, -math.inf
        self.waited = 0
        self.converged = False
        self.best: dict[str, NDArray[Any]] | None = None

    @property
    def needs_each_epoch(self) -> bool:
        """Whether something else than the loss is looked at, or done, after each epoch."""
        several = (self.score, self.rate, self.then)
        return self.adaptive or self.say or any(s is not None for s in several)

    @property
    def certain(self) -> int:
        """Epochs that will pass before training can stop, whatever their losses are."""
        left = self.patience + 1 - self.waited
        return int(min(max(left, 1), 1 << 30))

    def count(self, loss: float, score: float | None = None) -> bool:
        """Take an epoch's numbers; returns whether patience is at its end."""
        self.losses.append(loss)
        if score is None:
            self.waited = self.waited + 1 if loss > self.best_loss - self.tolerance else 0
        else:
            self.scores.append(score)
            self.waited = self.waited + 1 if score < self.best_score + self.tolerance else 0
            self.best_score = max(self.best_score, score)
        self.best_loss = min(self.best_loss, loss)
        return self.waited > self.patience

    def on_epoch(self, event: EpochEnded) -> None:
        """Count the epoch, and do what is due after it."""
        before, best_score = self.best_loss, self.best_score
        score = None if self.score is None else float(event[self.score])
        if score is not None and self.negative:
            score = -score
        loss = corrected(event.columns)
        over = self.count(loss, score)
        if self.say:
            sys.stdout.write(f"Iteration {len(self.losses)}, loss = {loss:.8f}\n")
            if score is not None:
                sys.stdout.write(f"Validation score: {score:f}\n")
        if score is not None and score > best_score:
            self.best = {name: np.array(one) for name, one in event.parameters.items()}
        if self.solver == "lbfgs":
            over = over if score is not None else self._no_decrease(before)
            over = over or getattr(event.run.engine, "evaluations", 0) >= self.most_evaluations
        elif over and self.adaptive and event.learning_rate > SMALLEST_RATE:
            event.scale_learning_rate(1.0 / DIVISOR)
            self.waited, over = 0, False
        elif self.rate is not None:
            event.set_learning_rate(self.rate(event.epoch))
        if over:
            self.converged = True
        if over or (self.then is not None and self.then(event)):
            event.stop()

    def _no_decrease(self, before: float) -> bool:
        now = self.losses[-1]
        return math.isfinite(before) and before - now <= LEAST_DECREASE * max(
            abs(before), abs(now), 1.0
        )

    def put_back(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Write the best epoch's numbers into arrays, if they were kept."""
        for name, array in (self.best or {}).items():
            parameters[name][...] = array
