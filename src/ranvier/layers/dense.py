"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ranvier.ops as ops
from ranvier.layers.activations import (
    ActivationLike,
    activate,
    activation_from,
    activation_name,
)
from ranvier.layers.arguments import flag, whole_number
from ranvier.layers.base import IN_FRONT, LAYERS, Context, Layer, Parameter
from ranvier.layers.constraints import Constraint, constraint_from
from ranvier.layers.initializers import InitializerLike, initializer_from, initializer_of
from ranvier.layers.layer_neurons import Neurons
from ranvier.layers.regularizers import Regularizer, regularizer_from
from ranvier.ops import Tensor


@LAYERS.register("Dense")
class Dense(Layer):
    """Every output unit sees every input feature.

    Formula: ``activation(x @ weight + bias)``.

    **Shapes**: ``x: (N, F) -> (N, U)``, ``weight: (F, U)``, ``bias: (U,)``

    Args:
        units: the number of outputs U.
        activation: its name ("relu", "softmax" ...), a function written in ``rv.ops``, or None.
        use_bias: whether a bias is added.
        kernel_initializer: the weight's initializer: its name, or one such as ``Orthogonal(2.0)``.
        bias_initializer: the bias's initializer: its name, or one such as ``Constant(0.1)``.
        kernel_regularizer: a penalty on the weight such as ``L2(1e-4)``, or None.
        bias_regularizer: a penalty on the bias, or None.
        kernel_constraint: what the weight must meet after each update, such as ``MaxNorm(2.0)``,
            or None.

    Raises:
        ArgumentError: for an argument outside its domain.
        ShapeError: in a network, for inputs with more or fewer axes than one row of features.

    Example:
        >>> import numpy as np
        >>> layer = Dense(1, activation="relu")
        >>> values = {"weight": np.array([[1.0], [2.0]]), "bias": np.array([0.5])}
        >>> layer.forward(np.array([[3.0, 4.0]]), values, Context()).tolist()
        [[11.5]]
    """

    def __init__(
        self,
        units: int,
        activation: ActivationLike | None = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: Regularizer | None = None,
        bias_regularizer: Regularizer | None = None,
        kernel_constraint: Constraint | None = None,
    ) -> None:
        self.units = whole_number("Dense", "units", units)
        self.activation = activation_from("Dense", activation)
        self.use_bias = flag("Dense", "use_bias", use_bias)
        self.kernel_initializer = initializer_from(
            "Dense", "kernel_initializer", kernel_initializer
        )
        self.bias_initializer = initializer_from("Dense", "bias_initializer", bias_initializer)
        self.kernel_regularizer = regularizer_from(
            "Dense", "kernel_regularizer", kernel_regularizer
        )
        self.bias_regularizer = regularizer_from("Dense", "bias_regularizer", bias_regularizer)
        self.kernel_constraint = constraint_from("Dense", "kernel_constraint", kernel_constraint)

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """``weight: (F, U)`` and, with ``use_bias``, ``bias: (U,)``."""
        if len(input_shape) != 1:
            raise self.cannot_read(
                input_shape,
                "(N, features): one row of features an example",
                f"put Flatten() {IN_FRONT}"
                if input_shape
                else "give every example at least one feature: reshape the data to (N, 1)",
            )
        parameters = {
            "weight": Parameter(
                (input_shape[0], self.units),
                initializer_of(self.kernel_initializer),
                self.kernel_regularizer,
                constraint=self.kernel_constraint,
            )
        }
        if self.use_bias:
            parameters["bias"] = Parameter(
                (self.units,), initializer_of(self.bias_initializer), self.bias_regularizer
            )
        return parameters

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``activation(x @ weight + bias)``. **Shapes**: ``x: (N, F) -> (N, U)``"""
        return activate(self.activation, self.before_activation(x, parameters, context))

    def before_activation(
        self, x: Tensor, parameters: Mapping[str, Tensor], context: Context
    ) -> Any:
        """``x @ weight + bias``. **Shapes**: ``x: (N, F) -> (N, U)``"""
        product = ops.matmul(x, parameters["weight"])
        return ops.add(product, parameters["bias"]) if self.use_bias else product

    @property
    def last_activation(self) -> str | None:
        """The name of the layer's activation."""
        return activation_name(self.activation)

    @property
    def neurons(self) -> Neurons:
        """The units one by one: ``layer.neurons[3].explain(x)``; see :class:`ranvier.Neuron`.

        Raises:
            NotBuiltError: before the layer's network is built.
        """
        return Neurons(self)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Two for each weight, one for each bias and each activation."""
        extra = int(self.use_bias) + int(self.activation not in (None, "linear", "identity"))
        return self.units * (2 * input_shape[0] + extra)
