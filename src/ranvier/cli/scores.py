"""Scores on rows that were not trained on, beside those of the trivial answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.cli.units import predicted_numbers
from ranvier.data.preparation import Preparation
from ranvier.data.targets import Targets
from ranvier.foundation.errors import DataError
from ranvier.models import Model


@dataclass(frozen=True)
class Scores:
    """What a model reaches, and what the simplest answer reaches.

    Attributes:
        model: of the model: ``loss`` and ``accuracy``; or ``rmse`` and ``mae``, in units of y.
        trivial: the same names for the trivial answer.
        answer: what the trivial answer is, in words.
        rows: the number of rows.
    """

    model: dict[str, float]
    trivial: dict[str, float]
    answer: str
    rows: int

    def table(self) -> list[tuple[str, str, str]]:
        """Rows of a table: the name, the model's, the trivial answer's."""
        names = list(self.model)
        return [(name, f"{self.model[name]:.4g}", _shown(self.trivial.get(name))) for name in names]

    def document(self) -> dict[str, Any]:
        """The scores for a JSON document."""
        trivial = {"answer": self.answer, **self.trivial}
        return {"rows": self.rows, "model": self.model, "trivial": trivial}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def score(
    model: Model,
    x: NDArray[np.float32],
    y: NDArray[Any],
    known: NDArray[Any],
    preparation: Preparation,
) -> Scores:
    """Score a model.

    **Shapes** ``x: (N, ...)`` as the network reads it, ``y: (N,)`` class indices, or
    ``(N, outputs)`` numbers in their own units

    Args:
        model: trained.
        x, y: rows to score on.
        known: the targets that the trivial answer may know, normally the training's.
        preparation: of the model.
    """
    if preparation.task == "regression":
        return _numbers(model, x, y, known, preparation)
    found = model.evaluate(x, Targets("classes", y))
    classes = len(preparation.class_names)
    counts = np.bincount(known, minlength=classes)
    major = int(counts.argmax())
    answer = f"always {preparation.class_names[major]!r}"
    trivial = {"accuracy": float(np.mean(y == major))}
    shares = (counts + 1.0) / (counts.sum() + classes)
    # The loss of always telling the shares of the classes (one row added to each).
    trivial["loss"] = float(-np.mean(np.log(shares[y])))
    return Scores(found, trivial, answer, len(x))


def _numbers(
    model: Model,
    x: NDArray[np.float32],
    y: NDArray[Any],
    known: NDArray[Any],
    preparation: Preparation,
) -> Scores:
    outputs = predicted_numbers(model, preparation, x)
    if outputs.shape != y.shape:
        raise DataError(
            "The targets do not fit the model's outputs.",
            happened=f"targets have shape {y.shape}, outputs {outputs.shape}",
            needed="one number for each output",
            fix="give the data that the model was trained on",
        )
    mean = known.mean(axis=0, dtype=np.float64)
    answer = "always the mean, " + ", ".join(f"{value:.4g}" for value in mean[:5])
    return Scores(_errors(outputs, y), _errors(np.broadcast_to(mean, y.shape), y), answer, len(x))


def _errors(outputs: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    difference = outputs - y.astype(np.float64)
    return {
        "rmse": float(np.sqrt(np.mean(difference**2))),
        "mae": float(np.mean(np.abs(difference))),
    }
