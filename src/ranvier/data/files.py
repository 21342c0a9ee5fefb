"""From a name or a path to data: `open_dataset` for training, `read_rows` for a trained model.

Understood are the built-ins, CSV and TSV tables, NumPy archives, and IDX files or folders of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.archives import open_idx_file, open_idx_folder, open_npz
from ranvier.data.builtin import BUILTINS, builtin_raw
from ranvier.data.dataset import Dataset
from ranvier.data.idx import looks_like_idx
from ranvier.data.preparation import Preparation
from ranvier.data.raw import RawData, prepare
from ranvier.data.tables import Table, read_table
from ranvier.data.targets import (
    KINDS,
    check_target_numbers,
    encode_targets,
    understand_targets,
)
from ranvier.foundation.errors import (
    ArgumentError,
    DataError,
    FileError,
    ShapeError,
    UnknownNameError,
    did_you_mean,
)

_TARGET_NAMES = ("target", "label", "class", "y")
_TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_GIVEN_NAME = re.compile(r"^(column|feature)_\d+$")


@dataclass(frozen=True, eq=False)
class Rows:
    """Raw rows, prepared for a trained model.

    Attributes:
        x: ``(N, ...)`` what the network reads.
        y: ``(N,)`` class indices or ``(N, outputs)`` numbers, or None where there are no targets.
        notes: plain sentences about what was read.
    """

    x: NDArray[np.float32]
    y: NDArray[Any] | None
    notes: tuple[str, ...] = ()


def open_dataset(
    spec: str | Path,
    *,
    target: str | None = None,
    kind: str | None = None,
    test_fraction: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """Open a data set by name or by path, and understand it.

    Args:
        spec: a built-in (``"digits"``, ``"iris"``, ``"breast_cancer"``, ``"xor"``, ``"spirals"``),
            or the path of a table (.csv, .tsv, also .gz), an .npz archive, an IDX file, or a folder
            with IDX files as MNIST has them.
        target: the column of a table that is to be learnt; left out: a column called target, label,
            class or y, else the last one.
        kind: ``"classes"`` or ``"numbers"``: what the targets are; left out: found from them.
        test_fraction: the share of rows to set aside where the data has no test part of its own.
        seed: chooses these rows.

    Returns:
        The data set; its ``notes`` say what was understood.

    Raises:
        UnknownNameError: neither a built-in nor a file.
        FileError: a file that cannot be read.
        DataError: data that cannot be trained on, or no such target column.
        ArgumentError: a target or a kind that does not fit the data.

    >>> iris = open_dataset("iris")
    >>> iris.x.shape, iris.test_x.shape, iris.class_names
    ((120, 4), (30, 4), ('setosa', 'versicolor', 'virginica'))
    """
    if kind is not None and kind not in KINDS:
        raise _argument("kind", kind, "'classes' or 'numbers'", "choose one, or leave it out")
    if not 0.0 <= test_fraction < 1.0:
        raise _argument("test_fraction", test_fraction, "0 to 1, 1 excluded", "0.2 is a fifth")
    if _is_builtin(spec):
        if kind == "numbers":
            raise _argument("kind", kind, "classes, as all built-ins have", "leave it out")
        _no_target(target, f"the built-in {spec!r}")
        return prepare(builtin_raw(str(spec)), test_fraction, seed)
    path = _existing(spec)
    if _is_table(path):
        raw = _open_table(read_table(path, () if target is None else (target,)), target, kind)
    else:
        _no_target(target, str(path))
        raw = _open_arrays(path, kind)
    return prepare(raw, test_fraction, seed)


def read_rows(path: str | Path, preparation: Preparation) -> Rows:
    """Raw rows as a trained model reads them, with their targets where the data has some.

    Args:
        path: what `open_dataset` takes. Of data with a test part, the test part is read.
        preparation: of the model.

    Raises:
        UnknownNameError, FileError: as `open_dataset`.
        DataError: a missing column, text where numbers are needed, a label that is not known.
        ShapeError: examples of another shape.

    >>> read_rows("iris", open_dataset("iris").preparation).x.shape
    (30, 4)
    """
    if _is_builtin(path):
        return _rows_of(builtin_raw(str(path)), preparation)
    found = _existing(path)
    if not _is_table(found):
        return _rows_of(_open_arrays(found, _kind_of(preparation)), preparation)
    names = [column.name for column in preparation.columns]
    return _rows_of_table(
        read_table(found, [*names, preparation.target] if names else ()), preparation
    )


def _is_builtin(spec: str | Path) -> bool:
    return isinstance(spec, str) and spec in BUILTINS


def _is_table(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(_TABLE_SUFFIXES)


def _kind_of(preparation: Preparation) -> str | None:
    if not preparation.task:
        return None
    return "numbers" if preparation.task == "regression" else "classes"


def _existing(spec: str | Path) -> Path:
    path = Path(spec)
    if path.exists():
        return path
    if isinstance(spec, Path) or path.suffix or len(path.parts) > 1:
        raise FileError(
            f"There is no file {str(spec)!r}.",
            happened=f"nothing was found at {path.absolute()}",
            needed="the path of a data file or folder, or one of " + ", ".join(BUILTINS),
            fix="correct the path",
        )
    raise UnknownNameError(
        f"There is no data set called {spec!r}.",
        happened="it is no built-in, and there is no such file",
        needed="the name of a built-in, or the path of a file or folder",
        fix=did_you_mean(spec, BUILTINS),
    )


def _argument(name: str, value: object, needed: str, fix: str) -> ArgumentError:
    return ArgumentError(
        f"The argument {name} does not fit.", happened=f"it is {value!r}", needed=needed, fix=fix
    )


def _no_target(target: str | None, what: str) -> None:
    if target is not None:
        raise _argument("target", target, f"nothing: {what} knows its targets", "leave it out")


def _open_arrays(path: Path, kind: str | None) -> RawData:
    if path.is_dir():
        return open_idx_folder(path, kind)
    if path.suffix.lower() == ".npz":
        return open_npz(path, kind)
    if looks_like_idx(path) or re.search(r"[.-]idx(\d-ubyte)?(\.gz)?$", path.name):
        return open_idx_file(path, kind)
    raise FileError(
        f"{path} is of no kind that is known.",
        happened=f"its name ends in {path.suffix!r}, and it does not start as IDX does",
        needed="a table (.csv, .tsv, also .gz), a NumPy archive (.npz), IDX files, or a built-in: "
        + ", ".join(BUILTINS),
        fix="save the data as one of these",
    )


def _open_table(table: Table, target: str | None, kind: str | None) -> RawData:
    """A table to learn from: its target, and all other columns."""
    name, why = _target_column(table, target)
    labels, present = table.labels(name)
    if not len(labels):
        raise DataError(
            f"The target column {name!r} of {table.path} is empty.",
            happened=f"none of {table.rows} rows has a value there",
            needed="a label or a number in each row to learn from",
            fix="choose another column with target=",
        )
    notes = [*table.notes, why]
    if not table.has_header:
        notes.append("The file has no header line; columns are called column_1, column_2 ...")
    if not present.all():
        notes.append(f"{int((~present).sum())} rows without a target are left out.")
    columns = {other: table.guessed(other) for other in table.names if other != name}
    return RawData(
        name=table.path.name,
        columns={other: values[present] for other, values in columns.items()}
        if not present.all()
        else columns,
        targets=understand_targets(labels, len(labels), kind=kind),
        target=name,
        target_position=table.names.index(name),
        notes=tuple(notes),
        source=str(table.path.name),
    )


def _target_column(table: Table, target: str | None) -> tuple[str, str]:
    """The column to be learnt, and a sentence that says why."""
    if target is not None:
        if target not in table.names:
            raise DataError(
                f"{table.path} has no column called {target!r}.",
                happened="its columns are: " + ", ".join(table.names[:50]),
                needed="the name of one of them",
                fix=did_you_mean(target, table.names[:50]),
            )
        return target, f"The target is the column {target!r}, as asked."
    if len(table.names) < 2:
        raise DataError(
            f"{table.path} has one column only.",
            happened=f"its only column is {table.names[0]!r}",
            needed="a target and at least one column to learn from",
            fix="look at the separator: commas, semicolons and tabs are understood",
        )
    for name in table.names:
        if name.lower() in _TARGET_NAMES:
            return name, f"The target is the column {name!r}, because of its name."
    return table.names[-1], f"The target is the last column, {table.names[-1]!r}."


def _rows_of(raw: RawData, preparation: Preparation) -> Rows:
    """Rows of a built-in, an archive or IDX files: the test part if there is one."""
    if raw.has_test:
        x, columns, y = raw.test_x, raw.test_columns, raw.test_y
        note = f"The test part of {raw.name} is read."
    else:
        x, columns, y = raw.x, raw.columns, None
        y = None if raw.targets is None else raw.targets.values
        note = f"{raw.name} has no test part; all its rows are read."
    if columns and preparation.kind == "array":
        x = np.stack([np.asarray(values) for values in columns.values()], axis=1)
    matrix = (
        preparation.apply_columns(columns)
        if x is None
        else preparation.apply_array(_reshaped(x, preparation))
    )
    if y is not None and raw.targets is not None and preparation.task:
        y = _known_targets(
            raw.targets.class_values[y] if raw.targets.kind == "classes" else y,
            preparation,
            f"y of {raw.name}",
        )
    notes = preparation.notes_about(columns)
    return Rows(matrix, y if preparation.task else None, (note, *notes))


def _reshaped(x: NDArray[Any], preparation: Preparation) -> NDArray[Any]:
    """Examples of as many values in another shape: flat pictures, or pictures of a flat model."""
    same_size = np.prod(x.shape[1:], dtype=int) == np.prod(preparation.input_shape, dtype=int)
    if (
        x.shape[1:] != preparation.input_shape
        and same_size
        and 2
        in (
            x.ndim,
            1 + len(preparation.input_shape),
        )
    ):
        return x.reshape(len(x), *preparation.input_shape)
    return x


def _rows_of_table(table: Table, preparation: Preparation) -> Rows:
    if preparation.kind == "array":
        numbers = np.stack([table.numbers(name) for name in table.names], axis=1)
        _all_there(numbers, table)
        x = preparation.apply_array(_reshaped(numbers, preparation))
        return Rows(x, None, table.notes)
    names = _names_by_role(table, preparation)
    columns = {
        column.name: table.texts(names[column.name])
        if column.kind == "text"
        else table.numbers(names[column.name])
        for column in preparation.columns
        if column.kind != "unused" and column.name in names
    }
    matrix = preparation.apply_columns(columns)
    notes = (*table.notes, *preparation.notes_about(columns))
    target = names.get(preparation.target) if preparation.task else None
    if target is None:
        return Rows(matrix, None, (*notes, "There is no target column."))
    labels, present = table.labels(target)
    if not len(labels):
        return Rows(matrix, None, (*notes, f"The target column {target!r} is empty."))
    if not present.all():
        line = table.line(int((~present).argmax()))
        raise DataError(
            f"{table.path}, line {line}: the target column {target!r} has no value.",
            happened=f"{int((~present).sum())} rows have a missing target, others have one",
            needed="a target in every row, or in none",
            fix="remove the rows without a target, or the column",
        )
    if any(isinstance(value, str) for value in preparation.class_values):
        labels = table.texts(target)
    y = _known_targets(labels, preparation, f"The column {target!r} of {table.path}")
    return Rows(matrix, y, (*notes, f"Targets are in the column {target!r}."))


def _known_targets(labels: NDArray[Any], preparation: Preparation, name: str) -> NDArray[Any]:
    if preparation.task == "regression":
        return check_target_numbers(labels, name=name)
    return encode_targets(labels, preparation.class_array, name=name)


def _all_there(numbers: NDArray[np.float64], table: Table) -> None:
    missing = np.isnan(numbers)
    if missing.any():
        row, column = (int(i) for i in np.argwhere(missing)[0])
        raise DataError(
            f"{table.path}, line {table.line(row)}: the column {table.names[column]!r} is empty.",
            happened=f"{int(missing.sum())} fields have no value",
            needed="a number in every field, as in the arrays of the training",
            fix="fill the fields",
        )


def _names_by_role(table: Table, preparation: Preparation) -> dict[str, str]:
    """Which column of the file is which of the training: by name, else by position."""
    wanted = [column.name for column in preparation.columns]
    by_name = {name: name for name in table.names}
    positions_named = all(_GIVEN_NAME.match(name) for name in wanted)
    if table.has_header and not (positions_named and not set(wanted) & set(table.names)):
        return by_name
    position = preparation.target_position
    if len(table.names) == len(wanted):
        return dict(zip(wanted, table.names, strict=True))
    if len(table.names) == len(wanted) + 1 and preparation.target and position >= 0:
        wanted.insert(position, preparation.target)
        return dict(zip(wanted, table.names, strict=True))
    raise ShapeError(
        f"{table.path} has another number of columns than the training.",
        happened=f"it has {len(table.names)} columns and no header line that names those known",
        needed=f"{len(wanted)} columns, or one more with the target",
        fix="write the columns of the training in their order, or give them their names",
    )
