"""The leaky rectifier as a layer, with a slope of one's choice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor


@LAYERS.register("LeakyReLU")
class LeakyReLU(Layer):
    """Lets a part of the negative numbers through.

    Formula: ``x`` above 0, ``slope * x`` else; the gradient at 0 is the slope, as in PyTorch.

    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML
    workshop on deep learning for audio, speech and language processing, 2013.

    **Shapes**: ``x: (N, ...) -> the same``

    Args:
        slope: of negative numbers, at least 0.

    Raises:
        ArgumentError: if the slope is negative or not finite.

    Example:
        >>> import numpy as np
        >>> LeakyReLU(0.5).forward(np.array([[-1.0, 2.0]]), {}, Context()).tolist()
        [[-0.5, 2.0]]
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = number("LeakyReLU", "slope", slope, 0.0)

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``x if x > 0 else slope * x``. **Shapes**: ``x: (N, ...) -> the same``"""
        return ops.leaky_relu(x, self.slope)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """One for each element."""
        return math.prod(output_shape)
