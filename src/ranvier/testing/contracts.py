"""What all checks share: comparisons that say what differs, finite differences, configurations."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.backends.compile import compile
from ranvier.foundation.dtypes import FLOATS
from ranvier.foundation.errors import ContractError, RanvierError
from ranvier.graph.transforms import value_and_gradient
from ranvier.graph.tree import flatten
from ranvier.layers.configured import Configured

#: How far the engines may differ, as a part of the largest number of an array.
NEAR = {"float32": 5e-5, "float64": 1e-11}
#: The step of finite differences in float64, and how far they may be from the gradient.
STEP, SLOPE = 1e-6, 2e-6


def broken(thing: str, contract: str, happened: str, needed: str, fix: str) -> ContractError:
    """The error for a contract that does not hold."""
    return ContractError(f"{thing}: {contract}", happened=happened, needed=needed, fix=fix)


def difference(found: Any, expected: Any, near: float) -> str | None:
    """What differs between two arrays by more than a part of the largest number, or None.

    >>> difference(np.array([1.0, 2.0]), np.array([1.0, 3.0]), 1e-6)
    'at [1] 2.0 instead of 3.0'
    """
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype}{found.shape} instead of {expected.dtype}{expected.shape}"
    finite = np.abs(expected[np.isfinite(expected)])
    allowed = near * max(1.0, float(finite.max(initial=0.0)))
    with np.errstate(invalid="ignore"):
        apart = np.abs(found.astype("float64") - expected.astype("float64")) > allowed
    wrong = apart | (np.isfinite(found) != np.isfinite(expected))
    if not wrong.any():
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"at {list(place)} {found[place]} instead of {expected[place]}"


def check_equal(thing: str, contract: str, pairs: Mapping[str, tuple[Any, Any]], fix: str) -> None:
    """Arrays that must agree to the bit.

    Raises:
        ContractError: naming the first that does not.
    """
    for name, (found, expected) in pairs.items():
        found, expected = np.asarray(found), np.asarray(expected)
        if found.tobytes() != expected.tobytes() or found.shape != expected.shape:
            apart = difference(found, expected, 0.0) or "other bits"
            raise broken(thing, contract, f"{name}: {apart}", "the same bits", fix)


def check_engines(thing: str, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    """Run a function natively and by the reference, and compare everything that it gives.

    Returns:
        What the native engine gave, flat.

    Raises:
        ContractError: if they differ.
    """
    native = flatten(compile(function)(*arguments))[0]
    reference = flatten(compile(function, engine="reference")(*arguments))[0]
    for place, (found, expected) in enumerate(zip(native, reference, strict=True)):
        near = NEAR.get(np.asarray(expected).dtype.name, 0.0)
        apart = difference(found, expected, near)
        if apart is not None:
            raise broken(
                thing,
                "the native engine does not give what the reference gives.",
                f"result {place}: {apart}",
                f"numbers that differ by less than {near:g} of the largest",
                "look for sums that cancel or differences of large numbers; if there are none, "
                "report it: it is Ranvier's fault",
            )
    return native


def check_gradient(
    thing: str,
    function: Callable[..., Any],
    arguments: Sequence[NDArray[Any]],
    names: Sequence[str],
) -> None:
    """Compare the gradient of a scalar function with finite differences in float64.

    Args:
        thing: what is checked, for the error.
        function: of arrays to a scalar.
        arguments: its float64 arrays; each is moved in three random directions.
        names: of the arguments, for the error.

    Raises:
        ContractError: if they differ.
    """
    arrays = list(arguments)
    _, found = value_and_gradient(function, tuple(range(len(arrays))))(*arrays)
    for place, (array, slope) in enumerate(zip(arrays, found, strict=True)):
        for turn in range(3):
            direction = np.random.default_rng([place, turn]).normal(size=array.shape)
            ends = []
            for sign in (STEP, -STEP):
                moved = [a + sign * direction if i == place else a for i, a in enumerate(arrays)]
                ends.append(float(function(*moved)))
            expected = (ends[0] - ends[1]) / (2 * STEP)
            along = float((np.asarray(slope) * direction).sum())
            noise = 1e-16 * abs(ends[0]) / STEP
            if not abs(along - expected) <= SLOPE * max(1.0, abs(expected)) + 10 * noise:
                raise broken(
                    thing,
                    f"its gradient with respect to {names[place]} is not its slope.",
                    f"along a random direction the gradient says {along:.9g}, "
                    f"finite differences say {expected:.9g}",
                    f"a relative difference below {SLOPE:g}, in float64",
                    "correct the rule given to ops.with_gradient; without one the gradient "
                    "comes from the formula. A jump near the checked point looks like this too",
                )


def check_configuration(thing: Configured) -> None:
    """Its configuration goes through JSON and makes it again; it prints as it would be written.

    Raises:
        ContractError: if not.
        ArgumentError: for an argument that is not kept in an attribute.
    """
    name = type(thing).__name__
    try:
        text = json.dumps(thing.config(), allow_nan=False)
    except RanvierError:
        raise
    except (TypeError, ValueError) as error:
        raise broken(
            name, "its configuration cannot be written to a model file.",
            str(error), "numbers, texts, booleans, None, lists of these, registered things",
            "keep such arguments in the attributes, and register functions under a name",
        ) from error  # fmt: skip
    try:
        again = type(thing).from_config(json.loads(text))
        found = json.dumps(again.config()), again.describe()
    except (RanvierError, TypeError, AttributeError) as error:
        found = (f"{type(error).__name__}: {error}", "")
    if found != (text, thing.describe()):
        raise broken(
            thing.describe(), "from_config(config()) is not the same again.",
            f"from {text} came {found[0]} {found[1]}".strip(), "an equal configuration",
            "keep every argument as it was given, in an attribute of its name, and take "
            "in __init__ what config() gives",
        )  # fmt: skip
    if not _is_call(thing.describe(), name) or repr(thing) != thing.describe():
        raise broken(
            repr(thing), "it does not print as it would be written.",
            f"repr is {thing!r:.100}", f"{name}(...) with its arguments, as describe() gives it",
            "leave __repr__ out, and keep arguments that print as they are written",
        )  # fmt: skip


def _is_call(text: str, name: str) -> bool:
    try:
        found = ast.parse(text, mode="eval").body
    except SyntaxError:
        return False
    return isinstance(found, ast.Call) and ast.unparse(found.func) == name


def check_array(thing: str, what: str, array: Any, shape: tuple[int, ...], dtype: str) -> None:
    """An array must have a shape and a dtype.

    Raises:
        ContractError: if not.
    """
    found = np.asarray(array)
    if found.shape != shape or found.dtype != np.dtype(dtype):
        raise broken(
            thing, f"{what} has another shape or dtype.",
            f"it is {found.dtype}{found.shape}", f"{dtype}{shape}",
            "compute with operations of ranvier.ops in the dtype of what comes in; "
            "ops.cast(x, dtype) converts",
        )  # fmt: skip


def numbers(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> NDArray[Any]:
    """Normal random numbers, the same for the same seed."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def scalar_of(values: Any) -> Any:
    """A scalar in which all elements count, and not equally: the sum of their cubes and squares."""
    total: Any = None
    for value in flatten(values)[0]:
        part = ops.sum(value * value * (value + 1.0))
        total = part if total is None else total + part
    return total


__all__ = [
    "FLOATS",
    "NEAR",
    "broken",
    "check_array",
    "check_configuration",
    "check_engines",
    "check_equal",
    "check_gradient",
    "difference",
    "numbers",
    "scalar_of",
]
