"""From what a user hands to `fit` to what a training program reads.

Inputs are checked, targets understood, a validation part is split off, rows are weighted; each
decision that was made for the user becomes a sentence in `notes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    with_classes,
)
from ranvier.data.preparation import Preparation
from ranvier.foundation.errors import ArgumentError, DataError, ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.models.parts import parts
from ranvier.models.row_weights import ClassWeight, check_sample_weight, row_weights

#: Inputs and targets, one array for each input and output of the network.
Arrays: TypeAlias = tuple[tuple[NDArray[Any], ...], tuple[NDArray[Any], ...]]
Validation: TypeAlias = tuple[object, object] | float | None


@dataclass(frozen=True)
class Ends:
    """Where a network begins and ends.

    Attributes:
        inputs, outputs: their names.
        shapes: of one example of each input; empty if the network takes what comes.
    """

    inputs: tuple[str, ...] = ("input",)
    outputs: tuple[str, ...] = ("output",)
    shapes: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class FitData:
    """Rows to learn from, ready for a training program.

    Attributes:
        x: ``(N, ...)`` of each input of the network, in its own dtype.
        targets: of each output: class indices or numbers.
        validation: inputs and targets to validate on, or None.
        weights: ``(N,)`` weights of the rows with mean 1, or None.
        notes: what was decided.
    """

    x: tuple[NDArray[Any], ...]
    targets: tuple[Targets, ...]
    validation: Arrays | None
    weights: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are to learn from."""
        return len(self.x[0])


def understand_fit(
    x: object,
    y: object,
    *,
    ends: Ends,
    validation: Validation,
    sample_weight: object,
    class_weight: ClassWeight,
    seed: int,
    kinds: Sequence[str | None] = (None,),
    known: Sequence[Preparation | None] = (None,),
    classes_of: Callable[[tuple[NDArray[Any], ...]], Sequence[int | None]] | None = None,
    check: Callable[[tuple[Targets, ...]], None] | None = None,
) -> FitData:
    """Check and understand the data of a fit.

    Args:
        x: examples ``(N, ...)``; a tuple or dict for several inputs.
        y: targets, or `Targets` that were understood before; a tuple or dict for several outputs.
        ends: the network's inputs and outputs.
        validation: a pair of inputs and targets, the fraction of the rows to set aside (the share
            of each class is kept), or None.
        sample_weight: one number a row, or None.
        class_weight: a dict from class to number, ``"balanced"``, or None.
        seed: chooses the rows set aside.
        kinds: for each output ``"classes"`` or ``"numbers"``, if its loss reads only one of them.
        known: for each output what an earlier fit learnt: its classes stay the classes.
        classes_of: from the inputs to how many classes each output of the network has, None where
            it has no output for each class; left out: as many as there are.
        check: called with the targets of all rows, while these have the numbers that users know.

    Raises:
        DataError, DTypeError, ShapeError, ArgumentError: data or arguments that cannot be used.
    """
    inputs = all_examples(x, ends, "X")
    rows = len(inputs[0])
    given_y = parts(y, ends.outputs, "y")
    counts = [None] * len(given_y) if classes_of is None else classes_of(inputs)
    targets = tuple(
        _targets(one, rows, kind, learnt, count)
        for one, kind, learnt, count in zip(given_y, kinds, known, counts, strict=True)
    )
    if check is not None:
        check(targets)
    given = check_sample_weight(sample_weight, rows)
    notes = [note for one in targets for note in one.notes]
    held_out: Arrays | None = None
    if isinstance(validation, tuple | list):
        held_out = _given_validation(validation, targets, inputs, ends)
        inputs, targets, held_out = _of_one_dtype(inputs, targets, held_out)
    elif validation is not None:
        kept, held = _split(validation, targets[0], seed)
        held_out = (
            tuple(one[held] for one in inputs),
            tuple(one.values[held] for one in targets),
        )
        inputs = tuple(one[kept] for one in inputs)
        targets = tuple(replace(one, values=one.values[kept]) for one in targets)
        given = None if given is None else given[kept]
        notes.append(f"{len(held)} of {len(kept) + len(held)} rows are kept for validation.")
    weights = row_weights(_of_classes(targets, class_weight), given, class_weight)
    return FitData(inputs, targets, held_out, weights, tuple(notes))


def _of_classes(targets: tuple[Targets, ...], class_weight: ClassWeight) -> Targets:
    """The targets that class weights are for."""
    if len(targets) > 1 and class_weight is not None:
        raise ArgumentError(
            "class_weight is not defined for several outputs.",
            happened=f"the model has {len(targets)} outputs",
            needed="a model with one output",
            fix="use sample_weight, one number a row",
        )
    return targets[0]


