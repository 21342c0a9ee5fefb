"""What metrics of one output and two classes share."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.losses.base import does_not_fit
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


def yes_or_no(name: str, outputs: Tensor, targets: Tensor) -> tuple[Any, Any]:
    """One output a row and its target, as numbers of the outputs' dtype.

    **Shapes**: ``outputs: (N, 1), targets: (N,) integers 0 or 1 -> (N,), (N,)``

    Raises:
        ShapeError: for other shapes, and for targets that are not integers.
    """
    shape = shape_of(outputs)
    if (
        len(shape) != 2
        or shape[1] != 1
        or shape_of(targets) != shape[:1]
        or is_float(dtype_of(targets))
    ):
        needed = "outputs (N, 1) and integers 0 or 1 of shape (N,)"
        raise does_not_fit(name, shape, shape_of(targets), needed)
    return ops.reshape(outputs, shape[:1]), ops.cast(targets, dtype_of(outputs))
