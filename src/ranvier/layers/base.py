"""What a layer is: declared parameters and a forward pass written in ``ranvier.ops``.

Gradient, native code, saving and printing follow from these two.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.foundation.registry import Registry
from ranvier.foundation.shapes import N, Shape, show_shape
from ranvier.layers.configured import Configured
from ranvier.layers.initializers import Initializer
from ranvier.layers.regularizers import Regularizer
from ranvier.ops import Tensor

LAYERS: Registry[type[Layer]] = Registry("layer")

#: In the remedy of a layer's error, the network replaces these words by "between layers i and j".
IN_FRONT = "in front of it"


@dataclass(frozen=True)
class Parameter:
    """One parameter that a layer asks for; nothing is allocated yet.

    Attributes:
        shape: its canonical shape, as files, users and optimizers see it.
        initializer: gives its first numbers.
        regularizer: a penalty on it, or None.
        trainable: False for numbers that the layer keeps by itself, such as running statistics:
            no gradient and no optimizer; :meth:`Context.assign` changes them.
    """

    shape: tuple[int, ...]
    initializer: Initializer
    regularizer: Regularizer | None = None
    trainable: bool = True


@dataclass(frozen=True)
class Context:
    """What a forward pass knows beside its input.

    Attributes:
        training: whether the pass is part of training.
        seed: int64 scalar of the run; may be None when not training.
        step: int64 scalar, the training step; may be None when not training.
        dtype: the network's dtype.
    """

    training: bool = False
    seed: Tensor = None
    step: Tensor = None
    dtype: str = "float32"
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


class Layer(Configured):
    """Base of all layers.

    A subclass keeps its constructor arguments in attributes of the same names, gives its parameters
    in :meth:`declare` and its formula in :meth:`forward`. With ``@LAYERS.register("Name")``, where
    the name is the class's, model files know it too.

    Attributes:
        trainable: set it to False to freeze the layer: no gradient, no penalty, no update.
        values: the parameters' arrays by short name, once a network is built; ``layer.weight`` is
            ``layer.values["weight"]``.

    Example:
        >>> import numpy as np
        >>> from ranvier.layers.initializers import INITIALIZERS
        >>> class Scale(Layer):
        ...     def declare(self, input_shape):
        ...         return {"factor": Parameter((input_shape[-1],), INITIALIZERS["ones"])}
        ...     def forward(self, x, parameters, context):
        ...         return x * parameters["factor"]
        >>> Scale().forward(np.ones((2, 3)), {"factor": np.arange(3.0)}, Context()).tolist()
        [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    """

    trainable: bool = True

    @property
    def values(self) -> dict[str, NDArray[Any]]:
        """The parameters' arrays by short name; empty before a network is built."""
        held: dict[str, NDArray[Any]] = self.__dict__.setdefault("_values", {})
        return held

    @values.setter
    def values(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.__dict__["_values"] = dict(arrays)

    def __getattr__(self, name: str) -> NDArray[Any]:
        # Only asked for names that are no attribute. Python's protocol wants an AttributeError.
        values: dict[str, NDArray[Any]] = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        hint = "" if values else "; parameters exist once its network is built"
        raise AttributeError(f"{type(self).__name__} has no {name!r}{hint}")

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """The parameters for inputs of a shape; allocates nothing.

        Args:
            input_shape: the shape of one example, without the batch axis.

        Raises:
            ShapeError: if the layer cannot read such inputs; see :meth:`cannot_read`.
        """
        return {}

    @abstractmethod
    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The layer's formula, written in ``ranvier.ops``.

        **Shapes**: ``x: (N, ...) -> (N, ...)``

        Args:
            x: a batch of inputs.
            parameters: what :meth:`declare` asked for, by the same names.
            context: whether this is training, and random numbers.
        """

    @property
    def last_activation(self) -> str | None:
        """The name of the activation that the output comes from, or None."""
        return None

    def before_activation(
        self, x: Tensor, parameters: Mapping[str, Tensor], context: Context
    ) -> Any:
        """The forward pass without :attr:`last_activation`. **Shapes**: as :meth:`forward`."""
        return self.forward(x, parameters, context)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Floating-point operations of a forward pass of one example; an activation counts as 1."""
        return 0

    def cannot_read(self, input_shape: Shape, needed: str, fix: str) -> ShapeError:
        """The error for an input shape that the layer cannot read; the network adds its place.

        Args:
            input_shape: without the batch axis.
            needed: the shape it reads.
            fix: a remedy; the words "in front of it" become the place in the network.
        """
        return ShapeError(
            f"{self.describe()} cannot read its input.",
            happened=f"it receives {show_shape((N, *input_shape))}",
            needed=needed,
            fix=fix,
        )


def initial_values(
    parameter: Parameter, fans: tuple[int, int], generator: np.random.Generator, dtype: str
) -> NDArray[Any]:
    """A parameter's first numbers in a network's dtype, C-contiguous.

    Raises:
        ShapeError: if the initializer gives another shape than the parameter's.
    """
    array = np.asarray(parameter.initializer(parameter.shape, *fans, generator))
    if array.shape != parameter.shape:
        raise ShapeError(
            "An initializer gives an array of another shape than its parameter.",
            happened=f"it gives {show_shape(array.shape)}",
            needed=show_shape(parameter.shape),
            fix="return an array of the shape that the initializer is called with",
        )
    return np.array(array, dtype=dtype, order="C")
