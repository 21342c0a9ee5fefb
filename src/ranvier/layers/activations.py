"""Activations by name, as layers take them; each is one function of ``ranvier.ops``.

Adding one: a function with ``@ACTIVATIONS.register(name)``; its gradient comes by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import ranvier.ops as ops
from ranvier.foundation.registry import Registry
from ranvier.layers.arguments import one_of
from ranvier.ops import Tensor

ActivationFunction: TypeAlias = Callable[[Tensor], Any]

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
}.items():
    ACTIVATIONS.register(_name)(_function)


def activation_name(place: str, name: str | None) -> str | None:
    """The name of a registered activation, or None; ``"linear"`` and ``"identity"`` stay names.

    Raises:
        ArgumentError: if no activation is registered under that name.
    """
    return None if name is None else one_of(place, "activation", name, ACTIVATIONS)


def activate(name: str | None, x: Tensor) -> Any:
    """The activation of that name; None leaves x as it is. **Shapes**: ``x: any -> the same``."""
    return x if name is None else ACTIVATIONS[name](x)
