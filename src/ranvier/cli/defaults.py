"""What `ranvier train` chooses when it is not told: a network, epochs, patience.

Each choice is a sentence in the output, so that nobody has to guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ranvier.data.dataset import Dataset
from ranvier.layers import Dense, Dropout, Flatten, Layer

#: Rows fewer than this are all trained on: nothing is kept for validation.
FEWEST_ROWS_TO_SPLIT = 50
VALIDATION_FRACTION = 0.1
TEST_FRACTION = 0.2
#: Steps that a small network needs; small data gets more epochs.
STEPS = 10_000
FEWEST_EPOCHS, MOST_EPOCHS = 20, 2_000
#: Steps without improvement before training stops, but at least so many epochs.
PATIENCE_STEPS, FEWEST_PATIENCE = 1_000, 5


@dataclass(frozen=True)
class Schedule:
    """How long to train.

    Attributes:
        epochs: at most.
        patience: epochs without improvement, or None: never stop early.
        validation: the fraction of rows kept for validation, or None.
    """

    epochs: int
    patience: int | None
    validation: float | None


def share_for_test(data: str) -> float:
    """The share of rows set aside for the test; XOR has four rows, and all are needed."""
    return 0.0 if data == "xor" else TEST_FRACTION


def outputs_of(dataset: Dataset) -> int:
    """The units of the last layer: one for two classes, one for each of several, or numbers."""
    if dataset.task == "regression":
        return len(dataset.preparation.target_mean)
    return 1 if dataset.task == "binary" else len(dataset.class_names)


def default_layers(dataset: Dataset) -> list[Layer]:
    """Two hidden layers with dropout between them.

    One layer of 128 gets digits as right, but spirals only to 0.86; without dropout digits lose
    half a point (means of five seeds).
    """
    return [
        Dense(128, activation="relu"),
        Dropout(0.2),
        Dense(64, activation="relu"),
        Dense(outputs_of(dataset)),
    ]


def flattened(layers: list[Layer], dataset: Dataset) -> list[Layer]:
    """The layers with a Flatten in front where examples are pictures and the first is dense."""
    pictures = len(dataset.preparation.prepared_shape) > 1
    return [Flatten(), *layers] if pictures and isinstance(layers[0], Dense) else layers


def schedule(
    rows: int,
    batch_size: int,
    epochs: int | None,
    patience: int | None,
    validated: bool = False,
) -> Schedule:
    """How long to train, where it was not said.

    Args:
        rows: of the training part.
        batch_size: rows of a step.
        epochs, patience: what was said, or None.
        validated: whether the data has a validation part of its own: then all rows are trained on.

    Example:
        >>> schedule(100_000, 32, None, None)
        Schedule(epochs=20, patience=5, validation=0.1)
        >>> schedule(4, 32, None, None)
        Schedule(epochs=2000, patience=None, validation=None)
    """
    split = not validated and rows >= FEWEST_ROWS_TO_SPLIT
    validation = VALIDATION_FRACTION if split else None
    kept = rows if validation is None else rows - round(rows * validation)
    steps = math.ceil(kept / batch_size)
    if epochs is None:
        epochs = min(max(FEWEST_EPOCHS, math.ceil(STEPS / steps)), MOST_EPOCHS)
    if patience is None and (validated or validation is not None):
        patience = max(FEWEST_PATIENCE, math.ceil(PATIENCE_STEPS / steps))
    return Schedule(epochs, patience, validation)
