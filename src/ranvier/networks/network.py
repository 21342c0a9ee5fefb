"""A stack of layers: its shapes, its parameters and its forward pass.

Parameters exist once the network is built; training changes their arrays in place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.dtypes import FLOATS, canonical, itemsize
from ranvier.foundation.errors import ArgumentError, DTypeError, NotBuiltError, ShapeError
from ranvier.foundation.random import host_generator
from ranvier.foundation.shapes import N, show_shape
from ranvier.layers import Context, Layer, Parameter
from ranvier.layers.arguments import whole_number
from ranvier.layers.base import initial_values
from ranvier.layers.initializers import fans
from ranvier.networks.architecture import read_architecture, write_architecture
from ranvier.networks.shapes import LayerShapes, infer_shapes
from ranvier.networks.table import LayerRow
from ranvier.ops import Tensor


class Network:
    """Layers one after the other.

    Layers are numbered from 0, so that layer 2's weight is ``parameters["layers.2.weight"]``.

    Args:
        layers: at least one; each belongs to one network, once.
        dtype: of parameters and computation: float32 or float64.

    Attributes:
        parameters: the arrays by name, in canonical layout; empty before the network is built.
        input_shape: of one example, without the batch axis; None before the network is built.

    Raises:
        ArgumentError: for no layers, things that are no layers, or a layer given twice.
        DTypeError: for another dtype.

    Example:
        >>> import numpy as np
        >>> from ranvier.layers import Dense
        >>> network = Network([Dense(3, activation="relu"), Dense(2)])
        >>> network.build((4,))
        >>> network.output_shape, sorted(network.parameters)[:2]
        ((2,), ['layers.0.bias', 'layers.0.weight'])
    """

    def __init__(self, layers: Sequence[Layer], dtype: str = "float32") -> None:
        self.layers = tuple(layers)
        _check_layers(self.layers)
        self.dtype = canonical(dtype)
        if self.dtype not in FLOATS:
            raise DTypeError(
                f"A network cannot compute in {self.dtype}.",
                happened=f"dtype is {self.dtype}",
                needed="float32 or float64",
                fix='write dtype="float32"',
            )
        self.input_shape: tuple[int, ...] | None = None
        self.parameters: dict[str, NDArray[Any]] = {}
        self._shapes: tuple[LayerShapes, ...] = ()
        self._built = False

    def __repr__(self) -> str:
        inner = ", ".join(layer.describe() for layer in self.layers)
        return f"Network([{inner}], dtype={self.dtype!r})"

    # --- shapes and parameters

    @property
    def built(self) -> bool:
        """Whether the parameters have numbers."""
        return self._built

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one example's outputs, without the batch axis.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        return self._known_shapes()[-1].output_shape

    @property
    def declared(self) -> dict[str, Parameter]:
        """Every parameter's declaration by full name, before or after it has numbers.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        return {
            f"layers.{number}.{name}": parameter
            for number, shapes in enumerate(self._known_shapes())
            for name, parameter in shapes.parameters.items()
        }

    @property
    def trainable(self) -> list[str]:
        """Names of the parameters that training changes."""
        return [
            name
            for name, parameter in self.declared.items()
            if parameter.trainable and self.layers[_number_of(name)].trainable
        ]

    def set_input_shape(self, input_shape: Sequence[int]) -> None:
        """Find all shapes for inputs of a shape; allocates nothing and gives no numbers.

        Args:
            input_shape: of one example, without the batch axis.

        Raises:
            ShapeError: if a layer cannot read what it receives.
            ArgumentError: if the shape is not made of positive integers, or the network is built
                for another one.
        """
        shape = _checked_shape(input_shape)
        if self._built and shape != self.input_shape:
            raise ArgumentError(
                "The network is built for inputs of another shape.",
                happened=f"it reads {show_shape((N, *(self.input_shape or ())))}, "
                f"and was asked to read {show_shape((N, *shape))}",
                needed="inputs of the shape it was built for",
                fix="make a new network, or reshape the data",
            )
        self._shapes = infer_shapes(self.layers, shape, self.dtype)
        self.input_shape = shape

    def build(self, input_shape: Sequence[int], seed: int = 0) -> None:
        """Find all shapes and draw initial numbers; a second call draws them anew.

        The numbers depend on the seed and the parameter's name alone.

        Args:
            input_shape: of one example, without the batch axis.
            seed: of the initial numbers, from 0 to 2**63 - 1.

        Raises:
            ShapeError: if a layer cannot read what it receives.
            ArgumentError: for another seed or input shape, or more numbers than memory holds.
        """
        seed = whole_number("Network", "seed", seed, 0, 2**63 - 1)
        self.set_input_shape(input_shape)
        self.fill({name: self._draw(name, p, seed) for name, p in self.declared.items()})

    def fill(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Take arrays as the network's parameters; after :meth:`set_input_shape`.

        Args:
            values: C-contiguous, writeable arrays of the declared names and shapes and the
                network's dtype. They are kept, not copied.

        Raises:
            ShapeError: if a name is missing or left over, or an array has another shape or dtype.
            ArgumentError: if a layer belongs to another network already.
        """
        declared = self.declared
        _check_values(declared, values, self.dtype)
        self._check_ownership()
        self.parameters = {name: values[name] for name in declared}
        for number, (layer, shapes) in enumerate(zip(self.layers, self._shapes, strict=True)):
            layer.values = {n: self.parameters[f"layers.{number}.{n}"] for n in shapes.parameters}
        self._built = True

    def _draw(self, name: str, parameter: Parameter, seed: int) -> NDArray[Any]:
        try:
            generator = host_generator(seed, name)
            return initial_values(parameter, fans(parameter.shape), generator, self.dtype)
        except (MemoryError, OverflowError) as error:
            number = _number_of(name)
            size = math.prod(parameter.shape) * itemsize(self.dtype)
            raise ArgumentError(
                f"layer {number}, {self.layers[number].describe()}, does not fit into memory.",
                happened=f"{name} of shape {show_shape(parameter.shape)} takes {size:,} bytes",
                needed="less than the memory of this machine",
                fix="use fewer units, or smaller inputs",
            ) from error

    def _check_ownership(self) -> None:
        for number, layer in enumerate(self.layers):
            for name, array in layer.values.items():
                if self.parameters.get(f"layers.{number}.{name}") is not array:
                    raise ArgumentError(
                        f"layer {number}, {layer.describe()}, belongs to another network.",
                        happened="its parameters have numbers already",
                        needed="new layers for each network",
                        fix="write the layer again, or copy it with copy.deepcopy",
                    )

    def _known_shapes(self) -> tuple[LayerShapes, ...]:
        if not self._shapes:
            raise NotBuiltError(
                "The network has no shapes yet.",
                happened="the shape of its inputs is not known",
                needed="a built network",
                fix="call build((features,)), or train it first",
            )
        return self._shapes

    # --- forward

    @property
    def last_activation(self) -> str | None:
        """The activation that the outputs come from, or None."""
        return self.layers[-1].last_activation

    def forward(
        self,
        x: Tensor,
        parameters: Mapping[str, Tensor],
        context: Context,
        logits: bool = False,
    ) -> Any:
        """The outputs of the last layer, written in operations.

        **Shapes**: ``x: (N, *input_shape) -> (N, *output_shape)``

        Args:
            x: a batch of inputs; it is cast to the network's dtype first.
            parameters: by full name.
            context: whether this is training, and random numbers.
            logits: leave out the last layer's activation.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        x = ops.cast(x, self.dtype)
        last = len(self.layers) - 1
        for number, (layer, shapes) in enumerate(
            zip(self.layers, self._known_shapes(), strict=True)
        ):
            path = f"layers.{number}."
            inner = context.inside(path)
            own = {n: inner.current(n, parameters[path + n]) for n in shapes.parameters}
            strip = logits and number == last
            x = (layer.before_activation if strip else layer.forward)(x, own, inner)
        return x

    def penalty(self, parameters: Mapping[str, Tensor]) -> Any:
        """The sum of the regularizers of what is trained, a scalar; None if there are none."""
        total: Any = None
        declared = self.declared
        for name in self.trainable:
            regularizer = declared[name].regularizer
            if regularizer is not None:
                part = regularizer(parameters[name])
                total = part if total is None else ops.add(total, part)
        return total

    # --- description

    def architecture(self) -> dict[str, Any]:
        """The structure as plain data, ready for JSON; see :meth:`from_architecture`."""
        return write_architecture(self.layers, self.input_shape, self.dtype)

    @classmethod
    def from_architecture(cls, description: object) -> Network:
        """A network of new layers, its shapes known but without numbers.

        Args:
            description: what :meth:`architecture` gave, possibly from a file of anybody's.

        Raises:
            ModelFileError: if it is something else, or holds a layer that is not known.
            ShapeError: if its layers do not fit together.

        Example:
            >>> from ranvier.layers import Dense
            >>> Network.from_architecture(Network([Dense(2)]).architecture())
            Network([Dense(2)], dtype='float32')
        """
        found = read_architecture(description)
        network = cls(found.layers, found.dtype)
        if found.input_shape is not None:
            network.set_input_shape(found.input_shape)
        return network

    def layer_table(self) -> list[LayerRow]:
        """One row a layer for a summary.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        return [
            LayerRow(
                number,
                layer.describe(),
                show_shape((N, *shapes.output_shape)),
                sum(math.prod(p.shape) for p in shapes.parameters.values()),
                layer.trainable,
                layer.flops(shapes.input_shape, shapes.output_shape),
            )
            for number, (layer, shapes) in enumerate(
                zip(self.layers, self._known_shapes(), strict=True)
            )
        ]


def _checked_shape(input_shape: object) -> tuple[int, ...]:
    if not isinstance(input_shape, tuple | list):
        raise ArgumentError(
            "Network: the argument input_shape is not understood.",
            happened=f"input_shape is {input_shape!r:.80}",
            needed="a tuple: the shape of one example, without the batch axis",
            fix="write for example (784,) for rows of 784 features",
        )
    return tuple(
        whole_number("Network", f"input_shape[{axis}]", length)
        for axis, length in enumerate(input_shape)
    )


def _number_of(name: str) -> int:
    return int(name.split(".")[1])


def _check_layers(layers: tuple[Layer, ...]) -> None:
    if not layers:
        raise ArgumentError(
            "A network needs at least one layer.",
            happened="it was given none",
            needed="one or more layers",
            fix="write for example Sequential(Dense(10))",
        )
    for number, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ArgumentError(
                f"layer {number} is not a layer.",
                happened=f"it is {layer!r:.80}",
                needed="a layer such as Dense(10)",
                fix="call the class if its brackets are missing, and give layers only",
            )
    places: dict[int, int] = {}
    for number, layer in enumerate(layers):
        first = places.setdefault(id(layer), number)
        if first != number:
            raise ArgumentError(
                f"layer {number}, {layer.describe()}, is the same object as layer {first}.",
                happened="one layer was given twice",
                needed="a layer of its own in each place",
                fix=f"write {layer.describe()} a second time",
            )


def _check_values(
    declared: Mapping[str, Parameter], values: Mapping[str, NDArray[Any]], dtype: str
) -> None:
    for name in [*declared, *values]:
        array = values.get(name)
        happened = ""
        if name not in declared:
            happened = "the network has no such parameter"
        elif array is None:
            happened = "it is missing"
        elif array.shape != declared[name].shape or array.dtype != np.dtype(dtype):
            happened = f"it is {array.dtype.name}{show_shape(array.shape)}"
        if happened:
            wanted = declared[name].shape if name in declared else None
            raise ShapeError(
                f"The parameter {name!r:.80} does not fit the network.",
                happened=happened,
                needed=f"{dtype}{show_shape(wanted)}" if wanted is not None else "no other names",
                fix="take the arrays from a network of the same architecture",
            )
