"""Dropout for self-normalizing networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor
from ranvier.ops.activations import SELU_ALPHA, SELU_SCALE
from ranvier.ops.value import dtype_of, shape_of

#: What selu gives far below 0; a unit that is left out gets it instead of 0.
LOWEST = -SELU_SCALE * SELU_ALPHA


@LAYERS.register("AlphaDropout")
class AlphaDropout(Layer):
    """Dropout that keeps mean 0 and variance 1, for layers with selu; training only.

    Formula: ``a * (x * keep + lowest * (1 - keep)) + b`` with ``keep`` 1 with probability
    ``q = 1 - rate``, else 0, ``lowest = -1.7581`` what selu gives far below 0,
    ``a = (q + lowest^2 * q * (1 - q)) ** -0.5`` and ``b = -a * (1 - q) * lowest``. A NaN stays NaN.

    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NeurIPS 2017.

    **Shapes**: ``x: (N, ...) -> the same``

    Args:
        rate: the probability that a unit is left out, at least 0 and below 1.

    Raises:
        ArgumentError: for another rate.

    Example:
        >>> import numpy as np
        >>> context = Context(training=True, seed=np.int64(0), step=np.int64(0))
        >>> y = AlphaDropout(0.5).forward(np.zeros((4, 8), "f4"), {}, context)
        >>> sorted({round(number, 4) for number in y.ravel().tolist()})
        [-0.7792, 0.7792]
    """

    def __init__(self, rate: float) -> None:
        self.rate = number("AlphaDropout", "rate", rate, 0.0, 1.0, below_high=True)

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The formula in training, else x. **Shapes**: ``x: (N, ...) -> the same``"""
        if not context.training or self.rate == 0.0:
            return x
        kept = 1.0 - self.rate
        a = (kept + LOWEST**2 * kept * self.rate) ** -0.5
        b = -a * self.rate * LOWEST
        # Rounded up to the 24 bits of a random number: the same mask in float32 and float64.
        threshold = math.ceil(self.rate * 2**24) / 2**24
        keep = ops.less_equal(threshold, context.random_uniform(shape_of(x)))
        scale = ops.multiply(ops.cast(keep, dtype_of(x)), a)
        shift = ops.subtract(a * LOWEST + b, ops.multiply(scale, LOWEST))
        return ops.add(ops.multiply(x, scale), shift)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """None at prediction."""
        return 0
