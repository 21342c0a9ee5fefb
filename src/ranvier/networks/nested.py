"""A network as a layer of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import ArgumentError, ModelFileError, ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.layers import LAYERS, Context, Layer, Parameter
from ranvier.networks.network import Network
from ranvier.ops import Tensor

#: Networks inside each other in a file of anybody's.
DEEPEST = 20
#: Dicts and lists from one network to a network among its layers.
LEVELS_OF_ONE = 5


@LAYERS.register("Nested")
class Nested(Layer):
    """All layers of a network as one layer; what it learns, that network learns too.

    Calling a model, or putting it among the layers of another, makes one by itself.

    **Shapes**: those of the network

    Args:
        network: whose layers are used. Numbers that it has already are kept.

    Raises:
        ArgumentError: for something else than a network.
        ShapeError: in a network, for inputs that it was not built for.

    Example:
        >>> import ranvier as rv
        >>> encoder = rv.Sequential(rv.Dense(8, activation="relu"), rv.Dense(2))
        >>> rv.Sequential(encoder, rv.Dense(8)).build((4,)).network.output_shape
        (8,)
        >>> encoder.layers[1].weight.shape
        (8, 2)
    """

    reads_integers = True  # its own layers cast what they read
    shareable = True

    def __init__(self, network: Network) -> None:
        if not isinstance(network, Network):
            raise ArgumentError(
                "Nested: the argument network is not understood.",
                happened=f"it is a {type(network).__name__}",
                needed="a network, such as model.network",
                fix="write Nested(model.network), or simply put the model among the layers",
            )
        self.network = network

    @property
    def several_inputs(self) -> bool:  # type: ignore[override]
        """Whether the network has several inputs."""
        return len(self.network.wiring.inputs) > 1

    def describe(self) -> str:
        """The layers inside."""
        return f"Nested({', '.join(layer.describe() for layer in self.network.layers)})"

    def config(self) -> dict[str, Any]:
        """The structure inside, ready for JSON."""
        return {"network": self.network.architecture()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make it from :meth:`config`.

        Raises:
            ModelFileError: for something else, or networks too deep inside each other.
        """
        if not isinstance(config, Mapping) or set(config) != {"network"} or _deep(config):
            raise ModelFileError(
                "The model file holds a nested network that cannot be made.",
                happened="its description is damaged, or networks are too deep inside each other",
                needed=f"an architecture with at most {DEEPEST} levels",
                fix="take an undamaged copy",
            )
        return cls(Network.from_architecture(config["network"]))

    # --- its numbers are the network's

    @property
    def values(self) -> dict[str, NDArray[Any]]:
        """The network's parameters by name."""
        return self.network.parameters

    @values.setter
    def values(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        dtypes = {array.dtype.name for array in arrays.values()}
        if dtypes:
            self.network.dtype = dtypes.pop()
        self.network.fill(arrays)

    def frozen(self, name: str) -> bool:
        """Whether this layer, or the one inside that has the parameter, is frozen."""
        return not self.trainable or name not in self.network.trainable

    def declare(self, input_shape: tuple[Any, ...]) -> dict[str, Parameter]:
        """The parameters of all layers inside; numbers that they have already are their first."""
        shapes = input_shape if self.several_inputs else (input_shape,)
        if self.network.wiring.is_chain and not self.network.built:
            self.network.set_input_shape(shapes[0])
        if tuple(shapes) != self.network.input_shapes:
            needed = " and ".join(show_shape((N, *one)) for one in self.network.input_shapes)
            raise ShapeError(
                f"{self.describe()} cannot read its input.",
                happened=f"it receives {' and '.join(show_shape((N, *one)) for one in shapes)}",
                needed=f"{needed}, which it was built for",
                fix="make a new model for inputs of this shape, or reshape in front of it",
            )
        return self.network.declared

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The network's forward pass. **Shapes**: those of the network"""
        return self.network.run(x, parameters, self._inner(context))

    @property
    def last_activation(self) -> str | None:
        """The activation that the output comes from, or None."""
        several = len(self.network.wiring.outputs) > 1
        return None if several else self.network.last_activation

    def before_activation(
        self, x: Tensor, parameters: Mapping[str, Tensor], context: Context
    ) -> Any:
        """The forward pass without the last activation. **Shapes**: as :meth:`forward`."""
        return self.network.run(x, parameters, self._inner(context), logits=True)

    def _inner(self, context: Context) -> Context:
        return context if self.trainable else replace(context, frozen=True)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Of all layers inside."""
        return sum(row.flops for row in self.network.layer_table())

    def check_rows(self, x: np.ndarray[Any, Any]) -> None:
        """Let the layers inside check an only input."""
        if not self.several_inputs:
            self.network.check_rows([x])


def _deep(config: Mapping[str, Any]) -> bool:
    """Whether networks lie too deep inside each other; found without recursion."""
    level: int = 0
    found: list[Any] = [config]
    while found and level <= LEVELS_OF_ONE * DEEPEST:
        level += 1
        held = [
            inner for one in found for inner in (one.values() if isinstance(one, dict) else one)
        ]
        found = [inner for inner in held if isinstance(inner, dict | list)]
    return bool(found)
