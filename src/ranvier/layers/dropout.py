"""Dropout: training with random units left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LAYERS.register("Dropout")
class Dropout(Layer):
    """Sets elements to 0 at random while training and scales the others up; else does nothing.

    Formula: ``x * keep / (1 - rate)`` with ``keep`` 1 with probability ``1 - rate``, else 0
    ("inverted" dropout: nothing is left to do at prediction). A NaN stays a NaN.

    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent
    neural networks from overfitting", JMLR 15, 2014.

    **Shapes**: ``x: (N, ...) -> the same``

    Args:
        rate: the probability of 0, at least 0 and below 1.

    Raises:
        ArgumentError: for another rate.

    Example:
        >>> import numpy as np
        >>> context = Context(training=True, seed=np.int64(0), step=np.int64(0))
        >>> sorted(set(Dropout(0.5).forward(np.ones((4, 8), "f4"), {}, context).ravel().tolist()))
        [0.0, 2.0]
    """

    def __init__(self, rate: float) -> None:
        self.rate = number("Dropout", "rate", rate, 0.0, 1.0, below_high=True)

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``x * keep / (1 - rate)`` in training, else x. **Shapes**: ``x: (N, ...) -> the same``"""
        if not context.training or self.rate == 0.0:
            return x
        # Rounded up to the 24 bits of a random number: the same mask in float32 and float64.
        threshold = math.ceil(self.rate * 2**24) / 2**24
        keep = ops.less_equal(threshold, context.random_uniform(shape_of(x)))
        scale = ops.multiply(ops.cast(keep, dtype_of(x)), 1.0 / (1.0 - self.rate))
        return ops.multiply(x, scale)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """None at prediction."""
        return 0
