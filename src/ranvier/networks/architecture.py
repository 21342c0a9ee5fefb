"""A network's structure as plain data, and back: class names, arguments, input shape, dtype.

What comes back may come from a file of anybody's: every key, type and integer is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.data.strict_json import Fields, odd
from ranvier.foundation.dtypes import FLOATS
from ranvier.foundation.errors import ModelFileError, RanvierError, did_you_mean
from ranvier.layers import LAYERS, Layer
from ranvier.layers.arguments import LARGEST_LENGTH

MOST_LAYERS = 10_000
MOST_AXES = 16


@dataclass(frozen=True)
class Architecture:
    """A network's structure.

    Attributes:
        layers: new layers, without numbers.
        input_shape: of one example, or None if the network was not built.
        dtype: of the network.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...] | None
    dtype: str


def write_architecture(
    layers: Sequence[Layer], input_shape: tuple[int, ...] | None, dtype: str
) -> dict[str, Any]:
    """The structure as numbers, texts, lists and dicts, ready for JSON."""
    return {
        "dtype": dtype,
        "input_shape": None if input_shape is None else list(input_shape),
        "layers": [
            {"layer": type(layer).__name__, "config": layer.config(), "trainable": layer.trainable}
            for layer in layers
        ],
    }


def read_architecture(description: object) -> Architecture:
    """The structure that :func:`write_architecture` wrote down.

    Raises:
        ModelFileError: for anything else; it names the place.
    """
    fields = Fields(description, "architecture", ("dtype", "input_shape", "layers"))
    dtype = fields.one_of("dtype", FLOATS)
    shape = None
    if isinstance(description, dict) and description["input_shape"] is not None:
        shape = fields.integers("input_shape", MOST_AXES, 1, LARGEST_LENGTH)
    items = fields.items("layers", MOST_LAYERS)
    if not items:
        raise odd("architecture.layers", "it is empty", "at least one layer")
    return Architecture(tuple(_layer(item, i) for i, item in enumerate(items)), shape, dtype)


def _layer(item: object, number: int) -> Layer:
    place = f"architecture.layers[{number}]"
    fields = Fields(item, place, ("layer", "config", "trainable"))
    name = fields.text("layer", 200)
    if name not in LAYERS:
        raise ModelFileError(
            f"The model file holds a layer that is not known here: layer {number}, {name!r:.80}.",
            happened=f"no layer is registered as {name!r:.80}",
            needed="every layer's class, registered before the file is loaded",
            fix="import the module that defines it, or update Ranvier; "
            + did_you_mean(name[:80], LAYERS),
        )
    config = item["config"] if isinstance(item, dict) else None
    try:
        layer = LAYERS[name].from_config(config)  # type: ignore[arg-type]
    except ModelFileError:
        raise
    except RanvierError as error:
        problem = f"{error.headline} {error.happened}"
        raise odd(f"{place}.config", problem, error.needed) from error
    layer.trainable = fields.flag("trainable")
    return layer
