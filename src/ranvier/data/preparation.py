"""What was done to raw data before training, kept with the model so that it can be done again.

Tables: numbers are standardized, (value - mean) / scale; texts become one column a category; a
column with missing values gets a second one that says where. Arrays (pictures): value x scale +
offset. Class names and labels travel along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.data.columns import (
    Column,
    column_from_json,
    column_to_json,
    common_rows,
    fit_column,
    unknown_categories,
    write_column,
)
from ranvier.data.inputs import check_finite
from ranvier.data.strict_json import Fields, odd, read_object
from ranvier.data.targets import Targets
from ranvier.foundation.errors import DataError, ShapeError

Label: TypeAlias = str | int | float | bool

#: A text longer than this is not a preparation that Ranvier wrote.
LARGEST_TEXT = 1 << 26
MOST_COLUMNS = 1_000_000
MOST_CLASSES = 1_000_000
#: Bytes of a value above this are taken for the full range of a byte, 0 to 255.
_SMALL_RANGE = 32
#: Sentences about columns that are kept; a wide table would have thousands.
_MOST_NOTES = 40
_KEYS = (
    "version",
    "kind",
    "columns",
    "scale",
    "offset",
    "input_shape",
    "task",
    "target",
    "target_position",
    "target_mean",
    "target_scale",
    "class_names",
    "class_values",
    "notes",
)


@dataclass(frozen=True)
class Preparation:
    """How raw rows become what a network reads, and outputs become answers.

    Attributes:
        kind: ``"table"`` (columns) or ``"array"`` (scale and offset for all values).
        input_shape: shape of one raw example: ``(columns,)`` of a table, ``(H, W)`` of a picture.
        columns: what is done to each column of a table, in order.
        scale, offset: what is done to the values of an array: value x scale + offset.
        task: ``"classification"``, ``"binary"``, ``"regression"`` or ``""`` without targets.
        target: the name of the target's column in a table, or "".
        target_position: where the target's column was, counted from 0, or -1.
        target_mean, target_scale: mean and scale of each target of a regression.
        class_names: what the classes are called.
        class_values: the labels themselves.
        notes: plain sentences about what was done.
    """

    kind: str
    input_shape: tuple[int, ...]
    columns: tuple[Column, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    task: str = ""
    target: str = ""
    target_position: int = -1
    target_mean: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()
    class_values: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        """Shape of one example as the network reads it."""
        if self.kind == "table":
            return (sum(column.width for column in self.columns),)
        return self.input_shape

    @property
    def prepared_names(self) -> tuple[str, ...]:
        """The names of the columns that the network reads: ``("age", "city = Oslo", ...)``."""
        return tuple(name for column in self.columns for name in column.prepared_names)

    @property
    def class_array(self) -> NDArray[Any]:
        """The labels as an array, which class indices can be put into."""
        texts = any(isinstance(value, str) for value in self.class_values)
        return np.array(self.class_values, dtype=object if texts else None)

    def with_targets(self, targets: Targets, name: str = "", position: int = -1) -> Preparation:
        """The same preparation, knowing the task, the classes, or the mean and scale of targets."""
        mean: tuple[float, ...] = ()
        scale: tuple[float, ...] = ()
        if targets.kind == "numbers":
            values = np.asarray(targets.values.reshape(len(targets.values), -1), np.float64)
            spread = np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)
            mean = tuple(values.mean(axis=0).tolist())
            scale = tuple(np.where(spread > 0, spread, 1.0).tolist())
        return replace(
            self,
            task=targets.task,
            target=name,
            target_position=position,
            target_mean=mean,
            target_scale=scale,
            class_names=targets.class_names,
            class_values=tuple(targets.class_values.tolist()),
        )

    def apply_columns(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The columns of a table as the matrix that the network reads.

        **Shapes** each column ``(N,) -> (N, F)`` with ``F = prepared_shape[0]``.

        Columns are found by name, further ones are not looked at. A missing number becomes the
        mean of the training, a category that was not there in training becomes all zeros.

        Raises:
            DataError: a missing column, columns of different lengths, or text where numbers are
                needed, with column and row.
        """
        if self.kind != "table":
            raise _wrong_kind("pictures or arrays", "a table with columns", "apply_array")
        for column in self.columns:
            if column.kind != "unused" and column.name not in columns:
                raise DataError(
                    f"The column {column.name!r} is missing.",
                    happened="the columns are: " + ", ".join(list(columns)[:50]),
                    needed="the columns of the training: "
                    + ", ".join(c.name for c in self.columns[:50] if c.kind != "unused"),
                    fix=f"add the column {column.name!r}; an empty field means a missing value",
                )
        used = [column for column in self.columns if column.kind != "unused"]
        rows = common_rows({column.name: columns[column.name] for column in used})
        matrix = np.empty((rows, *self.prepared_shape), np.float32)
        start = 0
        for column in used:
            write_column(column, columns[column.name], matrix[:, start : start + column.width])
            start += column.width
        return matrix

    def notes_about(
        self, columns: Mapping[str, NDArray[Any]], what: str = "rows"
    ) -> tuple[str, ...]:
        """Sentences about categories in columns that the training did not have."""
        known = [column for column in self.columns if column.name in columns]
        found = [unknown_categories(column, columns[column.name], what) for column in known]
        return tuple(sentence for sentence in found if sentence)

    def apply_array(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Raw examples in one array as what the network reads.

        **Shapes** ``x: (N, *input_shape) -> (N, *prepared_shape)``. The columns of a matrix are
        the columns of the table, in order.

        Raises:
            ShapeError: another shape of an example.
            DataError: values that are no longer finite after scaling.
        """
        if x.shape[1:] != self.input_shape:
            raise ShapeError(
                "The examples have another shape than those of the training.",
                happened=f"one example has shape {x.shape[1:]}",
                needed=f"shape {self.input_shape}",
                fix="bring the examples into this shape, or train a model on the new one",
            )
        if self.kind == "table":
            return self.apply_columns({c.name: x[:, i] for i, c in enumerate(self.columns)})
        result: NDArray[np.float32]
        with np.errstate(over="ignore"):
            result = np.multiply(x, np.float32(self.scale), dtype=np.float32)
            if self.offset:
                result += np.float32(self.offset)
        if x.dtype.kind == "f":
            check_finite(result, "The array of scaled examples")
        return result

    def scale_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Targets of a regression brought to mean 0 and standard deviation 1.

        **Shapes** ``y: (N, outputs) -> (N, outputs)``
        """
        flat = y.reshape(len(y), -1)
        scaled = (flat - np.array(self.target_mean)) / np.array(self.target_scale)
        return np.asarray(scaled.reshape(y.shape), y.dtype)

    def restore_outputs(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Outputs of a network trained on scaled targets, in the units of the targets.

        **Shapes** ``outputs: (N, outputs) -> (N, outputs)``
        """
        flat = outputs.reshape(len(outputs), -1)
        restored = flat * np.array(self.target_scale) + np.array(self.target_mean)
        return np.asarray(restored.reshape(outputs.shape), outputs.dtype)

    def to_json(self) -> str:
        """The preparation as JSON text."""
        values: dict[str, object] = {key: getattr(self, key) for key in _KEYS[1:]}
        values["columns"] = [column_to_json(column) for column in self.columns]
        return json.dumps({"version": 1, **values}, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Preparation:
        """A preparation from JSON text that may come from anywhere.

        Raises:
            ModelFileError: anything that `to_json` would not have written.

        >>> one = Preparation("array", (28, 28), scale=1 / 255)
        >>> Preparation.from_json(one.to_json()) == one
        True
        """
        place = "the preparation"
        fields = Fields(read_object(text, place, LARGEST_TEXT), place, _KEYS)
        fields.integer("version", 1, 1)
        columns = fields.items("columns", MOST_COLUMNS)
        result = Preparation(
            kind=fields.one_of("kind", ("table", "array")),
            input_shape=fields.integers("input_shape", 8, 1, 1 << 31),
            columns=tuple(
                column_from_json(column, f"{place}.columns[{i}]")
                for i, column in enumerate(columns)
            ),
            scale=fields.number("scale"),
            offset=fields.number("offset"),
            task=fields.one_of("task", ("", "classification", "binary", "regression")),
            target=fields.text("target"),
            target_position=fields.integer("target_position", -1, MOST_COLUMNS),
            target_mean=fields.numbers("target_mean", MOST_COLUMNS),
            target_scale=fields.numbers("target_scale", MOST_COLUMNS),
            class_names=fields.texts("class_names", MOST_CLASSES),
            class_values=_labels(fields.items("class_values", MOST_CLASSES), place),
            notes=fields.texts("notes", 10_000, 10_000),
        )
        _check_consistent(result, place)
        return result


def _labels(values: list[object], place: str) -> tuple[Label, ...]:
    """Labels of one type, all different."""
    labels: list[Label] = []
    for value in values:
        if not isinstance(value, (str, int, float)) or (
            not isinstance(value, str) and not -(2.0**64) <= value <= 2.0**64
        ):
            raise odd(f"{place}.class_values", f"it holds {value!r:.60}", "texts or numbers")
        labels.append(value)
    if len({type(label) for label in labels}) > 1 or len(set(labels)) != len(labels):
        raise odd(f"{place}.class_values", "labels repeat or differ in type", "different labels")
    return tuple(labels)


def _check_consistent(result: Preparation, place: str) -> None:
    """Lengths that must agree with each other, and sizes that must stay within bounds."""
    size = 1
    for length in result.input_shape:
        size *= length
    names = {column.name for column in result.columns}
    classes = len(result.class_names)
    wanted = {"binary": classes == 2, "classification": classes > 2}
    rules = {
        "the input shape is too large": size <= 1 << 31,
        "the columns do not match the input shape": (
            result.input_shape == (len(result.columns),)
            if result.kind == "table"
            else not result.columns
        ),
        "the columns make no features, or too many": (
            result.kind == "array" or 0 < result.prepared_shape[0] <= MOST_COLUMNS
        ),
        "two columns have one name": len(names) == len(result.columns),
        "the scale or the offset is out of range": (
            0.0 < abs(result.scale) < 1e30 and abs(result.offset) < 1e30
        ),
        "class names and labels differ in number": classes == len(result.class_values),
        "the classes do not match the task": wanted.get(result.task, classes == 0),
        "means and scales of the targets differ in number": (
            len(result.target_mean) == len(result.target_scale)
            and bool(result.target_mean) == (result.task == "regression")
        ),
        "a scale of the targets is not positive": all(s > 0 for s in result.target_scale),
    }
    for broken, good in rules.items():
        if not good:
            raise odd(place, broken, "values that fit together")


def _wrong_kind(trained: str, given: str, method: str) -> DataError:
    return DataError(
        "The data is of another kind than that of the training.",
        happened=f"the model was trained on {trained}, and {given} was given",
        needed=trained,
        fix=f"give {trained}; in Python use {method}",
    )


def fit_table(columns: Mapping[str, NDArray[Any]]) -> tuple[Preparation, NDArray[np.float32]]:
    """Find out what to do to each column of a table, and do it.

    **Shapes** each column ``(N,) -> (N, F)``

    Args:
        columns: by name: numbers (NaN where missing), or texts (None or "" where missing).

    Returns:
        The preparation and the matrix for the network.

    Raises:
        DataError: no rows, different lengths, infinite values, or no column to learn from.

    >>> age, city = np.array([20.0, 40.0]), np.array(["Oslo", "Rome"])
    >>> preparation, matrix = fit_table({"age": age, "city": city})
    >>> matrix
    array([[-1.,  1.,  0.],
           [ 1.,  0.,  1.]], dtype=float32)
    """
    common_rows(columns)
    fitted = [fit_column(name, values) for name, values in columns.items()]
    notes = [note for _, column_notes in fitted for note in column_notes]
    if len(notes) > _MOST_NOTES:
        notes[_MOST_NOTES:] = [f"And {len(notes) - _MOST_NOTES} more notes about columns."]
    preparation = Preparation(
        kind="table",
        input_shape=(len(fitted),),
        columns=tuple(column for column, _ in fitted),
        notes=tuple(notes),
    )
    return preparation, preparation.apply_columns(columns)


def fit_pictures(x: NDArray[np.uint8], largest: int | None = None) -> Preparation:
    """Bytes to numbers from 0 to 1: value x 1/largest.

    Args:
        x: ``(N, ...)`` bytes.
        largest: the value that becomes 1; left out: 255, or the largest of ``x`` if below 32.

    >>> fit_pictures(np.full((1, 2, 2), 16, np.uint8)).scale
    0.0625
    """
    if largest is None:
        found = int(x.max())
        largest = max(found, 1) if found < _SMALL_RANGE else 255
    note = f"Values were divided by {largest}, so that they lie between 0 and 1."
    return Preparation("array", tuple(x.shape[1:]), scale=1.0 / largest, notes=(note,))


def fit_array(x: NDArray[Any]) -> Preparation:
    """Numbers of any shape: all values together are brought to mean 0 and deviation 1.

    Args:
        x: ``(N, ...)`` finite numbers.

    >>> fit_array(np.array([[0.0, 2.0]])).offset
    -1.0
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64))
    # Numbers that float32 cannot hold are left for the check of the scaled values.
    usable = 1e-25 < deviation < 1e25 and abs(mean) < 1e4 * deviation
    mean = mean if abs(mean) < 1e25 else 0.0
    scale = 1.0 / deviation if usable else 1.0
    note = f"The mean {mean:g} was subtracted, then values were multiplied by {scale:g}."
    return Preparation(
        "array", tuple(x.shape[1:]), scale=scale, offset=-mean * scale, notes=(note,)
    )
