"""From an estimator's parameters to a network: inputs, body, and the layer of the answer."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.foundation.errors import ArgumentError
from ranvier.layers import L2, Concatenate, Dense, Dropout, Embedding, Flatten, Input, Layer
from ranvier.layers.activations import ACTIVATIONS
from ranvier.layers.arguments import number, one_of, whole_number
from ranvier.layers.initializers import Uniform
from ranvier.models import Model
from ranvier.models.base import BaseModel
from ranvier.networks.nested import Nested

#: scikit-learn's names that are called otherwise here.
OTHER_NAMES = {"identity": None, "logistic": "sigmoid"}


@dataclass(frozen=True)
class Shape:
    """What a network reads and gives.

    Attributes:
        features: numbers of a row.
        categories: of each column that is embedded, how many numbers it may have.
        outputs: numbers of an answer.
        dtype: of all arithmetic.
    """

    features: int
    categories: tuple[int, ...]
    outputs: int
    dtype: str


@dataclass(frozen=True)
class Body:
    """What is between the inputs and the layer of the answer.

    Attributes:
        sizes: units of the hidden layers.
        activation: of the hidden layers.
        dropout: the rate behind each hidden layer.
        layers: given layers, or a model, in the place of all these; else None.
        penalty: the factor of the squared weights in the loss.
    """

    sizes: tuple[int, ...]
    activation: str | None
    dropout: float
    layers: object
    penalty: float

    @property
    def own(self) -> bool:
        """Whether the body is made here, and not given."""
        return self.layers is None


def hidden_sizes(place: str, value: object) -> tuple[int, ...]:
    """``hidden_layer_sizes`` as a tuple: a number is one layer.

    Raises:
        ArgumentError: for anything else than integers of at least 1.
    """
    sizes = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    if hasattr(value, "tolist"):
        sizes = tuple(value.tolist()) if isinstance(value.tolist(), list) else (value,)
    return tuple(whole_number(place, "hidden_layer_sizes", size) for size in sizes)


def body_of(place: str, estimator: Any, penalty: float) -> Body:
    """The body that an estimator's parameters ask for.

    Raises:
        ArgumentError: for a parameter outside its domain.
    """
    known = [*OTHER_NAMES, *ACTIVATIONS]
    activation = one_of(place, "activation", estimator.activation, known)
    return Body(
        hidden_sizes(place, estimator.hidden_layer_sizes),
        OTHER_NAMES.get(activation, activation),
        number(place, "dropout", estimator.dropout, 0.0, 1.0, below_high=True),
        estimator.body,
        penalty,
    )


def networks(shape: Shape, body: Body) -> tuple[Model, Model]:
    """The whole network, and the part of it up to the last hidden layer; both share their layers.

    **Shapes**: numbers ``(N, features)`` and embedded columns ``(N,)`` each to ``(N, outputs)``

    Raises:
        ArgumentError: for a body that is no list of layers and no model.
        ShapeError: for layers that do not fit together.
    """
    inputs, x = _inputs(shape)
    hidden = x
    for layer in _layers(shape, body):
        hidden = layer(hidden)
    # Pictures and sequences come out of some bodies; the answer reads one row of numbers.
    hidden = hidden if len(hidden.row_shape) == 1 else Flatten()(hidden)
    penalized = L2(body.penalty) if body.penalty > 0 else None
    head = _dense(hidden.row_shape[0], shape.outputs, None, penalized, _gain(body.activation))
    ends = inputs if len(inputs) > 1 else inputs[0]
    part = Model(ends, hidden, dtype=shape.dtype) if hidden is not x else None
    whole = Model(ends, head(hidden), dtype=shape.dtype)
    return whole, part or whole


def _inputs(shape: Shape) -> tuple[tuple[Any, ...], Any]:
    """The inputs of a network, and all of them as one row of numbers."""
    given = [Input((shape.features,))] if shape.features else []
    parts: list[Any] = [*given]
    for count in shape.categories:
        one = Input(())
        given.append(one)
        # Guo and Berkhahn's tables grow with the root of the count; fast.ai's rule has the factor.
        width = min(50, round(1.6 * count**0.56))
        parts.append(Embedding(count, max(1, width))(one))
    return tuple(given), parts[0] if len(parts) == 1 else Concatenate()(parts)


def _layers(shape: Shape, body: Body) -> list[Any]:
    if body.own:
        return _own_layers(shape, body)
    given = body.layers
    stack = list(given) if isinstance(given, list | tuple) else [given]
    for one in stack:
        if not isinstance(one, Layer | BaseModel):
            raise ArgumentError(
                "The argument body is not understood.",
                happened=f"it holds a {type(one).__name__}",
                needed="a list of layers, or a model",
                fix='write for example body=[rv.Dense(64, activation="relu"), rv.Dropout(0.2)]',
            )
    # Copies: fit must not change what was given, and a clone is fitted again.
    return copy.deepcopy(stack)


def _own_layers(shape: Shape, body: Body) -> list[Layer]:
    width = shape.features + sum(
        max(1, min(50, round(1.6 * count**0.56))) for count in shape.categories
    )
    layers: list[Layer] = []
    for size in body.sizes:
        penalized = L2(body.penalty) if body.penalty > 0 else None
        layers.append(_dense(width, size, body.activation, penalized, _gain(body.activation)))
        if body.dropout > 0:
            layers.append(Dropout(body.dropout))
        width = size
    return layers


def _gain(activation: str | None) -> float:
    return 2.0 if activation == "sigmoid" else 6.0


def _dense(
    width: int, units: int, activation: str | None, penalized: L2 | None, gain: float
) -> Dense:
    """A layer with scikit-learn's first numbers: Glorot's bounds, for the bias too."""
    bound = math.sqrt(gain / (width + units))
    return Dense(
        units,
        activation=activation,
        kernel_initializer=Uniform(-bound, bound),
        bias_initializer=Uniform(-bound, bound),
        kernel_regularizer=penalized,
    )


def dense_layers(model: BaseModel) -> list[Dense]:
    """The fully connected layers of a model in order, those of models inside it too."""
    found: list[Dense] = []
    for layer in model.layers:
        if isinstance(layer, Dense):
            found.append(layer)
        elif isinstance(layer, Nested):
            found += dense_layers(BaseModel.from_network(layer.network))
    return found
