"""What a loss means for targets on the command line: their kind, and the units they are in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data import Dataset, Preparation, Targets
from ranvier.data.builtin import BUILTINS
from ranvier.foundation.errors import ArgumentError, DataError
from ranvier.losses import LOSSES, means_own_units, resolve
from ranvier.models import Model


def in_units_of(dataset: Dataset, loss: str | None) -> Dataset:
    """The data set with targets as the loss is to see them.

    Numbers are brought to mean 0 and deviation 1, except for losses that mean them as they are,
    such as counts.

    Args:
        dataset: with or without targets.
        loss: its name, or None.

    Raises:
        ArgumentError: a loss for classes and numbers as targets, or the other way round.
        DataError: numbers that the loss cannot mean, such as counts below 0.
    """
    if dataset.y is None:
        return dataset
    kind = "numbers" if dataset.task == "regression" else "classes"
    reads = LOSSES[loss].reads if loss is not None and loss in LOSSES else None
    if loss is not None and reads is not None and reads != kind:
        raise _other_kind(dataset, loss, kind, reads)
    if kind == "classes" or not means_own_units(loss):
        return dataset
    count = len(dataset.preparation.target_mean)
    chosen = resolve(loss, (count,), kind)
    parts = {"training": dataset.y, "validation": dataset.val_y, "test": dataset.test_y}
    for part, y in parts.items():
        if y is not None:
            chosen.check_values(y, f"y of the {part} part")
    plain = replace(dataset.preparation, target_mean=(0.0,) * count, target_scale=(1.0,) * count)
    note = f"The loss {loss} means the targets in their own units: they are not standardised."
    return replace(dataset, preparation=plain, notes=(*dataset.notes, note))


def _other_kind(dataset: Dataset, loss: str, kind: str, reads: str) -> ArgumentError:
    instead = "cross_entropy" if kind == "classes" else "mean_squared_error"
    other = f"leave --loss out: {instead} is trained then"
    texts = any(isinstance(value, str) for value in dataset.preparation.class_values)
    if dataset.name in BUILTINS or (reads == "numbers" and texts):
        fix = other
    else:
        fix = f"if they are {reads}, add --kind {reads}; else {other}"
    return ArgumentError(
        f"--loss {loss} cannot read the targets of {dataset.name}.",
        happened=f"the targets are {kind}",
        needed=reads,
        fix=fix,
    )


def training_targets(dataset: Dataset) -> Targets:
    """The targets of the training part, scaled as the preparation says.

    Raises:
        DataError: data without targets.
    """
    if dataset.y is None:
        raise DataError(
            f"{dataset.name} has no targets to learn.",
            happened="it holds examples only",
            needed="a label or a number for each example",
            fix="give a table with a target column (--target), or an archive with x and y",
        )
    return _targets(dataset, dataset.y)


def validation_part(dataset: Dataset) -> tuple[NDArray[np.float32], Targets] | None:
    """The data set's own validation part as training reads it, or None."""
    x, y = dataset.val_inputs, dataset.val_y
    return None if x is None or y is None else (x, _targets(dataset, y))


def _targets(dataset: Dataset, y: NDArray[Any]) -> Targets:
    preparation = dataset.preparation
    if dataset.task == "regression":
        return Targets("numbers", preparation.scale_targets(y))
    return Targets("classes", y, dataset.class_names, preparation.class_array)


def predicted_numbers(
    model: Model, preparation: Preparation, x: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What a model for numbers says of rows, in the units of the targets: rates and not their
    logarithms where it was trained on counts.

    **Shapes** ``x: (N, ...) -> (N, outputs)``
    """
    outputs = model.predict(x).astype(np.float64)
    loss = model.loss
    if loss is not None and not loss.takes_logits(model.network.last_activation):
        outputs = np.asarray(loss.estimates(outputs))
    return np.asarray(preparation.restore_outputs(outputs), np.float64)
