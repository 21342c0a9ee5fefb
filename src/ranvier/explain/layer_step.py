"""What one layer does with one example, forwards and backwards, neuron by neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier.explain.passes import CallRecord, is_staged, own_parameters, pulled_back
from ranvier.explain.subject import Array
from ranvier.foundation.errors import ArgumentError, PositionError
from ranvier.layers import Dense
from ranvier.layers.activations import activate, activation_name
from ranvier.layers.neuron import reads_whole_rows
from ranvier.layers.neuron_computation import SHOWN, NeuronComputation, steps_of
from ranvier.networks.network import Network


@dataclass(frozen=True, eq=False)
class NeuronBackward:
    """The way back through one neuron; printed, it is a table.

    Attributes:
        title: which neuron.
        output_gradient: of the loss by the neuron's output; None if the loss reads its net input.
        slope: of the activation at the net input; None where it reads whole rows (softmax).
        delta: of the loss by the net input, ``output_gradient * slope``.
        inputs: ``(F,)``.
        gradients: ``(F,)`` of the loss by the weights, ``input * delta``.
        weights, new_weights: ``(F,)`` now, and after a step of plain gradient descent.
        sent: ``(F,)`` what goes back to each input, ``weight * delta``.
        bias, new_bias: None without a bias. The bias's gradient is delta.
    """

    title: str
    output_gradient: Any
    slope: Any
    delta: Any
    inputs: Array
    gradients: Array
    weights: Array
    new_weights: Array
    sent: Array
    bias: Any
    new_bias: Any

    def __str__(self) -> str:
        if self.output_gradient is None:
            first = f"{self.title}: the loss gives delta {self.delta!s} at the net input"
        elif self.slope is None:
            first = f"{self.title}: delta {self.delta!s}, through the whole row of the activation"
        else:
            first = (
                f"{self.title}: arriving {self.output_gradient!s} x slope {self.slope!s} "
                f"= delta {self.delta!s}"
            )
        head = ("input", "x", "x * delta = gradient", "weight", "new weight", "weight * delta")
        columns = (self.inputs, self.gradients, self.weights, self.new_weights, self.sent)
        rows = [head, *numbered_rows(columns)]
        if self.bias is not None:
            rows.append(("bias", "", str(self.delta), str(self.bias), str(self.new_bias), ""))
        return "\n".join([first, *aligned(rows)])


@dataclass(frozen=True, eq=False)
class LayerStep:
    """One layer and one example.

    Arrays have no batch axis. What only layers with neurons have (`Dense`) is None elsewhere.

    Attributes:
        number: of the layer.
        description: the layer as it is written.
        inputs: what it read; the first one for a layer with several.
        net_inputs: before the activation, or None.
        activation: its name, or None.
        outputs: what it gave; the net inputs where the loss reads those.
        in_loss: whether the activation is left to the loss.
        output_gradient: of the loss by the outputs; None where `in_loss`.
        slope: of the activation; None without one, or where it reads whole rows.
        net_gradient: of the loss by the net inputs ("delta").
        input_gradient: of the loss by the inputs; None for integers.
        parameters: by short name.
        gradients: of the loss by each trained parameter.
        penalties: of the penalties on weights, where there are some.
        updated: the parameters after one step of plain gradient descent.
        products, partials: ``(F, U)``: weight times input, and their sums in order.
    """

    number: int
    description: str
    inputs: Array
    net_inputs: Array | None
    activation: str | None
    outputs: Array
    in_loss: bool
    output_gradient: Array | None
    slope: Array | None
    net_gradient: Array | None
    input_gradient: Array | None
    parameters: Mapping[str, Array]
    gradients: Mapping[str, Array]
    penalties: Mapping[str, Array]
    updated: Mapping[str, Array]
    products: Array | None = field(default=None, repr=False)
    partials: Array | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """How the layer is called."""
        return f"layer {self.number}, {self.description}"

    @property
    def units(self) -> int:
        """How many neurons it shows; 0 for a layer without."""
        return 0 if self.products is None else self.products.shape[1]

    def neuron(self, position: int) -> NeuronComputation:
        """The way of one neuron from inputs to output.

        Raises:
            ArgumentError: a layer without neurons.
            PositionError: a neuron that is not there.
        """
        products, partials, net = self._checked(position)
        bias = self.parameters.get("bias")
        note = f"{self.activation} is part of the loss." if self.in_loss and self.activation else ""
        return NeuronComputation(
            title=f"neuron {position} of layer {self.number}",
            inputs=self.inputs,
            weights=self.parameters["weight"][:, position],
            products=products[:, position],
            partials=partials[:, position],
            bias=products.dtype.type(0) if bias is None else bias[position],
            net_input=net[position],
            activation=None if self.in_loss else self.activation,
            output=self.outputs[position],
            combine="sum",
            note=note,
        )

    def neuron_backward(self, position: int) -> NeuronBackward:
        """The way of one neuron back from what arrives at its output.

        Raises:
            ArgumentError: a layer without neurons.
            PositionError: a neuron that is not there.
        """
        self._checked(position)
        delta = np.asarray(self.net_gradient)[position]
        weights, arriving = self.parameters["weight"][:, position], self.output_gradient
        bias = self.parameters.get("bias")
        return NeuronBackward(
            title=f"neuron {position} of layer {self.number}",
            output_gradient=None if arriving is None else arriving[position],
            slope=None if self.slope is None else self.slope[position],
            delta=delta,
            inputs=self.inputs,
            gradients=self.inputs * delta,
            weights=weights,
            new_weights=self.updated["weight"][:, position],
            sent=weights * delta,
            bias=None if bias is None else bias[position],
            new_bias=None if bias is None else self.updated["bias"][position],
        )

    def _checked(self, position: int) -> tuple[Array, Array, Array]:
        if self.products is None or self.partials is None or self.net_inputs is None:
            raise ArgumentError(
                f"{self.title} has no neurons to step through.",
                happened="it is shown as what goes in and what comes out",
                needed="a Dense layer",
                fix="look at its inputs, outputs and input_gradient",
            )
        if not 0 <= position < self.units:
            raise PositionError(
                f"{self.title} has no neuron {position!r:.40}.",
                happened=f"there are {self.units} neurons here",
                needed=f"a number from 0 to {self.units - 1}",
                fix="neurons are numbered from 0",
            )
        return self.products, self.partials, self.net_inputs


def layer_step(
    network: Network,
    record: CallRecord,
    gradients: Mapping[str, Array],
    penalties: Mapping[str, Array],
    rate: float,
) -> LayerStep:
    """What a layer did with the only row of a pass.

    Args:
        network: of the pass.
        record: the layer's part of it.
        gradients: of the loss by all parameters, from all places where they are used.
        penalties: the gradients of the penalties on weights.
        rate: of the step that is shown.
    """
    layer, path = record.layer, f"layers.{record.number}."
    own = own_parameters(network.parameters, record.number)
    trained = {name for name in own if path + name in network.trainable}
    updated = {name: array.copy() for name, array in own.items()}
    for name in trained:
        slope = gradients.get(path + name, 0.0) + penalties.get(path + name, 0.0)
        updated[name] = np.asarray(own[name] - own[name].dtype.type(rate) * slope)
    net = None if record.net_inputs is None else record.net_inputs[0]
    in_loss = not record.outputs
    products = partials = None
    if isinstance(layer, Dense):
        bias = own.get("bias", np.zeros(layer.units, network.dtype))
        steps = steps_of(record.inputs[0][0], own["weight"], bias, "sum")
        products, partials = steps.products, steps.partials
    arriving, back = record.output_gradients, record.input_gradients[0]
    return LayerStep(
        number=record.number,
        description=layer.describe(),
        inputs=record.inputs[0][0],
        net_inputs=net,
        activation=activation_name(getattr(layer, "activation", None)),
        outputs=np.asarray(net) if in_loss else record.outputs[0][0],
        in_loss=in_loss,
        output_gradient=arriving[0][0] if arriving else None,
        slope=slope_of(record),
        net_gradient=None if record.net_gradient is None else record.net_gradient[0],
        input_gradient=None if back is None else back[0],
        parameters=own,
        gradients={n: g for n, g in record.gradients.items() if n in trained},
        penalties={n: penalties[path + n] for n in own if path + n in penalties},
        updated=updated,
        products=products,
        partials=partials,
    )


def slope_of(record: CallRecord) -> Array | None:
    """The slope of a layer's activation at the only row's net inputs."""
    activation = getattr(record.layer, "activation", None)
    if not is_staged(record.layer) or record.net_inputs is None or not record.outputs:
        return None
    if reads_whole_rows(activation):
        return None
    ones = np.ones_like(record.net_inputs)
    found = pulled_back(lambda z: activate(activation, z), [record.net_inputs], [ones])[0]
    return None if found is None else found[0]


def numbered_rows(columns: Sequence[Array]) -> list[tuple[str, ...]]:
    """Lines of a table, one for each place; the middle of a long one is left out."""
    count = len(columns[0])
    cut = count > 2 * SHOWN + 1
    rows = []
    for place in range(count):
        if cut and place == SHOWN:
            rows.append((f"{count - 2 * SHOWN} more", *("...",) * len(columns)))
        if not cut or place < SHOWN or place >= count - SHOWN:
            rows.append((str(place), *(str(column[place]) for column in columns)))
    return rows


def aligned(rows: Sequence[tuple[str, ...]], indent: str = "") -> list[str]:
    """Lines of a table, each column to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        indent + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
