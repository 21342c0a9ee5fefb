"""Gaussian noise: inputs that are never quite the same while training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.arguments import number
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LAYERS.register("GaussianNoise")
class GaussianNoise(Layer):
    """Adds normal random numbers while training; does nothing else.

    Formula: ``x + stddev * z`` with ``z`` normal, mean 0 and variance 1, new in every step. For
    small noise this is a penalty on how fast the outputs change with the inputs: Bishop, "Training
    with noise is equivalent to Tikhonov regularization", Neural Computation 7, 1995.

    **Shapes**: ``x: (N, ...) -> the same``

    Args:
        stddev: the standard deviation of the noise, at least 0.

    Raises:
        ArgumentError: for another deviation.

    Example:
        >>> import numpy as np
        >>> context = Context(training=True, seed=np.int64(0), step=np.int64(0))
        >>> y = GaussianNoise(0.5).forward(np.ones((100, 100), "f4"), {}, context)
        >>> round(float(y.mean()), 1), round(float(y.std()), 1)
        (1.0, 0.5)
    """

    def __init__(self, stddev: float) -> None:
        self.stddev = number("GaussianNoise", "stddev", stddev, 0.0)

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``x + stddev * z`` in training, else x. **Shapes**: ``x: (N, ...) -> the same``"""
        if not context.training or self.stddev == 0.0:
            return x
        noise = ops.cast(context.random_normal(shape_of(x)), dtype_of(x))
        return ops.add(x, ops.multiply(noise, self.stddev))

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """None at prediction."""
        return 0
