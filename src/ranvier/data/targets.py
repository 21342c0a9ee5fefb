"""What the targets mean: integers, booleans and texts are classes, floats are numbers.

Training reads class indices or a matrix of floats; the labels themselves are kept beside them, so
that a model can answer in the user's own words.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.inputs import as_array, check_finite, check_not_empty, is_missing, place
from ranvier.foundation.errors import ArgumentError, DataError, DTypeError

KINDS = ("classes", "numbers")
#: More different integers than this are still classes, but it is said.
MANY_CLASSES = 50
#: Fewer rows than this may well have a class each.
FEW_ROWS = 20


def _no_values() -> NDArray[Any]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets as training reads them.

    Attributes:
        kind: ``"classes"`` or ``"numbers"``.
        values: ``(N,)`` int32 indices into ``class_names``, or floats ``(N, outputs)``.
        class_names: what the classes are called, in sorted order of the labels; else empty.
        class_values: the labels themselves, ``class_values[values]`` gives the targets back.
        notes: plain sentences about what was understood.
    """

    kind: str
    values: NDArray[Any]
    class_names: tuple[str, ...] = ()
    class_values: NDArray[Any] = field(default_factory=_no_values)
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """``"classification"``, ``"binary"`` (two classes) or ``"regression"``."""
        if self.kind == "numbers":
            return "regression"
        return "binary" if len(self.class_names) == 2 else "classification"


def understand_targets(
    y: object, x_rows: int | None, loss_hint: str | None = None, kind: str | None = None
) -> Targets:
    """Find out whether ``y`` holds classes or numbers, and bring it into one form.

    **Shapes** ``y: (N,)`` or ``(N, outputs) -> (N,)`` classes or ``(N, outputs)`` numbers.

    Args:
        y: labels (integers, booleans, texts) or numbers (floats).
        x_rows: the rows of the inputs, which must be as many; None where there are none yet.
        loss_hint: ``"classes"`` or ``"numbers"``: what the chosen loss reads, if that is known.
        kind: ``"classes"`` or ``"numbers"``: what the user says; stronger than anything else.

    Returns:
        The targets with their class names and labels.

    Raises:
        DataError: other number of rows, missing or not finite values, a single class, or labels
            that do not fit the kind asked for.
        ArgumentError: a kind that does not exist.

    >>> understand_targets(["no", "yes", "no"], 3).class_names
    ('no', 'yes')
    >>> understand_targets([0.5, 1.5], 2).values.shape
    (2, 1)
    """
    for argument, asked in (("kind", kind), ("loss_hint", loss_hint)):
        _check_kind(argument, asked)
    array, notes = _read(y, "y", x_rows)
    natural = "numbers" if array.dtype.kind == "f" else "classes"
    chosen = kind or loss_hint or natural
    if chosen == "numbers":
        return _numbers(array, notes, natural)
    if natural == "numbers":
        array = _whole(array, "y")
        notes.append("y holds floats that are whole numbers; they are read as classes.")
    labels, notes = _one_axis(array, notes)
    return _classes(labels, notes)


def with_classes(targets: Targets, classes: int) -> Targets:
    """Integers from 0 as the numbers of more classes than have rows, where the network has them.

    A part of the rows may lack a class: then class ``k`` is the integer ``k``. Targets that are
    other labels, or that have as many classes or more, stay as they are.

    Args:
        targets: as `understand_targets` gives them.
        classes: how many classes the network tells apart.

    >>> some = with_classes(understand_targets([0, 2, 5], 3), 10)
    >>> some.values.tolist(), len(some.class_names)
    ([0, 2, 5], 10)
    """
    known = targets.class_values
    if targets.kind != "classes" or len(known) >= classes or known.dtype.kind not in "iu":
        return targets
    if known[0] < 0 or known[-1] >= classes:
        return targets
    missing = sorted(set(range(classes)) - set(known.tolist()))
    shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
    note = (
        f"y holds {len(known)} of the {classes} classes that the network tells apart: class k is "
        f"the integer k. No row has {shown}."
    )
    return Targets(
        "classes",
        known[targets.values].astype(np.int32),
        tuple(map(str, range(classes))),
        np.arange(classes),
        (*targets.notes, note),
    )


