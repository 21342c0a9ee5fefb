"""The neurons of a layer, one by one.

They read the layer's arrays as these are at that moment, so a neuron can be watched while the
network learns.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

import ranvier.ops as ops
from ranvier.foundation.errors import NotBuiltError, PositionError
from ranvier.layers.activations import ActivationLike, activate, activation_name
from ranvier.layers.base import Context, Layer
from ranvier.layers.neuron import Neuron, reads_whole_rows
from ranvier.layers.neuron_computation import NeuronComputation, steps_of
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


class LayerNeuron(Neuron):
    """One neuron of a built layer; it holds no numbers of its own.

    Args:
        layer: with values of the names below.
        position: of the neuron, on the last axis of the layer's weight.
        weight: the name of the layer's weight, ``(F, U)``.
        bias: the name of the layer's bias ``(U,)``; a layer without one has bias 0.

    Example:
        >>> import ranvier as rv
        >>> model = rv.Sequential(rv.Dense(3, activation="tanh")).build((2,))
        >>> neuron = model.layers[0].neurons[1]
        >>> neuron
        Dense(3, activation='tanh').neurons[1]
        >>> neuron.weights.tolist() == model.layers[0].weight[:, 1].tolist()
        True
    """

    def __init__(
        self, layer: Layer, position: int, weight: str = "weight", bias: str = "bias"
    ) -> None:
        self._layer, self._position = layer, position
        self._weight_name, self._bias_name = weight, bias
        self._combine = "sum"

    @property
    def weights(self) -> Any:
        """The layer's weights of this neuron: a view, as they are now. **Shapes**: ``(F,)``"""
        return self._layer.values[self._weight_name][:, self._position]

    @property
    def bias(self) -> Any:
        """The layer's bias of this neuron as it is now; 0 if the layer has none."""
        found = self._layer.values.get(self._bias_name)
        return 0.0 if found is None else float(found[self._position])

    @property
    def activation(self) -> ActivationLike | None:
        """The layer's activation, or None."""
        found: ActivationLike | None = getattr(self._layer, "activation", None)
        return found

    def __call__(self, x: Tensor) -> Any:
        """What the layer gives at this place; see :class:`Neuron`."""
        if not reads_whole_rows(self.activation):
            return super().__call__(x)
        x = self._readable(x)
        shape = shape_of(x)
        rows = x if len(shape) == 2 else ops.reshape(x, (1, *shape))
        outputs = self._layer.forward(rows, self._layer.values, Context(dtype=dtype_of(x)))
        places = ops.iota(shape_of(outputs), -1, "int32", like=outputs)
        own = ops.sum(ops.where(ops.equal(places, self._position), outputs, 0.0), axis=-1)
        return ops.reshape(own, shape[:-1])

    def explain(self, x: object) -> NeuronComputation:
        """What the neuron computes for one example; see :meth:`Neuron.explain`.

        With an activation such as softmax, which no neuron computes alone, ``layer_net_inputs``
        holds what it reads, and ``note`` says so.
        """
        if not reads_whole_rows(self.activation):
            return super().explain(x)
        inputs, values = self._one_example(x), self._layer.values
        weights = np.array(values[self._weight_name])
        bias = values.get(self._bias_name, np.zeros(weights.shape[1], weights.dtype))
        steps, own = steps_of(inputs, weights, bias, "sum"), self._position
        count = weights.shape[1]
        return NeuronComputation(
            title=repr(self),
            inputs=inputs,
            weights=weights[:, own],
            products=steps.products[:, own],
            partials=steps.partials[:, own],
            bias=bias[own],
            net_input=steps.net_inputs[own],
            activation=activation_name(self.activation),
            output=np.asarray(activate(self.activation, steps.net_inputs[None]))[0, own],
            combine="sum",
            layer_net_inputs=steps.net_inputs,
            note=f"{activation_name(self.activation)} is not computed by a neuron alone: "
            f"it reads the net inputs of all {count} neurons of the layer.",
        )

    def _name(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"{self._layer.describe()}.neurons[{self._position}]"


class Neurons(Sequence[LayerNeuron]):
    """The neurons of a built layer, in order; ``neurons[3]``, ``neurons[-1]``, ``neurons[2:5]``.

    A layer with units joins by a property that returns ``Neurons(self)``.

    Args:
        layer: whose ``values`` hold a weight ``(F, U)`` and perhaps a bias ``(U,)``.
        weight: the name of the weight.
        bias: the name of the bias.
        positions: which of them; None: all.

    Raises:
        NotBuiltError: before the layer's network is built.

    Example:
        >>> import ranvier as rv
        >>> layer = rv.Sequential(rv.Dense(3)).build((2,)).layers[0]
        >>> len(layer.neurons), layer.neurons[-1], len(layer.neurons[1:])
        (3, Dense(3).neurons[2], 2)
    """

    def __init__(
        self,
        layer: Layer,
        weight: str = "weight",
        bias: str = "bias",
        positions: range | None = None,
    ) -> None:
        if weight not in layer.values:
            raise NotBuiltError(
                f"The neurons of {layer.describe()} have no weights yet.",
                happened="the network of the layer is not built, so no shape is known",
                needed="a layer of a built network",
                fix="call model.fit(X, y), or model.build((features,)) with the shape of a row",
            )
        self._layer, self._weight_name, self._bias_name = layer, weight, bias
        count = layer.values[weight].shape[-1]
        self._positions = range(count) if positions is None else positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, position: int) -> LayerNeuron: ...

    @overload
    def __getitem__(self, position: slice) -> Neurons: ...

    def __getitem__(self, position: int | slice) -> LayerNeuron | Neurons:
        names = (self._weight_name, self._bias_name)
        if isinstance(position, slice):
            return Neurons(self._layer, *names, self._positions[position])
        try:
            found = operator.index(position)
        except TypeError:
            found = len(self)
        if not -len(self) <= found < len(self):
            raise PositionError(
                f"{self._layer.describe()} has no neuron {position!r:.40}.",
                happened=f"there are {len(self)} neurons here",
                needed=f"a number from 0 to {len(self) - 1}, or from {-len(self)} to -1",
                fix="neurons are numbered from 0; neurons[-1] is the last one",
            )
        return LayerNeuron(self._layer, self._positions[found], *names)

    def __iter__(self) -> Iterator[LayerNeuron]:
        for position in range(len(self)):
            yield self[position]

    def __repr__(self) -> str:
        return f"<{len(self)} neurons of {self._layer.describe()}>"
