"""Nested tuples, lists and dicts of arrays, flattened to a list and built up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tree:
    """The structure of a nested argument.

    Attributes:
        kind: "leaf", "tuple", "list" or "dict".
        keys: of a dict, sorted.
        children: structures inside.
        named: the class of a named tuple, or None.
    """

    kind: str
    keys: tuple[str, ...] = ()
    children: tuple[Tree, ...] = ()
    named: type | None = None


def flatten(thing: Any) -> tuple[list[Any], Tree]:
    """The leaves of a nested structure in order, and the structure."""
    if isinstance(thing, Mapping):
        keys = tuple(sorted(thing))
        parts = [flatten(thing[key]) for key in keys]
        return [x for leaves, _ in parts for x in leaves], Tree(
            "dict", keys, tuple(t for _, t in parts)
        )
    if isinstance(thing, tuple | list):
        parts = [flatten(item) for item in thing]
        kind = "tuple" if isinstance(thing, tuple) else "list"
        named = type(thing) if hasattr(thing, "_fields") else None
        return [x for leaves, _ in parts for x in leaves], Tree(
            kind, (), tuple(t for _, t in parts), named
        )
    return [thing], Tree("leaf")


def unflatten(tree: Tree, leaves: Sequence[Any]) -> Any:
    """Build the structure again around new leaves."""
    remaining = iter(leaves)
    return _build(tree, remaining)


def _build(tree: Tree, remaining: Any) -> Any:
    if tree.kind == "leaf":
        return next(remaining)
    parts = [_build(child, remaining) for child in tree.children]
    if tree.kind == "dict":
        return dict(zip(tree.keys, parts, strict=True))
    if tree.named is not None:
        return tree.named(*parts)
    return tuple(parts) if tree.kind == "tuple" else parts


def paths(tree: Tree, name: str) -> list[str]:
    """How each leaf is written in Python, for errors.

    >>> paths(flatten({"a": [1, 2]})[1], "x")
    ["x['a'][0]", "x['a'][1]"]
    """
    if tree.kind == "leaf":
        return [name]
    keys = tree.keys if tree.kind == "dict" else range(len(tree.children))
    inner = zip(keys, tree.children, strict=True)
    return [path for key, child in inner for path in paths(child, f"{name}[{key!r}]")]
