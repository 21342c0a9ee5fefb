"""Batch normalization, with running statistics for evaluation.

In training the normalization is a composite with a gradient of its own: two sums over the batch,
where plain reverse mode would take four.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import LARGEST_LENGTH, flag, number, whole_number
from ranvier.layers.base import IN_FRONT, LAYERS, Context, Layer, Parameter
from ranvier.layers.initializers import INITIALIZERS
from ranvier.ops import Tensor
from ranvier.ops.value import Value, dtype_of, shape_of


def _rows(x: Tensor) -> Any:
    """How many numbers each feature has in this batch; the batch's length is known at run time."""
    count = ops.length(x, 0, dtype_of(x))
    for axis in range(1, len(shape_of(x)) - 1):
        count = ops.multiply(count, ops.length(x, axis, dtype_of(x)))
    return ops.cast(count, dtype_of(x))


def _mean(x: Tensor) -> Any:
    """The mean over all axes but the last.

    The numbers are scaled before they are added: the mean is then what the reduction gives, and
    whoever reads it computes nothing.
    """
    share = ops.divide(ops.cast(1.0, dtype_of(x)), _rows(x))
    return ops.sum(ops.multiply(x, share), axis=tuple(range(len(shape_of(x)) - 1)))


def _moments(x: Tensor) -> tuple[Any, Any]:
    """x without its mean, and the variance of each feature.

    Centred before it is squared: the mean of squares minus the square of the mean would lose all
    digits of a feature that is far from 0.
    """
    centred = ops.subtract(x, _mean(x))
    return centred, _mean(ops.multiply(centred, centred))


def _inverse_deviation(variance: Tensor, epsilon: Tensor) -> Any:
    return ops.divide(ops.cast(1.0, dtype_of(variance)), ops.sqrt(ops.add(variance, epsilon)))


def _batch_normalization_gradient(node: Value, d: Value) -> Sequence[Any]:
    x, weight, _, epsilon = node.inputs
    centred, variance = _moments(x)
    inverse, rows = _inverse_deviation(variance, epsilon), _rows(x)
    mean_of_d, along = _mean(d), _mean(d * centred)
    of_x = (d - mean_of_d - centred * (along * inverse * inverse)) * (inverse * weight)
    # Without scale or center the operand is the number 1 or 0, which nobody trains.
    return (
        of_x,
        along * inverse * rows if weight.ndim else None,
        mean_of_d * rows if node.inputs[2].ndim else None,
        None,
    )


@ops.with_gradient(_batch_normalization_gradient)
def batch_normalization(x: Tensor, weight: Tensor, bias: Tensor, epsilon: Tensor) -> Any:
    """Every feature of a batch brought to mean 0 and variance 1, then scaled and shifted.

    Formula: ``(x - mean) / sqrt(variance + epsilon) * weight + bias``, mean and variance over all
    axes but the last.

    **Shapes**: ``x: (N, ..., F), weight: (F,) or (), bias: (F,) or (), epsilon: () -> as x``

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0], [3.0]])
        >>> batch_normalization(x, np.ones(1), np.zeros(1), np.float64(0.0)).tolist()
        [[-1.0], [1.0]]
    """
    centred, variance = _moments(x)
    scale = ops.multiply(_inverse_deviation(variance, epsilon), weight)
    return ops.add(ops.multiply(centred, scale), bias)


