"""What a layer declares, its parameters, and what its forward pass knows beside its input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.shapes import Shape
from ranvier.layers.constraints import Constraint
from ranvier.layers.initializers import Initializer, initializer_from, initializer_of
from ranvier.layers.regularizers import Regularizer
from ranvier.ops import Tensor


@dataclass(frozen=True)
class Parameter:
    """One parameter that a layer asks for; nothing is allocated yet.

    Attributes:
        shape: its canonical shape, as files, users and optimizers see it.
        initializer: gives its first numbers; the name of one becomes the function.
        regularizer: a penalty on it, or None.
        trainable: False for numbers that the layer keeps by itself, such as running statistics:
            no gradient and no optimizer; :meth:`Context.assign` changes them.
        constraint: what its values must meet after each update, or None.
    """

    shape: tuple[int, ...]
    initializer: Initializer
    regularizer: Regularizer | None = None
    trainable: bool = True
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        if isinstance(self.initializer, str):
            name = initializer_from("Parameter", "initializer", self.initializer)
            object.__setattr__(self, "initializer", initializer_of(name))


@dataclass(frozen=True)
class Context:
    """What a forward pass knows beside its input.

    Attributes:
        training: whether the pass is part of training.
        seed: int64 scalar of the run; may be None when not training.
        step: int64 scalar, the training step; may be None when not training.
        dtype: the network's dtype.
        frozen: whether the layers belong to a part that is not trained.
    """

    training: bool = False
    seed: Tensor = None
    step: Tensor = None
    dtype: str = "float32"
    frozen: bool = False
    _sites: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    _assigned: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _path: str = field(default="", repr=False, compare=False)

    def inside(self, path: str) -> Context:
        """The same context for a part of the network, whose names start with a path."""
        return replace(self, _path=self._path + path)

    def assign(self, name: str, value: Any) -> None:
        """Give one of the layer's own numbers, which are not trained, its value after this step.

        Args:
            name: of a parameter that the layer declared with ``trainable=False``.
            value: of the same shape and dtype.
        """
        self._assigned[self._path + name] = value

    def current(self, name: str, value: Any) -> Any:
        """What a parameter is by now: a layer used twice sees what its first use assigned."""
        return self._assigned.get(self._path + name, value)

    @property
    def assigned(self) -> Mapping[str, Any]:
        """All values that were assigned so far, by full name."""
        return self._assigned

    def random_site(self) -> int:
        """A new number for each random place, in the order of the forward pass."""
        return next(self._sites)

    def random_uniform(self, shape: Shape) -> Any:
        """Uniform numbers in [0, 1) of the network's dtype that belong to this place and step.

        Raises:
            ArgumentError: if the context has no seed or step.
        """
        if self.seed is None or self.step is None:
            raise ArgumentError(
                "A layer needs random numbers, but its context has no seed or no step.",
                happened=f"Context(training={self.training}, seed={self.seed}, step={self.step})",
                needed="two int64 scalars",
                fix="write Context(training=True, seed=numpy.int64(0), step=numpy.int64(0))",
            )
        return ops.random_uniform(shape, self.seed, self.step, self.random_site(), self.dtype)

    def random_normal(self, shape: Shape) -> Any:
        """Normal numbers, mean 0 and variance 1, of the network's dtype, for this place and step.

        Formula: ``sqrt(-2 log(1 - u)) cos(2 pi v)`` of two uniform numbers (Box and Muller, "A note
        on the generation of random normal deviates", Ann. Math. Stat. 29, 1958); none is larger
        than 5.77, as u has 24 bits.

        Raises:
            ArgumentError: if the context has no seed or step.
        """
        size = ops.sqrt(-2.0 * ops.log(1.0 - self.random_uniform(shape)))
        return size * ops.cos(2.0 * math.pi * self.random_uniform(shape))
