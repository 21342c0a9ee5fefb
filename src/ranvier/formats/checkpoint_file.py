"""Checkpoint files: a model file that also holds all that a run needs to go on.

`rv.load` reads the model that the network would be if training had ended there; `load_checkpoint`
reads the run.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.native.target import find_target
from ranvier.data.strict_json import Fields, odd
from ranvier.formats.atomic import write_atomically
from ranvier.formats.container import Container, damaged, to_bytes
from ranvier.formats.description import (
    FORMAT_VERSION,
    checked_fields,
    read_content,
    versions,
)
from ranvier.formats.model_file import CHECKPOINT, read_tensors, sealed
from ranvier.foundation.errors import ArgumentError, ModelFileError
from ranvier.training.run_state import COUNTS, REALS, REASONS, RunState

KEYS = (
    "counts",
    "reals",
    "history",
    "seconds",
    "reason",
    "callbacks",
    "said",
    "run",
    "model",
    "machine",
    "command",
)
HISTORY, SUMS = CHECKPOINT + "history", CHECKPOINT + "sums"
MOST_CALLBACKS = 1_000
LARGEST_COUNT = 2**62
#: JSON has no infinity: such a number is an object with this key.
FLOAT = "float"


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """What a checkpoint file holds beside the model.

    Attributes:
        state: of the run.
        command: the command line that started it, or None.
        same_machine: whether this machine computes the same bits as the one that wrote it.
    """

    state: RunState
    command: dict[str, Any] | None
    same_machine: bool


def save_checkpoint(
    path: str | os.PathLike[str],
    state: RunState,
    *,
    preparation: Mapping[str, Any] | None = None,
    classes: Sequence[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    command: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run into one file, atomically: what is there stays until the new file is whole.

    Args:
        path: of the file.
        state: of the run; all of it is kept.
        preparation, classes, settings, notes: of the model, as `save_model` takes them.
        command: the command line that started the run, ready for JSON.

    Raises:
        FileError: if it cannot be written; what was there is kept.
        ArgumentError: a callback's state that is no plain data.
    """
    place = Path(path)
    content: dict[str, Any] = {
        "ranvier": FORMAT_VERSION,
        "versions": versions(),
        "architecture": state.architecture,
        "preparation": None if preparation is None else dict(preparation),
        "classes": None if classes is None else list(classes),
        "settings": None if settings is None else dict(settings),
        "notes": list(notes),
        "reference": None,
        "checkpoint": {
            "counts": dict(state.counts),
            "reals": plain(state.reals),
            "history": list(state.history),
            "seconds": state.seconds,
            "reason": state.reason,
            "callbacks": [{"name": name, "state": plain(own)} for name, own in state.callbacks],
            "said": dict(state.said),
            "run": dict(state.run()),
            "model": dict(state.model),
            "machine": machine(),
            "command": None if command is None else dict(command),
        },
    }
    names = {key: name for name, key in state.model.items()}
    tensors = {names.get(key, CHECKPOINT + key): array for key, array in state.arrays.items()}
    columns = [np.array(numbers, np.float64) for numbers in state.history.values()]
    tensors[HISTORY] = np.stack(columns) if columns else np.zeros((0, 0))
    tensors[SUMS] = state.sums
    write_atomically(place, to_bytes(tensors, sealed(content, tensors, place)))
    return place


def load_checkpoint(path: str | os.PathLike[str]) -> LoadedCheckpoint:
    """Read a run back; nothing in the file is believed unchecked.

    Raises:
        FileError: if the file cannot be read.
        ModelFileError: if it is damaged, altered, newer, or a model without a run.
    """
    place = Path(path)
    container = Container(place)
    content = read_content(container.text, place)
    fields = checked_fields(content)
    if content.get("checkpoint") is None:
        raise no_checkpoint(place)
    tensors = read_tensors(container, content, fields)
    return _loaded(place, content["architecture"], content["checkpoint"], tensors)


