"""What a benchmark measures: a workload (the same work for every tool) and a contender (one tool).

A workload is plain data: sizes, loss, optimizer, rows. A contender trains it in its own best form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.generic], NDArray[np.generic]]
Parameters = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Workload:
    """A multilayer perceptron, its data and how it is trained.

    Attributes:
        name: short name, as `--rows` takes it.
        title: one line for the table.
        sizes: units of each layer, inputs first.
        activation: of the hidden layers: "relu" or "tanh".
        output_activation: of the last layer: "linear" or "tanh".
        loss: "mse" (mean of squared errors) or "cross_entropy" (from logits).
        optimizer: "sgd" or "adam" (betas 0.9 and 0.999, epsilon 1e-8).
        learning_rate: of the optimizer.
        batch: rows in a step. The number of rows is a multiple of it.
        load: returns `x: (N, F)` and `y: (N,)` classes or `(N, U)` numbers.
        scale: what the inputs are multiplied with before the first layer.
        epochs: trained by every contender to compare the loss at the end.
        warm_epochs: trained in every round before the clock starts.
        most_epochs: of a timed round, which is as long as `--seconds` where this allows it.
        target_loss: time to get there from the first weights is measured too.
        tolerance: by how much the losses at the end may differ, relative to the middle one.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    activation: str
    output_activation: str
    loss: str
    optimizer: str
    learning_rate: float
    batch: int
    load: Callable[[], Arrays]
    epochs: int
    warm_epochs: int
    most_epochs: int
    target_loss: float
    scale: float = 1.0
    tolerance: float = 0.1

    def flops(self) -> int:
        """Return the multiply-adds of a step, two each: forward, weights' and inputs' gradients.

        The first layer has no gradient of its input. What is not a product is not counted.
        """
        products = [inputs * units for inputs, units in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def parameter_count(self) -> int:
        """Return the number of weights and biases."""
        return sum((inputs + 1) * units for inputs, units in pairwise(self.sizes))

    def start(self) -> Parameters:
        """Return weight `(inputs, units)` and bias `(units,)` of each layer, always the same."""
        random = np.random.default_rng(0)
        parameters: Parameters = []
        for inputs, units in pairwise(self.sizes):
            limit = np.sqrt(6 / (inputs + units))
            weight = random.uniform(-limit, limit, (inputs, units))
            parameters += [weight.astype(np.float32), np.zeros(units, np.float32)]
        return parameters


@dataclass(frozen=True)
class Trained:
    """What one call of `Contender.run` did.

    Attributes:
        seconds: wall time of the training alone.
        loss: mean of the batch losses of the last epoch.
    """

    seconds: float
    loss: float


class Contender(Protocol):
    """One tool on one workload. `run` may only be called after `prepare`."""

    name: str
    tool: str

    def prepare(self) -> None:
        """Load, compile and run once: nothing of it is timed."""

    def reset(self) -> None:
        """Go back to the first weights and an empty optimizer state."""

    def run(self, steps: int) -> Trained:
        """Train `steps` steps, whole epochs: shuffle, gather, forward, loss, backward, update."""
