"""The leaky rectifier whose slopes are learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import IN_FRONT, LAYERS, Context, Layer, Parameter
from ranvier.layers.initializers import Constant
from ranvier.ops import Tensor


@LAYERS.register("PReLU")
class PReLU(Layer):
    """Lets a part of the negative numbers through: a learned one for each feature.

    Formula: ``x`` above 0, ``slope * x`` else; at 0 the gradient of x is the slope, as in PyTorch.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers: surpassing human-level performance on
    ImageNet classification", ICCV 2015.

    **Shapes**: ``x: (N, ..., F) -> the same``, ``slope: (F,)``

    Args:
        initial: every slope at the start.

    Raises:
        ArgumentError: if the initial slope is not a finite number.
        ShapeError: in a network, for examples without an axis of features.

    Example:
        >>> import numpy as np
        >>> values = {"slope": np.array([0.5, 0.25])}
        >>> PReLU().forward(np.array([[-1.0, -1.0], [2.0, 3.0]]), values, Context()).tolist()
        [[-0.5, -0.25], [2.0, 3.0]]
    """

    def __init__(self, initial: float = 0.25) -> None:
        self.initial = number("PReLU", "initial", initial)

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """``slope: (F,)``, one for each entry of the last axis."""
        if not input_shape:
            raise self.cannot_read(
                input_shape,
                "(N, ..., features): a last axis of features",
                f"put Flatten() {IN_FRONT}",
            )
        return {"slope": Parameter(input_shape[-1:], Constant(self.initial))}

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``x if x > 0 else slope * x``. **Shapes**: ``x: (N, ..., F) -> the same``"""
        return ops.leaky_relu(x, parameters["slope"])

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """One for each element."""
        return math.prod(output_shape)