def encode_targets(
    y: object,
    class_values: NDArray[Any] | Sequence[object],
    x_rows: int | None = None,
    name: str = "y",
) -> NDArray[np.int32]:
    """Labels as indices of known classes, for validation and evaluation.

    **Shapes** ``y: (N,)`` or ``(N, 1) -> (N,)``

    Args:
        y: labels of the same sort as ``class_values``.
        class_values: the known labels, as ``Targets.class_values`` has them.
        x_rows: the rows of the inputs, which must be as many.
        name: what the argument is called, for error messages.

    Raises:
        DataError: a label that is none of the known ones, with its row.

    >>> encode_targets(["b", "a"], np.array(["a", "b"]))
    array([1, 0], dtype=int32)
    """
    array, notes = _read(y, name, x_rows)
    labels, _ = _one_axis(array, notes)
    known = np.asarray(class_values)
    if known.dtype.kind in "UT":
        known = known.astype(object)
    if (known.dtype.kind == "O") != (labels.dtype.kind == "O"):
        raise _unknown_label(labels[0], 0, known, name)
    order = np.argsort(known)
    ranked = known[order]
    positions = np.minimum(np.searchsorted(ranked, labels), len(known) - 1)
    wrong = ranked[positions] != labels
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _unknown_label(labels[row], row, known, name)
    return np.asarray(order[positions], np.int32)


def check_target_numbers(y: object, x_rows: int | None = None, name: str = "y") -> NDArray[Any]:
    """Numbers as ``(N, outputs)`` floats, for validation and evaluation of a regression.

    >>> check_target_numbers([1, 2]).shape
    (2, 1)
    """
    array, notes = _read(y, name, x_rows)
    return _numbers(array, notes, "numbers").values


def _unknown_label(label: object, row: int, known: NDArray[Any], name: str) -> DataError:
    shown = ", ".join(repr(_plain(value)) for value in known[:20])
    more = "" if len(known) <= 20 else f" and {len(known) - 20} more"
    texts = [value for value in known[:1000] if isinstance(value, str)]
    close = difflib.get_close_matches(str(label), texts, n=1)
    guess = f"did you mean {close[0]!r}? Else " if close else ""
    return DataError(
        f"{name} has a label that the model does not know, in row {row} (counted from 0).",
        happened=f"the label is {_plain(label)!r:.60}",
        needed=f"one of the classes of the training: {shown}{more}",
        fix=f"{guess}correct the label, remove the row, or train again with examples of this class",
    )


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _check_kind(argument: str, asked: str | None) -> None:
    if asked is not None and asked not in KINDS:
        raise ArgumentError(
            f"The argument {argument} is not understood.",
            happened=f"it is {asked!r}",
            needed="'classes' or 'numbers'",
            fix="choose one of them, or leave the argument out",
        )


def _read(y: object, name: str, x_rows: int | None) -> tuple[NDArray[Any], list[str]]:
    """Any targets as an array of integers, booleans, floats or (dtype object) texts."""
    array = as_array(y, name)
    if x_rows is not None and array.shape[0] != x_rows:
        raise DataError(
            f"{name} has another number of rows than the inputs.",
            happened=f"the inputs have {x_rows} rows, {name} has {array.shape[0]}",
            needed="one target for each row of the inputs",
            fix="cut both from the same rows",
        )
    check_not_empty(array, name)
    if array.dtype.kind in "OUST":
        array = _one_type(array, name)
    if array.dtype.kind not in "biufO":
        raise DTypeError(
            f"{name} has a dtype that is neither labels nor numbers.",
            happened=f"its dtype is {array.dtype}",
            needed="integers, booleans or texts for classes, floats for numbers",
            fix="convert it first, for example with y.astype('float64')",
        )
    check_finite(array, name)
    return array, []


