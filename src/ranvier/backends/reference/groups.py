"""A planned program's groups in NumPy: fusion, order and updates in place, without any LLVM.

Places are walked as native code walks them: a group's loops from outside in, the stages of a row
one after the other, every store as soon as its stage is done. So a group that overwrites what
another still needs, or reads what is not there yet, gives other numbers here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compiler.groups import LANES, Buffer, Expr, Group, Operand, Root
from ranvier.compiler.index import Axis, Clamped, Index, Quotient
from ranvier.compiler.pipeline import Planned
from ranvier.foundation.dtypes import is_float
from ranvier.foundation.random import uniform
from ranvier.foundation.shapes import Dimension, Extent, resolve
from ranvier.ops.value import PRIMITIVES, law_broken

Array = NDArray[Any]
Position = Any  # an integer, or an array of integers


def run_groups(
    planned: Planned, inputs: Mapping[str, Any], counts: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """Run a planned program's groups in their order.

    Args:
        planned: what the compiler made.
        inputs: an array for each input of the graph, by name; they are not changed.
        counts: lengths of symbolic extents.

    Returns:
        The outputs by the graph's names for them, else ``output0``, ``output1`` ...; of an update
        what its state holds in the end.

    Example:
        >>> import numpy as np
        >>> from ranvier.compiler.pipeline import Request, compile_plan
        >>> from ranvier.ops.graph import trace
        >>> from ranvier.ops.value import Spec
        >>> graph, _ = trace(lambda x: x * 2.0 + 1.0, [Spec((3,), "float64")])
        >>> planned = compile_plan(Request(graph, frozenset(), {}, {}, {}))
        >>> run_groups(planned, {"argument0": np.arange(3.0)})
        {'output0': array([1., 3., 5.])}
    """
    machine = _Machine(planned, inputs, dict(counts or {}))
    for group in planned.groups:
        machine.run(group)
    names = planned.graph.names or tuple(f"output{k}" for k in range(len(planned.fused.outputs)))
    places = {
        k: planned.fused.inputs[planned.request.updates[k]]
        if k in planned.request.updates
        else buffer
        for k, buffer in enumerate(planned.fused.outputs)
    }
    return {name: machine.array(places[k]).copy() for k, name in enumerate(names)}


class _Machine:
    """All buffers as arrays of their logical shapes, and the loops of each group.

    Args: as of :func:`run_groups`.
    """

    def __init__(self, planned: Planned, inputs: Mapping[str, Any], counts: dict[str, int]) -> None:
        self.counts = counts
        self.arrays: dict[Buffer, Array] = {}
        self._drawn: dict[tuple[int, int, int], Array] = {}
        for name, buffer in planned.fused.inputs.items():
            self.arrays[buffer] = np.array(inputs[name], buffer.dtype)
        for buffer, node in planned.fused.constants.values():
            self.arrays[buffer] = np.array(node.attributes["value"])

    def array(self, buffer: Buffer) -> Array:
        """Where a buffer's numbers are: of an update in place, its state's."""
        buffer = buffer.alias or buffer
        if buffer not in self.arrays:
            shape = resolve(buffer.shape, self.counts)
            # What nobody has written yet must not look like a result.
            poison = np.nan if is_float(buffer.dtype) else 77
            self.arrays[buffer] = np.full(shape, poison, buffer.dtype)
        return self.arrays[buffer]

    def length(self, dimension: Dimension) -> int:
        """A length of this run."""
        return self.counts[dimension.name] if isinstance(dimension, Extent) else dimension

    def run(self, group: Group) -> None:
        """A group at every place of its outer loops."""
        axes = [Axis(k, d) for k, d in enumerate(group.domain)]
        if group.kind == "scatter":
            self._start_scatter(group)
        outer = [self.length(axis.length) for axis in axes[:-1]]
        for place in np.ndindex(*outer):
            positions: dict[Axis, Position] = dict(zip(axes[:-1], place, strict=True))
            _Line(self, group, positions, place).run(axes[-1] if axes else None)

    def _start_scatter(self, group: Group) -> None:
        """Zeros, or what a scatter adds to; in place it is there already."""
        target = group.roots[0].buffer
        if target is None or (group.base is not None and target.alias is group.base):
            return
        self.array(target)[...] = 0 if group.base is None else self.array(group.base)

    def random(self, seed: int, step: int, site: int, place: Position) -> Array:
        """Random numbers by the number of their element."""
        key, needed = (seed, step, site), int(np.max(place)) + 1
        known = self._drawn.get(key)
        if known is None or len(known) < needed:
            self._drawn[key] = known = uniform((2 * needed,), seed, step, site)
        return known[place]


class _Line:
    """One group at one place of its outer loops: its last axis as a whole.

    Args:
        machine: the buffers.
        group: what is computed.
        positions: of the outer axes.
        place: the same as a tuple.
    """

    def __init__(
        self,
        machine: _Machine,
        group: Group,
        positions: dict[Axis, Position],
        place: tuple[int, ...],
    ) -> None:
        self.machine = machine
        self.group = group
        self.positions = positions
        self.place = place
        self.numbers: dict[int, Array] = {}
        self.level = 0  # the stage that is being computed
        self.width: int | None = None  # a number without axes has no line

    def run(self, inner: Axis | None) -> None:
        """Compute and store all roots."""
        if inner is not None:
            self.width = self.machine.length(inner.length)
            self.positions[inner] = np.arange(self.width)
        if self.group.kind == "rows":
            for roots in _stages(self.group):
                self._together(roots)
        elif self.group.kind == "scatter":
            self._scatter(self.group.roots[0])
        else:
            anchor = self.group.roots[0]
            self.numbers[id(anchor)] = (
                self._product(anchor, inner) if anchor.kind == "product" else self._column(anchor)
            )
            self._together(self.group.roots)

    def _together(self, roots: Sequence[Root]) -> None:
        """Compute roots, each from those before it, and then store them."""
        for root in roots:
            if id(root) not in self.numbers:
                self.numbers[id(root)] = self._number(root)
        for root in roots:
            if root.buffer is not None:
                target = self.machine.array(root.buffer)
                where: Any = self.place
                if self.width is not None and len(root.value.shape) == len(self.group.domain):
                    where = (*where, slice(None))
                target[where] = self.numbers[id(root)]

    def _number(self, root: Root) -> Array:
        if root.expr is None:
            raise law_broken("groups", f"{root.name} has nothing to compute")
        self.level = root.level
        value = self.evaluate(root.expr)
        if root.kind == "body":
            return value
        line = np.broadcast_to(value, (self.width or 1,))
        return np.asarray(PRIMITIVES[root.kind].meaning([line], {"axis": 0}))

    def _scatter(self, root: Root) -> None:
        """Add one row to the row of the result that it names."""
        if root.expr is None or root.buffer is None:
            raise law_broken("groups", f"{root.name} has nothing to add")
        row, update = (self.evaluate(part) for part in root.expr.args)
        self.machine.array(root.buffer)[int(row)] += update

    def _column(self, root: Root) -> Array:
        """A reduction over the group's inner axis, for a whole line of columns."""
        axis = self.group.reduced
        if axis is None or root.expr is None:
            raise law_broken("groups", f"{root.name} has no axis to reduce")
        length = self.machine.length(axis.length)
        self.positions[axis] = np.arange(length)[:, None]
        value = np.broadcast_to(self.evaluate(root.expr), (length, self.width or 1))
        del self.positions[axis]
        return np.asarray(PRIMITIVES[root.kind].meaning([value], {"axis": 0}))

    def _product(self, root: Root, columns: Axis | None) -> Array:
        """One row of a matrix product."""
        left, right, axis = self.group.left, self.group.right, self.group.reduced
        if left is None or right is None or axis is None or columns is None:
            raise law_broken("groups", f"{root.name} is a product without operands")
        depth = np.arange(self.machine.length(axis.length) * self.group.times)
        row = self._side(left, np.int64(self.place[-1]), depth)
        matrix = self._side(right, self.positions[columns][:, None], depth)
        with np.errstate(all="ignore"):
            return np.asarray(np.einsum("k,jk->j", row, matrix), root.value.dtype)

    def _side(self, side: Operand, outer: Position, depth: Position) -> Array:
        """The elements of a product's operand, found by its strides as native code finds them."""
        array, buffer = self.machine.array(side.buffer), side.buffer
        if buffer.panel:  # a whole matrix, stored panel after panel; one side walks its columns
            outer, depth = np.broadcast_arrays(outer, depth)
            return np.asarray(array[outer, depth] if side.depth == 1 else array[depth, outer])
        address = self.place_of(side.base) + outer * side.outer + depth * side.depth
        where = []
        for stride in buffer.strides()[:-1]:
            where.append(address // stride)
            address = address % stride
        return np.asarray(array[(*where, address)])

    # --- expressions

    def place_of(self, index: Index) -> Position:
        """An index expression at the present place."""
        total: Position = index.constant
        for atom, coefficient in index.terms:
            if isinstance(atom, Axis):
                part = self.positions[atom]
            else:
                inner = self.place_of(atom.index)
                if isinstance(atom, Clamped):
                    total = total + coefficient * np.clip(inner, atom.low, atom.high)
                    continue
                is_quotient = isinstance(atom, Quotient)
                part = inner // atom.divisor if is_quotient else inner % atom.divisor
            total = total + coefficient * part
        return total

    def evaluate(self, expr: Expr) -> Array:
        """An expression at the present place: one number, or one for each place of the line."""
        known: dict[int, Array] = {}
        for part in _inside_out(expr):
            args = [known[id(a)] for a in part.args if id(a) in known]
            known[id(part)] = self._part(part, args)
        return known[id(expr)]

    def _recalled(self, root: Root) -> Array:
        """The number of a root of this group, if native code still has it in a register."""
        domain = self.group.domain
        along = self.group.kind == "rows" and domain and len(root.axes) == len(domain)
        in_one_vector = along and isinstance(domain[-1], int) and domain[-1] <= LANES
        if along and not in_one_vector and root.level != self.level:
            raise law_broken("groups", f"stage {self.level} reads {root.name} of another stage")
        return self.numbers[id(root)]

    def _part(self, expr: Expr, args: list[Array]) -> Array:
        if expr.op == "load":
            buffer, indices = expr.payload
            places = tuple(self.place_of(i) for i in indices)
            return np.asarray(self.machine.array(buffer)[places])
        if expr.op == "gather":
            self.positions[expr.payload] = args[0]
            found = self.evaluate(expr.args[1])
            del self.positions[expr.payload]
            return found
        if expr.op == "ref":
            return self._recalled(expr.payload)
        if expr.op == "const":
            return np.asarray(expr.payload, expr.dtype)
        if expr.op == "index":
            return np.asarray(self.place_of(expr.payload)).astype(expr.dtype)
        if expr.op == "extent":
            return np.asarray(self.machine.length(expr.payload), expr.dtype)
        if expr.op == "random":
            site, index = expr.payload
            seed, step = (int(a) for a in args)
            drawn = self.machine.random(seed, step, site, self.place_of(index))
            return np.asarray(drawn, expr.dtype)
        attributes = {"dtype": expr.dtype}  # of a cast
        return np.asarray(PRIMITIVES[expr.op].meaning(args, attributes), expr.dtype)


def _stages(group: Group) -> Iterator[list[Root]]:
    """What a rows group computes together: a stage's numbers of the row, then those along it."""
    for level in range(1 + max((root.level for root in group.roots), default=0)):
        roots = [root for root in group.roots if root.level == level]
        alone = [r for r in roots if r.kind == "body" and len(r.axes) < len(group.domain)]
        yield from ([root] for root in alone)
        yield [root for root in roots if root not in alone]


def _inside_out(expr: Expr) -> list[Expr]:
    """The parts of an expression, each once and after its operands."""
    order: list[Expr] = []
    seen: set[int] = set()
    stack = [(expr, False)]
    while stack:
        part, done = stack.pop()
        if done:
            order.append(part)
        elif id(part) not in seen:
            seen.add(id(part))
            stack.append((part, True))
            # What is gathered has no place before its row is known.
            parts = part.args[:1] if part.op == "gather" else part.args
            stack.extend((arg, False) for arg in parts)
    return order