def no_checkpoint(path: Path) -> ModelFileError:
    """The error for a model file without a run."""
    return ModelFileError(
        f"The model file {path} holds no run that could go on.",
        happened="it is a model, saved after its training",
        needed="a file that rv.Checkpoint or ranvier train --checkpoint wrote",
        fix="train the loaded model further: rv.load(path).fit(...)",
    )


def machine() -> str:
    """A short hash of what decides on bits: the processor's features and the packages."""
    known = versions()
    text = f"{find_target()} {known['ranvier']} {known['numpy']} {known['llvmlite']}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """A value as JSON: numbers that are not finite become an object.

    Raises:
        ArgumentError: for something else than numbers, texts, lists and dicts.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {FLOAT: repr(value)}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ArgumentError(
        "What a callback knows cannot be written into a checkpoint.",
        happened=f"its checkpoint_state holds a {type(value).__name__}",
        needed="numbers, texts, booleans, None, lists and dicts with text keys",
        fix="convert arrays with .tolist(), and leave out what can be made again",
    )


def restored(value: Any) -> Any:
    """What :func:`plain` was given."""
    if isinstance(value, dict):
        if set(value) == {FLOAT} and value[FLOAT] in ("inf", "-inf", "nan"):
            return float(value[FLOAT])
        return {key: restored(inner) for key, inner in value.items()}
    return [restored(inner) for inner in value] if isinstance(value, list) else value


# --- reading


def _loaded(
    path: Path, architecture: Any, description: object, tensors: dict[str, NDArray[Any]]
) -> LoadedCheckpoint:
    fields = Fields(description, "checkpoint", KEYS)
    found: dict[str, Any] = description  # type: ignore[assignment]  # an object: Fields checked it
    counted = Fields(found["counts"], "checkpoint.counts", COUNTS)
    counts = {name: counted.integer(name, -1, LARGEST_COUNT) for name in COUNTS}
    reals = restored(found["reals"])
    if not isinstance(reals, dict) or set(reals) != set(REALS):
        raise odd("checkpoint.reals", "it has other entries", ", ".join(REALS))
    if not all(isinstance(one, float) for one in reals.values()):
        raise odd("checkpoint.reals", "it holds something else than numbers", "numbers")
    columns = fields.texts("history", len(tensors[HISTORY]) if HISTORY in tensors else 0)
    if HISTORY not in tensors or SUMS not in tensors:
        raise damaged(path, "its history is missing")
    model, run, said = (_texts(found[key], key) for key in ("model", "run", "said"))
    command = found["command"]
    if command is not None and not isinstance(command, dict):
        raise odd("checkpoint.command", f"it is a {type(command).__name__}", "an object, or null")
    history, sums = tensors.pop(HISTORY), tensors.pop(SUMS)
    if history.ndim != 2 or len(history) != len(columns) or sums.dtype != np.float64:
        raise damaged(path, "its history or its sums have another shape or dtype")
    state = RunState(
        {model.get(name, name.removeprefix(CHECKPOINT)): one for name, one in tensors.items()},
        model,
        counts,
        reals,
        sums,
        dict(zip(columns, history.tolist(), strict=True)),
        fields.number("seconds"),
        fields.one_of("reason", REASONS),
        _callbacks(fields),
        said,
        architecture if isinstance(architecture, dict) else {},
        lambda: run,
    )
    return LoadedCheckpoint(state, command, fields.text("machine", 100) == machine())


def _texts(value: object, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise odd(f"checkpoint.{key}", "it holds something else than texts", "an object of texts")
    return value


def _callbacks(fields: Fields) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    found = []
    for number, item in enumerate(fields.items("callbacks", MOST_CALLBACKS)):
        one = Fields(item, f"checkpoint.callbacks[{number}]", ("name", "state"))
        state = restored(item["state"]) if isinstance(item, dict) else None
        if not isinstance(state, dict):
            raise odd(f"checkpoint.callbacks[{number}].state", "it is no object", "an object")
        found.append((one.text("name", 1_000), state))
    return tuple(found)
