"""What a model file keeps beside the network: the preparation and how the model was trained."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ranvier.data.preparation import Preparation
from ranvier.data.strict_json import Fields
from ranvier.formats.model_file import LoadedModel, load_model, save_model
from ranvier.foundation.errors import ModelFileError, RanvierError
from ranvier.foundation.shapes import N, show_shape
from ranvier.losses import LOSSES, Loss
from ranvier.networks.network import Network


def store(
    path: str | Path, network: Network, preparation: Preparation | None, loss: Loss | None
) -> Path:
    """Write a model into one file; a loss of one's own that is not registered is left out.

    Raises:
        FileError: a place that cannot be written to.
        ArgumentError: a layer that is not registered.
    """
    known = loss is not None and loss.name in LOSSES and LOSSES[loss.name] is type(loss)
    settings = {"loss": {"name": loss.name, "config": loss.config()}} if loss and known else None
    return save_model(
        path,
        network,
        preparation=None if preparation is None else json.loads(preparation.to_json()),
        classes=list(preparation.class_values) or None if preparation is not None else None,
        settings=settings,
        notes=() if preparation is None else preparation.notes,
    )


def restore(path: str | Path) -> tuple[LoadedModel, Preparation | None, Loss | None]:
    """Read a model file back.

    Raises:
        FileError: a file that cannot be read.
        ModelFileError: one that is damaged, altered, not ours, or newer.
    """
    loaded = load_model(path)
    preparation = None
    if loaded.preparation is not None:
        preparation = Preparation.from_json(json.dumps(loaded.preparation))
        _check_fits(Path(path), loaded.network, preparation)
    return loaded, preparation, _loss(loaded.settings)


def _check_fits(path: Path, network: Network, preparation: Preparation) -> None:
    """The preparation must give what the network reads, and mean what it gives."""
    outputs, numbers = network.output_shape, len(preparation.target_mean)
    classes = len(preparation.class_values)
    problem = ""
    if preparation.prepared_shape != network.input_shape:
        problem = (
            f"its preparation gives {show_shape((N, *preparation.prepared_shape))}, "
            f"its network reads {show_shape((N, *(network.input_shape or ())))}"
        )
    elif classes and outputs != (classes,) and not (classes == 2 and outputs == (1,)):
        problem = f"it names {classes} classes for outputs {show_shape((N, *outputs))}"
    elif numbers and math.prod(outputs) != numbers:
        problem = f"it scales {numbers} targets for outputs {show_shape((N, *outputs))}"
    if problem:
        raise ModelFileError(
            f"The model file {path} contradicts itself.",
            happened=problem,
            needed="a preparation and a network that fit together",
            fix="train the model again, or take an undamaged copy",
        )


def _loss(settings: Mapping[str, Any] | None) -> Loss | None:
    if settings is None or settings.get("loss") is None:
        return None
    fields = Fields(settings["loss"], "settings.loss", ("name", "config"))
    name = fields.text("name", 200)
    if name not in LOSSES:
        # A loss of one's own that is not imported now: predictions do not need it.
        return None
    try:
        return LOSSES[name].from_config(settings["loss"]["config"])
    except RanvierError as error:
        raise ModelFileError(
            f"The model file holds a loss that cannot be made: {name!r:.80}.",
            happened=error.happened,
            needed=error.needed,
            fix="train the model again, or take an undamaged copy",
        ) from error
