"""The rows of a network's summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ranvier.foundation.shapes import N, show_shape
from ranvier.layers import Layer
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
        trainable: whether they are trained.
        flops: floating-point operations of a forward pass of one example.
        reads: what it reads in each place where it is used, such as "2", a layer's number, or "input 'a'".
    """

    number: int
    description: str
    output_shape: str
    parameters: int
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
        rows[call.layer] = LayerRow(
            call.layer,
            layer.describe(),
            show_shape((N, *one.output_shape)),
            sum(math.prod(parameter.shape) for parameter in one.parameters.values()),
            layer.trainable,
            flops,
            (reads,),
        )
    return [rows[number] for number in sorted(rows)]


def _source(wiring: Wiring, value: int) -> str:
    place = wiring.source(value)
    return f"input {wiring.inputs[value]!r}" if place is None else str(wiring.calls[place].layer)
