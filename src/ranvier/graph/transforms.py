"""`gradient` and `value_and_gradient` for any function written in operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.foundation.dtypes import is_float
from ranvier.foundation.errors import ArgumentError, DTypeError
from ranvier.graph.gradient import gradients_of
from ranvier.graph.tree import Tree, flatten, paths, unflatten
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import Spec, Value, apply, constant, dtype_of, shape_of


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
        ArgumentError: if the function is called without that argument.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> rv.value_and_gradient(lambda x: rv.ops.sum(x * x))(np.array([1.0, 3.0]))
        (array(10.), array([2., 6.]))
    """
    several = isinstance(argument, tuple)
    places = argument if isinstance(argument, tuple) else (argument,)

    def call(*arguments: Any) -> tuple[Any, Any]:
        leaves, tree = flatten(arguments)
        _check_places(places, len(arguments))
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


def _check_places(places: tuple[int, ...], count: int) -> None:
    for place in places:
        if not 0 <= place < count:
            raise ArgumentError(
                "A gradient is taken with respect to an argument that is not there.",
                happened=f"argument={place}, and the function was called with {count}",
                needed="the place of an argument, the first one being 0",
                fix="give value_and_gradient another argument, or call the result with more",
            )


def _wanted(leaves: list[Any], tree: Tree, places: tuple[int, ...]) -> list[int]:
    """The numbers of the leaves that are differentiated by, place by place."""
    numbers = unflatten(tree, list(range(len(leaves))))
    wanted: list[int] = [n for place in places for n in flatten(numbers[place])[0]]
    names = [
        name for i, child in enumerate(tree.children) for name in paths(child, f"argument {i}")
    ]
    for number in wanted:
        if not is_float(dtype_of(leaves[number])):
            raise DTypeError(
                "A gradient is taken with respect to floating-point numbers.",
                happened=f"{names[number]} has dtype {dtype_of(leaves[number])}",
                needed="float32 or float64",
                fix="convert it, for example with x.astype('float32'), or give what is no float "
                "as an argument of its own",
            )
    return wanted


def _on_values(
    function: Callable[..., Any],
    leaves: list[Any],
    tree: Tree,
    places: tuple[int, ...],
    several: bool,
) -> tuple[Any, Any]:
    wanted = _wanted(leaves, tree, places)
    aliases = []
    for number, leaf in enumerate(leaves):
        known = not isinstance(leaf, Value)
        if known and number not in wanted:
            aliases.append(leaf)
        else:
            # A fresh name: the same value may come in twice. What is differentiated by is a value,
            # even where it is known already.
            aliases.append(apply("copy", [constant(leaf) if known else leaf]))
    loss = function(*unflatten(tree, aliases))
    found = gradients_of(loss, [aliases[number] for number in wanted])
    return loss, unflatten(_picked(tree, places, several), found)


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
