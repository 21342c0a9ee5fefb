"""Layers wired into a network: its shapes, its parameters and its forward pass.

Parameters exist once the network is built; training changes their arrays in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ranvier import ops
from ranvier.foundation.errors import ArgumentError, NotBuiltError
from ranvier.foundation.shapes import N, show_shape
from ranvier.layers import Context, Layer, Parameter
from ranvier.layers.arguments import whole_number
from ranvier.layers.shapes import LayerShapes, RowShape
from ranvier.networks.architecture import Architecture, read_architecture, write_architecture
from ranvier.networks.checks import (
    check_dtype,
    check_layers,
    check_ownership,
    check_values,
    checked_shape,
    put,
)
from ranvier.networks.forward import run_forward
from ranvier.networks.initial import draw
from ranvier.networks.shapes import infer_shapes
from ranvier.networks.table import LayerRow, layer_rows
from ranvier.networks.wiring import Wiring, chain
from ranvier.ops import Tensor


class Network:
    """Layers one after the other, or wired into any acyclic graph.

    Layers are numbered from 0, so that layer 2's weight is ``parameters["layers.2.weight"]``.

    Args:
        layers: at least one; each belongs to one network, once.
        dtype: of parameters and computation: float32 or float64.

    Attributes:
        wiring: which values each layer reads.
        parameters: the arrays by name, in canonical layout; empty before the network is built.
        input_shapes: of one example of each input, without the batch axis; empty before they are
            known.

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
        self._take(tuple(layers), chain(len(tuple(layers))), dtype)

    def _take(self, layers: tuple[Layer, ...], wiring: Wiring, dtype: str) -> None:
        self.layers = layers
        check_layers(self.layers)
        self.wiring = wiring
        self.dtype = check_dtype(dtype)
        self.input_shapes: tuple[RowShape, ...] = ()
        self.parameters: dict[str, NDArray[Any]] = {}
        self._shapes: tuple[LayerShapes, ...] = ()
        self._built = False

    @classmethod
    def wired(
        cls,
        layers: Sequence[Layer],
        wiring: Wiring,
        input_shapes: Sequence[RowShape],
        dtype: str = "float32",
    ) -> Network:
        """A network of layers in any acyclic graph; its shapes are known at once.

        Raises:
            ShapeError: if a layer cannot read what it receives.
        """
        network = cls.__new__(cls)
        network._take(tuple(layers), wiring, dtype)
        network._infer(tuple(input_shapes))
        return network

    def __repr__(self) -> str:
        inner = ", ".join(layer.describe() for layer in self.layers)
        return f"Network([{inner}], dtype={self.dtype!r})"

    # --- shapes and parameters

    @property
    def built(self) -> bool:
        """Whether the parameters have numbers, be it because another model shares all layers."""
        if not self._built and not self.wiring.is_chain:
            held = {name: self._held(name, p) for name, p in self.declared.items()}
            if held and all(array is not None for array in held.values()):
                self.fill({name: array for name, array in held.items() if array is not None})
        return self._built

    @property
    def input_shape(self) -> RowShape | None:
        """Of one example of the only input; None before it is known, or for several inputs."""
        return self.input_shapes[0] if len(self.input_shapes) == 1 else None

    @property
    def output_shapes(self) -> tuple[RowShape, ...]:
        """The shape of one example of each output, without the batch axis.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        shapes = dict(enumerate(self.input_shapes))
        for call, one in zip(self.wiring.calls, self._known_shapes(), strict=True):
            shapes.update(zip(call.gives, one.output_shapes, strict=True))
        return tuple(shapes[value] for value in self.wiring.outputs)

    @property
    def output_shape(self) -> RowShape:
        """The shape of one example of the first output, without the batch axis.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        return self.output_shapes[0]

    @property
    def declared(self) -> dict[str, Parameter]:
        """Every parameter's declaration by full name, before or after it has numbers.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        first: dict[int, LayerShapes] = {}
        for call, shapes in zip(self.wiring.calls, self._known_shapes(), strict=True):
            first.setdefault(call.layer, shapes)
        return {
            f"layers.{number}.{name}": parameter
            for number in range(len(self.layers))
            for name, parameter in first[number].parameters.items()
        }

    @property
    def trainable(self) -> list[str]:
        """Names of the parameters that training changes."""
        return [
            name
            for name, parameter in self.declared.items()
            if parameter.trainable and not self._layer_of(name).frozen(_short(name))
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
        shape = checked_shape(input_shape)
        fixed = self._built or not self.wiring.is_chain
        if fixed and (shape,) != self.input_shapes:
            read = " and ".join(show_shape((N, *one)) for one in self.input_shapes)
            raise ArgumentError(
                "The network is built for inputs of another shape.",
                happened=f"it reads {read}, and was asked to read {show_shape((N, *shape))}",
                needed="inputs of the shape it was built for",
                fix="make a new network, or reshape the data",
            )
        self._infer((shape,))

    def _infer(self, shapes: tuple[RowShape, ...]) -> None:
        self._shapes = infer_shapes(self.layers, self.wiring, shapes, self.dtype)
        self.input_shapes = shapes

    def build(self, input_shape: Sequence[int] | None = None, seed: int = 0) -> None:
        """Find all shapes and draw initial numbers; a second call draws them anew.

        The numbers depend on the seed and the parameter's name alone. Layers of a graph that have
        numbers already, because another model uses them too, keep them at the first call.

        Args:
            input_shape: of one example, without the batch axis; None if it is known.
            seed: of the initial numbers, from 0 to 2**63 - 1.

        Raises:
            ShapeError: if a layer cannot read what it receives.
            ArgumentError: for another seed or input shape, or more numbers than memory holds.
        """
        seed = whole_number("Network", "seed", seed, 0, 2**63 - 1)
        if input_shape is not None:
            self.set_input_shape(input_shape)
        values = {}
        for name, parameter in self.declared.items():
            held = self._held(name, parameter)
            if held is None or self._built:
                drawn = self._draw(name, parameter, seed)
                # In place: another model may hold the same array.
                values[name] = drawn if held is None else put(held, drawn)
            else:
                values[name] = held
        self.fill(values)

    def _held(self, name: str, parameter: Parameter) -> NDArray[Any] | None:
        """The array that a shared layer has already, in the network's dtype."""
        layer = self._layer_of(name)
        array = layer.values.get(_short(name))
        if array is None or not (layer.shareable or not self.wiring.is_chain):
            return None
        return array.astype(self.dtype, copy=False) if array.shape == parameter.shape else None

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
        check_values(declared, values, self.dtype)
        if self.wiring.is_chain:
            check_ownership(self.layers, self.parameters)
        self.parameters = {name: values[name] for name in declared}
        for number, layer in enumerate(self.layers):
            path = f"layers.{number}."
            own = {n: a for n, a in self.parameters.items() if n.startswith(path)}
            layer.values = {name.removeprefix(path): array for name, array in own.items()}
        self._built = True

    def _draw(self, name: str, parameter: Parameter, seed: int) -> NDArray[Any]:
        where = f"layer {_number_of(name)}, {self._layer_of(name).describe()},"
        return draw(name, parameter, seed, self.dtype, where)

    def _layer_of(self, name: str) -> Layer:
        return self.layers[_number_of(name)]

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
    def last_activations(self) -> tuple[str | None, ...]:
        """The activation that each output comes from, or None."""
        calls = (self.wiring.source(value) for value in self.wiring.outputs)
        return tuple(
            None if place is None else self._layer_of_call(place).last_activation for place in calls
        )

    @property
    def last_activation(self) -> str | None:
        """The activation that the first output comes from, or None."""
        return self.last_activations[0]

    def _layer_of_call(self, place: int) -> Layer:
        return self.layers[self.wiring.calls[place].layer]

    def forward(
        self,
        x: Tensor | tuple[Tensor, ...],
        parameters: Mapping[str, Tensor],
        context: Context,
        logits: bool | tuple[bool, ...] = False,
    ) -> Any:
        """The outputs of the last layer, written in operations.

        **Shapes**: ``x: (N, *input_shape) -> (N, *output_shape)``; a tuple for several inputs, and
        of several outputs

        Args:
            x: a batch of inputs; layers receive it in the network's dtype.
            parameters: by full name.
            context: whether this is training, and random numbers.
            logits: leave out the last layer's activation; a tuple for several outputs.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        return self.run(x, parameters, replace(context, dtype=self.dtype), logits)

    def run(
        self,
        x: Tensor | tuple[Tensor, ...],
        parameters: Mapping[str, Tensor],
        context: Context,
        logits: bool | tuple[bool, ...] = False,
    ) -> Any:
        """:meth:`forward` in the context's dtype, as a network around this one needs it."""
        return run_forward(
            self.layers, self.wiring, self._known_shapes(), x, parameters, context, logits
        )

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

    def check_rows(self, arrays: Sequence[NDArray[Any]]) -> None:
        """Let the layers that read inputs directly check them once, such as indices for a range.

        Raises:
            DataError: naming the row.
        """
        for call in self.wiring.calls:
            for value in call.reads:
                if value < len(arrays):
                    self.layers[call.layer].check_rows(arrays[value])

    # --- description

    def architecture(self) -> dict[str, Any]:
        """The structure as plain data, ready for JSON; see :meth:`from_architecture`."""
        return write_architecture(
            Architecture(self.layers, self.wiring, self.input_shapes, self.dtype)
        )

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
        network = cls.__new__(cls)
        network._take(found.layers, found.wiring, found.dtype)
        if found.input_shapes:
            network._infer(found.input_shapes)
        return network

    def layer_table(self) -> list[LayerRow]:
        """One row a layer for a summary.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        return layer_rows(self.layers, self.wiring, self._known_shapes())


def _number_of(name: str) -> int:
    return int(name.split(".")[1])


def _short(name: str) -> str:
    """A parameter's name inside its layer."""
    return name.split(".", 2)[2]
