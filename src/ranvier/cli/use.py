"""`ranvier predict`, `ranvier evaluate` and `ranvier inspect`: what a model file can do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.cli.output_files import csv_text, write_text
from ranvier.cli.remains import show_remains, show_run
from ranvier.cli.report import Report
from ranvier.cli.scores import score
from ranvier.cli.units import predicted_numbers
from ranvier.data import Preparation, read_rows
from ranvier.foundation.errors import DataError, ModelFileError
from ranvier.models import Model
from ranvier.models.stored import restore


@dataclass(frozen=True, eq=False)
class RowsWithTargets:
    """Rows as the network reads them; targets are class indices, or numbers in their units."""

    x: NDArray[np.float32]
    y: NDArray[Any]
    notes: tuple[str, ...]


def predict(model_path: Path, data: str, out: Path | None, as_json: bool) -> None:
    """Answer for each row: the class and all probabilities, or the numbers in their own units."""
    report = Report(as_json or out is None)
    model, preparation = open_model(model_path)
    rows = read_rows(data, preparation)
    headings, columns = _answers(model, preparation, rows.x)
    if as_json:
        report.document(
            {
                "model": str(model_path),
                "data": data,
                "rows": len(rows.x),
                "notes": list(rows.notes),
                "columns": headings,
                "predictions": [list(row) for row in zip(*columns, strict=True)],
            }
        )
    else:
        report.say("\n".join(rows.notes))
    if out is not None or not as_json:
        text = csv_text(headings, zip(*columns, strict=True))
        if out is None:
            sys.stdout.write(text)
        else:
            write_text(out, text)
            report.say(f"{len(rows.x)} predictions are in {out}.")


def _answers(
    model: Model, preparation: Preparation, x: NDArray[np.float32]
) -> tuple[list[str], list[list[Any]]]:
    """Column names, and the columns."""
    if preparation.task == "regression":
        outputs = predicted_numbers(model, preparation, x)
        flat = outputs.reshape(len(x), -1)
        name = preparation.target or "prediction"
        names = [name] if flat.shape[1] == 1 else [f"{name}_{i}" for i in range(flat.shape[1])]
        return names, [column.tolist() for column in flat.T]
    shares = model.predict_proba(x)
    names = [preparation.class_names[index] for index in shares.argmax(axis=1)]
    headings = ["prediction", *(f"p({name})" for name in preparation.class_names)]
    shown = [[float(f"{share:.6g}") for share in column] for column in shares.T]
    return headings, [list(names), *shown]


def evaluate(model_path: Path, data: str, as_json: bool) -> None:
    """Score a model on rows with targets."""
    report = Report(as_json)
    model, preparation = open_model(model_path)
    rows = rows_with_targets(data, preparation)
    scores = score(model, rows.x, rows.y, rows.y, preparation)
    report.say("\n".join(rows.notes))
    report.heading(f"{data}: {scores.rows} rows")
    report.table(("", "model", scores.answer), scores.table())
    report.document({"model": str(model_path), "data": data, **scores.document()})


def rows_with_targets(data: str, preparation: Preparation) -> RowsWithTargets:
    """Rows of data that have targets.

    Raises:
        DataError: data without targets.
    """
    rows = read_rows(data, preparation)
    if rows.y is None:
        raise DataError(
            f"{data} has no targets to compare with.",
            happened=" ".join(rows.notes) or "only examples were found",
            needed=f"the target column {preparation.target!r}"
            if preparation.target
            else "targets beside the examples",
            fix="add the targets, or use ranvier predict",
        )
    return RowsWithTargets(rows.x, rows.y, rows.notes)


def inspect(model_path: Path, as_json: bool) -> None:
    """Show what a model file holds: structure, classes, preparation, versions, parameters."""
    report = Report(as_json)
    try:
        found = restore(model_path)
    except ModelFileError as error:
        show_remains(report, model_path, error)
        raise
    loaded, preparation, loss = found.loaded, found.preparations[0], found.losses[0]
    model = Model.from_network(loaded.network, found.preparations, found.losses)
    statistics = [
        _statistics(name, array) for name, array in sorted(loaded.network.parameters.items())
    ]
    report.heading(str(model_path))
    report.say(model.summary())
    if loss is not None:
        report.say(f"trained with {loss.describe()}")
    if preparation is not None:
        report.heading("Data")
        report.say(_preparation_text(preparation))
    report.heading("Parameters")
    report.table(
        ("name", "shape", "mean", "deviation", "smallest", "largest"),
        [
            (str(row["name"]), str(row["shape"]), *(f"{row[key]:.4g}" for key in _STATISTICS))
            for row in statistics
        ],
    )
    run = show_run(report, model_path) if loaded.checkpoint else None
    report.heading("Written by")
    report.say(", ".join(f"{name} {version}" for name, version in loaded.versions.items()))
    if loaded.reference_rows:
        rows = loaded.reference_rows
        report.say(f"{rows} reference rows in the file gave the outputs stored with them")
    report.document(
        {
            "model": str(model_path),
            "architecture": loaded.network.architecture(),
            "classes": [] if preparation is None else list(preparation.class_names),
            "task": "" if preparation is None else preparation.task,
            "loss": None if loss is None else loss.describe(),
            "preparation": loaded.preparation,
            "versions": loaded.versions,
            "parameters": statistics,
            "reference_rows": loaded.reference_rows,
            "run": run,
        }
    )


_STATISTICS = ("mean", "deviation", "smallest", "largest")


def _statistics(name: str, array: NDArray[Any]) -> dict[str, Any]:
    values = array.astype(np.float64)
    return {
        "name": name,
        "shape": list(array.shape),
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "smallest": float(values.min()),
        "largest": float(values.max()),
    }


def _preparation_text(preparation: Preparation) -> str:
    lines = [f"task: {preparation.task or 'unknown'}"]
    if preparation.target:
        lines.append(f"target: {preparation.target}")
    if preparation.class_names:
        lines.append(f"{len(preparation.class_names)} classes: {_some(preparation.class_names)}")
    if preparation.kind == "table":
        names = [column.name for column in preparation.columns]
        lines.append(f"{len(names)} columns: {_some(names)}")
    elif (preparation.scale, preparation.offset) != (1.0, 0.0):
        lines.append(f"values x {preparation.scale:g} + {preparation.offset:g}")
    return "\n".join([*lines, *preparation.notes])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + ("" if len(names) <= 20 else ", ...")


def open_model(path: Path) -> tuple[Model, Preparation]:
    """A model with its preparation, as the command line can use it.

    Raises:
        ModelFileError: several inputs or outputs, or a model that was not trained.
    """
    found = restore(path)
    wiring = found.loaded.network.wiring
    if len(wiring.inputs) > 1 or len(wiring.outputs) > 1:
        raise ModelFileError(
            f"{path} cannot be used from the command line.",
            happened=f"it has {len(wiring.inputs)} inputs and {len(wiring.outputs)} outputs",
            needed="a model with one input and one output",
            fix="use it in Python: rv.load(path).predict((a, b))",
        )
    preparation = found.preparations[0]
    if preparation is None:
        raise ModelFileError(
            f"{path} does not say how to read data.",
            happened="the model was saved before it was trained, so it has no preparation",
            needed="a model that was trained with fit or ranvier train",
            fix="train it first; in Python rv.load(path).predict(array) works without",
        )
    model = Model.from_network(found.loaded.network, found.preparations, found.losses)
    return model, preparation
