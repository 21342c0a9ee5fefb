"""One pass forwards and backwards through a network, every value on the way kept.

It calls the layers' own `forward` on arrays and takes each layer's gradient by reverse mode, so it
is what training does, only slower and in the open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier import ops
from ranvier.explain.subject import Array
from ranvier.foundation.dtypes import is_float
from ranvier.graph.gradient import backpropagate
from ranvier.layers import Context, Dense, Layer
from ranvier.layers.activations import activate, activation_name
from ranvier.layers.neuron_computation import steps_of
from ranvier.losses import Loss
from ranvier.networks.network import Network
from ranvier.networks.wiring import Call
from ranvier.ops.graph import Graph, evaluate, trace
from ranvier.ops.value import Spec, input_value


@dataclass(eq=False)
class CallRecord:
    """One use of a layer, with the numbers of a batch.

    Attributes:
        number: of the layer.
        layer: itself.
        inputs: what it read.
        net_inputs: what goes into its activation, where that is a stage of its own.
        outputs: what it gave; empty if only its net inputs are read, by the loss.
        output_gradients: the loss's gradient by each output; empty as `outputs`.
        net_gradient: by the net inputs.
        input_gradients: by each input; None for integers.
        gradients: by each parameter, by short name.
    """

    number: int
    layer: Layer
    inputs: tuple[Array, ...]
    net_inputs: Array | None
    outputs: tuple[Array, ...]
    output_gradients: tuple[Array, ...] = ()
    net_gradient: Array | None = None
    input_gradients: tuple[Array | None, ...] = ()
    gradients: dict[str, Array] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """How the layer is called in texts."""
        return f"layer {self.number}, {self.layer.describe()}"

    @property
    def arriving(self) -> Array | None:
        """The loss's gradient where it enters the layer from behind."""
        return self.output_gradients[0] if self.output_gradients else self.net_gradient


@dataclass(eq=False)
class RecordedPass:
    """A pass through a network.

    Attributes:
        calls: in the order of the forward pass.
        outputs: what the losses read, one for each output.
        row_losses: ``(N,)``, the loss of each row, all outputs together.
        loss: their mean.
        output_gradients: of the loss by each of these outputs.
        gradients: of the loss by each parameter, by full name.
        input_gradients: of the loss by each input of the network; None for integers.
    """

    calls: list[CallRecord]
    outputs: tuple[Array, ...]
    row_losses: Array
    loss: Any
    output_gradients: tuple[Array, ...] = ()
    gradients: dict[str, Array] = field(default_factory=dict)
    input_gradients: tuple[Array | None, ...] = ()


def is_staged(layer: Layer) -> bool:
    """Whether a layer's output is an activation of what `before_activation` gives."""
    if isinstance(layer, Dense):
        return True
    last = layer.last_activation
    return last is not None and activation_name(getattr(layer, "activation", None)) == last


def forward_pass(
    network: Network,
    x: Sequence[Array],
    logits: Sequence[bool],
    parameters: Mapping[str, Array] | None = None,
) -> tuple[list[CallRecord], tuple[Array, ...]]:
    """All calls of a network's layers, as after training (no dropout, running statistics).

    One row through a Dense layer is summed in the order of its inputs, so that the sums shown are
    the sums computed.

    Args:
        network: built.
        x: of each input.
        logits: for each output whether its last activation is left out.
        parameters: by full name; left out: the network's.
    """
    held = network.parameters if parameters is None else parameters
    wiring, context = network.wiring, Context(dtype=network.dtype)
    stripped = {v for v, strip in zip(wiring.outputs, logits, strict=True) if strip}
    whole = {v for v, strip in zip(wiring.outputs, logits, strict=True) if not strip}
    values: dict[int, Array] = dict(enumerate(x))
    before: dict[int, Array] = {}
    calls = []
    for call in wiring.calls:
        layer, path = network.layers[call.layer], f"layers.{call.layer}."
        own = own_parameters(held, call.layer)
        read = tuple(
            values[v] if layer.reads_integers else np.asarray(ops.cast(values[v], network.dtype))
            for v in call.reads
        )
        given: Any = read if layer.several_inputs else read[0]
        first, inner = call.gives[0], context.inside(path)
        record = CallRecord(call.layer, layer, read, None, ())
        if is_staged(layer) or first in stripped:
            record.net_inputs = _net_inputs(layer, given, own, inner)
        if first in stripped and record.net_inputs is not None:
            before[first] = record.net_inputs
        if first not in stripped or first in whole or wiring.readers(first):
            if is_staged(layer):
                result: Any = activate(getattr(layer, "activation", None), record.net_inputs)
            else:
                result = layer.forward(given, own, inner)
            results = result if isinstance(result, tuple) else (result,)
            record.outputs = tuple(np.asarray(one) for one in results)
            values.update(zip(call.gives, record.outputs, strict=True))
        calls.append(record)
    outputs = tuple(
        before[v] if strip else np.asarray(ops.cast(values[v], network.dtype))
        for v, strip in zip(wiring.outputs, logits, strict=True)
    )
    return calls, outputs


