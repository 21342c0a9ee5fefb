"""The first numbers of a parameter: they depend on the seed and the parameter's name alone."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.random import host_generator
from ranvier.foundation.shapes import show_shape
from ranvier.layers import Parameter
from ranvier.layers.base import initial_values
from ranvier.layers.initializers import fans


def draw(name: str, parameter: Parameter, seed: int, dtype: str, where: str) -> NDArray[Any]:
    """Draw a parameter's numbers.

    Args:
        name: its full name.
        parameter: its declaration.
        seed: of the network.
        dtype: of the network.
        where: its layer, as an error names it.

    Raises:
        ArgumentError: more numbers than memory holds.
    """
    try:
        return initial_values(parameter, fans(parameter.shape), host_generator(seed, name), dtype)
    except (MemoryError, OverflowError) as error:
        size = math.prod(parameter.shape) * itemsize(dtype)
        raise ArgumentError(
            f"{where} does not fit into memory.",
            happened=f"{name} of shape {show_shape(parameter.shape)} takes {size:,} bytes",
            needed="less than the memory of this machine",
            fix="use fewer units, or smaller inputs",
        ) from error
