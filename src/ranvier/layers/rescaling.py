"""Inputs brought to another range, as the first layer of a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor


@LAYERS.register("Rescaling")
class Rescaling(Layer):
    """Scales and shifts every element; integers become the network's floats first.

    Formula: ``x * scale + offset``. It has no parameters and learns nothing.

    **Shapes**: ``x: (N, ...) -> the same``

    Args:
        scale: what to multiply by, such as ``1 / 255`` for pictures of bytes.
        offset: what to add then.

    Raises:
        ArgumentError: if one of them is not a finite number.

    Example:
        >>> import numpy as np
        >>> Rescaling(0.5, offset=-1.0).forward(np.uint8([[0, 2, 4]]), {}, Context()).tolist()
        [[-1.0, 0.0, 1.0]]
    """

    def __init__(self, scale: float, offset: float = 0.0) -> None:
        self.scale = number("Rescaling", "scale", scale)
        self.offset = number("Rescaling", "offset", offset)

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``x * scale + offset``. **Shapes**: ``x: (N, ...) -> the same``"""
        scaled = ops.multiply(ops.cast(x, context.dtype), self.scale)
        return scaled if self.offset == 0.0 else ops.add(scaled, self.offset)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Two for each element."""
        return 2 * math.prod(output_shape)