def own_parameters(parameters: Mapping[str, Array], number: int) -> dict[str, Array]:
    """The parameters of one layer by short name, from those of a network."""
    path = f"layers.{number}."
    return {n.removeprefix(path): a for n, a in parameters.items() if n.startswith(path)}


def _net_inputs(layer: Layer, given: Any, own: dict[str, Array], context: Context) -> Array:
    if isinstance(layer, Dense) and len(given) == 1:
        bias = own.get("bias", np.zeros(layer.units, given.dtype))
        return steps_of(given[0], own["weight"], bias, "sum").net_inputs[None]
    return np.asarray(layer.before_activation(given, own, context))


def recorded_pass(
    network: Network,
    x: Sequence[Array],
    targets: Sequence[Array],
    losses: Sequence[Loss],
    loss_weights: Sequence[float] = (),
) -> RecordedPass:
    """A pass forwards, the loss, and the pass back.

    Args:
        network: built.
        x, targets, losses: of each input and output.
        loss_weights: of the losses of several outputs; left out: 1 each.
    """
    logits = taken_logits(network, losses)
    calls, outputs = forward_pass(network, x, logits)
    function, goals = row_loss_function(network, targets, losses, loss_weights)
    rows = np.asarray(function(*outputs, *goals))
    share = np.full(len(rows), 1.0 / len(rows), rows.dtype)
    seeds = pulled_back(function, [*outputs, *goals], [share])[: len(losses)]
    found = RecordedPass(calls, outputs, rows, np.mean(rows, dtype=rows.dtype))
    found.output_gradients = tuple(seed for seed in seeds if seed is not None)
    _backward(network, found, list(x), logits, found.output_gradients)
    return found


def row_losses(
    network: Network,
    x: Sequence[Array],
    targets: Sequence[Array],
    losses: Sequence[Loss],
    parameters: Mapping[str, Array] | None = None,
) -> Array:
    """The loss of each row, forwards only. **Shapes** ``-> (N,)``

    Args:
        network, x, targets, losses: as of :func:`recorded_pass`.
        parameters: by full name; left out: the network's.
    """
    _, outputs = forward_pass(network, x, taken_logits(network, losses), parameters)
    function, goals = row_loss_function(network, targets, losses)
    with np.errstate(all="ignore"):
        return np.asarray(function(*outputs, *goals))


def taken_logits(network: Network, losses: Sequence[Loss]) -> list[bool]:
    """Whether each loss reads what goes into the last activation."""
    pairs = zip(losses, network.last_activations, strict=True)
    return [loss.takes_logits(last) for loss, last in pairs]


def row_loss_function(
    network: Network,
    targets: Sequence[Array],
    losses: Sequence[Loss],
    loss_weights: Sequence[float] = (),
) -> tuple[Callable[..., Any], list[Array]]:
    """A function of outputs and targets to the loss of each row, and targets as it reads them."""
    weights, count = tuple(loss_weights) or (1.0,) * len(losses), len(losses)

    def function(*arguments: Any) -> Any:
        total: Any = None
        ends = zip(losses, arguments[:count], arguments[count:], weights, strict=True)
        for loss, output, target, weight in ends:
            rows = loss(output, target) * weight
            total = rows if total is None else total + rows
        return total

    dtype = network.dtype
    goals = [np.asarray(ops.cast(t, dtype)) if t.dtype.kind == "f" else t for t in targets]
    return function, goals


