"""Elementwise primitives: one row each, with meaning and gradient side by side.

Every operation lets a NaN through: nothing here may turn one into a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ranvier.foundation.dtypes import canonical, is_float
from ranvier.foundation.errors import DTypeError
from ranvier.foundation.shapes import known_shape
from ranvier.ops.value import (
    GradientTools,
    Primitive,
    Spec,
    Tensor,
    Value,
    apply,
    broadcast_shapes,
    broadcast_to,
    common_dtype,
    constant,
    dtype_of,
    elementwise,
    is_python_number,
    law_broken,
    primitive,
    shape_of,
)

TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


def _same_rule(name: str, result: str | None, floats_only: bool) -> Any:
    def rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
        first = specs[0]
        for other in specs[1:]:
            if other.shape != first.shape or other.dtype != first.dtype:
                raise law_broken(name, f"operands are {first} and {other}")
        if floats_only and not is_float(first.dtype):
            raise DTypeError(
                f"{name} needs floating-point numbers.",
                happened=f"its operand has dtype {first.dtype}",
                needed="float32 or float64",
                fix="convert it with ops.cast(x, 'float32')",
            )
        return Spec(first.shape, result or first.dtype)

    return rule


def _row(
    name: str,
    meaning: Callable[..., Any],
    gradient: Callable[..., Sequence[Any]] | None,
    *,
    result: str | None = None,
    floats_only: bool = False,
    domain: tuple[float, float] = (-2.0, 2.0),
) -> None:
    """File one elementwise primitive; ``gradient(d, y, *x)`` gives a gradient per operand."""

    def definition(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(meaning(*arrays))

    def rule(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
        return gradient(d, node, *node.inputs) if gradient else [None] * len(node.inputs)

    primitive(
        Primitive(
            name,
            "elementwise",
            _same_rule(name, result, floats_only),
            definition,
            rule if gradient else None,
            domain,
        )
    )


def _erf(x: Any) -> Any:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x)).astype(x.dtype)


_row("add", np.add, lambda d, y, a, b: (d, d))
_row("subtract", np.subtract, lambda d, y, a, b: (d, -d))
_row("multiply", np.multiply, lambda d, y, a, b: (d * b, d * a))
_row("divide", np.divide, lambda d, y, a, b: (d / b, -(d * y) / b), floats_only=True,
     domain=(0.5, 2.0))  # fmt: skip
_row("negative", np.negative, lambda d, y, x: (-d,))
_row("absolute", np.absolute, lambda d, y, x: (where(x < 0.0, -d, d),), domain=(0.1, 2.0))
_row("exp", np.exp, lambda d, y, x: (d * y,), floats_only=True)
_row("log", np.log, lambda d, y, x: (d / x,), floats_only=True, domain=(0.2, 4.0))
_row("tanh", np.tanh, lambda d, y, x: (d * (1.0 - y * y),), floats_only=True)
_row("erf", _erf, lambda d, y, x: (d * (TWO_OVER_SQRT_PI * exp(-(x * x))),), floats_only=True)
_row("sqrt", np.sqrt, lambda d, y, x: (d / (y + y),), floats_only=True, domain=(0.2, 4.0))
_row("sin", np.sin, lambda d, y, x: (d * cos(x),), floats_only=True)
_row("cos", np.cos, lambda d, y, x: (-(d * sin(x)),), floats_only=True)
_row("floor", np.floor, lambda d, y, x: (None,), floats_only=True, domain=(0.1, 0.9))
_row("maximum", np.maximum, lambda d, y, a, b: (where(a < b, 0.0, d), where(a < b, d, 0.0)))
_row("minimum", np.minimum, lambda d, y, a, b: (where(b < a, 0.0, d), where(b < a, d, 0.0)))
_row("less", np.less, None, result="bool")
_row("less_equal", np.less_equal, None, result="bool")
_row("equal", np.equal, None, result="bool")
_row("logical_and", np.logical_and, None, result="bool")
_row("logical_not", np.logical_not, None, result="bool")


def _select_rule(specs: Sequence[Spec], attributes: Mapping[str, Any]) -> Spec:
    condition, a, b = specs
    if condition.dtype != "bool" or a != b or condition.shape != a.shape:
        raise law_broken("select", f"operands are {condition}, {a} and {b}")
    return a


primitive(
    Primitive(
        "select",
        "elementwise",
        _select_rule,
        lambda arrays, attributes: np.where(*arrays),
        lambda tools, node, d: (
            None,
            where(node.inputs[0], d, 0.0),
            where(node.inputs[0], 0.0, d),
        ),
    )
)


def _cast_gradient(tools: GradientTools, node: Value, d: Value) -> Sequence[Any]:
    source = node.inputs[0]
    return (cast(d, source.dtype) if is_float(source.dtype) and is_float(node.dtype) else None,)


primitive(
    Primitive(
        "cast",
        "elementwise",
        lambda specs, attributes: Spec(specs[0].shape, canonical(attributes["dtype"])),
        lambda arrays, attributes: arrays[0].astype(attributes["dtype"]),
        _cast_gradient,
    )
)

primitive(
    Primitive(
        "copy",
        "elementwise",
        lambda specs, attributes: specs[0],
        lambda arrays, attributes: arrays[0],
        lambda tools, node, d: (d,),
    )
)

primitive(
    Primitive(
        "stop_gradient",
        "elementwise",
        lambda specs, attributes: specs[0],
        lambda arrays, attributes: arrays[0],
    )
)


def _float_operand(x: Tensor) -> Tensor:
    if isinstance(x, int) or not is_float(dtype_of(x)):
        return cast(x, "float64" if isinstance(x, int) else "float32")
    return x


def add(a: Tensor, b: Tensor) -> Any:
    """a + b, elementwise with broadcasting."""
    return elementwise("add", a, b)


def subtract(a: Tensor, b: Tensor) -> Any:
    """a - b, elementwise with broadcasting."""
    return elementwise("subtract", a, b)


def multiply(a: Tensor, b: Tensor) -> Any:
    """a * b, elementwise with broadcasting."""
    return elementwise("multiply", a, b)


def divide(a: Tensor, b: Tensor) -> Any:
    """a / b, elementwise with broadcasting; integers are taken as float32."""
    if not is_float(dtype_of(a)) and not is_float(dtype_of(b)):
        a = _float_operand(a)
    return elementwise("divide", a, b)


def negative(x: Tensor) -> Any:
    """-x."""
    return apply("negative", [x])


def absolute(x: Tensor) -> Any:
    """The absolute value of x; its gradient at 0 is 1."""
    return apply("absolute", [x])


def exp(x: Tensor) -> Any:
    """e to the power x."""
    return apply("exp", [_float_operand(x)])


def log(x: Tensor) -> Any:
    """Natural logarithm; -inf at 0, NaN below."""
    return apply("log", [_float_operand(x)])


def tanh(x: Tensor) -> Any:
    """Hyperbolic tangent."""
    return apply("tanh", [_float_operand(x)])


def erf(x: Tensor) -> Any:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return apply("erf", [_float_operand(x)])


def sqrt(x: Tensor) -> Any:
    """Square root; NaN below 0."""
    return apply("sqrt", [_float_operand(x)])


def sin(x: Tensor) -> Any:
    """The sine of an angle in radians; NaN of an infinity.

    Natively at most 4 ulp off up to ``abs(x) = 1e5``; from 2.2e15 on, where neighbouring numbers
    are further apart than a quarter turn, some number from -1 to 1.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.sin(np.array([0.0, np.pi / 2])).tolist()
        [0.0, 1.0]
    """
    return apply("sin", [_float_operand(x)])


def cos(x: Tensor) -> Any:
    """The cosine of an angle in radians; NaN of an infinity. Its bounds are those of :func:`sin`.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.cos(np.array([0.0, np.pi])).tolist()
        [1.0, -1.0]
    """
    return apply("cos", [_float_operand(x)])


def floor(x: Tensor) -> Any:
    """The largest integer not above x, as a float; no gradient."""
    return apply("floor", [_float_operand(x)])


def maximum(a: Tensor, b: Tensor) -> Any:
    """The larger of two, elementwise; NaN if either is. Equal operands: the gradient goes to a."""
    return elementwise("maximum", a, b)


def minimum(a: Tensor, b: Tensor) -> Any:
    """The smaller of two, elementwise; NaN if either is. Equal operands: the gradient goes to a."""
    return elementwise("minimum", a, b)


def less(a: Tensor, b: Tensor) -> Any:
    """a < b as booleans."""
    return elementwise("less", a, b)


def less_equal(a: Tensor, b: Tensor) -> Any:
    """a <= b as booleans."""
    return elementwise("less_equal", a, b)


def equal(a: Tensor, b: Tensor) -> Any:
    """a == b as booleans."""
    return elementwise("equal", a, b)


def logical_and(a: Tensor, b: Tensor) -> Any:
    """Both conditions."""
    return elementwise("logical_and", a, b)


def logical_not(a: Tensor) -> Any:
    """The opposite condition."""
    return apply("logical_not", [a])


def cast(x: Tensor, dtype: str) -> Any:
    """x in another dtype; floats become integers by truncation."""
    if dtype_of(x) == canonical(dtype):
        return x
    return apply("cast", [x], dtype=canonical(dtype))


def stop_gradient(x: Tensor) -> Any:
    """x itself, with a gradient of zero."""
    return apply("stop_gradient", [x])


def where(condition: Tensor, a: Tensor, b: Tensor) -> Any:
    """a where the condition holds, else b; all three are broadcast.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.where(np.array([True, False]), 1.0, np.array([5.0, 6.0])).tolist()
        [1.0, 6.0]
    """
    dtype = common_dtype(a, b)
    shape = broadcast_shapes(
        shape_of(condition), broadcast_shapes(shape_of(a), shape_of(b), "where"), "where"
    )
    branches = [constant(x, dtype) if is_python_number(x) else cast(x, dtype) for x in (a, b)]
    if not any(isinstance(x, Value) for x in (condition, a, b)):
        arrays = [x.attributes["value"] if isinstance(x, Value) else x for x in branches]
        whole = known_shape(shape)
        return apply("select", [np.broadcast_to(x, whole) for x in (condition, *arrays)])
    values = [x if isinstance(x, Value) else constant(x) for x in (condition, *branches)]
    return apply("select", [broadcast_to(x, shape) for x in values])
