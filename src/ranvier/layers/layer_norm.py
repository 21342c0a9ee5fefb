"""Layer normalization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import IN_FRONT, LAYERS, Context, Layer, Parameter
from ranvier.layers.initializers import INITIALIZERS
from ranvier.ops import Tensor


@LAYERS.register("LayerNorm")
class LayerNorm(Layer):
    """Brings the last axis of every example to mean 0 and variance 1, then scales and shifts it.

    Formula: ``(x - mean) / sqrt(variance + epsilon) * weight + bias``, mean and variance (the mean
    of squared differences) over the last axis. Nothing depends on the other rows of a batch.

    Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016.

    **Shapes**: ``x: (N, ..., F) -> the same``, ``weight: (F,)``, ``bias: (F,)``

    Args:
        epsilon: added to the variance, above 0; 1e-5 as in PyTorch.

    Raises:
        ArgumentError: if epsilon is not above 0.
        ShapeError: in a network, for examples without an axis of features.

    Example:
        >>> import numpy as np
        >>> values = {"weight": np.ones(2), "bias": np.zeros(2)}
        >>> LayerNorm().forward(np.array([[1.0, 3.0]]), values, Context()).round(3).tolist()
        [[-1.0, 1.0]]
    """

    def __init__(self, epsilon: float = 1e-5) -> None:
        self.epsilon = number("LayerNorm", "epsilon", epsilon, 0.0, above_low=True)

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """``weight: (F,)``, ones, and ``bias: (F,)``, zeros."""
        if not input_shape:
            raise self.cannot_read(
                input_shape,
                "(N, ..., features): a last axis of features",
                f"put Flatten() {IN_FRONT}",
            )
        return {
            "weight": Parameter(input_shape[-1:], INITIALIZERS["ones"]),
            "bias": Parameter(input_shape[-1:], INITIALIZERS["zeros"]),
        }

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The formula. **Shapes**: ``x: (N, ..., F) -> the same``"""
        centred = ops.subtract(x, ops.mean(x, axis=-1, keepdims=True))
        variance = ops.mean(ops.multiply(centred, centred), axis=-1, keepdims=True)
        # One division a row; the elements are multiplied.
        scale = ops.divide(1.0, ops.sqrt(ops.add(variance, self.epsilon)))
        normal = ops.multiply(centred, scale)
        return ops.add(ops.multiply(normal, parameters["weight"]), parameters["bias"])

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Seven for each element: mean, difference, square, sum, scale, weight, bias."""
        return 7 * math.prod(output_shape)