def _backward(
    network: Network,
    found: RecordedPass,
    x: Sequence[Array],
    logits: Sequence[bool],
    seeds: Sequence[Array],
) -> None:
    """Walk the calls from the last to the first and fill in all gradients."""
    wiring = network.wiring
    arriving: dict[int, Array] = {}
    inside: dict[int, Array] = {}
    for value, strip, seed in zip(wiring.outputs, logits, seeds, strict=True):
        _add(inside if strip else arriving, value, seed)
    pairs = list(zip(wiring.calls, found.calls, strict=True))
    for call, record in reversed(pairs):
        own = own_parameters(network.parameters, call.layer)
        _call_backward(network, call, record, own, arriving, inside.get(call.gives[0]))
        for value, gradient in zip(call.reads, record.input_gradients, strict=True):
            if gradient is not None:
                _add(arriving, value, gradient)
        for name, gradient in record.gradients.items():
            _add(found.gradients, f"layers.{call.layer}.{name}", gradient)
    found.input_gradients = tuple(
        arriving.get(value, np.zeros_like(one)) if one.dtype.kind == "f" else None
        for value, one in enumerate(x)
    )


def _add(holder: dict[Any, Array], key: Any, part: Array) -> None:
    holder[key] = holder[key] + part if key in holder else part


def _call_backward(
    network: Network,
    call: Call,
    record: CallRecord,
    own: dict[str, Array],
    arriving: dict[int, Array],
    inside: Array | None,
) -> None:
    """The gradients of one call, from those of what it gave."""
    layer, context = record.layer, Context(dtype=network.dtype).inside(f"layers.{call.layer}.")
    pairs = zip(call.gives, record.outputs, strict=False)
    seeds = [arriving.get(value, np.zeros_like(one)) for value, one in pairs]
    record.output_gradients = tuple(seeds)
    names, count = list(own), len(record.inputs)

    def again(method: Callable[..., Any]) -> Callable[..., Any]:
        def function(*values: Any) -> Any:
            given = values[:count] if layer.several_inputs else values[0]
            return method(given, dict(zip(names, values[count:], strict=True)), context)

        return function

    arguments = [*record.inputs, *own.values()]
    if record.net_inputs is not None and (is_staged(layer) or inside is not None):
        net = np.zeros_like(record.net_inputs) if inside is None else inside
        if is_staged(layer) and seeds:
            back = pulled_back(
                lambda z: activate(getattr(layer, "activation", None), z),
                [record.net_inputs],
                [seeds[0].astype(record.net_inputs.dtype, copy=False)],
            )[0]
            net = net if back is None else net + back
        record.net_gradient = net
        if isinstance(layer, Dense) and len(net) == 1:
            _dense_backward(record, own)
            return
        found = pulled_back(again(layer.before_activation), arguments, [net])
        if not is_staged(layer) and seeds:
            more = pulled_back(again(layer.forward), arguments, seeds)
            found = [a if b is None else a + b for a, b in zip(found, more, strict=True)]
    else:
        found = pulled_back(again(layer.forward), arguments, seeds)
    record.input_gradients = tuple(found[:count])
    pairs_of = zip(names, found[count:], strict=True)
    record.gradients = {name: g for name, g in pairs_of if g is not None}


def _dense_backward(record: CallRecord, own: dict[str, Array]) -> None:
    """One row back through a Dense layer, summed in the order of its units."""
    if record.net_gradient is None:
        return
    delta = record.net_gradient[0]
    record.gradients = {"weight": record.inputs[0][0][:, None] * delta}
    if "bias" in own:
        record.gradients["bias"] = delta.copy()
    sums = np.add.accumulate(own["weight"] * delta, axis=1)
    record.input_gradients = (sums[:, -1][None],)


def pulled_back(
    function: Callable[..., Any], arguments: Sequence[Array], seeds: Sequence[Array]
) -> list[Array | None]:
    """The gradients of ``sum(seed * result)`` by each argument; None for integers.

    >>> pulled_back(lambda x: x * x, [np.array([3.0])], [np.array([1.0])])
    [array([6.])]
    """
    graph, _ = trace(function, [Spec(a.shape, a.dtype.name) for a in arguments])
    wanted = [v for v in graph.inputs if is_float(v.dtype)]
    leaves = [input_value(f"seed{k}", v.shape, v.dtype) for k, v in enumerate(graph.outputs)]
    found = backpropagate(graph.outputs, leaves, wanted)
    results = iter(evaluate(Graph((*graph.inputs, *leaves), tuple(found)), [*arguments, *seeds]))
    return [np.asarray(next(results)) if is_float(v.dtype) else None for v in graph.inputs]
