"""The parameters that all networks for scikit-learn share, checked when they are used."""

from __future__ import annotations

import math
import multiprocessing
import threading
from dataclasses import dataclass
from typing import Any

from ranvier.estimators.bodies import Body, body_of
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import flag, number, one_of, whole_number
from ranvier.optimizers import LBFGS, SGD, Adam, Optimizer, ParameterGroups, Schedule, resolve

SOLVERS = ("lbfgs", "sgd", "adam")
RATES = ("constant", "invscaling", "adaptive")
#: What a whole batch is at most where batch_size is "auto".
AUTO_BATCH = 200


@dataclass(frozen=True)
class Checked:
    """Parameters within their domains.

    Attributes:
        driven: whether all rows are used at once, by L-BFGS.
        changes: how the rate changes from epoch to epoch by itself: one of `RATES`, or "schedule".
    """

    place: str
    optimizer: Optimizer | ParameterGroups
    driven: bool
    changes: str
    rate: float
    power: float
    alpha: float
    epochs: int
    patience: float
    tolerance: float
    evaluations: float
    members: int
    early: bool
    calibrated: bool
    fraction: float
    fills: bool
    batch: int | None
    threads: int | None

    def batch_size(self, rows: int) -> int:
        """Rows of a step."""
        return rows if self.driven else min(self.batch or AUTO_BATCH, rows)


def checked(estimator: Any) -> Checked:
    """An estimator's parameters.

    Raises:
        ArgumentError: a parameter outside its domain.
        UnknownNameError: an optimizer that does not exist.
    """
    e, place = estimator, type(estimator).__name__
    for name in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping"):
        flag(place, name, bool(getattr(e, name)))
    optimizer, changes = _optimizer(place, e)
    batch = None if e.batch_size == "auto" else whole_number(place, "batch_size", e.batch_size)
    calibration = one_of(
        place, "calibration", getattr(e, "calibration", None) or "none", ("none", "temperature")
    )
    one_of(place, "categorical", e.categorical, ("one_hot", "embedding"))
    return Checked(
        place=place,
        optimizer=optimizer,
        driven=isinstance(optimizer, LBFGS),
        changes=changes,
        rate=number(place, "learning_rate_init", e.learning_rate_init, 0.0, above_low=True),
        power=number(place, "power_t", e.power_t, 0.0),
        alpha=number(place, "alpha", e.alpha, 0.0),
        epochs=whole_number(place, "max_iter", e.max_iter),
        patience=_count_or_infinite(place, "n_iter_no_change", e.n_iter_no_change),
        tolerance=number(place, "tol", e.tol, 0.0),
        evaluations=_count_or_infinite(place, "max_fun", e.max_fun),
        members=whole_number(place, "n_members", e.n_members),
        early=bool(e.early_stopping),
        calibrated=calibration == "temperature",
        fraction=number(
            place, "validation_fraction", e.validation_fraction, 0.0, 1.0,
            above_low=True, below_high=True,
        ),
        fills=one_of(place, "missing", e.missing, ("error", "mean")) == "mean",
        batch=batch,
        threads=_threads(place, getattr(e, "threads", None)),
    )  # fmt: skip


def own_penalty(estimator: Any, parameters: Checked, weight: float) -> tuple[Body, float | None]:
    """The body with its penalty, and what the penalty is multiplied by at each step, if anything.

    Args:
        estimator: whose body it is.
        parameters: of it.
        weight: of all rows of a batch together.
    """
    factor = 0.5 * parameters.alpha / weight
    # The number of a body made here is read at each step: another alpha is no other program.
    # Given layers may have penalties of their own, which it must not scale.
    if parameters.driven or estimator.body is not None or parameters.alpha == 0:
        return body_of(parameters.place, estimator, factor), None
    return body_of(parameters.place, estimator, 0.5), 2.0 * factor


def _threads(place: str, given: object) -> int | None:
    """Threads of a step: where several fits run at once, each has one unless more are asked for."""
    if given is not None:
        return whole_number(place, "threads", given)
    alone = multiprocessing.current_process().name == "MainProcess"
    return None if alone and threading.current_thread() is threading.main_thread() else 1


def _count_or_infinite(place: str, name: str, value: object) -> float:
    if isinstance(value, float) and value == math.inf:
        return value
    return whole_number(place, name, value)


def _optimizer(place: str, e: Any) -> tuple[Optimizer | ParameterGroups, str]:
    """The optimizer, and how its rate changes by itself."""
    solver = one_of(place, "solver", e.solver, SOLVERS)
    given = e.learning_rate
    if isinstance(given, Schedule):
        changes: str = "schedule"
    elif isinstance(given, str):
        changes = one_of(place, "learning_rate", given, RATES)
    else:
        raise ArgumentError(
            f"{place} does not understand its argument learning_rate.",
            happened=f"learning_rate is {given!r:.80}",
            needed=f"one of {', '.join(RATES)}, or a schedule",
            fix="give the number as learning_rate_init",
        )
    rate = given if isinstance(given, Schedule) else e.learning_rate_init
    if e.optimizer is not None:
        return resolve(e.optimizer), "schedule"
    betas = (e.beta_1, e.beta_2)
    for name, beta in zip(("beta_1", "beta_2"), betas, strict=True):
        number(place, name, beta, 0.0, 1.0, below_high=True)
    number(place, "epsilon", e.epsilon, 0.0, above_low=True)
    momentum = number(place, "momentum", e.momentum, 0.0, 1.0)
    if solver == "lbfgs":
        return LBFGS(tolerance_gradient=number(place, "tol", e.tol, 0.0)), "constant"
    if solver == "adam":
        found: Optimizer = Adam(rate, betas=betas, epsilon=e.epsilon)
        return found, "schedule" if changes == "schedule" else "constant"
    nesterov = bool(e.nesterovs_momentum) and momentum > 0
    return SGD(rate, momentum=momentum, nesterov=nesterov), changes
