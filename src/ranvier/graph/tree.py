"""Nested tuples, lists and dicts of arrays, flattened to a list and built up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tree:
    """The structure of a nested argument.

    Attributes:
        kind: "leaf", "tuple", "list" or "dict".
        keys: of a dict, sorted.
        children: structures inside.
    """

    kind: str
    keys: tuple[str, ...] = ()
    children: tuple[Tree, ...] = ()


def flatten(thing: Any) -> tuple[list[Any], Tree]:
    """The leaves of a nested structure in order, and the structure."""
    if isinstance(thing, dict):
        keys = tuple(sorted(thing))
        parts = [flatten(thing[key]) for key in keys]
        return [x for leaves, _ in parts for x in leaves], Tree(
            "dict", keys, tuple(t for _, t in parts)
        )
    if isinstance(thing, tuple | list):
        parts = [flatten(item) for item in thing]
        kind = "tuple" if isinstance(thing, tuple) else "list"
        return [x for leaves, _ in parts for x in leaves], Tree(
            kind, (), tuple(t for _, t in parts)
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
    return tuple(parts) if tree.kind == "tuple" else parts