def all_examples(x: object, ends: Ends, name: str) -> tuple[NDArray[Any], ...]:
    """An array for each input, all of as many rows.

    Raises:
        DataError: another number of rows.
        ShapeError, DTypeError, ArgumentError: as `examples` and `parts`.
    """
    found: list[NDArray[Any]] = []
    for place, one in enumerate(parts(x, ends.inputs, name)):
        label = name if len(ends.inputs) == 1 else f"{name} of the input {ends.inputs[place]!r}"
        shape = ends.shapes[place] if ends.shapes else None
        array = examples(one, label, shape)
        if shape is not None:
            check_input_shape(label, array.shape[1:], shape, single=array.shape == shape)
        if found and len(array) != len(found[0]):
            raise DataError(
                f"{label} has another number of rows than the first input.",
                happened=f"it has {len(array)}, the first has {len(found[0])}",
                needed="one row for each example in every input",
                fix="cut all inputs from the same examples",
            )
        found.append(array)
    return tuple(found)


def examples(x: object, name: str, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """Inputs of at least two axes: rows, and what is in a row; or one number a row.

    Args:
        x: the inputs.
        name: what they are called.
        shape: of one example, if it is known; ``()`` for one number a row.

    Raises:
        ShapeError: a vector.
        DataError, DTypeError: what `check_inputs` refuses.
    """
    array = check_inputs(x, name)
    if array.ndim == 1 and array.shape == shape:
        raise _one_example(name, array.shape)
    if array.ndim == 1 and shape != ():
        raise ShapeError(
            f"{name} is a single axis of numbers.",
            happened=f"its shape is {array.shape}",
            needed="rows with features, (N, features); Expected 2D array, got 1D array instead",
            fix="Reshape your data: x.reshape(-1, 1) for one feature a row, "
            "x.reshape(1, -1) for one row",
        )
    return array


def _one_example(name: str, shape: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        f"{name} is a single example, without an axis of rows.",
        happened=f"its shape is {shape}, that of one example",
        needed=f"rows of examples, shape {show_shape((N, *shape))}"
        + ("; Expected 2D array, got 1D array instead" if len(shape) == 1 else ""),
        fix="Reshape your data: write x[None] for one example, numpy.asarray(x)[None] for a list",
    )


def check_input_shape(
    name: str, found: tuple[int, ...], needed: tuple[int, ...], single: bool = False
) -> None:
    """Refuse examples that the network was not built for.

    Args:
        name: what the examples are called.
        found, needed: shapes of one example.
        single: whether the whole array has the shape of one example.

    Raises:
        ShapeError: naming both shapes.
    """
    if found == needed:
        return
    if single:
        raise _one_example(name, needed)
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
    # Nothing was learnt yet: the classes are the numbers of the outputs.
    classes = 2 if outputs in ((), (1,)) else outputs[-1]
    if isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iub":
        # Of a few rows all may be of one class.
        return encode_targets(y, np.arange(classes), rows, name)
    targets = understand_targets(y, rows)
    if targets.kind == "numbers":
        return targets.values
    return encode_targets(y, np.arange(classes), rows, name)


def _targets(
    y: object, rows: int, kind: str | None, known: Preparation | None, classes: int | None
) -> Targets:
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
    found = understand_targets(y, rows, loss_hint=kind)
    return found if classes is None else with_classes(found, classes)


def _given_validation(
    pair: tuple[object, ...] | list[object],
    targets: tuple[Targets, ...],
    inputs: tuple[NDArray[Any], ...],
    ends: Ends,
) -> Arrays:
    if len(pair) != 2:
        raise ArgumentError(
            "The argument validation is not understood.",
            happened=f"it has {len(pair)} parts",
            needed="a pair (X, y), or a fraction such as 0.2",
            fix="write validation=(X_val, y_val)",
        )
    like = replace(ends, shapes=tuple(one.shape[1:] for one in inputs))
    x = all_examples(pair[0], like, "X of validation")
    y = parts(pair[1], ends.outputs, "y of validation")
    return x, tuple(
        _values_like(one, like, len(x[0])) for one, like in zip(y, targets, strict=True)
    )


def _values_like(y: object, targets: Targets, rows: int) -> NDArray[Any]:
    """Targets of validation rows, in the form of the training's."""
    if isinstance(y, Targets):
        return y.values
    if targets.kind == "numbers":
        return check_target_numbers(y, rows, "y of validation")
    return encode_targets(y, targets.class_values, rows, "y of validation")


def _of_one_dtype(
    inputs: tuple[NDArray[Any], ...], targets: tuple[Targets, ...], validation: Arrays
) -> tuple[tuple[NDArray[Any], ...], tuple[Targets, ...], Arrays]:
    """Training and validation rows in the dtype that holds both: a program reads only one."""
    x, y = validation
    pairs = [_both(one, held) for one, held in zip(inputs, x, strict=True)]
    numbers = [_both(one.values, held) for one, held in zip(targets, y, strict=True)]
    known = tuple(
        replace(one, values=values) for one, (values, _) in zip(targets, numbers, strict=True)
    )
    held = (tuple(pair[1] for pair in pairs), tuple(pair[1] for pair in numbers))
    return tuple(pair[0] for pair in pairs), known, held


def _both(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two arrays in the dtype that holds both, without copies where nothing changes."""
    dtype = np.result_type(a, b)
    return a.astype(dtype, copy=False), b.astype(dtype, copy=False)


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
