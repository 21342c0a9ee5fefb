"""A network whose layers note which nodes of a graph are theirs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.layers import Layer
from ranvier.networks.network import Network
from ranvier.ops.value import Value, input_value


@dataclass(frozen=True)
class Mark:
    """Nodes made by one use of a layer.

    Attributes:
        first, last: the numbers of the nodes lie between these.
        title: "layer 2, Dense(3)", also inside which other layer.
        neurons: whether the layer has neurons, so that the last axis counts them.
    """

    first: int
    last: int
    title: str
    neurons: bool


def marked(network: Network, inside: str = "") -> tuple[Network, list[Mark]]:
    """The same network with layers that note their nodes, and the list that they note them in.

    Args:
        network: with the same parameters and shapes.
        inside: the layer that it is nested in.

    Example:
        >>> from ranvier.layers import Context, Dense
        >>> from ranvier.ops.value import input_value
        >>> network = Network([Dense(3)])
        >>> network.build((2,))
        >>> copied, marks = marked(network)
        >>> x = input_value("x", (1, 2), "float32")
        >>> found = copied.forward(x, network.parameters, Context())
        >>> mark_of(marks, found).title
        'layer 0, Dense(3)'
    """
    marks: list[Mark] = []
    return _marked(network, inside, marks), marks


def mark_of(marks: Sequence[Mark], node: Value) -> Mark | None:
    """The innermost mark around a node; None outside of all layers."""
    around = [mark for mark in marks if mark.first < node.number < mark.last]
    return min(around, key=lambda mark: mark.last - mark.first, default=None)


def _marked(network: Network, inside: str, marks: list[Mark]) -> Network:
    found = copy.copy(network)
    # They are layers in all that a forward pass asks of them.
    layers: list[Any] = []
    for number, layer in enumerate(network.layers):
        title = f"layer {number}, {layer.describe()}{inside}"
        held = layer.__dict__.get("network")
        own = layer
        if isinstance(held, Network):
            own = copy.copy(layer)
            own.__dict__["network"] = _marked(held, f", inside {title}", marks)
        layers.append(_MarkedLayer(own, title, marks))
    found.layers = tuple(layers)
    return found


class _MarkedLayer:
    """A layer that notes its nodes; everything else is the layer's own."""

    def __init__(self, layer: Layer, title: str, marks: list[Mark]) -> None:
        self._layer, self._title, self._marks = layer, title, marks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def forward(self, *arguments: Any) -> Any:
        """The layer's own."""
        return self._noted(self._layer.forward, arguments)

    def before_activation(self, *arguments: Any) -> Any:
        """The layer's own."""
        return self._noted(self._layer.before_activation, arguments)

    def _noted(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        first = _next_number()
        result = method(*arguments)
        neurons = hasattr(type(self._layer), "neurons")
        self._marks.append(Mark(first, _next_number(), self._title, neurons))
        return result


def _next_number() -> int:
    """The number of a node made now; all later ones have larger ones."""
    return input_value("mark", (), "float32").number
