"""`ranvier resume`: go on with a training that was killed, from the last checkpoint it wrote."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ranvier.cli.train import TrainOptions, train
from ranvier.data.strict_json import Fields, odd
from ranvier.formats import load_checkpoint
from ranvier.foundation.errors import ArgumentError

TEXTS = ("data", "optimizer", "dtype", "every")
TEXTS_OR_NONE = ("target", "kind", "network", "loss")
PATHS = ("out", "plot", "checkpoint")
COUNTS = {"batch_size": 1, "seed": 0}
COUNTS_OR_NONE = {"epochs": 1, "patience": 1}


def resume(path: Path, epochs: int | None, as_json: bool) -> int:
    """Go on with the command that a checkpoint was written by.

    Args:
        path: of the checkpoint.
        epochs: of the whole run; None: as it was asked for.
        as_json: one JSON document on stdout.

    Returns:
        The exit code, as of `train`.

    Raises:
        RanvierError: a file that cannot be used, or other data than then.
    """
    command = load_checkpoint(path).command
    if command is None:
        raise ArgumentError(
            f"{path} was not written by ranvier train.",
            happened="the checkpoint comes from a Python program",
            needed="a checkpoint of ranvier train --checkpoint",
            fix=f"run the program again with model.fit(..., resume={str(path)!r})",
        )
    options = replace(_options(command), checkpoint=path, as_json=as_json)
    if epochs is not None:
        options = replace(options, epochs=epochs)
    return train(options, path)


def _options(command: dict[str, Any]) -> TrainOptions:
    """The options in a file of anybody's, checked one by one."""
    names = [one.name for one in fields(TrainOptions)]
    checked = Fields(command, "checkpoint.command", names)
    found: dict[str, Any] = {name: checked.text(name) for name in TEXTS}
    for name in (*TEXTS_OR_NONE, *PATHS):
        found[name] = None if command[name] is None else checked.text(name)
    for name in PATHS:
        found[name] = None if found[name] is None else Path(found[name])
    for name, low in COUNTS.items():
        found[name] = checked.integer(name, low, 2**63 - 1)
    for name, low in COUNTS_OR_NONE.items():
        given = command[name]
        found[name] = None if given is None else checked.integer(name, low, 2**63 - 1)
    rate = command["learning_rate"]
    found["learning_rate"] = None if rate is None else checked.number("learning_rate")
    found["as_json"] = checked.flag("as_json")
    if set(found) != set(names):
        raise odd("checkpoint.command", "an option is of no known type", "the options of train")
    return TrainOptions(**found)
