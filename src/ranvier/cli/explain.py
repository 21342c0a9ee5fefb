"""`ranvier explain MODEL DATA` and `ranvier doctor MODEL DATA`: what a model does, what ails it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ranvier import explain
from ranvier.cli.output_files import write_text
from ranvier.cli.report import Report
from ranvier.cli.use import open_model, rows_with_targets
from ranvier.data import Preparation
from ranvier.foundation.errors import FileError
from ranvier.models import Model
from ranvier.optimizers import OPTIMIZERS, Optimizer

#: The page in the folder that `ranvier explain` writes.
PAGE = "report.html"


@dataclass(frozen=True)
class TrialOptions:
    """How training is to be tried: nothing is tried without an optimizer or a rate."""

    optimizer: str | None = None
    learning_rate: float | None = None
    batch_size: int = 32

    def made(self) -> Optimizer | None:
        """The optimizer, or None.

        Raises:
            UnknownNameError: a name that no optimizer has.
        """
        if self.optimizer is None and self.learning_rate is None:
            return None
        kind = OPTIMIZERS[self.optimizer or "adam"]
        return kind() if self.learning_rate is None else kind(learning_rate=self.learning_rate)  # type: ignore[call-arg]


def diagnose(model_path: Path, data: str, options: TrialOptions, as_json: bool) -> None:
    """Print what ails a model, its data or its training."""
    report = Report(as_json)
    model, preparation = open_model(model_path)
    rows = rows_with_targets(data, preparation)
    found = explain.doctor(
        model, rows.x, targets_in_words(rows.y, preparation),
        optimizer=options.made(), batch_size=options.batch_size,
    )  # fmt: skip
    report.say("\n".join(rows.notes))
    report.heading(f"{model_path} on {data}")
    report.say(str(found))
    report.document({"model": str(model_path), "data": data, **found.document()})


def write_report(
    model_path: Path, data: str, out: Path, example: int, options: TrialOptions, as_json: bool
) -> None:
    """Write one HTML page about a model and rows into a folder."""
    report = Report(as_json)
    place = _page_in(out)
    model, preparation = open_model(model_path)
    rows = rows_with_targets(data, preparation)
    page = explain.report(
        model, rows.x, targets_in_words(rows.y, preparation),
        title=f"{model_path.name} on {data}", summary=_summary(model),
        notes=[f"{len(rows.x)} rows were looked at.", *rows.notes],
        column_names=preparation.prepared_names, example=example,
        optimizer=options.made(), batch_size=options.batch_size,
    )  # fmt: skip
    place.parent.mkdir(exist_ok=True)
    write_text(place, page)
    report.say(f"The report is {place} ({len(page.encode()) / 1e6:.1f} MB); open it in a browser.")
    report.document({"model": str(model_path), "data": data, "report": str(place)})


def targets_in_words(y: NDArray[Any], preparation: Preparation) -> NDArray[Any]:
    """Targets as the model was trained on them: labels of classes, scaled numbers.

    Args:
        y: class indices, or numbers in their own units.
        preparation: of the model.
    """
    if preparation.task == "regression":
        return preparation.scale_targets(y)
    labels: NDArray[Any] = preparation.class_array[y]
    return labels


def _summary(model: Model) -> str:
    loss = model.loss
    trained = "" if loss is None else f"\ntrained with {loss.describe()}"
    return model.summary() + trained


def _page_in(out: Path) -> Path:
    """Find out before the work whether the page can be written.

    Raises:
        FileError: a file in the place of the folder, or no folder around it.
    """
    if (out.exists() and not out.is_dir()) or not out.absolute().parent.is_dir():
        raise FileError(
            f"The report cannot be written into {out}.",
            happened="it is a file" if out.exists() else f"there is no {out.absolute().parent}",
            needed="a folder, or a name in an existing folder to make one",
            fix="give another place with --out",
        )
    return out / PAGE
