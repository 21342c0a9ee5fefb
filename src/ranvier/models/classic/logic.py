"""The sixteen logical functions of two inputs, by threshold units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import one_of
from ranvier.models.classic.threshold_unit import ThresholdNetwork, ThresholdUnit

Table = tuple[int, int, int, int]

#: What each function answers for (a, b) = (0, 0), (0, 1), (1, 0), (1, 1).
LOGIC_FUNCTIONS: dict[str, Table] = {
    "false": (0, 0, 0, 0),
    "and": (0, 0, 0, 1),
    "a_and_not_b": (0, 0, 1, 0),
    "a": (0, 0, 1, 1),
    "b_and_not_a": (0, 1, 0, 0),
    "b": (0, 1, 0, 1),
    "xor": (0, 1, 1, 0),
    "or": (0, 1, 1, 1),
    "nor": (1, 0, 0, 0),
    "xnor": (1, 0, 0, 1),
    "not_b": (1, 0, 1, 0),
    "b_implies_a": (1, 0, 1, 1),
    "not_a": (1, 1, 0, 0),
    "a_implies_b": (1, 1, 0, 1),
    "nand": (1, 1, 1, 0),
    "true": (1, 1, 1, 1),
}

#: The weights of a and b and the threshold, where one unit is enough.
_ONE_UNIT: dict[str, tuple[tuple[int, int], int]] = {
    "false": ((0, 0), 1),
    "and": ((1, 1), 2),
    "a_and_not_b": ((1, -1), 1),
    "a": ((1, 0), 1),
    "b_and_not_a": ((-1, 1), 1),
    "b": ((0, 1), 1),
    "or": ((1, 1), 1),
    "nor": ((-1, -1), 0),
    "not_b": ((0, -1), 0),
    "b_implies_a": ((1, -1), 0),
    "not_a": ((-1, 0), 0),
    "a_implies_b": ((-1, 1), 0),
    "nand": ((-1, -1), -1),
    "true": ((0, 0), 0),
}

#: The two that no line divides: two units that both read a and b, and one that reads these.
_THREE_UNITS: dict[str, tuple[str, str, str]] = {
    "xor": ("or", "nand", "and"),
    "xnor": ("and", "nor", "or"),
}


def logic_function(function: str | Sequence[int]) -> ThresholdUnit | ThresholdNetwork:
    """Threshold units that compute a logical function of two inputs, exactly.

    One unit is enough for fourteen of the sixteen: it divides the plane by a straight line. XOR and
    XNOR are on both sides of every line and take three units: ``a xor b`` is ``(a or b)`` and
    ``(a nand b)`` (Minsky and Papert, "Perceptrons", 1969).

    **Shapes** of what it returns: ``x: (2,) -> ()`` or ``(N, 2) -> (N,)``, int32

    Args:
        function: a name of ``LOGIC_FUNCTIONS`` ("and", "xor", "a_implies_b" ...), or the four
            answers for (a, b) = (0, 0), (0, 1), (1, 0), (1, 1).

    Raises:
        ArgumentError: for another name, or for anything but four answers of 0 and 1.

    Example:
        >>> logic_function("or")
        ThresholdUnit([1.0, 1.0], threshold=1)
        >>> xor = logic_function([0, 1, 1, 0])
        >>> len(xor.units), xor([[0, 0], [0, 1], [1, 0], [1, 1]]).tolist()
        (3, [0, 1, 1, 0])
    """
    if not isinstance(function, str):
        function = _name_of(function)
    name = one_of("logic_function", "function", function, LOGIC_FUNCTIONS)
    if name in _ONE_UNIT:
        return _unit(name)
    first, second, last = _THREE_UNITS[name]
    return ThresholdNetwork([_unit(first), _unit(second)], [_unit(last)])


def _unit(name: str) -> ThresholdUnit:
    weights, threshold = _ONE_UNIT[name]
    return ThresholdUnit(weights, threshold)


def _name_of(answers: Sequence[int]) -> str:
    try:
        table = np.asarray(answers)
    except ValueError:  # ragged
        table = np.zeros(0)
    found = [
        name
        for name, known in LOGIC_FUNCTIONS.items()
        if table.shape == (4,) and np.array_equal(table, known)
    ]
    if not found:
        raise ArgumentError(
            "logic_function: the argument function is no table of answers.",
            happened=f"function is {answers!r:.80}",
            needed="four answers of 0 and 1, for (a, b) = (0, 0), (0, 1), (1, 0), (1, 1)",
            fix='write for example [0, 1, 1, 0], or the name "xor"',
        )
    return found[0]
