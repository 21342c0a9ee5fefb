"""A run between two steps, as plain data: what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.training.engines import Array

#: Words of the control block that say where a run is.
COUNTS = ("epoch", "batch", "step", "best_epoch", "waited", "first", "first_step")
REALS = ("learning_rate", "best_value", "loss_sum", "loss_count")
#: Ways for a run to end after which there is nothing to go on with.
FINAL = ("no patience", "converged", "stopped")
#: All ways to end, and "running".
REASONS = ("running", "finished", "time limit", "interrupted", *FINAL)


@dataclass(frozen=True, eq=False)
class RunState:
    """A run between two steps.

    Attributes:
        arrays: copies, by name: ``now.`` parameters, averages and optimizer state, ``best.`` the
            best parameters, ``driver.`` what L-BFGS knows.
        model: from each parameter to the array that the network would have if the run ended here.
        counts, reals: words of the control block; "first" and "first_step" are the run's begin.
        sums: running sums of the epoch's metrics.
        history: the finished epochs.
        seconds: of training so far.
        reason: "running", or why the run ended.
        callbacks: class and own state of those that have one, in order.
        said: what metrics of whole sets had to say so far.
        architecture: of the network; functions by their names.
        run: what the run is; computed when it is asked for, because it reads all data.
    """

    arrays: Mapping[str, Array]
    model: Mapping[str, str]
    counts: Mapping[str, int]
    reals: Mapping[str, float]
    sums: Array
    history: Mapping[str, Sequence[float]]
    seconds: float
    reason: str
    callbacks: tuple[tuple[str, Mapping[str, Any]], ...]
    said: Mapping[str, str]
    architecture: Mapping[str, Any]
    run: Callable[[], Mapping[str, str]]
