"""Activations by name, as layers take them; each is one function of ``ranvier.ops``.

Adding one: a function with ``@ACTIVATIONS.register(name)``; its gradient comes by itself. A layer
takes a function without a name as well; only a model file needs the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.registry import Registry
from ranvier.layers.arguments import one_of
from ranvier.layers.base import Layer
from ranvier.layers.words import layer_of_word
from ranvier.ops import Tensor

ActivationFunction: TypeAlias = Callable[[Tensor], Any]
ActivationLike: TypeAlias = str | ActivationFunction

ACTIVATIONS: Registry[ActivationFunction] = Registry("activation")

for _name, _function in {
    "linear": ops.identity,
    "identity": ops.identity,
    "step": ops.step,
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "gelu": ops.gelu,
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "leaky_relu": ops.leaky_relu,
    "elu": ops.elu,
    "selu": ops.selu,
    "silu": ops.silu,
    "mish": ops.mish,
    "softplus": ops.softplus,
    "softsign": ops.softsign,
    "hard_sigmoid": ops.hard_sigmoid,
    "exponential": ops.exponential,
    "logarithm": ops.logarithm,
    "sine": ops.sine,
}.items():
    ACTIVATIONS.register(_name)(_function)


def activation_from(place: str, value: ActivationLike | None) -> ActivationLike | None:
    """What a layer keeps of its argument ``activation``: a registered name, a function, or None.

    A function that is registered becomes its name; ``"linear"`` and ``"identity"`` stay names.

    Raises:
        ArgumentError: for a name that is not registered, a function of NumPy's, or anything else.

    Example:
        >>> activation_from("Dense", ops.relu), activation_from("Dense", "tanh")
        ('relu', 'tanh')
    """
    if value is None:
        return None
    if isinstance(value, np.ufunc):
        raise ArgumentError(
            f"{place}: the argument activation is a function of NumPy.",
            happened=f"activation is numpy.{value.__name__}",
            needed="one of the names of activations, or a function written in ranvier.ops",
            fix=f"write ranvier.ops.{value.__name__} if there is one, or the activation's name",
        )
    layer = _layer_in(value)
    if layer is not None:
        raise ArgumentError(
            f"{place}: the argument activation is a layer.",
            happened=f"activation is {value!r:.80}, and {layer} is a layer of its own",
            needed="one of the names of activations, or a function written in ranvier.ops",
            fix=f"leave activation out and put {layer}() behind this layer",
        )
    if not callable(value) or isinstance(value, type):
        return one_of(place, "activation", value, ACTIVATIONS)
    return next((name for name, known in ACTIVATIONS.items() if known is value), value)


def _layer_in(value: object) -> str | None:
    """The name of the layer that somebody takes for an activation."""
    if isinstance(value, str):
        kind = None if value in ACTIVATIONS else layer_of_word(value)
        return None if kind is None else kind.__name__
    if isinstance(value, Layer):
        return type(value).__name__
    return value.__name__ if isinstance(value, type) and issubclass(value, Layer) else None


def activation_name(activation: ActivationLike | None) -> str | None:
    """How an activation is called: its registered name, "the function f", or None."""
    if activation is None or isinstance(activation, str):
        return activation
    return f"the function {getattr(activation, '__name__', type(activation).__name__)}"


def activate(activation: ActivationLike | None, x: Tensor) -> Any:
    """That activation of x; None leaves x as it is. **Shapes**: ``x: any -> the same``."""
    if activation is None:
        return x
    function = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    return function(x)
