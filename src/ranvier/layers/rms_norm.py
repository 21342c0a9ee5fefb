"""Normalization by the root of the mean square."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import IN_FRONT, LAYERS, Context, Layer, Parameter
from ranvier.layers.initializers import INITIALIZERS
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of


@LAYERS.register("RMSNorm")
class RMSNorm(Layer):
    """Brings the last axis of every example to mean square 1, then scales it.

    Formula: ``x / sqrt(mean(x ** 2) + epsilon) * weight``, the mean over the last axis.

    Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    **Shapes**: ``x: (N, ..., F) -> the same``, ``weight: (F,)``

    Args:
        epsilon: added to the mean square, above 0; None, as in PyTorch, is the distance from 1 to
            the next number of the dtype: 1.19e-7 in float32, 2.22e-16 in float64.

    Raises:
        ArgumentError: if epsilon is not above 0.
        ShapeError: in a network, for examples without an axis of features.

    Example:
        >>> import numpy as np
        >>> values = {"weight": np.ones(2)}
        >>> RMSNorm().forward(np.array([[1.0, 7.0]]), values, Context()).round(6).tolist()
        [[0.2, 1.4]]
    """

    def __init__(self, epsilon: float | None = None) -> None:
        self.epsilon = (
            None if epsilon is None else number("RMSNorm", "epsilon", epsilon, 0.0, above_low=True)
        )

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """``weight: (F,)``, ones."""
        if not input_shape:
            raise self.cannot_read(
                input_shape,
                "(N, ..., features): a last axis of features",
                f"put Flatten() {IN_FRONT}",
            )
        return {"weight": Parameter(input_shape[-1:], INITIALIZERS["ones"])}

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The formula. **Shapes**: ``x: (N, ..., F) -> the same``"""
        epsilon = float(np.finfo(dtype_of(x)).eps) if self.epsilon is None else self.epsilon
        square = ops.mean(ops.multiply(x, x), axis=-1, keepdims=True)
        # One division a row; the elements are multiplied.
        scale = ops.divide(1.0, ops.sqrt(ops.add(square, epsilon)))
        return ops.multiply(ops.multiply(x, scale), parameters["weight"])

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Four for each element: square, sum, scale, weight."""
        return 4 * math.prod(output_shape)
