"""Data as it was read, before it is prepared: columns of a table or one array of examples.

`prepare` sets a test part aside, finds the preparation from the training part alone, and makes the
`Dataset`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.columns import common_rows
from ranvier.data.dataset import Dataset
from ranvier.data.preparation import Preparation, fit_array, fit_pictures, fit_table
from ranvier.data.splits import train_test_split
from ranvier.data.targets import Targets


@dataclass(frozen=True, eq=False)
class RawData:
    """What a file or a built-in holds.

    Attributes:
        name: what it is called.
        x, test_x: examples as one array, where they are no table.
        columns, test_columns: the columns of a table by name, else empty.
        targets: the targets of ``x`` or ``columns``, or None.
        test_y: the targets of the test part: class indices or numbers.
        val_x, val_y: examples and targets of a validation part, both or neither.
        target, target_position: name and place of the target's column in a table.
        preparation: one that is given, not to be found from the data.
        largest: of pictures: the value of the brightest pixel, where it is known.
    """

    name: str
    x: NDArray[Any] | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    targets: Targets | None = None
    test_x: NDArray[Any] | None = None
    test_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    test_y: NDArray[Any] | None = None
    val_x: NDArray[Any] | None = None
    val_y: NDArray[Any] | None = None
    target: str = ""
    target_position: int = -1
    preparation: Preparation | None = None
    largest: int | None = None
    notes: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""

    @property
    def rows(self) -> int:
        """The number of examples."""
        return len(self.x) if self.x is not None else common_rows(self.columns)

    @property
    def has_test(self) -> bool:
        """Whether the data has a test part of its own."""
        return self.test_x is not None or bool(self.test_columns)

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any] | None, dict[str, NDArray[Any]]]:
        """The examples of some rows, as an array and as columns."""
        x = None if self.x is None else self.x[rows]
        return x, {name: values[rows] for name, values in self.columns.items()}


def split_raw(raw: RawData, fraction: float, seed: int) -> tuple[RawData, Targets | None]:
    """Set a test part aside, by class where there are classes; also the training targets."""
    targets = raw.targets
    classes = targets.values if targets is not None and targets.kind == "classes" else None
    train, test = train_test_split(raw.rows, fraction, seed, classes)
    train_x, train_columns = raw.take(train)
    test_x, test_columns = raw.take(test)
    kept = None
    if targets is not None:
        kept = Targets(
            targets.kind,
            targets.values[train],
            targets.class_names,
            targets.class_values,
            targets.notes,
        )
    by_class = ", by class" if classes is not None else ""
    note = f"{len(test)} of {raw.rows} rows were set aside as the test part{by_class}, seed {seed}."
    split = RawData(
        name=raw.name,
        x=train_x,
        columns=train_columns,
        targets=kept,
        test_x=test_x,
        test_columns=test_columns,
        test_y=None if targets is None else targets.values[test],
        val_x=raw.val_x,
        val_y=raw.val_y,
        target=raw.target,
        target_position=raw.target_position,
        preparation=raw.preparation,
        largest=raw.largest,
        notes=(*raw.notes, note),
        source=raw.source,
        licence=raw.licence,
    )
    return split, kept


def prepare(raw: RawData, test_fraction: float = 0.0, seed: int = 0) -> Dataset:
    """Find the preparation from the training part and make the data set.

    Args:
        raw: what was read.
        test_fraction: the share to set aside where the data has no test part of its own.
        seed: chooses these rows.
    """
    if test_fraction and not raw.has_test:
        raw, _ = split_raw(raw, test_fraction, seed)
    x: NDArray[Any]
    test_x, val_x = raw.test_x, raw.val_x
    said: tuple[str, ...] = ()
    if raw.x is None:
        preparation, x = _prepared_table(raw.columns, raw.preparation)
        if raw.test_columns:
            test_x = preparation.apply_columns(raw.test_columns)
            said = preparation.notes_about(raw.test_columns, "rows of the test part")
    elif raw.x.ndim == 2 and raw.x.dtype != np.uint8:
        columns = {f"feature_{i + 1}": raw.x[:, i] for i in range(raw.x.shape[1])}
        preparation, x = _prepared_table(columns, raw.preparation)
        if test_x is not None:
            test_x = preparation.apply_array(test_x)
        val_x = None if val_x is None else preparation.apply_array(val_x)
    else:
        x = raw.x
        pictures = raw.x.dtype == np.uint8
        fitted = fit_pictures(raw.x, raw.largest) if pictures else fit_array(raw.x)
        preparation = raw.preparation or fitted
    if raw.targets is not None:
        preparation = preparation.with_targets(raw.targets, raw.target, raw.target_position)
    return Dataset(
        name=raw.name,
        x=x,
        y=None if raw.targets is None else raw.targets.values,
        preparation=preparation,
        task="" if raw.targets is None else raw.targets.task,
        test_x=test_x,
        test_y=raw.test_y,
        val_x=val_x,
        val_y=raw.val_y,
        class_names=() if raw.targets is None else raw.targets.class_names,
        feature_names=preparation.prepared_names,
        notes=(*_notes(raw, preparation), *said),
        source=raw.source,
        licence=raw.licence,
    )


def _prepared_table(
    columns: Mapping[str, NDArray[Any]], given: Preparation | None
) -> tuple[Preparation, NDArray[np.float32]]:
    if given is not None:
        return given, given.apply_columns(columns)
    return fit_table(columns)


def _notes(raw: RawData, preparation: Preparation) -> tuple[str, ...]:
    what = (
        f"{raw.rows} rows of {len(raw.columns)} columns"
        if raw.x is None
        else f"{raw.rows} examples of shape {raw.x.shape[1:]}, dtype {raw.x.dtype}"
    )
    first = f"{raw.name}: {what}."
    targets = raw.targets
    about: tuple[str, ...] = ("There are no targets.",)
    if targets is not None and targets.kind == "classes":
        shown = ", ".join(targets.class_names[:10])
        more = "" if len(targets.class_names) <= 10 else ", ..."
        about = (f"{len(targets.class_names)} classes: {shown}{more}.", *targets.notes)
    elif targets is not None:
        about = (f"The targets are numbers, {targets.values.shape[1:]} a row.", *targets.notes)
    val = () if raw.val_x is None else (f"{len(raw.val_x)} rows are its validation part.",)
    return (first, *val, *raw.notes, *about, *preparation.notes)
