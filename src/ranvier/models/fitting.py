"""From what a user hands to `fit` to what a training program reads.

Inputs are checked, targets understood, a validation part is split off, rows are weighted; each
decision that was made for the user becomes a sentence in `notes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.data.arrays import (
    Targets,
    check_inputs,
    check_target_numbers,
    encode_targets,
    train_test_split,
    understand_targets,
)
from ranvier.data.preparation import Preparation
from ranvier.foundation.errors import ArgumentError, DataError, ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.models.row_weights import ClassWeight, check_sample_weight, row_weights

Arrays: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
Validation: TypeAlias = tuple[object, object] | float | None


@dataclass(frozen=True, eq=False)
class FitData:
    """Rows to learn from, ready for a training program.

    Attributes:
        x: ``(N, ...)`` inputs in their own dtype.
        targets: of these rows: class indices or numbers.
        validation: inputs and targets to validate on, or None.
        weights: ``(N,)`` weights of the rows with mean 1, or None.
        notes: what was decided.
    """

    x: NDArray[Any]
    targets: Targets
    validation: Arrays | None
    weights: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()


def understand_fit(
    x: object,
    y: object,
    *,
    validation: Validation,
    sample_weight: object,
    class_weight: ClassWeight,
    seed: int,
    kind: str | None = None,
    known: Preparation | None = None,
) -> FitData:
    """Check and understand the data of a fit.

    Args:
        x: examples ``(N, ...)``.
        y: targets, or `Targets` that were understood before.
        validation: a pair of inputs and targets, the fraction of the rows to set aside (the share
            of each class is kept), or None.
        sample_weight: one number a row, or None.
        class_weight: a dict from class to number, ``"balanced"``, or None.
        seed: chooses the rows set aside.
        kind: ``"classes"`` or ``"numbers"``, if the loss reads only one of them.
        known: what an earlier fit learnt: its classes stay the classes.

    Raises:
        DataError, DTypeError, ShapeError, ArgumentError: data or arguments that cannot be used.
    """
    inputs = examples(x, "X")
    targets = _targets(y, len(inputs), kind, known)
    given = check_sample_weight(sample_weight, len(inputs))
    notes = [*targets.notes]
    held_out: Arrays | None = None
    if isinstance(validation, tuple | list):
        held_out = _given_validation(validation, targets, inputs.shape[1:])
        inputs, targets, held_out = _of_one_dtype(inputs, targets, held_out)
    elif validation is not None:
        kept, held = _split(validation, targets, seed)
        held_out = (inputs[held], targets.values[held])
        inputs, targets = inputs[kept], replace(targets, values=targets.values[kept])
        given = None if given is None else given[kept]
        notes.append(f"{len(held)} of {len(kept) + len(held)} rows are kept for validation.")
    weights = row_weights(targets, given, class_weight)
    return FitData(inputs, targets, held_out, weights, tuple(notes))


def examples(x: object, name: str) -> NDArray[Any]:
    """Inputs of at least two axes: rows, and what is in a row.

    Raises:
        ShapeError: a vector.
        DataError, DTypeError: what `check_inputs` refuses.
    """
    array = check_inputs(x, name)
    if array.ndim == 1:
        raise ShapeError(
            f"{name} is a single axis of numbers.",
            happened=f"its shape is {array.shape}",
            needed="rows with features, (N, features); Expected 2D array, got 1D array instead",
            fix="Reshape your data: x.reshape(-1, 1) for one feature a row, "
            "x.reshape(1, -1) for one row",
        )
    return array


def check_input_shape(name: str, found: tuple[int, ...], needed: tuple[int, ...]) -> None:
    """Refuse examples that the network was not built for.

    Raises:
        ShapeError: naming both shapes.
    """
    if found == needed:
        return
    happened = f"it has shape {show_shape((N, *found))}"
    wanted = f"shape {show_shape((N, *needed))}"
    if len(found) == len(needed) == 1:
        happened = f"X has {found[0]} features a row, {happened}"
        wanted = f"{needed[0]} features a row, {wanted}, as in the first fit or build"
    raise ShapeError(
        f"{name} does not fit the network.",
        happened=happened,
        needed=wanted,
        fix="bring the examples into this shape, or make a new model for them",
    )


def targets_like(
    y: object, preparation: Preparation | None, outputs: tuple[int, ...], rows: int, name: str
) -> NDArray[Any]:
    """Targets for evaluation, in the form that the training's targets had.

    **Shapes** ``y: (N,)`` or ``(N, outputs) -> (N,)`` class indices or ``(N, outputs)`` numbers.
    """
    if isinstance(y, Targets):
        return y.values
    if preparation is not None and preparation.task:
        if preparation.task == "regression":
            return check_target_numbers(y, rows, name)
        return encode_targets(y, preparation.class_array, rows, name)
    targets = understand_targets(y, rows)
    if targets.kind == "numbers":
        return targets.values
    # Nothing was learnt yet: the classes are the numbers of the outputs.
    classes = 2 if outputs == (1,) else outputs[-1]
    return encode_targets(y, np.arange(classes), rows, name)


def _targets(y: object, rows: int, kind: str | None, known: Preparation | None) -> Targets:
    if isinstance(y, Targets):
        if len(y.values) != rows:
            raise DataError(
                "y has another number of rows than the inputs.",
                happened=f"the inputs have {rows} rows, y has {len(y.values)}",
                needed="one target for each row of the inputs",
                fix="cut both from the same rows",
            )
        return y
    if known is not None and known.task in ("binary", "classification") and kind != "numbers":
        values = encode_targets(y, known.class_array, rows)
        return Targets("classes", values, known.class_names, known.class_array)
    return understand_targets(y, rows, loss_hint=kind)


def _given_validation(
    pair: tuple[object, ...] | list[object], targets: Targets, shape: tuple[int, ...]
) -> Arrays:
    if len(pair) != 2:
        raise ArgumentError(
            "The argument validation is not understood.",
            happened=f"it has {len(pair)} parts",
            needed="a pair (X, y), or a fraction such as 0.2",
            fix="write validation=(X_val, y_val)",
        )
    x = examples(pair[0], "X of validation")
    check_input_shape("X of validation", x.shape[1:], shape)
    if isinstance(pair[1], Targets):
        return x, pair[1].values
    if targets.kind == "numbers":
        return x, check_target_numbers(pair[1], len(x), "y of validation")
    return x, encode_targets(pair[1], targets.class_values, len(x), "y of validation")


def _of_one_dtype(
    x: NDArray[Any], targets: Targets, validation: Arrays
) -> tuple[NDArray[Any], Targets, Arrays]:
    """Training and validation rows in the dtype that holds both: a program reads only one."""
    held_x, held_y = validation
    dtype = np.result_type(x, held_x)
    number = np.result_type(targets.values, held_y)
    if targets.values.dtype != number:
        targets = replace(targets, values=targets.values.astype(number))
    # Without copies where nothing changes.
    converted = (held_x.astype(dtype, copy=False), held_y.astype(number, copy=False))
    return x.astype(dtype, copy=False), targets, converted


def _split(
    fraction: object, targets: Targets, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if isinstance(fraction, bool) or not isinstance(fraction, int | float | np.number):
        raise ArgumentError(
            "The argument validation is not understood.",
            happened=f"it is a {type(fraction).__name__}",
            needed="a pair (X, y), or a fraction such as 0.2",
            fix="write validation=0.2 to keep a fifth of the rows for validation",
        )
    classes = targets.values if targets.kind == "classes" else None
    return train_test_split(len(targets.values), float(fraction), seed, classes)
