"""What a layer is: declared parameters and a forward pass written in ``ranvier.ops``.

Gradient, native code, saving and printing follow from these two.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import ShapeError
from ranvier.foundation.registry import Registry
from ranvier.foundation.shapes import N, Shape, show_shape
from ranvier.layers.configured import Configured
from ranvier.layers.context import Context, Parameter
from ranvier.layers.symbolic import SymbolicTensor, connect
from ranvier.ops import Tensor

__all__ = ["IN_FRONT", "LAYERS", "Context", "Layer", "Parameter", "initial_values"]

LAYERS: Registry[type[Layer]] = Registry("layer")

#: In the remedy of a layer's error, the network replaces these words by "between layers i and j".
IN_FRONT = "in front of it"


class Layer(Configured):
    """Base of all layers.

    A subclass keeps its constructor arguments in attributes of the same names, gives its parameters
    in :meth:`declare` and its formula in :meth:`forward`. With ``@LAYERS.register("Name")``, where
    the name is the class's, model files know it too.

    Attributes:
        trainable: set it to False to freeze the layer: no gradient, no penalty, no update.
        several_inputs: whether it reads several values at once: then :meth:`declare` gets a tuple
            of shapes and :meth:`forward` a tuple of values.
        reads_integers: whether it reads integers, such as indices, as they are; every other layer
            receives the network's dtype.
        shareable: whether a stack may hold it although another network does too.
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
    several_inputs: bool = False
    reads_integers: bool = False
    shareable: bool = False

    def __call__(self, *inputs: SymbolicTensor | Sequence[SymbolicTensor]) -> Any:
        """Put the layer behind other layers of a graph; see :func:`ranvier.Input`.

        Called twice, it is shared: both places have the same parameters.

        Args:
            inputs: what :func:`ranvier.Input` or another layer's call gave; several of them, or a
                list, for layers such as :class:`ranvier.Add`.

        Returns:
            What the layer gives, to be read by other layers.

        Raises:
            ArgumentError: for something else, or another number of inputs.
            ShapeError: if the layer cannot read inputs of these shapes.

        Example:
            >>> import ranvier as rv
            >>> rv.Dense(3)(rv.Input((4,))).shape
            (N, 3)
        """
        return connect(self, inputs)

    @property
    def values(self) -> dict[str, NDArray[Any]]:
        """The parameters' arrays by short name; empty before a network is built."""
        held: dict[str, NDArray[Any]] = self.__dict__.get("_values", {})
        return held

    @values.setter
    def values(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.__dict__["_values"] = dict(arrays)

    def __getattr__(self, name: str) -> NDArray[Any]:
        # Only asked for names that are no attribute. Python's protocol wants an AttributeError.
        values: dict[str, NDArray[Any]] = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        kind = type(self).__name__
        if name == "neurons":
            raise AttributeError(
                f"{kind} has no neurons: it has no units with weights of their own"
            )
        built = "_values" in self.__dict__
        hint = "" if built else "; parameters exist once its network is built"
        raise AttributeError(f"{kind} has no {name!r}{hint}")

    def frozen(self, name: str) -> bool:
        """Whether one of its parameters is not to be trained, by :attr:`trainable`."""
        return not self.trainable

    def check_rows(self, x: NDArray[Any]) -> None:
        """Check an array that comes from outside before it is used; by default all is well.

        Raises:
            DataError: naming the row.
        """

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
