"""The learning rate range test: a rate that grows step by step, and what the loss does."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import ArgumentError, TrainingError
from ranvier.foundation.pictures import check_picture, new_figure, save_picture
from ranvier.layers.arguments import number, whole_number
from ranvier.models.model import Model
from ranvier.models.plan import Losses
from ranvier.models.row_weights import ClassWeight
from ranvier.optimizers import LBFGS, Optimizer, Schedule
from ranvier.optimizers import resolve as resolve_optimizer
from ranvier.training.callbacks import Callback
from ranvier.training.events import StepEnded, TrainingStarted

#: The test ends when the smoothed loss is this many times its lowest.
DIVERGED = 4.0


@dataclass(frozen=True, eq=False)
class RangeTest:
    """What a range test found.

    Attributes:
        rates: of the steps, each a constant factor larger than the one before.
        losses: of the batch after a step with each rate.
        smoothed: running means of the losses, without the pull of their start.
        suggestion: the rate around which the losses fall most steeply over the rate's logarithm,
            before their lowest point; None if they never fall.
        ended: "finished", "diverged", or "not finite".
    """

    rates: NDArray[np.float64] = field(repr=False)
    losses: NDArray[np.float64] = field(repr=False)
    smoothed: NDArray[np.float64] = field(repr=False)
    suggestion: float | None
    ended: str

    def plot(self, path: str | Path) -> None:
        """Draw the losses over the rates, with the suggestion.

        Args:
            path: of the file; ``.png``, ``.svg`` or ``.pdf``.

        Raises:
            MissingExtraError: without matplotlib.
            FileError: a place where no picture can be written.
        """
        place = Path(path)
        figure = new_figure("A picture of a range test", 6.5, 4.0)
        check_picture(place, f"The picture {str(place)!r} cannot be written.", "rates.png")
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, alpha=0.35, label="loss of a batch")
        axes.plot(self.rates, self.smoothed, label="smoothed")
        if self.suggestion is not None:
            label = f"suggestion {self.suggestion:.2g}"
            axes.axvline(self.suggestion, color="black", linestyle="--", label=label)
        low = float(min(self.losses.min(), self.smoothed.min()))
        high = float(self.smoothed[: len(self.rates) // 2].max())
        axes.set(xlabel="learning rate", ylabel="loss", xscale="log")
        # What happens after it diverged would flatten the rest.
        axes.set_ylim(low - 0.1 * (high - low) - 1e-12, high + 0.5 * (high - low) + 1e-12)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
        save_picture(figure, place, "give another place")


class _Growing(Callback):
    """Sets the rate of each next step and writes down what comes of it."""

    every = "step"

    def __init__(self, rates: NDArray[np.float64], smoothing: float) -> None:
        self.rates, self.smoothing = rates, smoothing
        # About so many losses count in a mean.
        self.settled = min(round(1.0 / (1.0 - smoothing)), len(rates) // 2)
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.mean, self.diverged = 0.0, False

    def on_start(self, event: TrainingStarted) -> None:
        """The first rate."""
        event.set_learning_rate(self.rates[0])

    def on_step(self, event: StepEnded) -> None:
        """The loss of a step tells of the rate of the step before."""
        if event.step > 1:
            self._heard(event.loss)
        if self.diverged or event.step > len(self.rates):
            event.stop()
        elif event.step < len(self.rates):
            event.set_learning_rate(self.rates[event.step])

    def _heard(self, loss: float) -> None:
        self.losses.append(loss)
        self.mean = self.smoothing * self.mean + (1.0 - self.smoothing) * loss
        self.smoothed.append(self.mean / (1.0 - self.smoothing ** len(self.losses)))
        # The first means are of too few losses to say anything.
        lowest = min(self.smoothed[self.settled :], default=0.0)
        self.diverged = 0.0 < DIVERGED * lowest < self.smoothed[-1]


def learning_rate_range_test(
    model: Model,
    x: object,
    y: object,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    loss: Losses = None,
    optimizer: str | Optimizer = "adam",
    batch_size: int | None = 32,
    sample_weight: object = None,
    class_weight: ClassWeight = None,
    seed: int = 0,
    engine: str = "native",
) -> RangeTest:
    """Train a copy of a model with a rate that grows exponentially, to find a good one.

    Formula: step k of n has the rate ``lowest * (highest / lowest)^(k / (n - 1))``. It ends early
    when the smoothed loss is four times its lowest (if that is above 0). A good rate is a little
    below the one from which on the loss grows; the suggestion is where it falls most steeply.

    Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

    Args:
        model: stays as it is, built or not.
        x: examples, as for `fit`.
        y: targets, as for `fit`.
        lowest: the first rate, above 0.
        highest: the last rate, above the first.
        steps: how many rates are tried, at least 2.
        smoothing: what stays of the running mean of losses at each step, from 0 to below 1.
        loss, batch_size, sample_weight, class_weight, seed, engine: as for `fit`.
        optimizer: a name or an Optimizer whose own rate does not matter.

    Returns:
        Rates, losses and a suggestion; ``.plot("rates.png")`` draws them.

    Raises:
        ArgumentError: an argument outside its domain; an optimizer with a schedule, with groups,
            or L-BFGS.
        TrainingError: if the loss is no finite number before two rates were tried.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = np.linspace(-1.0, 1.0, 64)[:, None]
        >>> model = rv.Sequential(rv.Dense(8, activation="tanh"), rv.Dense(1))
        >>> found = rv.learning_rate_range_test(model, x, x**2, engine="reference")
        >>> bool(found.rates[0] == 1e-6 and 1e-5 < found.suggestion < 10.0)
        True
    """
    place = "learning_rate_range_test"
    number(place, "lowest", lowest, 0.0, above_low=True)
    number(place, "highest", highest, lowest, above_low=True)
    whole_number(place, "steps", steps, low=2)
    number(place, "smoothing", smoothing, 0.0, 1.0, below_high=True)
    update = resolve_optimizer(optimizer)
    if (
        not isinstance(update, Optimizer)
        or isinstance(update, LBFGS)
        or isinstance(update.learning_rate, Schedule)
    ):
        raise ArgumentError(
            "A range test needs an optimizer with one learning rate.",
            happened=f"the optimizer is {update!r:.80}",
            needed="an optimizer whose rate is a number: the test sets it",
            fix="give the optimizer without its schedule or groups, for example rv.SGD()",
        )
    growing = _Growing(np.geomspace(lowest, highest, steps), smoothing)
    trial = copy.deepcopy(model)
    program = trial.training_program(
        x, y, loss=loss, optimizer=update, batch_size=batch_size,
        callbacks=[growing], metrics=(), sample_weight=sample_weight, class_weight=class_weight,
        seed=seed, engine=engine,
    )  # fmt: skip
    ended = "finished"
    try:
        # An epoch has a step at least.
        program.run(steps + 1)
    except TrainingError:
        if len(growing.losses) < 2:
            raise
        ended = "not finite"
    tried = growing.rates[: len(growing.losses)]
    losses, smoothed = np.array(growing.losses), np.array(growing.smoothed)
    ended = "diverged" if growing.diverged else ended
    suggestion = suggested_rate(tried, losses, growing.settled)
    return RangeTest(tried, losses, smoothed, suggestion, ended)


def suggested_rate(
    rates: NDArray[np.float64], losses: NDArray[np.float64], half: int
) -> float | None:
    """Where losses fall most steeply over the logarithm of the rate, before their lowest point.

    Slopes and means are those of windows (a line through each by least squares), so that the noise
    of single batches does not decide.

    **Shapes** ``rates: (S,), losses: (S,)``

    Args:
        rates: growing by a constant factor.
        losses: of batches.
        half: rates on each side of a window's middle; fewer where there are few rates.

    Returns:
        The rate; None if the losses never fall.

    Example:
        >>> rates = np.array([0.01, 0.1, 1.0, 10.0, 100.0])
        >>> suggested_rate(rates, np.array([5.0, 4.8, 3.0, 1.0, 9.0]), 1)
        1.0
    """
    half = max(1, min(half, (len(rates) - 1) // 6))
    if len(rates) < 2 * half + 1:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(losses, 2 * half + 1)
    # Of the same sign as the slope of the line: rates are equally far apart.
    slopes = windows @ np.arange(-half, half + 1)
    found = int(slopes[: int(windows.mean(axis=1).argmin()) + 1].argmin())
    return float(rates[half + found]) if slopes[found] < 0 else None
