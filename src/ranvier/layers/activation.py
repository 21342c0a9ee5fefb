"""An activation as a layer of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ranvier.layers.activations import (
    ACTIVATIONS,
    ActivationLike,
    activate,
    activation_from,
    activation_name,
)
from ranvier.layers.arguments import one_of
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor


@LAYERS.register("Activation")
class Activation(Layer):
    """Applies an activation to every element (softmax: to every row).

    Formula: ``activation(x)``.

    **Shapes**: ``x: (N, ...) -> the same``

    Args:
        activation: its name: linear (or identity), step, relu, leaky_relu, elu, selu, gelu, silu,
            mish, softplus, softsign, sigmoid, hard_sigmoid, tanh, exponential, logarithm, sine,
            softmax, log_softmax; or a function written in ``rv.ops``.

    Raises:
        ArgumentError: if there is no such activation.

    Example:
        >>> import numpy as np
        >>> Activation("relu").forward(np.array([[-1.0, 2.0]]), {}, Context()).tolist()
        [[0.0, 2.0]]
    """

    def __init__(self, activation: ActivationLike) -> None:
        found = activation_from("Activation", activation)
        # None is no activation: the error lists those that are.
        self.activation = found or one_of("Activation", "activation", found, ACTIVATIONS)

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``activation(x)``. **Shapes**: ``x: (N, ...) -> the same``"""
        return activate(self.activation, x)

    def before_activation(
        self, x: Tensor, parameters: Mapping[str, Tensor], context: Context
    ) -> Any:
        """x itself."""
        return x

    @property
    def last_activation(self) -> str | None:
        """The name of the activation."""
        return activation_name(self.activation)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """One for each element."""
        return 0 if self.activation in ("linear", "identity") else math.prod(output_shape)
