"""Initial weights: the distributions that keep signals at one scale from layer to layer.

Each is a function ``(shape, fan_in, fan_out, generator) -> float64 array``; adding one is a
function with ``@INITIALIZERS.register(name)``. Those with arguments are classes, given to a layer
as ``Constant(0.1)``, and registered once more in ``DISTRIBUTIONS``, for model files.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.registry import Registry
from ranvier.layers.arguments import number, one_of
from ranvier.layers.configured import Configured


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


@INITIALIZERS.register("lecun_uniform")
def lecun_uniform(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Uniform in ``(-a, a)`` with ``a = sqrt(3 / fan_in)`` (LeCun et al., "Efficient BackProp")."""
    limit = math.sqrt(3.0 / max(fan_in, 1))
    return generator.uniform(-limit, limit, shape)


@INITIALIZERS.register("lecun_normal")
def lecun_normal(
    shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Normal with variance ``1 / fan_in``, not truncated, for selu.

    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998; Klambauer et al., NeurIPS 2017.
    """
    return generator.normal(0.0, math.sqrt(1.0 / max(fan_in, 1)), shape)


# --- initializers with arguments

DISTRIBUTIONS: Registry[type[Distribution]] = Registry("initializer with arguments")


class Distribution(Configured):
    """Base of initializers with arguments, which they keep in attributes of the same names."""

    @abstractmethod
    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """An array of the shape, drawn from the generator."""


@DISTRIBUTIONS.register("Constant")
class Constant(Distribution):
    """One number everywhere.

    Args:
        value: that number.

    Raises:
        ArgumentError: if it is not finite.

    Example:
        >>> import numpy as np
        >>> Constant(0.5)((2,), 2, 2, np.random.default_rng(0)).tolist()
        [0.5, 0.5]
    """

    def __init__(self, value: float) -> None:
        self.value = number("Constant", "value", value)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """The number, ``shape`` times."""
        return np.full(shape, self.value)


@DISTRIBUTIONS.register("Uniform")
class Uniform(Distribution):
    """Uniform from ``low`` to ``high``; called ``"uniform"`` with its defaults (those of Keras).

    Args:
        low: the lower end.
        high: the upper end, above low.

    Raises:
        ArgumentError: if an end is not finite, or high is not above low.

    Example:
        >>> import numpy as np
        >>> bool(Uniform(1.0, 2.0)((9,), 9, 9, np.random.default_rng(0)).min() >= 1.0)
        True
    """

    def __init__(self, low: float = -0.05, high: float = 0.05) -> None:
        self.low = number("Uniform", "low", low)
        self.high = number("Uniform", "high", high, self.low, above_low=True)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """Uniform numbers in ``[low, high)``."""
        return generator.uniform(self.low, self.high, shape)


@DISTRIBUTIONS.register("Normal")
class Normal(Distribution):
    """Normal; called ``"normal"`` with its defaults (those of Keras).

    Args:
        mean: of the numbers.
        deviation: their standard deviation, at least 0.

    Raises:
        ArgumentError: if one is not finite, or the deviation is negative.

    Example:
        >>> import numpy as np
        >>> Normal(2.0, 0.0)((2,), 2, 2, np.random.default_rng(0)).tolist()
        [2.0, 2.0]
    """

    def __init__(self, mean: float = 0.0, deviation: float = 0.05) -> None:
        self.mean = number(type(self).__name__, "mean", mean)
        self.deviation = number(type(self).__name__, "deviation", deviation, 0.0)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """Normal numbers."""
        return generator.normal(self.mean, self.deviation, shape)


@DISTRIBUTIONS.register("TruncatedNormal")
class TruncatedNormal(Normal):
    """Normal, drawn again where it is more than two deviations off the mean.

    Called ``"truncated_normal"`` with its defaults (those of Keras). What remains has 0.88 of the
    deviation.

    Args:
        mean: of the numbers.
        deviation: before the ends are cut off, at least 0.

    Raises:
        ArgumentError: if one is not finite, or the deviation is negative.

    Example:
        >>> import numpy as np
        >>> draw = TruncatedNormal(0.0, 1.0)((500,), 1, 1, np.random.default_rng(0))
        >>> bool(abs(draw).max() <= 2.0)
        True
    """

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """Normal numbers within two deviations of the mean."""
        drawn = generator.normal(0.0, 1.0, math.prod(shape))
        while (outside := np.flatnonzero(np.abs(drawn) > 2.0)).size:
            drawn[outside] = generator.normal(0.0, 1.0, outside.size)
        return (self.mean + self.deviation * drawn).reshape(shape)


@DISTRIBUTIONS.register("Orthogonal")
class Orthogonal(Distribution):
    """Orthonormal columns (or rows, where these are fewer), times a gain.

    All axes but the last count as one. Called ``"orthogonal"`` with gain 1. Saxe, McClelland and
    Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    ICLR 2014.

    Args:
        gain: a factor.

    Raises:
        ArgumentError: if it is not finite.

    Example:
        >>> import numpy as np
        >>> w = Orthogonal()((3, 2), 3, 2, np.random.default_rng(0))
        >>> bool(np.allclose(w.T @ w, np.eye(2)))
        True
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = number("Orthogonal", "gain", gain)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """``Q`` of the QR decomposition of normal numbers, times the gain."""
        columns = shape[-1] if shape else 1
        rows = math.prod(shape[:-1])
        q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
        # The signs of R's diagonal make Q unique, so uniform among orthogonal matrices.
        q = q * np.where(np.diagonal(r) < 0.0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


for _name, _distribution in {
    "uniform": Uniform(),
    "normal": Normal(),
    "truncated_normal": TruncatedNormal(),
    "orthogonal": Orthogonal(),
}.items():
    INITIALIZERS.register(_name)(_distribution)

#: What a layer takes: a registered name, or an initializer with its arguments.
InitializerLike: TypeAlias = str | Distribution


def initializer_from(
    place: str, name: str, value: InitializerLike | Mapping[str, Any]
) -> InitializerLike:
    """A registered name or an initializer with arguments as it is, or made from a model file's
    ``{"name": ..., "config": {...}}``.

    Raises:
        ArgumentError: for anything else.
        UnknownNameError: for a class that is not registered.
    """
    if isinstance(value, Distribution):
        return value
    if isinstance(value, Mapping):
        if set(value) != {"name", "config"}:
            raise ArgumentError(
                f"{place}: the argument {name} is not understood.",
                happened=f"{name} is {value!r:.80}",
                needed="the name of an initializer, or one with arguments such as Constant(0.1)",
                fix=f'write {name}="glorot_uniform"',
            )
        return DISTRIBUTIONS[str(value["name"])].from_config(value["config"])
    return one_of(place, name, value, INITIALIZERS)


def initializer_of(value: InitializerLike) -> Initializer:
    """What a checked argument stands for."""
    return INITIALIZERS[value] if isinstance(value, str) else value
