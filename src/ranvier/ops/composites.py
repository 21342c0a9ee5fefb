"""Operations written in primitives: activations, softmax, cross-entropy, one-hot, argmax.

A composite made by :func:`with_gradient` carries a gradient of its own; its definition stays its
meaning and the test of that gradient.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ranvier.foundation.registry import Registry
from ranvier.foundation.shapes import Extent, known
from ranvier.ops.elementwise import (
    absolute,
    add,
    cast,
    equal,
    erf,
    exp,
    less_equal,
    log,
    maximum,
    multiply,
    stop_gradient,
    subtract,
    tanh,
    where,
)
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.leaves import iota
from ranvier.ops.reduce import max as max_over
from ranvier.ops.reduce import min as min_over
from ranvier.ops.reduce import sum as sum_over
from ranvier.ops.value import (
    Primitive,
    Spec,
    Tensor,
    Value,
    apply,
    dtype_of,
    primitive,
    shape_of,
)
from ranvier.ops.views import expand

CompositeGradient = Callable[[Value, Value], Sequence[Any]]
COMPOSITES: Registry[CompositeGradient] = Registry("composite with a gradient of its own")


def _composite_meaning(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    return evaluate(attributes["graph"], arrays, attributes.get("counts"))[0]


primitive(
    Primitive(
        "composite",
        "structural",
        lambda specs, attributes: attributes["graph"].outputs[0].spec,
        _composite_meaning,
        lambda tools, node, d: COMPOSITES[node.attributes["definition"]](node, d),
    )
)


def with_gradient(gradient: CompositeGradient) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: a function of values with a gradient of its own, ``gradient(node, d)``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSITES.register(function.__name__)(gradient)

        @functools.wraps(function)
        def call(*operands: Tensor) -> Any:
            if not any(isinstance(x, Value) for x in operands):
                return function(*operands)
            graph, _ = trace(function, [Spec(shape_of(x), dtype_of(x)) for x in operands])
            return apply("composite", operands, graph=graph, definition=function.__name__)

        return call

    return decorate


# --- activations


def identity(x: Tensor) -> Any:
    """x itself."""
    return x


def step(x: Tensor) -> Any:
    """1 where x >= 0, else 0 (Heaviside's step); NaN stays NaN; its gradient is 0."""
    return where(equal(x, x), cast(less_equal(0.0, x), dtype_of(x)), x)


def _relu_gradient(node: Value, d: Value) -> Sequence[Any]:
    # By the output, which is kept anyway: y <= 0 exactly where x <= 0, and a NaN passes.
    return (where(less_equal(node, 0.0), 0.0, d),)


@with_gradient(_relu_gradient)
def relu(x: Tensor) -> Any:
    """max(x, 0); its gradient at 0 is 0; NaN stays NaN.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.relu(np.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return where(less_equal(x, 0.0), 0.0, x)


def sigmoid(x: Tensor) -> Any:
    """1 / (1 + exp(-x)), computed as 0.5 + 0.5 tanh(x / 2)."""
    return add(0.5, multiply(0.5, tanh(multiply(0.5, x))))


def gelu(x: Tensor) -> Any:
    """x times the normal distribution function of x (Hendrycks and Gimpel, 2016), exact."""
    return multiply(multiply(0.5, x), add(1.0, erf(multiply(x, 1.0 / math.sqrt(2.0)))))


def softplus(x: Tensor) -> Any:
    """log(1 + exp(x)), computed as max(x, 0) + log(1 + exp(-abs(x)))."""
    return add(maximum(x, 0.0), log(add(1.0, exp(-absolute(x)))))


def softmax(x: Tensor, axis: int = -1) -> Any:
    """exp(x) over its sum along an axis; the largest is taken off first, so nothing overflows.

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.softmax(np.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    shifted = exp(subtract(x, stop_gradient(max_over(x, axis=axis, keepdims=True))))
    return shifted / sum_over(shifted, axis=axis, keepdims=True)


def log_softmax(x: Tensor, axis: int = -1) -> Any:
    """log of softmax, without forming it."""
    shifted = subtract(x, stop_gradient(max_over(x, axis=axis, keepdims=True)))
    return shifted - log(sum_over(exp(shifted), axis=axis, keepdims=True))


# --- classes


def one_hot(classes: Tensor, count: int, dtype: str = "float32") -> Any:
    """1 at the class, 0 elsewhere. **Shapes**: ``classes: (N,) -> (N, count)``."""
    return cast(is_class(classes, count), dtype)


def is_class(classes: Tensor, count: int) -> Any:
    """Booleans of one-hot. **Shapes**: ``classes: (N,) -> (N, count)``."""
    shape = (*shape_of(classes), count)
    ramp = iota(shape, -1, dtype_of(classes), like=classes)
    return equal(expand(classes, -1), ramp)


def argmax(x: Tensor, axis: int = -1) -> Any:
    """Index (int32) of the first largest element along an axis; no gradient."""
    shape = shape_of(x)
    axis = axis % len(shape)
    largest = max_over(x, axis=axis, keepdims=True)
    length = shape[axis]
    last = 2**31 - 1 if isinstance(length, Extent) else length - 1
    return min_over(where(equal(x, largest), iota(shape, axis, "int32", like=x), last), axis=axis)


def _cross_entropy_gradient(node: Value, d: Value) -> Sequence[Any]:
    logits, classes = node.inputs
    shifted = exp(logits - stop_gradient(max_over(logits, axis=-1, keepdims=True)))
    probabilities = shifted / sum_over(shifted, axis=-1, keepdims=True)
    hot = one_hot(classes, known(logits.shape[-1]), logits.dtype)
    return ((probabilities - hot) * expand(d, -1), None)


@with_gradient(_cross_entropy_gradient)
def categorical_cross_entropy(logits: Tensor, classes: Tensor) -> Any:
    """-log softmax(logits)[class], for each row.

    Its gradient is softmax(logits) - one_hot(class).

    **Shapes**: ``logits: (N, C), classes: (N,) integers -> (N,)``
    """
    shifted = subtract(logits, max_over(logits, axis=-1, keepdims=True))
    total = log(sum_over(exp(shifted), axis=-1))
    hit = where(is_class(classes, known(shape_of(logits)[-1])), shifted, 0.0)
    return total - sum_over(hit, axis=-1)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Any:
    """-y log sigmoid(z) - (1 - y) log(1 - sigmoid(z)), elementwise, as softplus(z) - y z.

    **Shapes**: ``logits: (N, ...), targets: the same, in [0, 1] -> the same``
    """
    return subtract(_softplus_smooth(logits), multiply(targets, logits))


def _softplus_gradient(node: Value, d: Value) -> Sequence[Any]:
    return (d * sigmoid(node.inputs[0]),)


@with_gradient(_softplus_gradient)
def _softplus_smooth(x: Tensor) -> Any:
    """softplus with the gradient sigmoid, right at 0 too."""
    return softplus(x)
