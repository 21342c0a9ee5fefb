"""What belongs to each input and output of a model: arrays, losses, metrics and weights.

A user gives one thing, a tuple in the model's order, or a dict by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ranvier.foundation.errors import ArgumentError


def parts(given: object, names: Sequence[str], what: str) -> tuple[Any, ...]:
    """The arrays of all inputs, or of all outputs.

    Args:
        given: an array; for several names a tuple or list of arrays; or a dict by name.
        names: of the inputs or outputs.
        what: how the argument is called.

    Raises:
        ArgumentError: another number of arrays, or other names.

    Example:
        >>> parts({"b": [2], "a": [1]}, ("a", "b"), "X")
        ([1], [2])
    """
    if isinstance(given, Mapping) and (len(names) > 1 or set(given) == set(names)):
        if set(given) != set(names):
            raise _refused(what, f"it is a dict with the keys {', '.join(map(str, given))}", names)
        return tuple(given[name] for name in names)
    if len(names) == 1:
        return (given,)
    if not isinstance(given, tuple | list):
        raise _refused(what, f"it is one {type(given).__name__}", names)
    if len(given) != len(names):
        raise _refused(what, f"it has {len(given)} parts", names)
    return tuple(given)


def wishes(given: Any, names: Sequence[str], what: str) -> tuple[Any, ...]:
    """What is asked of each output: a loss, metrics, a weight.

    Args:
        given: one thing for all outputs; a tuple, one for each; or a dict by name, where what is
            not named is None.
        names: of the outputs.
        what: how the argument is called.

    Raises:
        ArgumentError: another number of parts, or other names.

    Example:
        >>> wishes("mse", ("a", "b"), "loss"), wishes({"b": "mse"}, ("a", "b"), "loss")
        (('mse', 'mse'), (None, 'mse'))
    """
    if isinstance(given, Mapping):
        unknown = [str(name) for name in given if name not in names]
        if unknown:
            raise _refused(what, f"it names {unknown[0]!r:.80}, which no output is called", names)
        return tuple(given.get(name) for name in names)
    if len(names) == 1 or not isinstance(given, tuple):
        return (given,) * len(names)
    if len(given) != len(names):
        raise _refused(what, f"it has {len(given)} parts", names)
    return given


def _refused(what: str, happened: str, names: Sequence[str]) -> ArgumentError:
    one = "one part" if len(names) == 1 else f"{len(names)} parts"
    return ArgumentError(
        f"{what} does not fit the model's inputs and outputs.",
        happened=happened,
        needed=f"{one}, in this order: {', '.join(names)}",
        fix="give a tuple in this order, or a dict by these names",
    )
