"""The body of a program: its groups called in order, by one worker or by several together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ranvier.backends.native.clock import BETWEEN, FIRST_GROUP, MEETINGS, Clock
from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.places import Arguments
from ranvier.backends.native.shares import (
    WORTH_A_CUT,
    Cut,
    Touched,
    cost_of,
    cut_of_loops,
    emit_span,
    must_meet,
    touched,
)
from ranvier.backends.native.team import Team
from ranvier.backends.native.tiny import StraightEmitter, is_short
from ranvier.compiler.blocks import Blocks
from ranvier.compiler.groups import Buffer, Group
from ranvier.compiler.pipeline import Planned
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.shapes import Dimension, Extent


class GroupWriter(Protocol):
    """What writes the groups of a program: the module."""

    def group_function(
        self, group: Group, planned: Planned, cut: Cut | None, block: str = ""
    ) -> str:
        """The symbol of a group's function, cut, whole, or for a block of rows."""

    def product_cut(self, group: Group, planned: Planned) -> Cut | None:
        """How a product is cut, or None."""

    def emit_inline(
        self, f: Emitter, group: Group, arguments: Arguments, usual: Mapping[str, int]
    ) -> None:
        """Write a group where it is used, for extents of known lengths."""


class Body:
    """Writes one program's function.

    Args:
        name: of the program; with a team the function is ``@name_part``.
        planned: the program.
        declarations: of the module.
        groups: writes its groups.
        team: who runs it together, or None for one worker.
        usual: lengths of the extents in most calls, for which a short program has its own text.
        clock: where the time of each group is kept, or None.

    Attributes:
        cuts: how each group was cut, in order, once the text is written.
    """

    def __init__(
        self,
        name: str,
        planned: Planned,
        declarations: set[str],
        groups: GroupWriter,
        team: Team | None,
        usual: Mapping[str, int] | None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock
        self.cuts: list[Cut | None] = []
        self.planned = planned
        self.groups = groups
        self.team = team
        self.capacity = dict(planned.request.capacity)
        self.extents = sorted(self.capacity)
        self.sources = [v.name for v in planned.graph.inputs if v.name in planned.request.data]
        self.result = "void" if planned.guard is None else "i32"
        self.symbol = name if team is None else f"{name}_part"
        more = "" if team is None else ", i64 %worker, i64 %workers"
        counts = "".join(f", i64 %count{k}" for k in range(len(self.extents)))
        head = f"define internal {self.result} @{self.symbol}"
        short = team is None and usual is not None and is_short(planned.groups, usual)
        self.usual = usual if short else None
        kind = Emitter if self.usual is None else StraightEmitter
        self.f = kind(f"{head}(ptr %arena, ptr %data, ptr %rows{counts}{more})", declarations)
        self._since: list[Touched] = []

    def emit(self) -> str:
        """The text of the function."""
        f, guard = self.f, self.planned.guard
        self._lap(BETWEEN)
        if self.usual is not None:
            self._emit_usual(self.usual)
            if not self.extents:
                return f.text()
        blocks = self.planned.blocks if self.team is None else None
        if blocks is not None:
            self._emit_blocks(blocks)
        for place, group in enumerate(self.planned.groups):
            cut = self._cut(group) if self.team is not None else None
            self.cuts.append(cut)
            if blocks is None:
                self._meet_before(group, cut)
                self._call(group, cut)
            elif group.number in blocks.sums:
                self._call_block(group, "rest", self._values(group, None))
            elif group in blocks.after:
                self._call(group, None)
            else:
                continue
            self._lap(FIRST_GROUP + place)
            if guard is not None and any(b is guard for b in group.writes()):
                self._meet()
                _leave_unless_finite(f, guard)
        self._meet()
        f.do("ret void" if guard is None else "ret i32 0")
        return f.text()

    def _emit_blocks(self, blocks: Blocks) -> None:
        """Groups before the blocks, then block after block through all groups inside."""
        f, groups = self.f, self.planned.groups
        f.declarations.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        for group in blocks.before:
            self._call_group(group, None)
            self._lap(FIRST_GROUP + groups.index(group))
        for group in blocks.inside:
            if group.number in blocks.sums and group.sums is not None:
                place, size = f.at("%arena", group.sums.offset), group.sums.bytes({})
                f.do(f"call void @llvm.memset.p0.i64(ptr {place}, i8 0, i64 {size}, i1 false)")

        def block(first: Operand, _: list[str]) -> None:
            count = f.minimum_int(f.sub("%count0", first), blocks.rows)
            for group in blocks.inside:
                kind = "sum" if group.number in blocks.sums else "rows"
                values = self._values(group, None, (blocks, first, count))
                self._call_block(group, kind, [*values, "i64 %count0"])
                self._lap(FIRST_GROUP + groups.index(group))

        f.loop("%count0", block, step=blocks.rows)

    def _call_block(self, group: Group, kind: str, values: list[str]) -> None:
        symbol = self.groups.group_function(group, self.planned, None, kind)
        if kind != "rows" and group.sums is not None:
            values = [*values, f"ptr {self.f.at('%arena', group.sums.offset)}"]
        self.f.do(f"call void @{symbol}({', '.join(values)})")

    def _emit_usual(self, usual: Mapping[str, int]) -> None:
        """If the extents have their usual lengths: all groups in line, and done."""
        f, guard = self.f, self.planned.guard
        other = ""
        for name in self.extents:
            same = f.icmp("eq", self._count(Extent(name)), usual[name])
            straight, other = f.fresh_label("straight"), other or f.fresh_label("other")
            f.do(f"br i1 {same}, label %{straight}, label %{other}")
            f.label(straight)
        for place, group in enumerate(self.planned.groups):
            pointers, strides = {}, {}
            for buffer in touched_buffers(group):
                if buffer.role == "data":
                    pointers[buffer], strides[buffer] = self._source(buffer)
                else:
                    pointers[buffer] = f.at("%arena", buffer.offset)
            arguments = Arguments(pointers, strides, usual, "%rows")
            self.groups.emit_inline(f, group, arguments, usual)
            self._lap(FIRST_GROUP + place)
            if guard is not None and any(b is guard for b in group.writes()):
                _leave_unless_finite(f, guard)
        f.do("ret void" if guard is None else "ret i32 0")
        if other:
            f.label(other)

    # --- meeting

    def _cut(self, group: Group) -> Cut | None:
        if cost_of(group, self.capacity) < WORTH_A_CUT:
            return None
        if group.kind == "product":
            return self.groups.product_cut(group, self.planned)
        return cut_of_loops(group)

    def _meet_before(self, group: Group, cut: Cut | None) -> None:
        """All workers meet if this group needs, or destroys, what another worker does."""
        if self.team is None:
            return
        now = touched(group, cut, self.capacity)
        if any(must_meet(before, now) for before in self._since):
            self._meet()
        self._since.append(now)

    def _meet(self) -> None:
        if self.team is not None:
            self.f.do("call void @meet(ptr %arena)")
            self._since = []
            self._lap(MEETINGS)

    def _lap(self, slot: int) -> None:
        if self.clock is not None:
            self.clock.lap(self.f, slot, 0 if self.team is None else "%worker")

    # --- calling

    def _call(self, group: Group, cut: Cut | None) -> None:
        if self.team is None or cut is not None:
            self._call_group(group, cut)
        else:
            alone = self.f.icmp("eq", "%worker", 0)
            self.f.when(alone, lambda: self._call_group(group, None))

    def _call_group(self, group: Group, cut: Cut | None) -> None:
        f = self.f
        symbol = self.groups.group_function(group, self.planned, cut)
        values = self._values(group, cut)
        if cut is not None:
            length = f.mul(self._count(cut.times), self._count(cut.length))
            span = emit_span(f, cut, length, "%worker", "%workers")
            values += [f"i64 {span.first}", f"i64 {span.last}"]
        f.do(f"call void @{symbol}({', '.join(values)})")

    def _values(
        self,
        group: Group,
        cut: Cut | None,
        block: tuple[Blocks, Operand, Operand] | None = None,
    ) -> list[str]:
        """What a group's function is called with, for all rows or for a block of them.

        Args:
            group: the group.
            cut: how it is cut, or None.
            block: the blocks, the first row of the present one, and how many rows it has.
        """
        f = self.f
        values: list[str] = []
        rows, counts = "%rows", [self._count(Extent(name)) for name in self.extents]
        if block is not None:
            rows, counts = f.at("%rows", block[1], "int64"), [block[2]]
        for buffer in touched_buffers(group):
            if buffer.role == "data":
                pointer, stride = self._source(buffer)
                values += [f"ptr {pointer}", f"i64 {stride}"]
                continue
            offset = self._offset(group, buffer, cut)
            if block is not None and buffer in block[0].kept:
                size = buffer.row * itemsize(buffer.dtype)
                offset = f.add(offset, f.mul(size, block[1]))
            values.append(f"ptr {f.at('%arena', offset)}")
        return [*values, f"ptr {rows}", *(f"i64 {count}" for count in counts)]

    def _source(self, buffer: Buffer) -> tuple[str, str]:
        """Address and row stride of a data source."""
        f, place = self.f, 2 * self.sources.index(buffer.name)
        pointer = f.op(f"load ptr, ptr {f.at('%data', place, 'int64')}, align 8")
        return pointer, f.op(f"load i64, ptr {f.at('%data', place + 1, 'int64')}, align 8")

    def _offset(self, group: Group, buffer: Buffer, cut: Cut | None) -> Operand:
        """Where a buffer lies; of a packed panel each worker has its own."""
        if buffer is not group.scratch or cut is None or self.team is None:
            return buffer.offset
        own = buffer.bytes(self.capacity) // self.team.most
        return self.f.add(buffer.offset, self.f.mul(own, "%worker"))

    def _count(self, length: Dimension) -> Operand:
        if isinstance(length, Extent):
            return f"%count{self.extents.index(length.name)}"
        return length


def touched_buffers(group: Group) -> list[Buffer]:
    """The distinct places a group touches, in a fixed order; an update in place is its state."""
    found: dict[Buffer, None] = {}
    for buffer in [*group.reads(), *group.writes()]:
        found.setdefault(buffer)
    if group.scratch is not None:
        found.setdefault(group.scratch)
    return list(found)


def _leave_unless_finite(f: Emitter, guard: Buffer) -> None:
    """Give up the step, before anything is updated, if its loss is NaN or infinite."""
    type_ = Type(guard.dtype)
    number = f.load(type_, f.at("%arena", guard.offset))
    nothing = f.binary("fsub", type_, number, number)  # 0 for finite numbers, else NaN
    bad = f.compare("uno", type_, nothing, nothing)
    f.when(bad, lambda: f.do("ret i32 1"), returns=True)
