"""From pictures or sequences to rows of features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.shapes import known_shape
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor
from ranvier.ops.value import shape_of


@LAYERS.register("Flatten")
class Flatten(Layer):
    """Lays all axes of an example side by side, in row-major order.

    **Shapes**: ``x: (N, A, B, ...) -> (N, A * B * ...)``; ``(N,) -> (N, 1)``

    Example:
        >>> import numpy as np
        >>> Flatten().forward(np.zeros((2, 28, 28, 3)), {}, Context()).shape
        (2, 2352)
    """

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """**Shapes**: ``x: (N, A, B, ...) -> (N, A * B * ...)``"""
        batch, *axes = shape_of(x)
        return ops.reshape(x, (batch, math.prod(known_shape(tuple(axes)))))
