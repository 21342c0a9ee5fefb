"""A planned program as one LLVM module: group functions, and the body that calls them in order.

Groups with equal text share one function, so fifty equal layers are fifty calls. Every name in the
text is generated; nothing that a user or a file says reaches it.
"""

from __future__ import annotations

import hashlib

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.nests import emit_columns, emit_rows
from ranvier.backends.native.places import Arguments
from ranvier.backends.native.products import ProductNest
from ranvier.backends.native.scatters import emit_scatter
from ranvier.backends.native.target import Target
from ranvier.backends.native.tiles import Kernel, emit_kernel
from ranvier.compiler.groups import Buffer, Group
from ranvier.compiler.pipeline import Planned


class ModuleWriter:
    """Collects the functions of one module."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.declarations: set[str] = set()
        self._functions: dict[str, str] = {}
        self._kernels: dict[Kernel, str] = {}
        self._order: list[str] = []

    def want(self, kernel: Kernel) -> None:
        """Make sure that a micro-kernel is in the module."""
        if kernel not in self._kernels:
            self._kernels[kernel] = emit_kernel(kernel, self.declarations)

    def function(self, name: str, text: str) -> None:
        """Add a function under its own name."""
        self._order.append(text)
        self._functions[text] = name

    def text(self) -> str:
        """The whole module."""
        parts = [*sorted(self.declarations), *self._kernels.values(), *self._order]
        return "\n".join(parts)

    def add_program(self, name: str, planned: Planned) -> None:
        """Add ``@name(ptr arena, ptr data, ptr rows, i64 count...)`` that runs all groups once.

        ``data`` points to (pointer, row stride in elements) pairs, one for each data input in the
        order of the graph's inputs; counts come in the order of the extents' names. A program
        with a guard gives i32: 1 if the guarded number was not finite, and then no state changed.
        """
        extents = sorted(planned.request.capacity)
        counts = "".join(f", i64 %count{k}" for k in range(len(extents)))
        guard = planned.guard
        result = "void" if guard is None else "i32"
        f = Emitter(
            f"define internal {result} @{name}(ptr %arena, ptr %data, ptr %rows{counts})",
            self.declarations,
        )
        sources = [v.name for v in planned.graph.inputs if v.name in planned.request.data]
        for group in planned.groups:
            self._call_group(f, group, planned, extents, sources)
            if guard is not None and any(b is guard for b in group.writes()):
                _leave_unless_finite(f, guard)
        f.do("ret void" if guard is None else "ret i32 0")
        self.function(name, f.text())

    def _call_group(
        self, f: Emitter, group: Group, planned: Planned, extents: list[str], sources: list[str]
    ) -> None:
        buffers = _buffers(group)
        symbol = self._group_function(group, buffers, planned, extents)
        values: list[str] = []
        for buffer in buffers:
            if buffer.role == "data":
                place = 2 * sources.index(buffer.name)
                pointer = f.op(f"load ptr, ptr {f.at('%data', place, 'int64')}, align 8")
                stride = f.op(f"load i64, ptr {f.at('%data', place + 1, 'int64')}, align 8")
                values += [f"ptr {pointer}", f"i64 {stride}"]
            else:
                values.append(f"ptr {f.at('%arena', buffer.offset)}")
        values += ["ptr %rows", *(f"i64 %count{k}" for k in range(len(extents)))]
        f.do(f"call void @{symbol}({', '.join(values)})")

    def _group_function(
        self, group: Group, buffers: list[Buffer], planned: Planned, extents: list[str]
    ) -> str:
        """The function of a group; an equal one is shared."""
        parameters, pointers, strides = [], {}, {}
        for number, buffer in enumerate(buffers):
            pointers[buffer] = f"%p{number}"
            parameters.append(f"ptr %p{number}")
            if buffer.role == "data":
                strides[buffer] = f"%s{number}"
                parameters.append(f"i64 %s{number}")
        counts: dict[str, Operand] = {}
        for number, extent in enumerate(extents):
            counts[extent] = f"%count{number}"
        parameters += ["ptr %rows", *(f"i64 %count{k}" for k in range(len(extents)))]
        head = f"define internal void @SYMBOL({', '.join(parameters)})"
        f = Emitter(head, self.declarations, "nounwind noinline")
        texts = {extent: str(count) for extent, count in counts.items()}
        arguments = Arguments(pointers, strides, texts, "%rows")
        if group.kind == "rows":
            emit_rows(f, group, arguments)
        elif group.kind == "columns":
            emit_columns(f, group, arguments)
        elif group.kind == "scatter":
            emit_scatter(f, group, arguments)
        else:
            capacity = dict(planned.request.capacity)
            ProductNest(f, group, arguments, self.target, capacity, self.want).emit()
        f.do("ret void")
        text = f.text()
        symbol = "group_" + hashlib.sha256(text.encode()).hexdigest()[:16]
        text = text.replace("@SYMBOL", f"@{symbol}", 1)
        if text not in self._functions:
            self.function(symbol, text)
        return symbol


def _buffers(group: Group) -> list[Buffer]:
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
