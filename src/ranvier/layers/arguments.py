"""Checks of constructor arguments: each gives the argument back, or an error that names it.

Arguments may come from a user or from a file, so types are checked as strictly as values.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Iterable

from ranvier.foundation.errors import ArgumentError, did_you_mean

#: No length is larger than this: it fits into the native engine's signed 32-bit index.
LARGEST_LENGTH = 2**31 - 1


def _wrong(place: str, name: str, value: object, needed: str, fix: str) -> ArgumentError:
    if isinstance(value, type):
        return needs_call(f"{name} of {place}", value)
    return ArgumentError(
        f"{place}: the argument {name} is not understood.",
        happened=f"{name} is {value!r:.80}",
        needed=needed,
        fix=fix,
    )


def needs_call(argument: str, given: type[object]) -> ArgumentError:
    """The error for a class where a thing made from it is needed.

    Args:
        argument: what the class was given for.
        given: the class.

    Example:
        >>> from ranvier.optimizers import Adam
        >>> print(needs_call("optimizer", Adam).fix)
        write Adam() and not Adam
    """
    try:
        wanted = [
            name
            for name, one in inspect.signature(given).parameters.items()
            if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
        ]
    except ValueError:
        # Some built-in classes tell nothing of their arguments.
        wanted = []
    call = f"{given.__name__}({', '.join(wanted)})"
    return ArgumentError(
        f"The argument {argument} is a class that was not called.",
        happened=f"{argument} is the class {given.__name__}",
        needed=f"what calling it gives: {call}",
        fix=f"write {call} and not {given.__name__}",
    )


def whole_number(
    place: str, name: str, value: object, low: int = 1, high: int = LARGEST_LENGTH
) -> int:
    """An integer from ``low`` to ``high``; NumPy's integers become Python's.

    Raises:
        ArgumentError: for anything else, booleans and 3.0 included.

    >>> whole_number("Dense", "units", 64)
    64
    """
    needed = f"an integer from {low} to {high}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or not low <= number <= high:
        raise _wrong(place, name, value, needed, f"write for example {name}={max(low, 1)}")
    return number


def number(
    place: str,
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    below_high: bool = False,
    above_low: bool = False,
) -> float:
    """A finite number from ``low`` to ``high``; the ends may be left out.

    Raises:
        ArgumentError: for anything else.

    >>> number("Dropout", "rate", 0.5, 0, 1, below_high=True)
    0.5
    """
    try:
        found = math.nan if isinstance(value, str | bool | bytes) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    inside = low <= found <= high and math.isfinite(found)
    if not inside or (below_high and found == high) or (above_low and found == low):
        raise _wrong(place, name, value, _interval(low, high, below_high, above_low), "change it")
    return found


def _interval(low: float, high: float, below_high: bool, above_low: bool) -> str:
    words = []
    if low > -math.inf:
        words.append(f"{'above' if above_low else 'at least'} {low:g}")
    if high < math.inf:
        words.append(f"{'below' if below_high else 'at most'} {high:g}")
    return "a finite number" + (", " + " and ".join(words) if words else "")


def flag(place: str, name: str, value: object) -> bool:
    """True or False.

    Raises:
        ArgumentError: for anything else.

    >>> flag("Dense", "use_bias", True)
    True
    """
    if not isinstance(value, bool):
        raise _wrong(place, name, value, "True or False", f"write {name}=True or {name}=False")
    return value


def one_of(place: str, name: str, value: object, known: Iterable[str]) -> str:
    """One of a few names.

    Raises:
        ArgumentError: with the nearest known name.

    >>> one_of("Dense", "activation", "relu", ["relu", "tanh"])
    'relu'
    """
    names = list(known)
    if not isinstance(value, str):
        raise _wrong(place, name, value, "one of the names " + ", ".join(sorted(names)), "give it")
    if value not in names:
        raise ArgumentError(
            f"{place}: there is no {name} called {value!r:.80}.",
            happened=f"{value!r:.80} is not known",
            needed="a registered name",
            fix=did_you_mean(value[:80], names),
        )
    return value
