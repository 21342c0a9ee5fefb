"""Rosenblatt's perceptron, with his rule: only mistakes teach."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import ranvier.ops as ops
from ranvier.data.targets import Targets, understand_targets
from ranvier.layers.arguments import whole_number
from ranvier.losses import Loss, PerceptronLoss
from ranvier.metrics import Metric
from ranvier.models.classic.unit_layer import UnitLayer
from ranvier.ops import Tensor
from ranvier.training.program import History, TrainingProgram

#: Epochs between two looks at the weights. An epoch without a mistake changes nothing, so the ones
#: after it may run too; numbers with many divisors, so that a circle of such a length is seen.
STRETCHES = (1, 2, 4, 12, 60, 120, 360, 840)


class _Mistakes(Metric):
    """How often a unit was wrong, or exactly undecided, in an epoch."""

    name = "mistakes"

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        signed = ops.multiply(ops.subtract(ops.multiply(2.0, targets), 1.0), outputs)
        return (ops.sum(ops.cast(ops.less_equal(signed, 0.0), outputs.dtype)),)

    def result(self, sums: tuple[Any, ...]) -> Any:
        return sums[0]


class Perceptron(UnitLayer):
    """One layer of threshold units that learns from its mistakes alone.

    Formula, for one example after another: ``w = w + rate * (t - o) * x`` and
    ``bias = bias + rate * (t - o)`` where the target ``t`` and the answer ``o`` are 0 or 1. A net
    input of exactly 0 counts as a mistake for both classes, or weights of zero would never move.

    If a plane divides the classes, the rule finds one after finitely many mistakes, whatever the
    rate (Novikoff, "On convergence proofs on perceptrons", 1962); if none does, as for XOR, it goes
    on for ever. For more than two classes there is one unit for each, which learns to tell its
    class from all others (one against the rest); the largest net input answers.

    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in
    the brain", Psychological Review 65, 1958. The loop is native: the rule is a step of gradient
    descent on one example, with :class:`ranvier.PerceptronLoss`.

    Args:
        dtype: ``"float32"`` or ``"float64"``: of weights and all arithmetic.

    Attributes:
        model: the units as a :class:`ranvier.Sequential`; None before the first fit.
        classes: the labels in sorted order; None before the first fit.

    Raises:
        ArgumentError: for another dtype.

    Example:
        >>> import ranvier as rv
        >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> perceptron = rv.Perceptron()
        >>> history = perceptron.fit(X, ["no", "no", "no", "yes"], epochs=20)
        >>> perceptron.predict(X).tolist(), history["mistakes"][-1]
        (['no', 'no', 'no', 'yes'], 0)
    """

    def fit(
        self,
        x: object,
        y: object,
        *,
        epochs: int = 100,
        learning_rate: float = 1.0,
        shuffle: bool = True,
        seed: int = 0,
        engine: str = "native",
    ) -> History:
        """Learn until an epoch goes by without a mistake. A second fit goes on from the weights.

        **Shapes**: ``x: (N, F), y: (N,)``

        Args:
            x: examples.
            y: their classes: integers, booleans, texts, or floats that are whole numbers.
            epochs: how often all rows are seen at most.
            learning_rate: from weights of zero it only scales them.
            shuffle: whether each epoch has an order of its own.
            seed: of the orders.
            engine: ``"native"`` or ``"reference"``.

        Returns:
            The history: ``history["mistakes"]``, how often units were wrong in each epoch (each
            time, its weights moved), and ``history["loss"]``. ``history.stopped_early`` says
            whether an epoch without a mistake ended it; if none did, ``history.notes`` say what
            that means.

        Raises:
            RanvierError: data or arguments that cannot be used; each says how to fix it.
        """
        whole_number("Perceptron", "epochs", epochs)
        program, notes = self._program(x, y, learning_rate, shuffle, seed, engine)
        history = History(("mistakes", "loss"))
        history.notes = list(notes)
        rows = len(np.asarray(x))
        circle = self._run(program, epochs, history, look=not shuffle)
        made = history["mistakes"]
        history.stopped_early = bool(made) and made[-1] == 0 and len(made) < epochs
        if made and made[-1] > 0:
            history.notes.append(_unsettled(len(made), int(made[-1]), rows))
        if circle is not None:
            history.notes.append(
                f"The weights after epoch {circle[1]} are those after epoch {circle[0]}: in this "
                "order of rows the rule goes round in a circle and never comes to rest."
            )
        return history

    def _run(
        self, program: TrainingProgram, epochs: int, history: History, look: bool
    ) -> tuple[int, int] | None:
        """Fill the history up to the first epoch without a mistake; the epochs of a circle."""
        done, circle = 0, None
        stretches = itertools.chain(STRETCHES, itertools.repeat(STRETCHES[-1]))
        while done < epochs:
            stretch = next(stretches)
            before = self._numbers()
            part = program.run(min(stretch, epochs - done))
            mistakes = [int(count) for count in part["mistakes"]]
            kept = mistakes.index(0) + 1 if 0 in mistakes else len(mistakes)
            history["mistakes"] += mistakes[:kept]
            history["loss"] += part["loss"][:kept]
            history.epochs += kept
            history.seconds += part.seconds
            history.interrupted = part.interrupted
            if look and circle is None and 0 not in mistakes and self._numbers() == before:
                circle = (done, done + len(mistakes))
            done += len(mistakes)
            if 0 in mistakes or part.interrupted:
                break
        return circle

    def _numbers(self) -> tuple[bytes, bytes]:
        return self.weights.tobytes(), self.bias.tobytes()

    def _loss(self) -> Loss:
        return PerceptronLoss()

    def _metrics(self) -> Sequence[Metric]:
        return (_Mistakes(),)

    def _understood(self, y: object, rows: int) -> Targets:
        return understand_targets(y, rows, loss_hint="classes")


def _unsettled(epochs: int, mistakes: int, rows: int) -> str:
    return (
        f"Epoch {epochs} still had {mistakes} mistakes in {rows} rows. If a plane divides the "
        "classes, more epochs find it; if none does, as for XOR, the rule never comes to rest, and "
        "its last weights are no better than others: try Adaline, or a hidden layer."
    )
