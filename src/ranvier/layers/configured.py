"""Things that can be written down and made again: layers, losses, optimizers, metrics.

Their constructor arguments are kept as attributes of the same names; from these come the
configuration in a model file and the way they print.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.registry import Registry
from ranvier.layers.arguments import needs_call

T = TypeVar("T", bound="Configured")


class Configured:
    """Base of everything that is described by its constructor arguments.

    A subclass keeps each argument in an attribute of the same name, as a number, text, boolean,
    None, list of these, or another :class:`Configured`.

    Example:
        >>> class Shift(Configured):
        ...     def __init__(self, by, wrap=False):
        ...         self.by = by
        ...         self.wrap = wrap
        >>> Shift(3).config(), Shift.from_config({"by": 3, "wrap": True}).describe()
        ({'by': 3, 'wrap': False}, 'Shift(3, wrap=True)')
    """

    @classmethod
    def _arguments(cls) -> dict[str, inspect.Parameter]:
        if cls.__init__ is object.__init__:
            return {}
        return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])

    def _kept(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError as error:
            raise ArgumentError(
                f"{type(self).__name__} does not keep its argument {name}.",
                happened=f"it has no attribute {name}",
                needed="every constructor argument in an attribute of the same name",
                fix=f"write self.{name} = {name} in __init__",
            ) from error

    def config(self) -> dict[str, Any]:
        """The constructor arguments, ready for JSON."""
        return {name: _plain(self._kept(name)) for name in self._arguments()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make it from :meth:`config`; nothing may be left over.

        What is missing takes its default: a file written before an argument existed still loads.

        Raises:
            ArgumentError: for other keys, or values that the constructor refuses.
        """
        known = cls._arguments()
        empty = inspect.Parameter.empty
        asked = {name for name, argument in known.items() if argument.default is empty}
        if not isinstance(config, Mapping) or not asked <= set(config) <= set(known):
            found = list(config) if isinstance(config, Mapping) else type(config).__name__
            raise ArgumentError(
                f"A configuration of {cls.__name__} has other arguments than {cls.__name__}.",
                happened=f"it holds {found!r:.200}",
                needed=f"{list(known)}",
                fix="take it from config(), unchanged",
            )
        return cls(**config)

    def describe(self) -> str:
        """How it would be written in Python, arguments at their defaults left out."""
        parts = []
        for name, argument in self._arguments().items():
            value = self._kept(name)
            if argument.default is inspect.Parameter.empty:
                parts.append(_written(value))
            elif _plain(value) != _plain(argument.default):
                parts.append(f"{name}={_written(value)}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __repr__(self) -> str:
        return self.describe()


def described(value: object, registry: Registry[type[T]]) -> T | None:
    """What a model file's ``{"name": ..., "config": {...}}`` means; None if it is something else.

    Raises:
        ArgumentError: for a configuration that the class refuses.
        UnknownNameError: for a name that is not registered.
    """
    if isinstance(value, Mapping) and set(value) == {"name", "config"}:
        return registry[str(value["name"])].from_config(value["config"])
    return None


def thing_or_none(
    place: str, name: str, value: object, kind: type[T], registry: Registry[type[T]], example: str
) -> T | None:
    """An argument that is a thing of a kind, its description in a model file, or None.

    Args:
        place: the class whose argument it is.
        name: of the argument.
        value: what was given.
        kind: the base class.
        registry: of the kind.
        example: how one is written.

    Raises:
        ArgumentError: for anything else.
        UnknownNameError: for a name that is not registered.
    """
    if value is None or isinstance(value, kind):
        return value
    found = described(value, registry)
    if found is not None:
        return found
    if isinstance(value, type):
        raise needs_call(f"{name} of {place}", value)
    raise ArgumentError(
        f"{place}: the argument {name} is not understood.",
        happened=f"{name} is {value!r:.80}",
        needed=f"a {kind.__name__.lower()} such as {example}, or None",
        fix=f"write {name}={example}",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Configured):
        return {"name": type(value).__name__, "config": value.config()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _written(value: Any) -> str:
    if isinstance(value, Configured):
        return value.describe()
    # A function has a name; its repr would be an address.
    return str(value.__name__) if inspect.isroutine(value) else repr(value)


def name_from_class(name: str) -> str:
    """The name of a class as a name of a thing, for classes that give themselves none.

    >>> name_from_class("MeanCubedError"), name_from_class("F2Score")
    ('mean_cubed_error', 'f2_score')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
