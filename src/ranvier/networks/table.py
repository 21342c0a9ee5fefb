"""The rows of a network's summary."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    number: int
    description: str
    output_shape: str
    parameters: int
    trainable: bool
    flops: int
