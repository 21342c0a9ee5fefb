"""What a network refuses: shapes, layers, dtypes and arrays that do not fit it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.dtypes import FLOATS, canonical
from ranvier.foundation.errors import ArgumentError, DTypeError, ShapeError
from ranvier.foundation.shapes import show_shape
from ranvier.layers import Layer, Parameter
from ranvier.layers.arguments import needs_call, whole_number


def check_dtype(dtype: str) -> str:
    """The dtype of a network.

    Raises:
        DTypeError: for another than float32 and float64.
    """
    found = canonical(dtype)
    if found not in FLOATS:
        raise DTypeError(
            f"A network cannot compute in {found}.",
            happened=f"dtype is {found}",
            needed="float32 or float64",
            fix='write dtype="float32"',
        )
    return found


def put(target: NDArray[Any], numbers: NDArray[Any]) -> NDArray[Any]:
    """Write numbers into an array that somebody else may hold too, and give it."""
    target[...] = numbers
    return target


def check_ownership(layers: tuple[Layer, ...], parameters: Mapping[str, NDArray[Any]]) -> None:
    """Each layer of a stack belongs to one network.

    Raises:
        ArgumentError: naming the layer.
    """
    for number, layer in enumerate(layers):
        for name, array in layer.values.items():
            if not layer.shareable and parameters.get(f"layers.{number}.{name}") is not array:
                raise ArgumentError(
                    f"layer {number}, {layer.describe()}, belongs to another network.",
                    happened="its parameters have numbers already",
                    needed="new layers for each network",
                    fix="write the layer again, or copy it with copy.deepcopy",
                )


def checked_shape(input_shape: object) -> tuple[int, ...]:
    """The shape of one example.

    Raises:
        ArgumentError: for something else than a tuple of positive integers.
    """
    if not isinstance(input_shape, tuple | list):
        raise ArgumentError(
            "Network: the argument input_shape is not understood.",
            happened=f"input_shape is {input_shape!r:.80}",
            needed="a tuple: the shape of one example, without the batch axis",
            fix="write for example (784,) for rows of 784 features",
        )
    return tuple(
        whole_number("Network", f"input_shape[{axis}]", length)
        for axis, length in enumerate(input_shape)
    )


def check_layers(layers: tuple[Layer, ...]) -> None:
    """There are layers, nothing but layers, and none twice.

    Raises:
        ArgumentError: naming the place.
    """
    if not layers:
        raise ArgumentError(
            "A network needs at least one layer.",
            happened="it was given none",
            needed="one or more layers",
            fix="write for example Sequential(Dense(10))",
        )
    for number, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise _no_layer(number, layer)
    places: dict[int, int] = {}
    for number, layer in enumerate(layers):
        first = places.setdefault(id(layer), number)
        if first != number:
            raise ArgumentError(
                f"layer {number}, {layer.describe()}, is the same object as layer {first}.",
                happened="one layer was given twice",
                needed="a layer of its own in each place",
                fix=f"write {layer.describe()} a second time",
            )


def _no_layer(number: int, given: object) -> ArgumentError:
    fix = "give layers and models only"
    if isinstance(given, list | tuple):
        fix = "write Sequential(*layers) for a list of layers"
    if isinstance(given, type):
        fix = needs_call(f"layer {number}", given).fix
    return ArgumentError(
        f"layer {number} is not a layer.",
        happened=f"it is {given!r:.80}",
        needed="a layer such as Dense(10)",
        fix=fix,
    )


def check_values(
    declared: Mapping[str, Parameter], values: Mapping[str, NDArray[Any]], dtype: str
) -> None:
    """Arrays of the declared names, shapes and dtype, no more and no less.

    Raises:
        ShapeError: naming the parameter.
    """
    for name in [*declared, *values]:
        array = values.get(name)
        happened = ""
        if name not in declared:
            happened = "the network has no such parameter"
        elif array is None:
            happened = "it is missing"
        elif array.shape != declared[name].shape or array.dtype != np.dtype(dtype):
            happened = f"it is {array.dtype.name}{show_shape(array.shape)}"
        if happened:
            wanted = declared[name].shape if name in declared else None
            raise ShapeError(
                f"The parameter {name!r:.80} does not fit the network.",
                happened=happened,
                needed=f"{dtype}{show_shape(wanted)}" if wanted is not None else "no other names",
                fix="take the arrays from a network of the same architecture",
            )
