"""The forward pass: the calls of layers in order, each reading what is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ranvier.ops as ops
from ranvier.layers import Context, Layer
from ranvier.layers.shapes import LayerShapes
from ranvier.networks.wiring import Wiring
from ranvier.ops import Tensor


def run_forward(
    layers: Sequence[Layer],
    wiring: Wiring,
    shapes: Sequence[LayerShapes],
    x: Tensor | tuple[Tensor, ...],
    parameters: Mapping[str, Tensor],
    context: Context,
    logits: bool | tuple[bool, ...],
) -> Any:
    """The outputs of a network; a tuple if there are several.

    Args:
        layers, wiring, shapes: of the network; shapes are those of each call.
        x: a batch of inputs; a tuple if there are several.
        parameters: by full name.
        context: whether this is training, and random numbers.
        logits: whether to leave out the activation that an output comes from.
    """
    asked = logits if isinstance(logits, tuple) else (logits,) * len(wiring.outputs)
    wanted = list(zip(wiring.outputs, asked, strict=True))
    stripped = {value for value, strip in wanted if strip}
    whole = {value for value, strip in wanted if not strip}
    values: dict[int, Any] = dict(enumerate(x if isinstance(x, tuple) else (x,)))
    before: dict[int, Any] = {}
    for call, one in zip(wiring.calls, shapes, strict=True):
        layer, path = layers[call.layer], f"layers.{call.layer}."
        inner = context.inside(path)
        own = {n: inner.current(n, parameters[path + n]) for n in one.parameters}
        read = tuple(_as_read(values[value], layer, context.dtype) for value in call.reads)
        given: Any = read if layer.several_inputs else read[0]
        first = call.gives[0]
        if first in stripped:
            before[first] = layer.before_activation(given, own, inner)
        if first not in stripped or first in whole or wiring.readers(first):
            result = layer.forward(given, own, inner)
            results = result if isinstance(result, tuple) else (result,)
            values.update(zip(call.gives, results, strict=True))
    outputs = tuple(
        before[value] if strip else _as_given(values[value], context) for value, strip in wanted
    )
    return outputs[0] if len(outputs) == 1 else outputs


def _as_read(value: Any, layer: Layer, dtype: str) -> Any:
    """A value as a layer reads it: in the network's dtype, but for indices."""
    return value if layer.reads_integers else ops.cast(value, dtype)


def _as_given(value: Any, context: Context) -> Any:
    """An output that is an input as it came is in the network's dtype too."""
    return ops.cast(value, context.dtype)