@LAYERS.register("BatchNorm")
class BatchNorm(Layer):
    """Brings every feature to mean 0 and variance 1 over the batch, then scales and shifts it.

    Formula: ``(x - mean) / sqrt(variance + epsilon) * weight + bias``. In training, mean and
    variance (the mean of squared differences) are those of the batch: over all axes but
    ``axis``, so over ``N`` for rows of features and over ``N, H, W`` for pictures. Each step also
    moves the running statistics, ``running += momentum * (batch - running)``, the variance times
    ``n / (n - 1)`` (unbiased, as in PyTorch; ``n`` numbers a feature; a single one leaves it at 0).

    In evaluation, and while ``layer.trainable`` is False, the running statistics take their place
    and do not change. Weights of rows weigh losses, not these statistics: with this layer, a row of
    weight 2 is not the row twice.

    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015.

    **Shapes**: ``x: (N, ..., F) -> the same``; ``weight``, ``bias``, ``running_mean`` and
    ``running_var``: ``(F,)``

    Args:
        momentum: the share of the newest batch in the running statistics, 0 to 1, as in PyTorch
            (Keras counts the other share: its 0.99 is 0.01 here).
        epsilon: added to the variance, above 0.
        axis: of the features, the batch axis counted as 0: -1 is the last; 1 for pictures (N, C,
            H, W).
        center: whether there is a bias, zeros at the start.
        scale: whether there is a weight, ones at the start.

    Raises:
        ArgumentError: for an argument outside its domain; axis 0 is the batch.
        ShapeError: in a network, for examples without that axis.

    Example:
        >>> import numpy as np
        >>> ones, zeros = np.ones(1), np.zeros(1)
        >>> values = {"weight": ones, "bias": zeros, "running_mean": zeros, "running_var": ones}
        >>> x = np.array([[1.0], [3.0]])
        >>> BatchNorm().forward(x, values, Context(training=True)).round(4).tolist()
        [[-1.0], [1.0]]
        >>> BatchNorm().forward(x, values, Context()).round(3).tolist()
        [[1.0], [3.0]]
    """

    def __init__(
        self,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        axis: int = -1,
        center: bool = True,
        scale: bool = True,
    ) -> None:
        self.momentum = number("BatchNorm", "momentum", momentum, 0.0, 1.0)
        self.epsilon = number("BatchNorm", "epsilon", epsilon, 0.0, above_low=True)
        self.axis = whole_number("BatchNorm", "axis", axis, -LARGEST_LENGTH)
        if self.axis == 0:
            raise ArgumentError(
                "BatchNorm: the argument axis is not understood.",
                happened="axis is 0, the rows of a batch",
                needed="an axis of features: -1, or 1 or more",
                fix="write axis=-1 for features in the last axis",
            )
        self.center = flag("BatchNorm", "center", center)
        self.scale = flag("BatchNorm", "scale", scale)

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """``weight``, ``bias``, and the running statistics, which are not trained: ``(F,)``."""
        place = self.axis - 1 if self.axis > 0 else len(input_shape) + self.axis
        if not 0 <= place < len(input_shape):
            raise self.cannot_read(
                input_shape,
                "(N, ..., features): a last axis of features"
                if self.axis == -1
                else f"an axis {self.axis} of features beside the batch",
                f"put Flatten() {IN_FRONT}" if not input_shape else "write axis=-1",
            )
        shape = (input_shape[place],)
        zeros, ones = INITIALIZERS["zeros"], INITIALIZERS["ones"]
        found = {"weight": Parameter(shape, ones)} if self.scale else {}
        if self.center:
            found["bias"] = Parameter(shape, zeros)
        found["running_mean"] = Parameter(shape, zeros, trainable=False)
        found["running_var"] = Parameter(shape, ones, trainable=False)
        return found

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The formula. **Shapes**: ``x: (N, ..., F) -> the same``"""
        axes = list(range(len(shape_of(x))))
        axes.append(axes.pop(self.axis))
        features_last = ops.transpose(x, tuple(axes))
        dtype = dtype_of(x)
        weight = parameters["weight"] if self.scale else ops.cast(1.0, dtype)
        bias = parameters["bias"] if self.center else ops.cast(0.0, dtype)
        epsilon = ops.cast(self.epsilon, dtype)
        if context.training and self.trainable and not context.frozen:
            self._move_statistics(features_last, parameters, context)
            y = batch_normalization(features_last, weight, bias, epsilon)
        else:
            scale = _inverse_deviation(parameters["running_var"], epsilon)
            centred = ops.subtract(features_last, parameters["running_mean"])
            y = ops.add(ops.multiply(centred, ops.multiply(scale, weight)), bias)
        return ops.transpose(y, tuple(axes.index(i) for i in range(len(axes))))

    def _move_statistics(
        self, x: Tensor, parameters: Mapping[str, Tensor], context: Context
    ) -> None:
        _, variance = _moments(x)
        rows = _rows(x)
        unbiased = ops.divide(rows, ops.maximum(ops.subtract(rows, 1.0), 1.0))
        batch = {
            "running_mean": _mean(x),
            "running_var": ops.multiply(variance, unbiased),
        }
        for name, value in batch.items():
            change = ops.multiply(self.momentum, ops.subtract(value, parameters[name]))
            context.assign(name, ops.add(parameters[name], change))

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Three for each element at prediction: mean, product, bias."""
        return 3 * math.prod(output_shape)
