"""Where results go: never silently over something that is not ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from ranvier.formats.atomic import write_atomically
from ranvier.formats.model_file import load_model
from ranvier.foundation.errors import FileError, ModelFileError


def check_model_place(path: Path) -> None:
    """Find out before training whether a model may be written to a place.

    Raises:
        FileError: no such folder, a folder, or a file that is no Ranvier model.
    """
    parent = path.absolute().parent
    if not parent.is_dir():
        raise FileError(
            f"The model cannot be saved as {path}.",
            happened=f"there is no folder {parent}",
            needed="an existing folder",
            fix=f"make it first, mkdir -p {parent}, or give another place with --out",
        )
    if path.is_dir():
        raise FileError(
            f"The model cannot be saved as {path}.",
            happened="it is a folder",
            needed="the name of a file",
            fix=f"for example --out {path / 'model.safetensors'}",
        )
    if path.exists():
        try:
            load_model(path)
        except ModelFileError as error:
            raise FileError(
                f"{path} would be overwritten, and it is not a Ranvier model.",
                happened="there is such a file already; " + error.happened,
                needed="a new file, or an older Ranvier model to replace",
                fix="give another place with --out, or remove the file yourself",
            ) from error


def csv_text(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV, quoted where needed."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)
    return stream.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        FileError: if it cannot be written.
    """
    write_atomically(path, text.encode("utf-8"))
