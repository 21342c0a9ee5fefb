"""What the perceptron and ADALINE share: one layer of units that learns example by example.

Their rules are steps of gradient descent on one example, so the loop is the native training program
with a batch of 1; this file keeps weights from zero, labels and answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ranvier.data.targets import Targets, check_target_numbers, encode_targets
from ranvier.foundation.errors import NotBuiltError, ShapeError
from ranvier.layers import Dense
from ranvier.layers.arguments import flag, number, one_of, whole_number
from ranvier.losses import Loss
from ranvier.metrics import Metric
from ranvier.models.fitting import check_input_shape, examples
from ranvier.models.request import ENGINES
from ranvier.models.sequential import Sequential
from ranvier.optimizers import SGD
from ranvier.training.program import TrainingProgram


class UnitLayer(ABC):
    """Units in one layer that start from weights of zero.

    Args:
        dtype: ``"float32"`` or ``"float64"``.

    Attributes:
        model: the units as a :class:`ranvier.Sequential`; None before the first fit.
        classes: the labels in sorted order; None before the first fit, and for numbers.

    Raises:
        ArgumentError: for another dtype.
    """

    #: What an active and a silent unit should give for its class.
    _yes: ClassVar[float] = 1.0
    _no: ClassVar[float] = 0.0

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = one_of(type(self).__name__, "dtype", dtype, ("float32", "float64"))
        self.model: Sequential | None = None
        self.classes: NDArray[Any] | None = None

    # --- what differs

    @abstractmethod
    def _loss(self) -> Loss:
        """The loss whose gradient on one example is the rule."""

    @abstractmethod
    def _metrics(self) -> Sequence[Metric]:
        """What is counted in an epoch."""

    @abstractmethod
    def _understood(self, y: object, rows: int) -> Targets:
        """The targets of a first fit."""

    def _rate(self, learning_rate: float, units: int) -> float:
        """The rate of gradient descent that is the rule's rate."""
        return learning_rate

    # --- learning

    def _program(
        self, x: object, y: object, learning_rate: float, shuffle: bool, seed: int, engine: str
    ) -> tuple[TrainingProgram, tuple[str, ...]]:
        """The program of a fit, and what was decided about the targets."""
        place = type(self).__name__
        rate = number(place, "learning_rate", learning_rate, 0.0, above_low=True)
        flag(place, "shuffle", shuffle)
        whole_number(place, "seed", seed, 0, 2**63 - 1)
        one_of(place, "engine", engine, ENGINES)
        inputs = examples(x, "X")
        if inputs.ndim != 2:
            raise ShapeError(
                f"{place} cannot read X.",
                happened=f"its shape is {inputs.shape}",
                needed="(N, features): one row of features an example",
                fix="give rows: X.reshape(len(X), -1)",
            )
        if self.model is not None:
            check_input_shape("X", inputs.shape[1:], self.model.network.input_shape or ())
        targets, notes, classes = self._targets(y, len(inputs))
        units = targets.shape[1]
        model = self.model or Sequential(Dense(units, kernel_initializer="zeros"), dtype=self.dtype)
        program = model.training_program(
            inputs,
            targets,
            loss=self._loss(),
            optimizer=SGD(self._rate(rate, units)),
            batch_size=1,
            metrics=list(self._metrics()),
            shuffle=shuffle,
            seed=seed,
            engine=engine,
        )
        # Only now: arguments that are refused leave everything as it was.
        self.model, self.classes = model, classes
        return program, notes

    def _targets(
        self, y: object, rows: int
    ) -> tuple[NDArray[Any], tuple[str, ...], NDArray[Any] | None]:
        """What each unit should give, ``(N, U)``, what was decided, and the classes."""
        if self.classes is not None:
            return self._of_classes(encode_targets(y, self.classes, rows)), (), self.classes
        if self.model is not None:
            return check_target_numbers(y, rows).astype(self.dtype, copy=False), (), None
        found = self._understood(y, rows)
        if found.kind == "numbers":
            return found.values.astype(self.dtype, copy=False), found.notes, None
        known = found.class_values
        return self._of_classes(found.values, len(known)), found.notes, known

    def _of_classes(self, indices: NDArray[Any], count: int | None = None) -> NDArray[Any]:
        """One unit for two classes, which says yes to the second; else one for each class."""
        count = len(self.classes) if count is None and self.classes is not None else count
        own = np.arange(1, 2) if count == 2 else np.arange(count or 0)
        return np.where(indices[:, None] == own, self._yes, self._no).astype(self.dtype)

    # --- answers

    @property
    def weights(self) -> NDArray[Any]:
        """The weights as they are now. **Shapes**: ``(F, U)``

        Raises:
            NotBuiltError: before the first fit.
        """
        found: NDArray[Any] = self._fitted("weights").layers[0].values["weight"]
        return found

    @property
    def bias(self) -> NDArray[Any]:
        """The biases as they are now. **Shapes**: ``(U,)``

        Raises:
            NotBuiltError: before the first fit.
        """
        found: NDArray[Any] = self._fitted("bias").layers[0].values["bias"]
        return found

    def net_input(self, x: object, *, engine: str = "native") -> NDArray[Any]:
        """Each unit's weighted inputs and bias: ``x @ weights + bias``.

        **Shapes**: ``x: (N, F) -> (N, U)``; U is 1 for two classes

        Raises:
            NotBuiltError: before the first fit.
            ShapeError: for another number of features.
        """
        return self._outputs("net_input", x, engine)

    def predict(self, x: object, *, engine: str = "native") -> NDArray[Any]:
        """The answer for each example, in the words of the training's ``y``.

        Of two classes the second one where the net input is above 0; of several the one whose
        unit's net input is largest, the first among equals. After a fit on numbers, the net inputs
        themselves.

        **Shapes**: ``x: (N, F) -> (N,)``; ``(N, U)`` after a fit on numbers

        Raises:
            NotBuiltError: before the first fit.
            ShapeError: for another number of features.
        """
        found = self._outputs("predict", x, engine)
        if self.classes is None:
            return found
        single = found.shape[1] == 1
        answers = (found[:, 0] > 0).astype(int) if single else found.argmax(axis=1)
        return np.asarray(self.classes[answers])

    def evaluate(self, x: object, y: object, *, engine: str = "native") -> dict[str, float]:
        """The mean loss of other rows, and for classes the accuracy of :meth:`predict`.

        **Shapes**: ``x: (N, F), y: (N,)`` or ``(N, U)`` numbers

        Raises:
            NotBuiltError: before the first fit.
            ShapeError: for another number of features.
            DataError: for a label that the training did not have.
        """
        outputs = self._outputs("evaluate", x, engine)
        targets, _, _ = self._targets(y, len(outputs))
        scores = {"loss": float(np.mean(self._loss()(outputs, targets), dtype=np.float64))}
        if self.classes is not None:
            wanted = self.classes[encode_targets(y, self.classes, len(outputs))]
            scores["accuracy"] = float(np.mean(self.predict(x, engine=engine) == wanted))
        return scores

    def _outputs(self, what: str, x: object, engine: str) -> NDArray[Any]:
        return np.asarray(self._fitted(what).predict(x, engine=engine))

    def _fitted(self, what: str) -> Sequential:
        if self.model is None or not self.model.built:
            raise NotBuiltError(
                f"{type(self).__name__}.{what} needs a fit.",
                happened="fit was not called yet, so there are no weights",
                needed="examples and targets",
                fix="call fit(X, y) first",
            )
        return self.model

    def __repr__(self) -> str:
        dtype = "" if self.dtype == "float32" else f"dtype={self.dtype!r}"
        return f"{type(self).__name__}({dtype})"
