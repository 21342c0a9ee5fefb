"""Fusion: roots gathered into groups, each a loop nest with at most one anchor.

Roots are taken in order. A root joins the latest group that it reads from if it walks the same
domain element by element (or row by row); all else that it reads was computed in earlier groups, so
groups in order of creation never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ranvier.compiler.groups import LANES, Buffer, Expr, Group, Operand, Root, walk
from ranvier.compiler.index import Axis, Index, axes_of
from ranvier.compiler.joins import is_cut
from ranvier.compiler.roots import Puller, find_roots, is_anchor, strip_views
from ranvier.foundation.shapes import Extent, Shape, known
from ranvier.ops.graph import Graph
from ranvier.ops.value import PRIMITIVES, Value


@dataclass(frozen=True)
class Fused:
    """Groups in order, with the buffers of inputs and outputs."""

    groups: list[Group]
    inputs: dict[str, Buffer]
    outputs: list[Buffer]
    constants: dict[str, tuple[Buffer, Value]]


def fuse(graph: Graph, roles: Mapping[str, str], updates: Mapping[int, str]) -> Fused:
    """Gather a graph into groups.

    Args:
        graph: normalized.
        roles: the role of each input's buffer, by name ("state" or "data").
        updates: from the place of an output to the name of the state that it replaces.
    """
    return _Fuser(graph, roles, updates).run()


def _merged_operands(node: Value) -> tuple[Value, ...]:
    """Operands of a product in which the rows of a batch merge with the axis behind them.

    On both sides where the sum runs over both axes; on the left where both stay, and every row of
    the batch meets the same matrix.
    """
    if node.op != "contract":
        return ()
    if len(node.attributes["contracting"][0]) == 2:
        return node.inputs
    left, right = node.inputs
    shared = right.op == "broadcast_to" and isinstance(right.shape[0], Extent)
    return (left,) if shared and node.attributes["batch"] == ((0,), (0,)) else ()


class _Fuser:
    def __init__(self, graph: Graph, roles: Mapping[str, str], updates: Mapping[int, str]) -> None:
        self.graph = graph
        self.updates = updates
        self.inputs = {
            v.name: Buffer(v.name, v.shape, v.dtype, roles.get(v.name, "state"))
            for v in graph.inputs
        }
        buffers = {id(v): self.inputs[v.name] for v in graph.inputs}
        self.constants: dict[str, tuple[Buffer, Value]] = {}
        for node in graph.nodes():
            if node.op == "constant" and node.attributes["value"].size != 1:
                name = f"constant{len(self.constants)}"
                buffers[id(node)] = Buffer(name, node.shape, node.dtype, "state")
                self.constants[name] = (buffers[id(node)], node)
        self.root_ids = find_roots(graph) - set(buffers)
        self.puller = Puller(self.root_ids, buffers)
        self.groups: list[Group] = []
        self.home: dict[int, Group] = {}
        self.root: dict[int, Root] = {}
        merged = (v for node in graph.nodes() for v in _merged_operands(node))
        self.tight = {id(strip_views(v)) for v in merged}

    # --- gathering

    def run(self) -> Fused:
        depth: dict[int, int] = {}
        order = self.graph.nodes()
        for v in order:
            depth[id(v)] = max((depth[id(x)] for x in v.inputs), default=0) + is_anchor(v)
        # What waits for no anchor comes first, so that later groups can be joined as epilogues.
        for value in sorted(order, key=lambda v: depth[id(v)]):
            if id(value) in self.root_ids:
                self._place(value)
        self._store()
        for group in self.groups:
            self._resolve(group)
        outputs = [self._output(v) for v in self.graph.outputs]
        return Fused(self.groups, self.inputs, outputs, self.constants)

    def _place(self, value: Value) -> None:
        kind = PRIMITIVES[value.op].kind
        if value.op == "lane_contract":
            self._dot(value)
            return
        if kind == "contract":
            self._product(value)
            return
        if kind == "reduce":
            self._reduction(value)
            return
        if kind == "scatter":
            self._scatter(value)
            return
        expr = self.puller.body(value)
        group = self._latest(expr)
        if group is None and value.shape == ():
            group = next((g for g in self.groups if g.kind == "rows" and g.domain == ()), None)
        if group is not None and self._joins(value.shape, expr, group):
            self._add(group, value, expr)
        else:
            self._add(self._new("rows", value.shape), value, expr)

    def _new(self, kind: str, domain: Shape) -> Group:
        group = Group(len(self.groups), kind, tuple(domain))
        self.groups.append(group)
        return group

    def _latest(self, expr: Expr) -> Group | None:
        found = [self.home[id(e.payload[0])] for e in walk(expr) if e.op == "root"]
        return max(found, key=lambda g: g.number, default=None)

    def _joins(self, shape: Shape, expr: Expr, group: Group) -> bool:
        """Whether an expression of some shape can be computed in a group's loops."""
        if group.kind == "scatter":  # its loops walk what is added, not what comes out
            return False
        if group.kind == "product" and is_cut(expr, len(group.domain) - 1):
            return False  # its panels know no borders between parts
        places = axes_of(group.domain)
        full = tuple(shape) == group.domain
        if not full and not (group.kind == "rows" and tuple(shape) == group.domain[:-1]):
            return False
        for e in walk(expr):
            if e.op != "root" or self.home[id(e.payload[0])] is not group:
                continue
            value, indices = e.payload
            is_row = self._is_row(value, group)
            if is_row and indices == places[:-1]:
                continue
            if is_row or not full or indices != places:
                return False
        return True

    def _is_row(self, value: Value, group: Group) -> bool:
        return len(self.root[id(value)].axes) < len(group.domain)

    def _add(self, group: Group, value: Value, expr: Expr | None, kind: str = "body") -> Root:
        axes = tuple(Axis(k, d) for k, d in enumerate(group.domain))
        row_total = group.kind == "rows" and kind in ("sum", "max", "min")
        row_number = kind == "body" and tuple(value.shape) != group.domain
        if row_total or row_number:
            axes = axes[:-1]
        root = Root(value, expr, axes, self._level(group, expr), kind)
        root.name = f"v{len(self.root)}"
        group.roots.append(root)
        self.home[id(value)] = group
        self.root[id(value)] = root
        return root

    def _level(self, group: Group, expr: Expr | None) -> int:
        """The stage of a rows group: one more than the reductions that it reads."""
        level = 0
        if group.kind != "rows" or expr is None:
            return 0
        for e in walk(expr):
            if e.op == "root" and self.home[id(e.payload[0])] is group:
                other = self.root[id(e.payload[0])]
                level = max(level, other.level + (other.kind != "body"))
        return level

    # --- anchors

    def _reduction(self, value: Value) -> None:
        source, axis = value.inputs[0], value.attributes["axis"]
        indices = list(axes_of(value.shape))
        if axis == source.ndim - 1:
            expr = self.puller.pull(source, axes_of(source.shape))
            group = self._latest(expr)
            if group is None or group.kind != "rows" or not (
                source.shape == group.domain and self._joins(source.shape, expr, group)
            ):  # fmt: skip
                group = self._new("rows", source.shape)
            self._add(group, value, expr, value.op)
            return
        group = self._new("columns", value.shape)
        group.reduced = Axis(value.ndim, source.shape[axis])
        group.as_row = bool(value.attributes.get("as_row"))
        indices.insert(axis, Index.of(group.reduced))
        self._add(group, value, self.puller.pull(source, tuple(indices)), value.op)

    def _product(self, value: Value) -> None:
        group = self._new("product", value.shape)
        a, b = value.inputs
        ca, cb = value.attributes["contracting"]
        ba, bb = value.attributes["batch"]
        group.reduced = Axis(value.ndim, a.shape[ca[0]])
        group.times = known(a.shape[ca[1]]) if len(ca) == 2 else 1
        batch = axes_of(value.shape)[: len(ba)]
        rows = Axis(value.ndim - 2, value.shape[-2])
        columns = Axis(value.ndim - 1, value.shape[-1])
        group.left = self._operand(a, ba, batch, ca, rows, group.reduced)
        if any(v is a for v in _merged_operands(value)) and len(ca) == 1:
            pace = group.left.base.coefficient(Axis(0, value.shape[0]))
            if group.left.depth != 1 or pace != known(rows.length) * group.left.outer:
                group.left = self._operand(self._copy(a), ba, batch, ca, rows, group.reduced)
        group.right = self._operand(b, bb, batch, cb, columns, group.reduced)
        self._add(group, value, None, "product")

    def _dot(self, value: Value) -> None:
        """Products side by side along the last axis: each operand read element by element."""
        group = self._new("columns", value.shape)
        (ca, cb), (ba, bb) = value.attributes["contracting"], value.attributes["batch"]
        own_a, own_b = value.attributes["own"]
        a, b = value.inputs
        *places, lane = axes_of(value.shape)
        batch, rest = places[: len(ba)], places[len(ba) :]
        count = a.ndim - own_a - len(ca) - len(ba)
        group.reduced = Axis(value.ndim, a.shape[ca[0]])
        group.free = tuple(Axis(len(ba) + k, value.shape[len(ba) + k]) for k in range(count))
        depth = Index.of(group.reduced)
        sides = (
            self._side(a, (ba, batch), (ca, depth), rest[:count], [lane] * own_a),
            self._side(b, (bb, batch), (cb, depth), rest[count:], [lane] * own_b),
        )
        self._add(group, value, Expr("multiply", sides, value.dtype), "dot")

    def _side(
        self,
        value: Value,
        batch: tuple[Sequence[int], Sequence[Index]],
        summed: tuple[Sequence[int], Index],
        free: Sequence[Index],
        lanes: Sequence[Index],
    ) -> Expr:
        """An element of an operand of products side by side."""
        indices: list[Index | None] = [None] * (value.ndim - len(lanes))
        for axis, index in zip(*batch, strict=True):
            indices[axis] = index
        for axis in summed[0]:
            indices[axis] = summed[1]
        remaining = iter(free)
        whole = [next(remaining) if index is None else index for index in indices]
        expr = self.puller.pull(value, (*whole, *lanes))
        if lanes and expr.op in ("load", "root") and lanes[0] not in expr.payload[1][-1:]:
            # Lanes that lie apart would be gathered one by one for every sum.
            expr = self.puller.pull(self._copy(value), (*whole, *lanes))
        return expr

    def _scatter(self, value: Value) -> None:
        *base, numbers, updates = value.inputs
        group = self._new("scatter", updates.shape)
        places = axes_of(updates.shape)
        row = self.puller.row(numbers, places[:-1], value.shape[0])
        parts = (row, self.puller.pull(updates, places))
        self._add(group, value, Expr("scatter", parts, value.dtype), "scatter")
        self._materialize(value)
        if base:
            group.base = self.puller.buffers[id(base[0])]

    def _operand(
        self,
        value: Value,
        batch_axes: Sequence[int],
        batch: Sequence[Index],
        summed: Sequence[int],
        free: Axis,
        depth: Axis,
    ) -> Operand:
        """A product's operand as a stored buffer with even strides."""
        long_free, long_depth = Axis(100, free.length), Axis(101, depth.length)
        times = value.shape[summed[-1]]
        steps = Axis(102, times) if len(summed) == 2 else long_depth
        indices = [Index()] * value.ndim
        for axis, index in zip(batch_axes, batch, strict=True):
            indices[axis] = index
        free_axis = next(i for i in range(value.ndim) if i not in (*batch_axes, *summed))
        indices[free_axis] = Index.of(long_free)
        indices[summed[0]] = Index.of(long_depth)
        indices[summed[-1]] = Index.of(steps)
        expr = self.puller.pull(value, tuple(indices))
        if expr.op == "root":
            self._materialize(expr.payload[0])
            buffer, where = self._buffer(expr.payload[0]), expr.payload[1]
        else:
            buffer, where = expr.payload
        address = Index()
        for index, stride in zip(where, buffer.strides(), strict=True):
            address = address.plus(index, stride)
        outer, inner = address.coefficient(long_free), address.coefficient(steps)
        even = outer is not None and inner is not None
        if even and steps is not long_depth:
            even = address.coefficient(long_depth) == known(times) * (inner or 0)
        if not even or outer is None or inner is None:  # a merging reshape of a padded buffer
            copy = self._copy(value)
            return self._operand(copy, batch_axes, batch, summed, free, depth)
        rest = {a: c for a, c in address.terms if a not in (long_free, long_depth, steps)}
        base = Index(tuple(rest.items()), address.constant)
        return Operand(buffer, outer, inner, base)

    def _copy(self, value: Value) -> Value:
        """A root of its own with the elements of a view laid out anew."""
        copy = Value("copy", (value,), {}, value.shape, value.dtype)
        self.root_ids.add(id(copy))
        self.tight |= {id(copy)}
        product = self.groups.pop()  # the copy's group comes before the product's
        self._place(copy)
        product.number = len(self.groups)
        self.groups.append(product)
        return copy

    # --- storing

    def _buffer(self, value: Value) -> Buffer:
        buffer = self.root[id(value)].buffer
        if buffer is None:
            buffer = self._materialize(value)
        return buffer

    def _materialize(self, value: Value) -> Buffer:
        root = self.root[id(value)]
        if root.buffer is None:
            tight = id(value) in self.tight and value.ndim > 2
            tight = tight and isinstance(value.shape[0], Extent)
            name = f"t{root.name[1:]}"
            root.buffer = Buffer(name, value.shape, value.dtype, "temporary", tight=tight)
        return root.buffer

    def _store(self) -> None:
        """Give a buffer to every root that is read outside its group or in a later stage."""
        for place, output in enumerate(self.graph.outputs):
            value = strip_views(output)
            if id(value) in self.root:
                buffer = self._materialize(value)
                if place not in self.updates:
                    buffer.role = "state"
        for group in self.groups:
            for root in group.roots:
                if root.expr is None:
                    continue
                for e in walk(root.expr):
                    if e.op == "root" and not self._in_reach(e, root, group):
                        self._materialize(e.payload[0])

    def _in_reach(self, leaf: Expr, reader: Root, group: Group) -> bool:
        """Whether a root's number is at hand in a register where another root needs it."""
        value, indices = leaf.payload
        if self.home[id(value)] is not group:
            return False
        source = self.root[id(value)]
        if indices != axes_of(group.domain)[: len(source.axes)]:
            return False
        if group.kind == "columns" and reader.kind != "body":
            return False
        if group.kind != "rows" or len(source.axes) < len(group.domain):
            return True
        last = group.domain[-1] if group.domain else 1
        single = isinstance(last, int) and last <= LANES
        return source.level == reader.level or single

    def _resolve(self, group: Group) -> None:
        # What is in reach depends on a root's stage and kind; equals share their parts.
        known: dict[tuple[int, bool], dict[int, Expr]] = {}
        for root in group.roots:
            if root.expr is not None:
                shared = known.setdefault((root.level, root.kind == "body"), {})
                root.expr = self._resolved(root.expr, root, group, shared)

    def _resolved(self, expr: Expr, root: Root, group: Group, known: dict[int, Expr]) -> Expr:
        if id(expr) in known:
            return known[id(expr)]
        if expr.op == "root":
            value, indices = expr.payload
            if self._in_reach(expr, root, group):
                out = Expr("ref", (), expr.dtype, self.root[id(value)])
            else:
                out = Expr("load", (), expr.dtype, (self._buffer(value), indices))
        elif expr.args:
            args = tuple(self._resolved(a, root, group, known) for a in expr.args)
            same = all(a is b for a, b in zip(args, expr.args, strict=True))
            out = expr if same else Expr(expr.op, args, expr.dtype, expr.payload)
        else:
            out = expr
        known[id(expr)] = out
        return out

    def _output(self, value: Value) -> Buffer:
        """The buffer of an output, which must be a root or an input as it is."""
        if id(value) in self.root:
            return self._buffer(value)
        return self.inputs[value.name]
