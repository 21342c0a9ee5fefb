"""The rows of a network's summary."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ranvier.foundation.shapes import N, show_shape
from ranvier.layers import Layer, Parameter
from ranvier.layers.shapes import LayerShapes
from ranvier.networks.wiring import Wiring


@dataclass(frozen=True)
class LayerRow:
    """What a summary says of one layer.

    Attributes:
        number: its place, from 0, as in parameter names.
        description: the layer as it is written.
        output_shape: with the batch axis as "N".
        parameters: how many numbers it holds.
        trained: how many of them training changes: none of a frozen layer, and nothing that a
            layer keeps by itself, such as running statistics.
        trainable: whether the layer is trained, that is, not frozen.
        flops: floating-point operations of a forward pass of one example.
        reads: what it reads in each place where it is used, such as "2", a layer's number, or
            "input 'a'".
    """

    number: int
    description: str
    output_shape: str
    parameters: int
    trained: int
    trainable: bool
    flops: int
    reads: tuple[str, ...] = ()


def layer_rows(
    layers: Sequence[Layer], wiring: Wiring, shapes: Sequence[LayerShapes]
) -> list[LayerRow]:
    """One row a layer; a shared layer counts its operations in each place.

    Args:
        layers, wiring, shapes: of a network; shapes are those of each call.
    """
    rows: dict[int, LayerRow] = {}
    for call, one in zip(wiring.calls, shapes, strict=True):
        layer = layers[call.layer]
        read: Any = one.input_shapes if layer.several_inputs else one.input_shape
        flops = layer.flops(read, one.output_shape)
        reads = " and ".join(_source(wiring, value) for value in call.reads)
        known = rows.get(call.layer)
        if known is not None:
            both = (*known.reads, reads)
            rows[call.layer] = replace(known, flops=known.flops + flops, reads=both)
            continue
        held = [p for p in one.parameters.values() if p.trainable]
        trained = [
            p for name, p in one.parameters.items() if p.trainable and not layer.frozen(name)
        ]
        rows[call.layer] = LayerRow(
            call.layer,
            layer.describe(),
            show_shape((N, *one.output_shape)),
            _numbers(one.parameters.values()),
            _numbers(trained),
            layer.trainable and not (held and not trained),
            flops,
            (reads,),
        )
    return [rows[number] for number in sorted(rows)]


def _numbers(parameters: Iterable[Parameter]) -> int:
    return sum(math.prod(parameter.shape) for parameter in parameters)


def _source(wiring: Wiring, value: int) -> str:
    place = wiring.source(value)
    return f"input {wiring.inputs[value]!r}" if place is None else str(wiring.calls[place].layer)
