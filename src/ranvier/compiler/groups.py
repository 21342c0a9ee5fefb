"""Groups as plain data: a loop nest with loads, a body and stores, and at most one anchor.

Four kinds. *rows*: loops over all axes of a domain, the last one in vectors, with reductions along
it in stages (softmax: largest, then sum, then result). *columns*: a sum over an inner axis, vectors
along the last one; also products of many small matrices side by side. *product*: a matrix product
in register tiles. *scatter*: rows added, in their order, to rows of a table. Everything else in a
group is an expression on the elements of its domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ranvier.compiler.index import Axis, Index
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.errors import UnsupportedOperationError
from ranvier.foundation.shapes import Extent, Shape, show_shape
from ranvier.ops.value import Value

#: Lanes that loops and sums are written in, on every machine: the order of sums is fixed by them.
LANES = 16


@dataclass(eq=False)
class Buffer:
    """A place in memory for one value.

    Attributes:
        name: how it prints.
        shape: logical shape.
        dtype: storage dtype.
        role: "temporary" (arena, reused), "state" (arena, lives on), "data" (rows of a data
            source, found through the batch's row numbers), "scratch" (inside one group).
        row: elements from one index of the first axis to the next (padded to whole vectors).
        offset: bytes from the start of the arena, once planned.
        alias: the state whose place it takes, for updates in place.
        panel: columns of a panel, for matrices stored panel after panel; 0 for whole rows.
        tight: whether rows follow each other without padding, so that they merge with the axis
            behind them.
        copies: how many of it there are, one after the other: a scratch for each worker.
    """

    name: str
    shape: Shape
    dtype: str
    role: str
    row: int = 0
    offset: int = -1
    alias: Buffer | None = None
    panel: int = 0
    tight: bool = False
    copies: int = 1

    def __post_init__(self) -> None:
        if any(isinstance(d, Extent) for d in self.shape[1:]):
            raise UnsupportedOperationError(
                "The native engine cannot keep this value.",
                happened=f"its shape is {show_shape(self.shape)}: a symbolic axis after the first",
                needed="a symbolic extent only as the first axis",
                fix='transpose after computing, or run it with engine="reference"',
            )
        length = _product(self.shape[1:])
        if self.role == "data" or self.tight:
            self.row = length
            return
        self.row = _round_up(length, LANES) if len(self.shape) > 1 else 1
        if self.row * itemsize(self.dtype) % 1024 == 0 and len(self.shape) > 1:
            # Rows a power of two apart fall onto the same few cache sets.
            self.row += LANES

    def strides(self) -> tuple[int, ...]:
        """Elements from one index to the next, for each axis."""
        if not self.shape:
            return ()
        strides = [1] * len(self.shape)
        for axis in range(len(self.shape) - 2, 0, -1):
            length = self.shape[axis + 1]
            strides[axis] = strides[axis + 1] * (length if isinstance(length, int) else 1)
        strides[0] = self.row
        return tuple(strides)

    def elements(self, capacity: dict[str, int]) -> int:
        """Elements with padding, in whole vectors."""
        if not self.shape:
            return LANES
        first = self.shape[0]
        if self.panel:
            return _round_up(_product(self.shape[1:]), self.panel) * _product((first,))
        rows = capacity[first.name] if isinstance(first, Extent) else first
        if self.role == "scratch":  # packing writes whole blocks of rows
            rows = _round_up(rows, LANES)
        return _round_up(max(rows, 1) * self.row, LANES)

    def bytes(self, capacity: dict[str, int]) -> int:
        """Bytes with padding, in whole cache lines."""
        return _round_up(self.elements(capacity) * itemsize(self.dtype), 64) * self.copies

    def __str__(self) -> str:
        panels = f", panels of {self.panel} columns" if self.panel else ""
        return f"{self.name}: {self.dtype}{show_shape(self.shape)} {self.role}{panels}"


def _product(shape: Shape) -> int:
    size = 1
    for d in shape:
        size *= d if isinstance(d, int) else 1
    return size


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


@dataclass(frozen=True, eq=False)
class Expr:
    """A number at a place of the domain.

    Attributes:
        op: an elementwise operation, or "load" (buffer, index), "ref" (a value computed in the
            same group), "const", "index" (an index as a number), "extent", "random", "gather" (a
            row number, and an element whose index holds an axis that stands for it), "scatter" (a
            row number, and what is added there).
        args: operands.
        dtype: of the number.
        payload: what the operation needs besides.
    """

    op: str
    args: tuple[Expr, ...]
    dtype: str
    payload: Any = None

    def indices(self) -> tuple[Index, ...]:
        """The index expressions it holds itself."""
        if self.op == "load":
            return tuple(self.payload[1])
        if self.op == "index":
            return (self.payload,)
        if self.op == "random":
            return (self.payload[1],)
        return ()


def axes_used(expr: Expr, known: dict[int, set[Axis]]) -> set[Axis]:
    """The axes that an expression depends on; ``known`` remembers them by ``id``."""
    if id(expr) not in known:
        found: set[Axis] = set()
        for index in expr.indices():
            found |= index.axes()
        for arg in expr.args:
            found |= axes_used(arg, known)
        if expr.op == "gather":  # the row is computed, not walked
            found.discard(expr.payload)
        if expr.op == "ref":
            found |= set(expr.payload.axes)
        known[id(expr)] = found
    return known[id(expr)]


@dataclass(eq=False)
class Root:
    """A value that a group computes by name.

    Attributes:
        value: the node it stands for.
        expr: its expression (of an anchor: the expression that is summed, None for a product).
        axes: the axes it depends on: all of the domain, or all but the last (a row's number).
        level: the stage of a rows group it belongs to.
        kind: "body", "sum", "max", "min", "product", "scatter", or "dot": a sum of products in a
            columns group, in order by fma.
        buffer: where it is stored, if anybody outside needs it.
    """

    value: Value
    expr: Expr | None
    axes: tuple[Axis, ...]
    level: int = 0
    kind: str = "body"
    buffer: Buffer | None = None
    name: str = ""


@dataclass(eq=False)
class Operand:
    """One side of a product.

    Attributes:
        buffer: where it lies.
        outer: elements from one row (of the right side: column) of the product to the next.
        depth: elements from one step of the sum to the next.
        base: where it starts, which depends on the batch axes alone.
    """

    buffer: Buffer
    outer: int
    depth: int
    base: Index


@dataclass(eq=False)
class Group:
    """One loop nest.

    Attributes:
        number: its place in the order of creation.
        kind: "rows", "columns", "product" or "scatter".
        domain: the axes of its loops; the last one is walked in vectors.
        reduced: the axis that a columns group sums over; the depth axis of a product.
        times: steps of a product's sum for each place of the reduced axis: a second axis that is
            merged with it.
        roots: what it computes, in order.
        left, right: the operands of a product.
        base: what a scatter adds to; zeros if None.
        as_row: whether a columns group sums in the order in which a rows group would.
        free: axes of the domain that come from the first operand of a dot.
        scratch: memory that it packs an operand into.
        sums: where its sums are kept while blocks of rows run (see ``blocks.py``).
    """

    number: int
    kind: str
    domain: Shape
    reduced: Axis | None = None
    times: int = 1
    roots: list[Root] = field(default_factory=list)
    left: Operand | None = None
    right: Operand | None = None
    after: set[int] = field(default_factory=set)
    scratch: Buffer | None = None
    sums: Buffer | None = None
    base: Buffer | None = None
    as_row: bool = False
    free: tuple[Axis, ...] = ()

    @property
    def name(self) -> str:
        """How it is called in listings and in the program's text."""
        return f"group{self.number}"

    def reads(self) -> Iterator[Buffer]:
        """Buffers it loads from."""
        for root in self.roots:
            yield from loaded(root)
        for operand in (self.left, self.right):
            if operand is not None:
                yield operand.buffer
        if self.base is not None:
            yield self.base

    def writes(self) -> Iterator[Buffer]:
        """Buffers it stores to."""
        yield from (root.buffer for root in self.roots if root.buffer is not None)


def walk(expr: Expr) -> Iterator[Expr]:
    """All parts of an expression, each once."""
    seen: set[int] = set()
    stack = [expr]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        stack.extend(part.args)


def loaded(root: Root) -> Iterator[Buffer]:
    """The buffers that a root's expression loads from."""
    if root.expr is not None:
        yield from (e.payload[0] for e in walk(root.expr) if e.op == "load")


# --- printing


def show_group(group: Group) -> str:
    """A group in a few lines."""
    loops = " ".join(f"{Axis(k, d)}<{d}" for k, d in enumerate(group.domain))
    head = f"{group.name} {group.kind} {loops}".rstrip()
    if group.reduced is not None:
        times = f"*{group.times}" if group.times > 1 else ""
        head += f" over {group.reduced}<{group.reduced.length}{times}"
    lines = [head]
    for root in group.roots:
        lines.append(f"    {_stage(group, root)}{root.name} = {_root_text(group, root)}")
        if root.buffer is not None:
            place = f"{root.buffer}" if root.buffer.alias is None else f"over {root.buffer.alias}"
            lines.append(f"    {' ' * len(_stage(group, root))}store {place}")
    return "\n".join(lines)


def _stage(group: Group, root: Root) -> str:
    return f"[{root.level}] " if group.kind == "rows" and _stages(group) > 1 else ""


def _stages(group: Group) -> int:
    return 1 + max((root.level for root in group.roots), default=0)


def _root_text(group: Group, root: Root) -> str:
    if root.kind == "product" and group.left is not None and group.right is not None:
        axis = group.reduced
        return f"sum over {axis} of {_side(group.left, axis)} * {_side(group.right, axis)}"
    text = show_expr(root.expr) if root.expr is not None else ""
    if root.kind == "scatter":
        return f"{group.base.name if group.base is not None else 0} + {text}"
    if root.kind == "body":
        return text
    axis = group.reduced or Axis(len(group.domain) - 1, group.domain[-1])
    return f"{root.kind} over {axis} of {text}"


def _side(operand: Operand, axis: Axis | None) -> str:
    return f"{operand.buffer.name}[outer*{operand.outer} + {axis}*{operand.depth}]"


def show_expr(expr: Expr) -> str:
    """An expression as text."""
    if expr.op == "load":
        buffer, indices = expr.payload
        return f"{buffer.name}[{', '.join(str(i) for i in indices)}]"
    if expr.op == "const":
        return f"{np.asarray(expr.payload).item():.9g}"
    if expr.op == "ref":
        return str(expr.payload.name)
    if expr.op in ("index", "extent"):
        return str(expr.payload)
    if expr.op == "random":
        return f"random(site {expr.payload[0]}, {expr.payload[1]})"
    return f"{expr.op}({', '.join(show_expr(a) for a in expr.args)})"
