"""The contract of an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.graph.transforms import gradient
from ranvier.layers import Dense
from ranvier.layers.activations import ActivationLike, activate, activation_from
from ranvier.models import Sequential
from ranvier.testing.contracts import (
    FLOATS,
    check_array,
    check_engines,
    check_gradient,
    numbers,
    scalar_of,
)
from ranvier.testing.training import check_file, check_predictions, check_training

#: Shapes of batches that are tried.
SHAPES: tuple[tuple[int, ...], ...] = ((5, 7), (1, 1), (3, 1, 5))


def check_activation(activation: ActivationLike, *, differentiable: bool = True) -> None:
    """Hold an activation to the contract of activations.

    It keeps shape and dtype; its gradient is its slope (finite differences in float64, at random
    points); the native engine gives what the reference gives, in float32 and float64; a layer with
    it trains natively, the same for the same seed; a row's prediction depends neither on its batch
    nor on other threads; if it is registered, a file gives a layer with it back.

    Args:
        activation: a registered name, or a function written in ``ranvier.ops``.
        differentiable: False if the gradient is not the slope on purpose, such as a step's.

    Raises:
        ContractError: naming the activation and the contract that is broken.
        ArgumentError: for something that is no activation.

    Example:
        >>> from ranvier import ops
        >>> check_activation(lambda x: x * ops.sigmoid(x))
    """
    found = activation_from("check_activation", activation)
    thing = f"activation {found if isinstance(found, str) else _name(found)}"

    def apply(x: Any) -> Any:
        return activate(found, x)

    for shape in SHAPES:
        for dtype in FLOATS:
            x = 2.0 * numbers(shape, dtype, seed=2)
            _check_both(thing, apply, np.asarray(x, dtype))
        if differentiable:
            x = 2.0 * numbers(shape, seed=2)
            check_gradient(thing, lambda x: scalar_of(apply(x)), [x], ["x"])
    _check_training(thing, found)


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _check_both(thing: str, apply: Callable[[Any], Any], x: Any) -> None:
    def both(x: Any) -> Any:
        return apply(x), gradient(lambda x: scalar_of(apply(x)))(x)

    y, _ = check_engines(thing, both, [x])
    check_array(thing, "its result", y, x.shape, x.dtype.name)


def _check_training(thing: str, activation: ActivationLike | None) -> None:
    x = numbers((20, 3), seed=4)
    y = np.stack([x[:, 0] * x[:, 1], np.tanh(x[:, 2])], axis=1)

    def make() -> Sequential:
        return Sequential(Dense(5, activation), Dense(2), dtype="float64").build((3,))

    model = check_training(thing, make, x, y)
    check_predictions(thing, model, x)
    if isinstance(activation, str):
        check_file(thing, model, x)
