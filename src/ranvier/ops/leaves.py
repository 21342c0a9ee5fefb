"""Values without operands: inputs, constants, counts of extents, index ramps, random numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ranvier.foundation.dtypes import canonical, is_float
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.random import uniform
from ranvier.foundation.shapes import Shape
from ranvier.ops.value import PRIMITIVES, Primitive, Spec, Tensor, Value, apply, primitive

primitive(
    Primitive(
        "constant",
        "leaf",
        lambda specs, attributes: Spec(
            tuple(attributes["value"].shape), attributes["value"].dtype.name
        ),
        lambda arrays, attributes: attributes["value"],
    )
)


def _extent_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    return np.asarray(attributes["extent"], attributes["dtype"])


primitive(
    Primitive(
        "extent", "leaf", lambda specs, attributes: Spec((), attributes["dtype"]), _extent_meaning
    )
)


def _iota_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    shape, axis = attributes["shape"], attributes["axis"]
    ramp = np.arange(shape[axis], dtype=attributes["dtype"])
    lengths = [1] * len(shape)
    lengths[axis] = shape[axis]
    return np.broadcast_to(ramp.reshape(lengths), shape)


primitive(
    Primitive(
        "iota",
        "elementwise",
        lambda specs, attributes: Spec(tuple(attributes["shape"]), attributes["dtype"]),
        _iota_meaning,
    )
)


def iota(shape: Shape, axis: int = -1, dtype: str = "int32", like: Tensor = None) -> Any:
    """0, 1, 2 ... along one axis of a shape.

    Args:
        like: if a value, the result is a value too; else numbers are computed at once where the
            shape is known.
    """
    dtype = canonical(dtype)
    attributes = {"shape": tuple(shape), "axis": axis % len(shape), "dtype": dtype}
    symbolic = any(not isinstance(d, int | np.integer) for d in shape)
    if isinstance(like, Value) or symbolic:
        return Value("iota", (), attributes, tuple(shape), dtype)
    return PRIMITIVES["iota"].meaning([], attributes)


def _uniform_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    if any(spec != Spec((), "int64") for spec in specs):
        raise ArgumentError(
            "random_uniform needs a seed and a step.",
            happened=f"it was given {', '.join(str(spec) for spec in specs)}",
            needed="two int64 scalars",
            fix="pass context.seed and context.step, or numpy.int64 numbers",
        )
    return Spec(tuple(attributes["shape"]), attributes["dtype"])


def _uniform_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    seed, step = (int(a) for a in arrays)
    numbers = uniform(attributes["shape"], seed, step, attributes["site"])
    return numbers.astype(attributes["dtype"])


primitive(Primitive("random_uniform", "random", _uniform_rule, _uniform_meaning))


def random_uniform(
    shape: Shape, seed: Tensor, step: Tensor, site: int, dtype: str = "float32"
) -> Any:
    """Uniform numbers in [0, 1) that depend only on (seed, step, site, element).

    Philox 4x32-10 (Salmon et al., 2011), 24 random bits each. Two calls with equal arguments give
    equal numbers, on any number of threads.

    Args:
        shape: of the result.
        seed: int64 scalar.
        step: int64 scalar, the training step.
        site: which of the program's random places this is.
        dtype: float32 or float64.
    """
    if not is_float(canonical(dtype)):
        raise ArgumentError(
            "random_uniform gives floating-point numbers.",
            happened=f"dtype is {dtype}",
            needed="float32 or float64",
            fix="draw floats and compare or cast them",
        )
    return apply(
        "random_uniform", [seed, step], shape=tuple(shape), site=site, dtype=canonical(dtype)
    )


primitive(
    Primitive(
        "input",
        "leaf",
        lambda specs, attributes: Spec(attributes["shape"], attributes["dtype"]),
        lambda arrays, attributes: arrays[0],
    )
)
