"""A model that is a stack of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ranvier.layers.base import Layer
from ranvier.models.model import Model
from ranvier.networks.network import Network


class Sequential(Model):
    """A stack of layers, each reading what the one before gives.

    Args:
        layers: in the order of the forward pass, or one list of them; a model among them is one
            layer.
        dtype: ``"float32"`` or ``"float64"``: of parameters and all arithmetic.

    Attributes:
        network: the structure and the parameters.
        preparation: what was learnt of the data: classes, and what a command line did to raw rows;
            None before the first fit.

    Raises:
        ArgumentError: no layers, something that is no layer, or another dtype.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> model = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(2)).build((4,))
        >>> model.predict(np.zeros((5, 4)), engine="reference").shape
        (5, 2)
    """

    def __init__(
        self, *layers: Layer | Model | Sequence[Layer | Model], dtype: str = "float32"
    ) -> None:
        given: Any = layers
        if len(layers) == 1 and isinstance(layers[0], list | tuple):
            given = layers[0]
        stack = [one.as_layer() if isinstance(one, Model) else one for one in given]
        self._take(Network(stack, dtype=dtype))
