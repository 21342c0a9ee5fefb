"""Widrow and Hoff's ADALINE, with the delta rule: every example teaches, by its error."""

from __future__ import annotations

from collections.abc import Sequence

from ranvier.data.targets import Targets, understand_targets
from ranvier.layers.arguments import whole_number
from ranvier.losses import HalfSquaredError, Loss
from ranvier.metrics import Metric
from ranvier.models.classic.unit_layer import UnitLayer
from ranvier.training.program import History


class Adaline(UnitLayer):
    """Adaptive linear neurons: the error before the threshold is what they learn from.

    Formula, for one example after another: ``w = w + rate * (t - z) * x`` and
    ``bias = bias + rate * (t - z)`` where ``z = w . x + bias`` and the target ``t`` is 1 for the
    second class and -1 for the first, or the number to be learnt. This is the delta rule, also
    called LMS: it goes down the squared error, so it settles near the least squares solution also
    where no plane divides the classes. Too large a rate makes it grow without end; below
    ``2 / (1 + |x|^2)`` for the longest example it does not.

    For more than two classes there is one neuron for each, with 1 for its class and -1 for all
    others.

    Widrow and Hoff, "Adaptive switching circuits", IRE WESCON Convention Record, 1960. The loop is
    native: the rule is a step of gradient descent on one example, with half the squared error.

    Args:
        dtype: ``"float32"`` or ``"float64"``: of weights and all arithmetic.

    Attributes:
        model: the neurons as a :class:`ranvier.Sequential`; None before the first fit.
        classes: the labels in sorted order; None before the first fit, and for numbers.

    Raises:
        ArgumentError: for another dtype.

    Example:
        >>> import ranvier as rv
        >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> adaline = rv.Adaline()
        >>> history = adaline.fit(X, ["no", "yes", "yes", "yes"], epochs=50, learning_rate=0.1)
        >>> adaline.predict(X).tolist()
        ['no', 'yes', 'yes', 'yes']
        >>> line = rv.Adaline()
        >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
        >>> history = line.fit(X, y, epochs=300, learning_rate=0.1)
        >>> line.predict([[4.0]]).round(2).tolist()
        [[9.0]]
    """

    _no = -1.0

    def fit(
        self,
        x: object,
        y: object,
        *,
        epochs: int = 100,
        learning_rate: float = 0.01,
        shuffle: bool = True,
        seed: int = 0,
        engine: str = "native",
    ) -> History:
        """Learn for some epochs. A second fit goes on from the weights.

        **Shapes**: ``x: (N, F), y: (N,)`` or ``(N, U)`` numbers

        Args:
            x: examples.
            y: integers, booleans and texts are classes, floats are numbers.
            epochs: how often all rows are seen.
            learning_rate: of every example.
            shuffle: whether each epoch has an order of its own.
            seed: of the orders.
            engine: ``"native"`` or ``"reference"``.

        Returns:
            The history: ``history["loss"]``, the mean of ``(t - z) ** 2 / 2`` before each update.

        Raises:
            RanvierError: data or arguments that cannot be used; each says how to fix it.
            TrainingError: if the weights grow beyond all bounds: the rate is too large.
        """
        whole_number("Adaline", "epochs", epochs)
        program, notes = self._program(x, y, learning_rate, shuffle, seed, engine)
        history = program.run(epochs)
        history.notes = [*notes, *history.notes]
        return history

    def _loss(self) -> Loss:
        return HalfSquaredError()

    def _metrics(self) -> Sequence[Metric]:
        return ()

    def _understood(self, y: object, rows: int) -> Targets:
        return understand_targets(y, rows)

    def _rate(self, learning_rate: float, units: int) -> float:
        # The loss is the mean over units, the rule is each unit's own.
        return learning_rate * units
