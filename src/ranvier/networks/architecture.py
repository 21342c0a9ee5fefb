"""A network's structure as plain data, and back: layers, their wiring, input shapes, dtype.

What comes back may come from a file of anybody's: every key, type and integer is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ranvier.data.strict_json import Fields, odd
from ranvier.foundation.dtypes import FLOATS
from ranvier.foundation.errors import ModelFileError, RanvierError, did_you_mean
from ranvier.layers import LAYERS, Layer
from ranvier.layers.arguments import LARGEST_LENGTH
from ranvier.networks.wiring import Call, Wiring, chain

MOST_LAYERS = 10_000
MOST_AXES = 16
MOST_INPUTS = 1_000
LONGEST_NAME = 1_000


@dataclass(frozen=True)
class Architecture:
    """A network's structure.

    Attributes:
        layers: by number; from a description: new ones, without numbers.
        wiring: which values each layer reads.
        input_shapes: of one example of each input; empty if the network has no shapes yet.
        dtype: of the network.
    """

    layers: tuple[Layer, ...]
    wiring: Wiring
    input_shapes: tuple[tuple[int, ...], ...]
    dtype: str


def write_architecture(architecture: Architecture) -> dict[str, Any]:
    """The structure as numbers, texts, lists and dicts, ready for JSON.

    A plain stack is a list of layers; a graph has its inputs, calls and outputs beside it.
    """
    layers = [
        {"layer": type(layer).__name__, "config": layer.config(), "trainable": layer.trainable}
        for layer in architecture.layers
    ]
    wiring, shapes = architecture.wiring, [list(shape) for shape in architecture.input_shapes]
    if wiring.is_chain:
        shape = shapes[0] if shapes else None
        return {"dtype": architecture.dtype, "input_shape": shape, "layers": layers}
    return {
        "dtype": architecture.dtype,
        "inputs": [
            {"name": name, "shape": shape}
            for name, shape in zip(wiring.inputs, shapes, strict=True)
        ],
        "layers": layers,
        "calls": [
            {"layer": call.layer, "reads": list(call.reads), "gives": len(call.gives)}
            for call in wiring.calls
        ],
        "outputs": [
            {"name": name, "value": value}
            for name, value in zip(wiring.output_names, wiring.outputs, strict=True)
        ],
    }


def read_architecture(description: object) -> Architecture:
    """The structure that :func:`write_architecture` wrote down.

    Raises:
        ModelFileError: for anything else; it names the place.
    """
    if isinstance(description, dict) and "calls" in description:
        return _read_graph(description)
    fields = Fields(description, "architecture", ("dtype", "input_shape", "layers"))
    dtype = fields.one_of("dtype", FLOATS)
    shapes: tuple[tuple[int, ...], ...] = ()
    if isinstance(description, dict) and description["input_shape"] is not None:
        shapes = (fields.integers("input_shape", MOST_AXES, 1, LARGEST_LENGTH),)
    layers = _layers(fields)
    return Architecture(layers, chain(len(layers)), shapes, dtype)


def _layers(fields: Fields) -> tuple[Layer, ...]:
    items = fields.items("layers", MOST_LAYERS)
    if not items:
        raise odd("architecture.layers", "it is empty", "at least one layer")
    return tuple(_layer(item, i) for i, item in enumerate(items))


def _read_graph(description: dict[str, Any]) -> Architecture:
    fields = Fields(description, "architecture", ("dtype", "inputs", "layers", "calls", "outputs"))
    dtype, layers = fields.one_of("dtype", FLOATS), _layers(fields)
    names, shapes = [], []
    for number, item in enumerate(fields.items("inputs", MOST_INPUTS)):
        one = Fields(item, f"architecture.inputs[{number}]", ("name", "shape"))
        names.append(one.text("name", LONGEST_NAME))
        shapes.append(one.integers("shape", MOST_AXES, 1, LARGEST_LENGTH))
    calls: list[Call] = []
    values = len(names)
    for number, item in enumerate(fields.items("calls", MOST_LAYERS)):
        one = Fields(item, f"architecture.calls[{number}]", ("layer", "reads", "gives"))
        layer = one.integer("layer", 0, len(layers) - 1)
        # Only what is there already: so the graph has no cycle.
        reads = one.integers("reads", MOST_INPUTS, 0, values - 1)
        gives = one.integer("gives", 1, MOST_INPUTS)
        if not reads or (len(reads) > 1 and not layers[layer].several_inputs):
            raise odd(f"architecture.calls[{number}].reads", "it has another length", "the inputs")
        calls.append(Call(layer, reads, tuple(range(values, values + gives))))
        values += gives
    outputs, output_names = [], []
    for number, item in enumerate(fields.items("outputs", MOST_INPUTS)):
        one = Fields(item, f"architecture.outputs[{number}]", ("name", "value"))
        output_names.append(one.text("name", LONGEST_NAME))
        outputs.append(one.integer("value", 0, values - 1))
    _check_whole(layers, names, calls, outputs, output_names)
    wiring = Wiring(tuple(names), tuple(calls), tuple(outputs), tuple(output_names))
    return Architecture(layers, wiring, tuple(shapes), dtype)


def _check_whole(
    layers: tuple[Layer, ...],
    names: list[str],
    calls: list[Call],
    outputs: list[int],
    output_names: list[str],
) -> None:
    """Every layer is used, and there is something to read and to give, under distinct names."""
    if {call.layer for call in calls} != set(range(len(layers))):
        raise odd("architecture.calls", "a layer is never called", "a call of each layer")
    for place, found in (("inputs", names), ("outputs", output_names)):
        if not found or len(set(found)) < len(found):
            raise odd(f"architecture.{place}", "it is empty or repeats a name", "distinct names")
    if not outputs:
        raise odd("architecture.outputs", "it is empty", "at least one output")


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
