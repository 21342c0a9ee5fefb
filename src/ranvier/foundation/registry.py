"""Registries: from a name in a file, an argument or a command line to the class behind it.

Registering is the only module-level state in Ranvier. Contract tests, docs and the command line
read the registries, so that adding a thing is one file and one export line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ranvier.foundation.errors import ArgumentError, UnknownNameError, did_you_mean

Thing = TypeVar("Thing")


class Registry(Generic[Thing]):
    """Names of one kind of thing.

    Args:
        kind: what the things are, for error messages ("activation").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, Thing] = {}

    def register(self, name: str) -> Callable[[Thing], Thing]:
        """Decorator that files a thing under a name; a name is taken once.

        A class or function that is defined again, as when a notebook's cell runs twice, takes the
        place of the one before.
        """

        def file(thing: Thing) -> Thing:
            if name in self._things and not _same_place(self._things[name], thing):
                raise ArgumentError(
                    f"There are two {self.kind}s called {name!r}.",
                    happened=f"{name!r} is registered already",
                    needed="a name of its own for each",
                    fix="choose another name",
                )
            self._things[name] = thing
            return thing

        return file

    def __getitem__(self, name: str) -> Thing:
        if name not in self._things:
            raise UnknownNameError(
                f"There is no {self.kind} called {name!r}.",
                happened=f"{name!r} is not known",
                needed=f"the name of a registered {self.kind}",
                fix=did_you_mean(name, self._things),
            )
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def items(self) -> list[tuple[str, Thing]]:
        """All names with their things, in the order of registering."""
        return list(self._things.items())


def _same_place(first: object, second: object) -> bool:
    """Whether two things were defined under the same name in the same module."""
    places = [
        (getattr(thing, "__module__", None), getattr(thing, "__qualname__", ""))
        for thing in (first, second)
    ]
    return places[0] == places[1] and "<" not in places[0][1]
