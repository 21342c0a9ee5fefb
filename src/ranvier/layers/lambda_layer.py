"""A layer that is a function of values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import one_of
from ranvier.layers.base import LAYERS, Context, Layer
from ranvier.ops import Tensor

#: Operations of one value, by the names that model files may hold.
NAMED: dict[str, Callable[[Tensor], Any]] = {
    function.__name__: function
    for function in (
        ops.absolute,
        ops.erf,
        ops.exp,
        ops.floor,
        ops.log,
        ops.negative,
        ops.sigmoid,
        ops.sqrt,
        ops.stop_gradient,
        ops.tanh,
    )
}

LambdaFunction: TypeAlias = Callable[[Tensor], Any]


@LAYERS.register("Lambda")
class Lambda(Layer):
    """A function as a layer, written in ``rv.ops``; its gradient and native code come by
    themselves.

    A file never holds code, so a model with a function of one's own cannot be saved; for that,
    write a :class:`ranvier.Layer` and register it, which takes six lines. The names of operations
    of one value ("absolute", "exp", "log", "sqrt" ...) can be saved.

    **Shapes**: ``x: (N, ...) -> (N, ...)``, as the function makes it

    Args:
        function: from a batch ``(N, ...)`` to a batch, or a name.

    Raises:
        ArgumentError: for something else, or an unknown name.
        ShapeError: in a network, if the function loses the rows of the batch.

    Example:
        >>> import numpy as np
        >>> Lambda(lambda x: x * 2.0).forward(np.ones((1, 2)), {}, Context()).tolist()
        [[2.0, 2.0]]
        >>> Lambda("sqrt").forward(np.full((1, 2), 9.0), {}, Context()).tolist()
        [[3.0, 3.0]]
    """

    def __init__(self, function: LambdaFunction | str) -> None:
        if not isinstance(function, str) and not callable(function):
            raise ArgumentError(
                "Lambda: the argument function is not understood.",
                happened=f"function is {function!r:.80}",
                needed="a function of a batch, or the name of an operation",
                fix="write for example Lambda(lambda x: x * 2.0)",
            )
        if isinstance(function, str):
            function = one_of("Lambda", "function", function, NAMED)
        self.function = function

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """The function of x. **Shapes**: ``x: (N, ...) -> (N, ...)``"""
        function = NAMED[self.function] if isinstance(self.function, str) else self.function
        return function(x)

    def flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """One for each number of the output: what the function does is not looked into."""
        return math.prod(output_shape)
