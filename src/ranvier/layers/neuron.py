"""A neuron by itself: what it computes, in numbers that add up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.errors import (
    ArgumentError,
    ShapeError,
)
from ranvier.foundation.shapes import known, show_shape
from ranvier.layers.activations import (
    ActivationLike,
    activate,
    activation_from,
    activation_name,
)
from ranvier.layers.arguments import number, one_of
from ranvier.layers.neuron_computation import NeuronComputation, steps_of
from ranvier.ops import Tensor
from ranvier.ops.value import Value, dtype_of, shape_of

COMBINATIONS = ("sum", "product")


class Neuron:
    """A weighted sum (or product) of inputs, a bias, an activation.

    Formula: ``activation(w_0 x_0 + w_1 x_1 + ... + bias)``; with ``combine="product"``
    ``activation((w_0 x_0) (w_1 x_1) ... + bias)``.

    The product is zero as soon as one input is, so it is an "and" of graded inputs, and only the
    product of all weights matters. It is one term of a sigma-pi unit (Rumelhart, Hinton and
    McClelland, in "Parallel Distributed Processing", 1986). The product units of Durbin and
    Rumelhart ("Product units: a computationally powerful and biologically plausible extension to
    backpropagation networks", Neural Computation 1, 1989) are another thing: there the weights are
    exponents, ``x_0 ** w_0 * x_1 ** w_1 ...``.

    **Shapes**: ``x: (F,) -> ()`` for one example, ``x: (N, F) -> (N,)`` for rows

    Args:
        weights: one number for each input, F of them; float32 stays, all else becomes float64.
        bias: one number.
        activation: its name, a function written in ``rv.ops``, or None for none.
        combine: ``"sum"`` or ``"product"``.

    Raises:
        ShapeError: for weights with no or several axes, or none at all.
        ArgumentError: for weights or a bias that are no finite numbers, an activation that does
            not exist or that needs a whole layer (softmax), or another combination.

    Example:
        >>> import ranvier as rv
        >>> neuron = rv.Neuron([0.5, -1.0], bias=0.25, activation="relu")
        >>> float(neuron([2.0, 0.5])), neuron([[2.0, 0.5], [0.0, 1.0]]).tolist()
        (0.75, [0.75, 0.0])
        >>> rv.gradient(neuron)(np.array([2.0, 0.5])).tolist()
        [0.5, -1.0]
        >>> float(rv.Neuron([1.0, 2.0], combine="product")([3.0, 4.0]))
        24.0
    """

    def __init__(
        self,
        weights: Tensor,
        bias: Tensor = 0.0,
        activation: ActivationLike | None = None,
        combine: str = "sum",
    ) -> None:
        self._weights = _checked_weights(weights)
        self._bias = bias if isinstance(bias, Value) else number("Neuron", "bias", bias)
        self._activation = activation_from("Neuron", activation)
        if reads_whole_rows(self._activation):
            name = activation_name(activation)
            raise ArgumentError(
                f"Neuron: {name} cannot be the activation of one neuron.",
                happened=f"{name} reads the net inputs of all neurons of a layer",
                needed='an activation of one number, such as "sigmoid"',
                fix="give this activation to a layer, and look at the layer's neurons",
            )
        self._combine = one_of("Neuron", "combine", combine, COMBINATIONS)

    @property
    def weights(self) -> Any:
        """One number for each input. **Shapes**: ``(F,)``"""
        return self._weights

    @property
    def bias(self) -> Any:
        """The number that is added to the weighted inputs."""
        return self._bias

    @property
    def activation(self) -> ActivationLike | None:
        """The name of the activation, a function of one's own, or None."""
        return self._activation

    @property
    def combine(self) -> str:
        """``"sum"`` or ``"product"``."""
        return self._combine

    def __call__(self, x: Tensor) -> Any:
        """What the neuron gives; see :class:`Neuron`.

        Raises:
            ShapeError: for inputs of another length than the weights'.
        """
        return activate(self.activation, self.net_input(x))

    def net_input(self, x: Tensor) -> Any:
        """The weighted inputs and the bias, before the activation.

        **Shapes**: ``x: (F,) -> ()`` or ``(N, F) -> (N,)``

        Raises:
            ShapeError: for inputs of another length than the weights'.
        """
        weights, x = self.weights, self._readable(x)
        products = ops.multiply(x, weights)
        total = (
            ops.sum(products, axis=-1) if self.combine == "sum" else product_of_factors(products)
        )
        return ops.add(total, ops.cast(self.bias, dtype_of(weights)))

    def explain(self, x: object) -> NeuronComputation:
        """What the neuron computes for one example, step by step.

        The numbers add up exactly in the neuron's dtype: each partial sum is the one before plus
        the product of its line, rounded once; the net input is the last one plus the bias. (A
        network adds in another order, so its last digit may differ.)

        **Shapes**: ``x: (F,)``

        Raises:
            ShapeError: for anything but one example.

        Example:
            >>> print(Neuron([0.5, -1.0], bias=0.25, activation="relu").explain([2.0, 0.5]))
            Neuron([0.5, -1.0], bias=0.25, activation='relu')
                input     x  weight  product  sum so far
                    0   2.0     0.5      1.0         1.0
                    1   0.5    -1.0     -0.5         0.5
                 bias                   0.25        0.75
            net input                               0.75
                 relu                               0.75
        """
        inputs = self._one_example(x)
        weights = np.array(self.weights)
        bias = np.asarray(self.bias, weights.dtype)[()]
        steps = steps_of(inputs, weights[:, None], bias[None], self.combine)
        net_input = steps.net_inputs[0]
        return NeuronComputation(
            title=repr(self),
            inputs=inputs,
            weights=weights,
            products=steps.products[:, 0],
            partials=steps.partials[:, 0],
            bias=bias,
            net_input=net_input,
            activation=activation_name(self.activation),
            output=np.asarray(activate(self.activation, net_input))[()],
            combine=self.combine,
        )

    def _readable(self, x: Tensor) -> Any:
        """Inputs in the weights' dtype, of the weights' length."""
        if not isinstance(x, Value):
            x = _array_of(x, "x", "one number for each input, or rows of them")
        shape, count = shape_of(x), shape_of(self.weights)[0]
        if len(shape) not in (1, 2) or shape[-1] != count:
            raise ShapeError(
                f"{self._name()} cannot read its input.",
                happened=f"it receives {show_shape(shape)}",
                needed=f"({count},) for one example, or (N, {count}) for rows",
                fix="give one number for each weight",
            )
        return ops.cast(x, dtype_of(self.weights))

    def _one_example(self, x: object) -> NDArray[Any]:
        inputs = np.array(self._readable(np.asarray(x) if isinstance(x, Value) else x))
        if inputs.ndim != 1:
            raise ShapeError(
                f"{self._name()} explains one example at a time.",
                happened=f"it receives {show_shape(inputs.shape)}",
                needed=f"({inputs.shape[1]},)",
                fix="take one row, for example x[0]",
            )
        return inputs

    def _name(self) -> str:
        return f"A neuron with {shape_of(self.weights)[0]} inputs"

    def __repr__(self) -> str:
        if isinstance(self.weights, Value):
            return f"Neuron({self.weights!r})"
        count = len(self.weights)
        shown = f"{self.weights.tolist()}" if count <= 8 else f"<{count} weights>"
        parts = [shown]
        parts += [f"bias={self.bias!r}"] if isinstance(self.bias, Value) or self.bias else []
        parts += [f"activation={activation_name(self.activation)!r}"] if self.activation else []
        parts += [f"combine={self.combine!r}"] if self.combine != "sum" else []
        return f"Neuron({', '.join(parts)})"


def reads_whole_rows(activation: ActivationLike | None) -> bool:
    """Whether an activation reads all neurons of a row, as softmax does; found by trying it.

    >>> reads_whole_rows("softmax"), reads_whole_rows("tanh")
    (True, False)
    """
    if activation is None:
        return False
    pair = [np.asarray(activate(activation, np.array([[0.5, other]]))) for other in (1.0, 2.0)]
    return bool(pair[0][0, 0] != pair[1][0, 0])


def _array_of(value: object, name: str, needed: str) -> NDArray[Any]:
    """Numbers as an array."""
    try:
        array = np.asarray(value)
        array = array if array.dtype.kind in "fiub" else array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(
            f"Neuron: the argument {name} is not understood.",
            happened=f"{name} is {value!r:.80}",
            needed=needed,
            fix="give a list or an array of numbers",
        ) from error
    return array


def _checked_weights(weights: Tensor) -> Any:
    """One finite number for each input; float32 stays, all else becomes float64.

    Raises:
        ShapeError: for no or several axes, or no numbers.
        ArgumentError: for something else than numbers, or one that is not finite.
    """
    if not isinstance(weights, Value):
        weights = _array_of(weights, "weights", "one number for each input, such as [0.5, -1.0]")
        # A copy: the neuron does not change when the list it was made from does.
        weights = np.array(weights, "float32" if weights.dtype == np.float32 else "float64")
    if len(shape_of(weights)) != 1 or 0 in shape_of(weights):
        raise ShapeError(
            "Neuron: the weights are not one number for each input.",
            happened=f"weights have shape {show_shape(shape_of(weights))}",
            needed="(F,), at least one number",
            fix="write for example Neuron([0.5, -1.0]) for two inputs",
        )
    if not isinstance(weights, Value) and not np.isfinite(weights).all():
        place = int(np.argmin(np.isfinite(weights)))
        raise ArgumentError(
            f"Neuron: weight {place} is not a finite number.",
            happened=f"it is {weights[place]}",
            needed="finite numbers",
            fix="look at how the weights were made",
        )
    return weights


def product_of_factors(factors: Tensor) -> Any:
    """The product over the last axis, by halves. **Shapes**: ``(..., F) -> (...)``

    >>> float(product_of_factors(np.array([2.0, 3.0, 4.0])))
    24.0
    """
    # Not exp(sum(log)): the gradient by halves is right where a factor is 0 or below.
    left_over: list[Any] = []
    while (count := known(shape_of(factors)[-1])) > 1:
        half = count // 2
        if count % 2:
            left_over.append(ops.slice_axis(factors, -1, count - 1, count))
        first = ops.slice_axis(factors, -1, 0, half)
        factors = ops.multiply(first, ops.slice_axis(factors, -1, half, 2 * half))
    for factor in left_over:
        factors = ops.multiply(factors, factor)
    return ops.reshape(factors, shape_of(factors)[:-1])
