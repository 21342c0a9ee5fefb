"""`gradient` and `value_and_gradient` for any function written in operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.foundation.dtypes import is_float
from ranvier.foundation.errors import DTypeError
from ranvier.graph.gradient import gradients_of
from ranvier.graph.tree import Tree, flatten, unflatten
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import Spec, Value, apply, dtype_of, shape_of


def value_and_gradient(
    function: Callable[..., Any], argument: int | tuple[int, ...] = 0
) -> Callable[..., tuple[Any, Any]]:
    """The function that gives a scalar function's value and its gradient.

    Args:
        function: of arrays (or tuples, lists, dicts of arrays) to a scalar, written in ``rv.ops``.
        argument: which argument, or arguments, to differentiate by.

    Returns:
        A function of the same arguments giving ``(value, gradient)``, the gradient shaped like the
        argument (a tuple of them for several). On arrays it is computed at once by the reference;
        inside ``rv.compile`` it becomes part of the compiled graph; it can be differentiated again.

    Raises:
        ShapeError: if the function does not give a scalar.
        DTypeError: if the argument is not made of floating-point numbers.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.value_and_gradient(lambda x: rv.ops.sum(x * x))(np.array([1.0, 3.0]))
        (array(10.), array([2., 6.]))
    """
    several = isinstance(argument, tuple)
    places = argument if isinstance(argument, tuple) else (argument,)

    def call(*arguments: Any) -> tuple[Any, Any]:
        leaves, tree = flatten(arguments)
        if any(isinstance(x, Value) for x in leaves):
            return _on_values(function, leaves, tree, places, several)
        specs = [Spec(shape_of(x), dtype_of(x)) for x in leaves]

        def flat(*values: Value) -> tuple[Any, ...]:
            value, gradient = _on_values(function, list(values), tree, places, several)
            return (value, *flatten(gradient)[0])

        graph, _ = trace(flat, specs)
        value, *gradients = (np.asarray(result) for result in evaluate(graph, leaves))
        shaped = unflatten(_picked(tree, places, several), gradients)
        return value, shaped

    return call


def _picked(tree: Tree, places: tuple[int, ...], several: bool) -> Tree:
    parts = tuple(tree.children[p] for p in places)
    return Tree("tuple", (), parts) if several else parts[0]


def _on_values(
    function: Callable[..., Any],
    leaves: list[Any],
    tree: Tree,
    places: tuple[int, ...],
    several: bool,
) -> tuple[Any, Any]:
    arguments = unflatten(tree, leaves)
    wanted = [leaf for p in places for leaf in flatten(arguments[p])[0]]
    for leaf in wanted:
        if not is_float(dtype_of(leaf)):
            raise DTypeError(
                "A gradient is taken with respect to floating-point numbers.",
                happened=f"the argument has dtype {dtype_of(leaf)}",
                needed="float32 or float64",
                fix="convert it, for example with x.astype('float32')",
            )
    # Fresh names for the arguments: the same value may come in twice.
    aliases = [apply("copy", [leaf]) if isinstance(leaf, Value) else leaf for leaf in leaves]
    loss = function(*unflatten(tree, aliases))
    flat_aliases = [a for p in places for a in flatten(unflatten(tree, aliases)[p])[0]]
    values = [a for a in flat_aliases if isinstance(a, Value)]
    found = gradients_of(loss, values)
    gradients = iter(found)
    shaped = [next(gradients) if isinstance(a, Value) else None for a in flat_aliases]
    return loss, unflatten(_picked(tree, places, several), shaped)


def gradient(
    function: Callable[..., Any], argument: int | tuple[int, ...] = 0
) -> Callable[..., Any]:
    """The function that gives a scalar function's gradient; see :func:`value_and_gradient`.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.gradient(lambda x: rv.ops.sum(x * x))(np.array([1.0, 3.0])).tolist()
        [2.0, 6.0]
    """
    both = value_and_gradient(function, argument)

    def call(*arguments: Any) -> Any:
        return both(*arguments)[1]

    return call
