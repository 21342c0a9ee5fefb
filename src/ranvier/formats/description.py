"""The description inside a model file: one JSON object, written and read with the same bounds.

What is written can be read again; what is read is checked key by key.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.strict_json import Fields, odd, read_object
from ranvier.formats.container import MOST_HEADER_BYTES, damaged, not_ours
from ranvier.foundation.errors import ArgumentError, ModelFileError

#: Raised by one whenever an older Ranvier could misread a file, or not read it.
#: 2: a checksum of each tensor, reference rows, checkpoints.
FORMAT_VERSION = 2

#: Of format 1; format 2 has `ADDED` beside them.
KEYS = (
    "ranvier",
    "versions",
    "architecture",
    "preparation",
    "classes",
    "settings",
    "notes",
    "sha256",
)
ADDED = ("tensors", "reference", "checkpoint")
MOST_CLASSES = 1_000_000
MOST_NOTES = 1_000
LONGEST_NOTE = 10_000
#: Characters of the whole description; escaped, they stay within the container's bound.
MOST_CHARACTERS = MOST_HEADER_BYTES // 8
DEEPEST = 100


# --- writing


def versions() -> dict[str, str]:
    """The versions of what writes the file."""
    return {
        "ranvier": _installed("ranvier"),
        "numpy": np.__version__,
        "llvmlite": _installed("llvmlite"),
    }


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def class_list(classes: Sequence[Any] | NDArray[Any] | None) -> list[Any] | None:
    """Labels as plain Python texts and numbers.

    Raises:
        ArgumentError: for labels of another type.
    """
    if classes is None:
        return None
    found = [c.item() if isinstance(c, np.generic) else c for c in classes]
    for value in found:
        if not isinstance(value, str | int | float):
            raise ArgumentError(
                "The classes cannot be written into a model file.",
                happened=f"one of them is a {type(value).__name__}",
                needed="texts, integers, booleans or floats",
                fix="turn the labels into texts before training",
            )
    return found


def check_bounds(classes: Sequence[Any] | None, notes: Sequence[str]) -> None:
    """Hold the bounds of reading when writing: what is saved can be loaded.

    Raises:
        ArgumentError: if there is too much.
    """
    fits = len(notes) <= MOST_NOTES and all(len(note) <= LONGEST_NOTE for note in notes)
    if not fits or len(classes or ()) > MOST_CLASSES:
        raise ArgumentError(
            "The model's classes or notes do not fit into a model file.",
            happened=f"{len(classes or ())} classes, {len(notes)} notes",
            needed=f"at most {MOST_CLASSES:,} classes, and {MOST_NOTES:,} notes "
            f"of {LONGEST_NOTE:,} characters",
            fix="leave some out",
        )


def to_json(content: Mapping[str, Any], path: Path) -> str:
    """The description as text: keys sorted, only what reads back as it was written.

    Raises:
        ArgumentError: if something is not JSON, or there is too much of it.
    """
    problem = _not_plain(content)
    text = ""
    if problem is None:
        try:
            text = json.dumps(content, allow_nan=False, sort_keys=True, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            problem = str(error)
    if problem is not None:
        raise ArgumentError(
            f"The model cannot be written to {path}.",
            happened=f"its preparation, classes, settings or notes are not JSON: {problem}",
            needed="finite numbers, texts, booleans, None, lists and dicts with text keys",
            fix="convert arrays with .tolist(), and leave out what is not finite",
        )
    if len(text) > MOST_CHARACTERS:
        raise ArgumentError(
            f"The model cannot be written to {path}.",
            happened=f"its description takes {len(text):,} characters",
            needed=f"at most {MOST_CHARACTERS:,}",
            fix="keep large data out of preparation, classes and settings",
        )
    return text


def _not_plain(value: object, depth: int = 0) -> str | None:
    """Why JSON would not give it back: it turns other keys into texts, and recursion ends."""
    if depth > DEEPEST:
        return f"more than {DEEPEST} lists and dicts inside each other"
    if isinstance(value, Mapping):
        odd_key = next((key for key in value if not isinstance(key, str)), None)
        if odd_key is not None:
            return f"the key {odd_key!r:.40} is no text"
        value = list(value.values())
    if isinstance(value, list | tuple):
        problems = (_not_plain(inner, depth + 1) for inner in value)
        return next((problem for problem in problems if problem is not None), None)
    return None


# --- reading


def read_content(text: str, path: Path) -> dict[str, Any]:
    """The whole description, its format version checked before anything else is believed."""
    parsed = read_object(text, "the description", MOST_CHARACTERS)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("ranvier"), int):
        raise not_ours(path, "its description has no format version")
    version = parsed["ranvier"]
    if version > FORMAT_VERSION:
        written = parsed.get("versions")
        by = written.get("ranvier") if isinstance(written, dict) else None
        raise ModelFileError(
            f"The model file {path} was written by a newer Ranvier.",
            happened=f"its format is {version}, written by ranvier {by!r:.40}",
            needed=f"format {FORMAT_VERSION} or older, which ranvier {_installed('ranvier')} reads",
            fix="pip install --upgrade ranvier",
        )
    if version < 1 or isinstance(version, bool):
        raise damaged(path, f"its format is {version!r:.40}, which never was")
    return parsed


def checked_fields(content: Mapping[str, Any]) -> Fields:
    """The description with exactly the keys of its format.

    Raises:
        ModelFileError: for other keys.
    """
    return Fields(content, "the description", KEYS + (ADDED if content["ranvier"] > 1 else ()))


def optional_object(content: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """A JSON object or null.

    Raises:
        ModelFileError: for anything else.
    """
    value = content[key]
    if value is not None and not isinstance(value, dict):
        raise odd(key, f"it is a {type(value).__name__}", "a JSON object, or null")
    return value


def optional_classes(fields: Fields, content: Mapping[str, Any]) -> list[Any] | None:
    """The labels, or None.

    Raises:
        ModelFileError: for anything else.
    """
    if content["classes"] is None:
        return None
    values = fields.items("classes", MOST_CLASSES)
    if not all(isinstance(value, str | int | float) for value in values):
        raise odd("classes", "it holds something else than labels", "texts and numbers")
    return values


def read_versions(value: object) -> dict[str, str]:
    """The versions that wrote the file.

    Raises:
        ModelFileError: for anything else.
    """
    fields = Fields(value, "versions", ("ranvier", "numpy", "llvmlite"))
    return {key: fields.text(key, 100) for key in ("ranvier", "numpy", "llvmlite")}
