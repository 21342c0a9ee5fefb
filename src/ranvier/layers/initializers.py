"""Initial weights: the distributions that keep signals at one scale from layer to layer.

Each is a function ``(shape, fan_in, fan_out, generator) -> float64 array``; adding one is a
function with ``@INITIALIZERS.register(name)``.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.registry import Registry


class Initializer(Protocol):
    """How a parameter gets its first numbers."""

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """An array of the shape, drawn from the generator."""


INITIALIZERS: Registry[Initializer] = Registry("initializer")


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers meet in one output, and how many outputs one input reaches.

    The last axis holds outputs, the one before it inputs, all before those the places of a kernel.

    Example:
        >>> fans((784, 10)), fans((3, 3, 16, 32)), fans((10,))
        ((784, 10), (144, 288), (10, 10))
    """
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    places = math.prod(shape[:-2])
    return shape[-2] * places, shape[-1] * places


@INITIALIZERS.register("zeros")
def zeros(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """0 everywhere."""
    return np.zeros(shape)


@INITIALIZERS.register("ones")
def ones(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """1 everywhere."""
    return np.ones(shape)


@INITIALIZERS.register("glorot_uniform")
def glorot_uniform(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Uniform in ``(-a, a)`` with ``a = sqrt(6 / (fan_in + fan_out))``.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16.

    Example:
        >>> import numpy as np
        >>> bool(abs(glorot_uniform((4, 2), 4, 2, np.random.default_rng(0))).max() <= 1.0)
        True
    """
    limit = math.sqrt(6.0 / max(fan_in + fan_out, 1))
    return generator.uniform(-limit, limit, shape)


@INITIALIZERS.register("glorot_normal")
def glorot_normal(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Normal with variance ``2 / (fan_in + fan_out)``, not truncated (Glorot and Bengio, 2010)."""
    return generator.normal(0.0, math.sqrt(2.0 / max(fan_in + fan_out, 1)), shape)


@INITIALIZERS.register("he_uniform")
def he_uniform(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Uniform in ``(-a, a)`` with ``a = sqrt(6 / fan_in)``, for ReLU (He et al., ICCV 2015)."""
    limit = math.sqrt(6.0 / max(fan_in, 1))
    return generator.uniform(-limit, limit, shape)


@INITIALIZERS.register("he_normal")
def he_normal(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Normal with variance ``2 / fan_in``, not truncated, for ReLU.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.
    """
    return generator.normal(0.0, math.sqrt(2.0 / max(fan_in, 1)), shape)
