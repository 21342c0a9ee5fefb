"""What a group has to do at least: floating-point operations, bytes, and a line that says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ranvier.compiler.groups import Buffer, Expr, Group, Root, axes_used, walk
from ranvier.compiler.index import Axis
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.shapes import Dimension, Extent

#: Parts of an expression that compute nothing.
PLACES = ("load", "const", "ref", "index", "extent", "gather", "scatter", "cast")
#: Names of stored values that a line lists.
MOST_NAMES = 2


def operations_of(group: Group, counts: Mapping[str, int]) -> int:
    """Floating-point operations: two a multiply-add, one each elementwise operation and addend.

    Args:
        group: the group.
        counts: lengths of symbolic extents.
    """
    size = _size(group.domain, counts)
    depth = 1 if group.reduced is None else _length(group.reduced.length, counts) * group.times
    known: dict[int, set[Axis]] = {}
    total = 0
    for root in group.roots:
        if root.kind == "product":
            total += 2 * size * depth
        elif root.kind != "body":
            total += size * depth  # one addition, or comparison, for each addend
        for e in walk(root.expr) if root.expr is not None else ():
            if e.op not in PLACES:
                total += _elements(axes_used(e, known), counts)
    return total


def bytes_of(group: Group, counts: Mapping[str, int]) -> int:
    """Bytes of everything that it reads and writes, each place once.

    Args:
        group: the group.
        counts: lengths of symbolic extents.
    """
    known: dict[int, set[Axis]] = {}
    total = 0
    gathered: set[int] = set()
    for e in _expressions(group):
        if e.op == "gather":
            total += _elements(axes_used(e, known), counts) * itemsize(e.dtype)
            gathered |= {id(part) for arg in e.args[1:] for part in walk(arg)}
    plain: dict[Buffer, None] = {}
    for e in _expressions(group):
        if e.op == "load" and id(e) not in gathered:
            plain.setdefault(e.payload[0])
    for side in (group.left, group.right):
        if side is not None:
            plain.setdefault(side.buffer)
    total += sum(_bytes(buffer, counts) for buffer in plain)
    in_place = group.base is not None and any(b.alias is group.base for b in group.writes())
    if in_place:
        return total + 2 * _size(group.domain, counts) * itemsize(group.roots[0].value.dtype)
    total += _bytes(group.base, counts) if group.base is not None else 0
    return total + sum(_bytes(buffer, counts) for buffer in dict.fromkeys(group.writes()))


def describe(group: Group) -> str:
    """What a group computes, in a short line.

    Example:
        ``N x 256 over 784: data.x by layers.0.weight, then add, select; gives t7``
    """
    size = " x ".join(str(d) for d in group.domain) or "one number"
    if group.reduced is not None:
        times = f" * {group.times}" if group.times > 1 else ""
        size += f" over {group.reduced.length}{times}"
    names = list(dict.fromkeys(e.op for e in _expressions(group) if e.op not in PLACES))
    names += list(dict.fromkeys(r.kind for r in group.roots if r.kind not in ("body", "product")))
    done = ", ".join(names)
    if group.left is not None and group.right is not None:
        product = f"{group.left.buffer.name} by {group.right.buffer.name}"
        done = f"{product}, then {done}" if done else product
    return f"{size}: {done or 'copied'}; gives {_stored(group.roots)}"


def _stored(roots: Iterable[Root]) -> str:
    names = []
    for root in roots:
        if root.buffer is not None:
            alias = root.buffer.alias
            names.append(root.buffer.name if alias is None else f"{alias.name} in place")
    more = len(names) - MOST_NAMES
    shown = ", ".join(names[:MOST_NAMES])
    return shown if more <= 0 else f"{shown} and {more} more"


def _expressions(group: Group) -> Iterator[Expr]:
    for root in group.roots:
        if root.expr is not None:
            yield from walk(root.expr)


def _elements(axes: Iterable[Axis], counts: Mapping[str, int]) -> int:
    return _size([axis.length for axis in axes], counts)


def _bytes(buffer: Buffer, counts: Mapping[str, int]) -> int:
    # Of a data source, whose rows have no known number, a batch is read.
    return _size(buffer.shape, counts) * itemsize(buffer.dtype)


def _size(lengths: Iterable[Dimension], counts: Mapping[str, int]) -> int:
    size = 1
    for length in lengths:
        size *= _length(length, counts)
    return size


def _length(length: Dimension, counts: Mapping[str, int]) -> int:
    return counts[length.name] if isinstance(length, Extent) else length