def _one_type(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Python objects: all texts (kept as objects), or all numbers of one sort."""
    if array.dtype.kind in "UT":
        return array.astype(object)
    sorts: set[str] = set()
    converted = np.empty(array.shape, object)
    for position, value in enumerate(array.flat):
        sort = _sort_of(value)
        sorts.add(sort)
        if sort == "missing":
            raise DataError(
                f"{name} has a missing label in {_where(array, position)}.",
                happened=f"it is {value!r}",
                needed="a label or a number for each row",
                fix="remove this row from the inputs and the targets",
            )
        if sort == "other" or (len(sorts) > 1 and sorts != {"int", "float"}):
            raise DataError(
                f"{name} mixes labels of different sorts, first in {_where(array, position)}.",
                happened=f"it is a {type(value).__name__}, {value!r:.60}",
                needed="only texts, only integers, only booleans or only floats",
                fix="convert all of them, for example to texts: [str(label) for label in y]",
            )
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        converted.flat[position] = str(text) if sort == "text" else value
    if sorts == {"text"}:
        return converted
    if "float" in sorts:
        return _as_dtype(converted, np.float64, name)
    return _as_dtype(converted, np.bool_ if sorts == {"bool"} else np.int64, name)


def _where(array: NDArray[Any], position: int) -> str:
    return place(tuple(int(i) for i in np.unravel_index(position, array.shape)))


def _as_dtype(array: NDArray[Any], dtype: type[np.generic], name: str) -> NDArray[Any]:
    try:
        return array.astype(dtype)
    except (OverflowError, ValueError) as error:
        raise DataError(
            f"{name} has a number that is too large.",
            happened=str(error),
            needed="numbers that fit into 64 bits",
            fix="give the labels as texts, or scale the numbers down",
        ) from error


def _sort_of(value: object) -> str:
    if is_missing(value):
        return "missing"
    if isinstance(value, (str, bytes)):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, (int, np.integer)):
        return "int"
    return "float" if isinstance(value, (float, np.floating)) else "other"


def _one_axis(array: NDArray[Any], notes: list[str]) -> tuple[NDArray[Any], list[str]]:
    if array.ndim == 1:
        return array, notes
    if array.ndim == 2 and array.shape[1] == 1:
        notes = [*notes, "y is a column (N, 1); it is read as one label a row."]
        return array[:, 0], notes
    raise DataError(
        "y has several labels a row.",
        happened=f"its shape is {array.shape} and its values are integers or texts, so classes",
        needed="one label a row, (N,); or numbers, as floats",
        fix="for rows with a single 1 use y.argmax(axis=1); for several numbers or several "
        "yes-or-no answers a row use y.astype('float32')",
    )


def _whole(array: NDArray[Any], name: str) -> NDArray[Any]:
    # Beyond 2**53 neighbouring whole numbers are the same float.
    wrong = (np.floor(array) != array) | (np.abs(array) > 2.0**53)
    if wrong.any():
        index = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), array.shape))
        raise DataError(
            f"{name} holds numbers, not classes: see {place(index)}.",
            happened=f"it is {float(array[index])}",
            needed="labels: integers, booleans or texts",
            fix="convert the labels to integers, or choose a loss for numbers such as 'mse'",
        )
    return array.astype(np.int64)


def _numbers(array: NDArray[Any], notes: list[str], natural: str) -> Targets:
    if array.dtype.kind == "O":
        raise DataError(
            "y holds texts, which are not numbers.",
            happened=f"the first is {str(array.flat[0])!r}",
            needed="floats or integers",
            fix="convert them with numpy.asarray(y, float), or train on classes",
        )
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
        if natural == "classes":
            notes.append("y holds integers or booleans; they are read as numbers, as asked.")
    elif array.dtype.name not in ("float32", "float64"):
        array = array.astype(np.float32 if array.itemsize < 4 else np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    values = array[:, None] if array.ndim == 1 else array
    return Targets("numbers", np.ascontiguousarray(values), notes=tuple(notes))


def _classes(labels: NDArray[Any], notes: list[str]) -> Targets:
    known, indices = np.unique(labels, return_inverse=True)
    if len(known) == 1:
        raise DataError(
            "y has one class only.",
            happened=f"all {len(labels)} labels are {_plain(known[0])!r}",
            needed="at least two different classes",
            fix="add examples of another class, or look at how y was made",
        )
    alone = 2 * len(known) > len(labels) >= FEW_ROWS
    numbers = labels.dtype.kind in "iu"
    if alone or (numbers and len(known) > MANY_CLASSES):
        what = "integers" if numbers else "labels"
        rows = f" in {len(labels)} rows, hardly two of each" if alone else ""
        notes = [
            *notes,
            f"y holds {len(known)} different {what}{rows}; they are read as {len(known)} classes."
            + " For numbers give floats, or kind='numbers' (--kind numbers)." * numbers,
        ]
    names = tuple(str(_plain(value)) for value in known)
    return Targets("classes", indices.reshape(-1).astype(np.int32), names, known, tuple(notes))
