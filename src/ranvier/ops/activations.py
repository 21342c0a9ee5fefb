"""Activations written in primitives, with gradients of their own where that is cheaper or closer.

None overflows where its value is finite, none turns a NaN into a number, and exp(x) - 1 and
log(1 + x) are formed without cancellation near 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ranvier.ops.composites import with_gradient
from ranvier.ops.elementwise import (
    absolute,
    add,
    divide,
    equal,
    exp,
    less,
    less_equal,
    log,
    maximum,
    minimum,
    multiply,
    sin,
    subtract,
    tanh,
    where,
)
from ranvier.ops.value import Tensor, Value

#: Klambauer et al. (2017): with these, mean 0 and variance 1 are a fixed point of :func:`selu`.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _exp_minus_one(x: Tensor) -> Any:
    """exp(x) - 1 for x <= 0, as tanh(x / 2) (exp(x) + 1): close near 0 too."""
    return multiply(tanh(multiply(0.5, x)), add(exp(x), 1.0))


def _log_one_plus(x: Tensor) -> Any:
    """log(1 + x) for x >= 0; what the sum loses is made good by a factor (Kahan)."""
    whole = add(1.0, x)
    gained = subtract(whole, 1.0)
    # Where 1 + x rounds to 1 the answer is x; a divisor of 1 keeps 0 / 0 out of the other branch.
    # From 1 on the plain logarithm is as close, and infinity stays infinity.
    nothing = equal(gained, 0.0)
    factor = where(less(x, 1.0), divide(x, where(nothing, 1.0, gained)), 1.0)
    return where(nothing, x, multiply(log(whole), factor))


def leaky_relu(x: Tensor, slope: Tensor = 0.01) -> Any:
    """x above 0, ``slope * x`` else; its gradient at 0 is the slope, as PyTorch's.

    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML
    workshop, 2013.

    **Shapes**: ``x: any -> the same``; slope: a number, or what broadcasts to x

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.leaky_relu(np.array([-1.0, 2.0])).tolist()
        [-0.01, 2.0]
    """
    return where(less(0.0, x), x, multiply(slope, x))


def _elu_gradient(node: Value, d: Value) -> Sequence[Any]:
    # By the output, which is kept anyway: below 0, exp(x) = y + 1.
    return (where(less(0.0, node), d, d * (node + 1.0)),)


@with_gradient(_elu_gradient)
def elu(x: Tensor) -> Any:
    """x above 0, exp(x) - 1 else (Clevert, Unterthiner and Hochreiter, ICLR 2016, alpha = 1).

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.elu(np.array([-50.0, 2.0])).tolist()
        [-1.0, 2.0]
    """
    return where(less(0.0, x), x, _exp_minus_one(minimum(x, 0.0)))


def _selu_gradient(node: Value, d: Value) -> Sequence[Any]:
    return (d * where(less(0.0, node), SELU_SCALE, node + SELU_SCALE * SELU_ALPHA),)


@with_gradient(_selu_gradient)
def selu(x: Tensor) -> Any:
    """scale * x above 0, scale * alpha * (exp(x) - 1) else: keeps mean 0 and variance 1.

    With alpha = 1.67326... and scale = 1.05070...; weights from ``lecun_normal``. At 0 the
    gradient is scale * alpha, as PyTorch's. Klambauer, Unterthiner, Mayr and Hochreiter,
    "Self-normalizing neural networks", NeurIPS 2017.

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.selu(np.array([0.0, 1.0])).round(6).tolist()
        [0.0, 1.050701]
    """
    low = multiply(SELU_SCALE * SELU_ALPHA, _exp_minus_one(minimum(x, 0.0)))
    return where(less(0.0, x), multiply(SELU_SCALE, x), low)


def _sigmoid_of(x: Tensor) -> Any:
    """The sigmoid with all its digits below 0 too, where it is small."""
    small = exp(-absolute(x))
    return divide(where(less(x, 0.0), small, 1.0), add(1.0, small))


def _silu_gradient(node: Value, d: Value) -> Sequence[Any]:
    (x,) = node.inputs
    share = _sigmoid_of(x)
    return (d * (share * (1.0 + x * (1.0 - share))),)


@with_gradient(_silu_gradient)
def silu(x: Tensor) -> Any:
    """x * sigmoid(x), also called swish (Elfwing, Uchibe and Doya, Neural Networks 107, 2018).

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.silu(np.array([0.0, 100.0])).tolist()
        [0.0, 100.0]
    """
    return multiply(x, _sigmoid_of(x))


def _mish_share(x: Tensor) -> Any:
    """tanh(softplus(x)) from one exp: tanh(log(w)) = (w^2 - 1) / (w^2 + 1), w = 1 + exp(x)."""
    small = exp(-absolute(x))
    square = multiply(small, small)
    below = less(x, 0.0)
    # Above 0 both sides are divided by exp(x)^2, so that nothing overflows.
    top = add(multiply(2.0, small), where(below, square, 1.0))
    return divide(top, add(top, multiply(2.0, where(below, 1.0, square))))


def _mish_gradient(node: Value, d: Value) -> Sequence[Any]:
    (x,) = node.inputs
    share = _mish_share(x)
    return (d * (share + x * _sigmoid_of(x) * (1.0 - share * share)),)


@with_gradient(_mish_gradient)
def mish(x: Tensor) -> Any:
    """x * tanh(softplus(x)) (Misra, BMVC 2020).

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.mish(np.array([0.0, 1.0])).round(6).tolist()
        [0.0, 0.865098]
    """
    return multiply(x, _mish_share(x))


def _softplus_gradient(node: Value, d: Value) -> Sequence[Any]:
    return (d * _sigmoid_of(node.inputs[0]),)


@with_gradient(_softplus_gradient)
def softplus(x: Tensor) -> Any:
    """log(1 + exp(x)), above 0 far below 0 too, where it is exp(x).

    Its gradient is the sigmoid. Dugas, Bengio, Bélisle, Nadeau and Garcia, NeurIPS 2000.

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.softplus(np.array([0.0, 1000.0])).round(6).tolist()
        [0.693147, 1000.0]
    """
    return add(maximum(x, 0.0), _log_one_plus(exp(-absolute(x))))


def _softsign_gradient(node: Value, d: Value) -> Sequence[Any]:
    root = add(1.0, absolute(node.inputs[0]))
    return (d / (root * root),)


@with_gradient(_softsign_gradient)
def softsign(x: Tensor) -> Any:
    """x / (1 + abs(x)) (Turian, Bergstra and Bengio, NAACL 2009).

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.softsign(np.array([-1.0, 3.0])).tolist()
        [-0.5, 0.75]
    """
    return divide(x, add(1.0, absolute(x)))


def _hard_sigmoid_gradient(node: Value, d: Value) -> Sequence[Any]:
    return (where(less_equal(3.0, absolute(node.inputs[0])), 0.0, d * (1.0 / 6.0)),)


@with_gradient(_hard_sigmoid_gradient)
def hard_sigmoid(x: Tensor) -> Any:
    """x / 6 + 1 / 2, cut off at 0 and 1, as PyTorch's; its gradient at -3 and 3 is 0.

    Courbariaux, Bengio and David, "BinaryConnect", NeurIPS 2015, with another slope.

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.hard_sigmoid(np.array([-4.0, 0.0, 3.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return minimum(maximum(add(multiply(x, 1.0 / 6.0), 0.5), 0.0), 1.0)


def exponential(x: Tensor) -> Any:
    """e to the power x; infinite above 88.7 in float32, 709.8 in float64.

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.exponential(np.array([0.0])).tolist()
        [1.0]
    """
    return exp(x)


def _logarithm_gradient(node: Value, d: Value) -> Sequence[Any]:
    return (d / add(1.0, absolute(node.inputs[0])),)


@with_gradient(_logarithm_gradient)
def logarithm(x: Tensor) -> Any:
    """sign(x) * log(1 + abs(x)): a logarithm for all numbers that keeps their sign.

    Its gradient is 1 / (1 + abs(x)), 1 at 0.

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.logarithm(np.array([-1.0, 0.0, 1.0])).round(6).tolist()
        [-0.693147, 0.0, 0.693147]
    """
    size = _log_one_plus(absolute(x))
    return where(less(x, 0.0), -size, size)


def sine(x: Tensor) -> Any:
    """sin(x), for networks that learn waves; its gradient is cos(x).

    Sitzmann, Martel, Bergman, Lindell and Wetzstein, "Implicit neural representations with periodic
    activation functions", NeurIPS 2020; their factor on x belongs into the first weights.

    **Shapes**: ``x: any -> the same``

    Example:
        >>> import numpy as np
        >>> from ranvier import ops
        >>> ops.sine(np.array([0.0, np.pi / 2])).tolist()
        [0.0, 1.0]
    """
    return sin(x)
