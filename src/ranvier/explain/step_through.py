"""Forward propagation and backpropagation for one example, every product and sum in the open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier.explain.layer_step import LayerStep, aligned, layer_step, numbered_rows
from ranvier.explain.passes import pulled_back, recorded_pass, row_losses
from ranvier.explain.subject import (
    Array,
    ModelLike,
    Subject,
    check_model,
    one_example,
    subject_of,
)
from ranvier.foundation.errors import DataError
from ranvier.foundation.shapes import show_shape
from ranvier.layers.arguments import number, whole_number
from ranvier.networks.network import Network

#: Neurons of a layer that the text shows in full.
NEURONS = 3


@dataclass(frozen=True, eq=False)
class StepThrough:
    """One example's way through a network and back; printed, it is a page of numbers.

    Layers are as after training: dropout is off, batch normalization uses its running statistics.

    Attributes:
        x: the example, one array for each input of the network.
        targets: of each output, as training reads them.
        target_name: the target in words.
        layers: in the order of the forward pass.
        outputs: what each loss reads.
        loss_names: of each output.
        output_gradients: of the loss by what it reads.
        loss: of this example, without penalties.
        penalty: of the weights; 0 without.
        learning_rate: of the step that is shown.
        loss_after: of this example after that step, without penalties.
        gradients: of the loss and penalties by each trained parameter, by full name.
        updated: all parameters after the step, by full name.
    """

    x: tuple[Array, ...]
    targets: tuple[Array, ...]
    target_name: str
    layers: tuple[LayerStep, ...]
    outputs: tuple[Array, ...]
    loss_names: tuple[str, ...]
    output_gradients: tuple[Array, ...]
    loss: float
    penalty: float
    learning_rate: float
    loss_after: float
    gradients: Mapping[str, Array] = field(repr=False)
    updated: Mapping[str, Array] = field(repr=False)

    def text(self, neurons: int | None = NEURONS) -> str:
        """All of it as text.

        Args:
            neurons: how many neurons of a layer are shown in full; None: all.

        Raises:
            ArgumentError: a negative number.
        """
        if neurons is not None:
            whole_number("text", "neurons", neurons, low=0)
        most = neurons if neurons is not None else max(1, *(one.units for one in self.layers), 1)
        lines = [f"Target: {self.target_name}", "", "FORWARD"]
        for layer in self.layers:
            lines += ["", *_forward(layer, most)]
        lines += ["", "LOSS", "", *self._loss_lines(), "", "BACKWARD"]
        for layer in reversed(self.layers):
            lines += ["", *_backward(layer, most)]
        lines += ["", "UPDATE", "", *self._update_lines()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def _loss_lines(self) -> list[str]:
        lines = []
        ends = zip(self.loss_names, self.outputs, self.output_gradients, strict=True)
        for name, output, gradient in ends:
            lines.append(f"{name} reads")
            rows = [
                ("output", "value", "gradient"),
                *numbered_rows([_flat(output), _flat(gradient)]),
            ]
            lines += aligned(rows, "  ")
        lines.append(f"loss {self.loss:.8g}")
        if self.penalty:
            lines.append(f"penalties on weights {self.penalty:.8g}")
        return lines

    def _update_lines(self) -> list[str]:
        rate = self.learning_rate
        lines = [f"One step of plain gradient descent, new = old - {rate:g} x gradient:"]
        rows = [("parameter", "shape", "norm", "norm of gradient", "norm of change", "ratio")]
        old = {f"layers.{s.number}.{n}": a for s in self.layers for n, a in s.parameters.items()}
        for name, gradient in self.gradients.items():
            size, norm = float(np.linalg.norm(old[name])), float(np.linalg.norm(gradient))
            ratio = f"{rate * norm / size:.3g}" if size else "-"
            shape = show_shape(gradient.shape)
            rows.append((name, shape, f"{size:.6g}", f"{norm:.6g}", f"{rate * norm:.6g}", ratio))
        lines += aligned(rows, "  ")
        lines.append(
            f"The loss of this example goes from {self.loss:.8g} to {self.loss_after:.8g}."
        )
        return lines


def step_through(
    model: ModelLike, x: object, y: object, *, learning_rate: float = 0.01
) -> StepThrough:
    """Forward propagation, the loss, backpropagation and one update, for one example.

    Nothing is changed in the model. Layers with neurons (Dense) are shown neuron by neuron, each
    product and each sum in the order in which it is computed; others as what goes in and out.

    Formulas: a neuron gives ``a = f(z)``, ``z = w_0 x_0 + w_1 x_1 + ... + b``. Back come
    ``delta = dL/da f'(z)``, for its weights ``dL/dw_i = x_i delta``, for its inputs ``w_i delta``,
    added up over the neurons that read them (Rumelhart, Hinton and Williams, "Learning
    representations by back-propagating errors", Nature 323, 1986).

    **Shapes** ``x: (...)`` or ``(1, ...)``, ``y: ()``, ``(outputs,)`` or with a first axis of 1

    Args:
        model: built.
        x: one example; a tuple or a dict for several inputs.
        y: its target; a tuple or a dict for several outputs.
        learning_rate: of the step that is shown, above 0.

    Raises:
        NotBuiltError: before the first fit or build.
        DataError: several examples.
        ArgumentError: a rate that is not above 0.

    Example:
        >>> import ranvier as rv
        >>> model = rv.Sequential(rv.Dense(1), dtype="float64").build((2,))
        >>> model.layers[0].weight[:] = [[0.5], [-1.0]]
        >>> step = rv.explain.step_through(model, [2.0, 3.0], 1.0, learning_rate=0.5)
        >>> step.layers[0].products.tolist(), step.outputs[0].tolist(), step.loss
        ([[1.0], [-3.0]], [-2.0], 9.0)
        >>> step.gradients["layers.0.weight"].tolist()
        [[-12.0], [-18.0]]
    """
    check_model("step_through", model)
    rate = number("step_through", "learning_rate", learning_rate, 0.0, above_low=True)
    example, target = one_example(model.network, x), _one_target(model.network, y)
    subject = subject_of("step_through", model, example, target)
    if subject.rows != 1:
        raise DataError(
            "step_through takes one example.",
            happened=f"it got {subject.rows} rows",
            needed="one example and its target",
            fix="write model.step_through(X[0], y[0])",
        )
    return _stepped(subject, rate)


def _one_target(network: Network, y: Any) -> Any:
    """A target with a batch axis, where it was left out; for several outputs each of them."""

    def in_row(one: Any, shape: tuple[int, ...]) -> Any:
        array = np.asarray(one)
        whole = array.shape == shape and shape != (1,)
        return array[None] if array.ndim == 0 or whole else array

    ends, shapes = network.wiring.output_names, network.output_shapes
    if isinstance(y, Mapping):
        wanted = dict(zip(ends, shapes, strict=True))
        return {name: in_row(one, wanted.get(name, ())) for name, one in y.items()}
    if len(ends) == 1:
        return in_row(y, shapes[0])
    if isinstance(y, tuple | list) and len(y) == len(ends):
        return tuple(in_row(one, shape) for one, shape in zip(y, shapes, strict=True))
    return y


def _stepped(subject: Subject, rate: float) -> StepThrough:
    network = subject.network
    found = recorded_pass(network, subject.x, subject.targets, subject.losses)
    trained, parameters = network.trainable, network.parameters
    penalties: dict[str, Array] = {}
    penalty: Any = network.penalty(parameters)
    if penalty is not None:

        def of_weights(*values: Any) -> Any:
            return network.penalty({**parameters, **dict(zip(trained, values, strict=True))})

        one = np.ones((), network.dtype)
        parts = pulled_back(of_weights, [parameters[name] for name in trained], [one])
        penalties = {n: p for n, p in zip(trained, parts, strict=True) if p is not None and p.any()}
    gradients = {
        name: found.gradients.get(name, np.zeros_like(parameters[name]))
        + penalties.get(name, parameters[name].dtype.type(0))
        for name in trained
    }
    steps = tuple(
        layer_step(network, record, found.gradients, penalties, rate) for record in found.calls
    )
    updated = {f"layers.{s.number}.{n}": a for s in steps for n, a in s.updated.items()}
    return StepThrough(
        x=tuple(one[0] for one in subject.x),
        targets=tuple(one[0] for one in subject.targets),
        target_name=_target_name(subject),
        layers=steps,
        outputs=tuple(one[0] for one in found.outputs),
        loss_names=tuple(loss.name for loss in subject.losses),
        output_gradients=tuple(one[0] for one in found.output_gradients),
        loss=float(found.loss),
        penalty=0.0 if penalty is None else float(penalty),
        learning_rate=rate,
        loss_after=float(
            row_losses(network, subject.x, subject.targets, subject.losses, updated)[0]
        ),
        gradients=gradients,
        updated=updated,
    )


def _target_name(subject: Subject) -> str:
    """The target of the only row in words."""
    shown = []
    for place, target in enumerate(subject.targets):
        learnt = subject.model.preparations[place]
        if target.dtype.kind == "f":
            shown.append(", ".join(f"{value:.8g}" for value in np.ravel(target[0])[:20]))
        elif learnt is not None and learnt.class_names:
            shown.append(f"{learnt.class_names[int(target[0])]!r}, class {int(target[0])}")
        else:
            shown.append(f"class {int(target[0])}")
    return "; ".join(shown)


def _flat(array: Array | None) -> Array:
    return np.reshape(np.zeros(0) if array is None else array, -1)


def _forward(layer: LayerStep, most: int) -> list[str]:
    """A layer's forward pass as lines."""
    lines = [layer.title]
    if layer.units == 0 and np.array_equal(_flat(layer.inputs), _flat(layer.outputs)):
        return [*lines, f"  passes on its {layer.outputs.size} numbers as they are"]
    if layer.units == 0:
        rows = [("place", "in"), *numbered_rows([_flat(layer.inputs)])]
        lines += aligned(rows, "  ")
        rows = [("place", "out"), *numbered_rows([_flat(layer.outputs)])]
        return [*lines, *aligned(rows, "  ")]
    for position in range(min(most, layer.units)):
        lines += ["  " + line for line in str(layer.neuron(position)).splitlines()]
    lines.append(f"  all {layer.units} neurons")
    columns = [np.asarray(layer.net_inputs), layer.outputs]
    heads: tuple[str, ...] = ("neuron", "net input", layer.activation or "output")
    if layer.in_loss:
        columns, heads = columns[:1], heads[:2]
    return [*lines, *aligned([heads, *numbered_rows(columns)], "  ")]


def _backward(layer: LayerStep, most: int) -> list[str]:
    """A layer's backward pass as lines."""
    lines = [layer.title]
    for position in range(min(most, layer.units)):
        lines += ["  " + line for line in str(layer.neuron_backward(position)).splitlines()]
    if layer.units and layer.input_gradient is not None:
        lines += _sums_back(layer, most)
    for name, gradient in layer.penalties.items():
        lines.append(
            f"  the penalty adds a gradient of norm {np.linalg.norm(gradient):.6g} to {name}"
        )
    same = layer.units == 0 and layer.output_gradient is not None
    if same and np.array_equal(_flat(layer.input_gradient), _flat(layer.output_gradient)):
        return [*lines, f"  passes {_flat(layer.input_gradient).size} gradients back as they are"]
    if layer.input_gradient is not None:
        rows = [("input", "gradient"), *numbered_rows([_flat(layer.input_gradient)])]
        lines += aligned(rows, "  ")
    return lines


def _sums_back(layer: LayerStep, most: int) -> list[str]:
    """For the first inputs: what comes back from each neuron, and the sums so far."""
    lines: list[str] = []
    weight, delta = layer.parameters["weight"], np.asarray(layer.net_gradient)
    for place in range(min(most, len(layer.inputs))):
        sent = weight[place] * delta
        columns = [weight[place], delta, sent, np.add.accumulate(sent)]
        rows = [("neuron", "weight", "delta", "product", "sum so far"), *numbered_rows(columns)]
        lines += [f"  back to input {place}", *aligned(rows, "  ")]
    return lines
