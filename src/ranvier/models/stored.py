"""What a model file keeps beside the network: the preparation and how the model was trained."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    path: str | Path,
    network: Network,
    preparations: Sequence[Preparation | None],
    losses: Sequence[Loss | None],
) -> Path:
    """Write a model into one file; a loss of one's own that is not registered is left out.

    Args:
        path: of the file.
        network: built.
        preparations, losses: of each output.

    Raises:
        FileError: a place that cannot be written to.
        ArgumentError: a layer that is not registered.
    """
    return save_model(path, network, **beside(preparations, losses))


def beside(
    preparations: Sequence[Preparation | None], losses: Sequence[Loss | None]
) -> dict[str, Any]:
    """What a file holds beside the network, as arguments of `save_model`."""
    prepared = [None if one is None else json.loads(one.to_json()) for one in preparations]
    written = [_loss_settings(loss) for loss in losses]
    if len(preparations) > 1:
        return {"preparation": {"outputs": prepared}, "settings": {"losses": written}}
    first = preparations[0]
    return {
        "preparation": prepared[0],
        "classes": None if first is None else list(first.class_values) or None,
        "settings": None if written[0] is None else {"loss": written[0]},
        "notes": () if first is None else first.notes,
    }


def _loss_settings(loss: Loss | None) -> dict[str, Any] | None:
    known = loss is not None and loss.name in LOSSES and LOSSES[loss.name] is type(loss)
    return {"name": loss.name, "config": loss.config()} if loss and known else None


@dataclass(frozen=True, eq=False)
class Restored:
    """What a model file gives back.

    Attributes:
        loaded: the network and what was saved beside it.
        preparations, losses: of each output.
    """

    loaded: LoadedModel
    preparations: tuple[Preparation | None, ...]
    losses: tuple[Loss | None, ...]


def restore(path: str | Path) -> Restored:
    """Read a model file back.

    Raises:
        FileError: a file that cannot be read.
        ModelFileError: one that is damaged, altered, not ours, or newer.
    """
    loaded = load_model(path)
    place, outputs = Path(path), len(loaded.network.wiring.outputs)
    written, settings = [loaded.preparation], loaded.settings or {}
    found = [settings.get("loss")]
    if outputs > 1:
        written = _list_of(place, loaded.preparation or {}, "outputs", outputs)
        found = _list_of(place, settings, "losses", outputs)
    preparations = []
    for number, one in enumerate(written):
        prepared = None if one is None else Preparation.from_json(json.dumps(one))
        if prepared is not None:
            _check_fits(place, loaded.network, prepared, number)
        preparations.append(prepared)
    return Restored(loaded, tuple(preparations), tuple(_loss(one) for one in found))


def _list_of(path: Path, holder: Mapping[str, Any], key: str, count: int) -> list[Any]:
    """One entry for each output; none at all if nothing was kept."""
    found = holder.get(key, [None] * count)
    if not isinstance(found, list) or len(found) != count:
        raise ModelFileError(
            f"The model file {path} contradicts itself.",
            happened=f"its {key} are not one for each of the {count} outputs",
            needed="a list with an entry for each output",
            fix="train the model again, or take an undamaged copy",
        )
    return found


def _check_fits(path: Path, network: Network, preparation: Preparation, place: int) -> None:
    """The preparation must give what the network reads, and mean what it gives."""
    outputs, numbers = network.output_shapes[place], len(preparation.target_mean)
    classes = len(preparation.class_values)
    problem = ""
    if preparation.prepared_shape != network.input_shapes[0]:
        problem = (
            f"its preparation gives {show_shape((N, *preparation.prepared_shape))}, "
            f"its network reads {show_shape((N, *network.input_shapes[0]))}"
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


def _loss(written: object) -> Loss | None:
    if written is None:
        return None
    fields = Fields(written, "settings.loss", ("name", "config"))
    name = fields.text("name", 200)
    if name not in LOSSES:
        # A loss of one's own that is not imported now: predictions do not need it.
        return None
    config = written["config"] if isinstance(written, dict) else None
    try:
        return LOSSES[name].from_config(config)  # type: ignore[arg-type]
    except RanvierError as error:
        raise ModelFileError(
            f"The model file holds a loss that cannot be made: {name!r:.80}.",
            happened=error.happened,
            needed=error.needed,
            fix="train the model again, or take an undamaged copy",
        ) from error
