"""A planned program as one LLVM module: group functions, and the body that calls them in order.

Groups with equal text share one function, so fifty equal layers are fifty calls. Every name in the
text is generated; nothing that a user or a file says reaches it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from ranvier.backends.native.clock import Clock
from ranvier.backends.native.columns import emit_columns
from ranvier.backends.native.dots import emit_dots
from ranvier.backends.native.emitter import Emitter
from ranvier.backends.native.nests import emit_rows
from ranvier.backends.native.places import Arguments
from ranvier.backends.native.products import ProductNest
from ranvier.backends.native.program import Body, touched_buffers
from ranvier.backends.native.scatters import emit_scatter
from ranvier.backends.native.shares import Cut, Span
from ranvier.backends.native.target import Target
from ranvier.backends.native.team import Team
from ranvier.backends.native.tiles import Kernel, emit_kernel
from ranvier.compiler.groups import Group
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

    def add_program(
        self,
        name: str,
        planned: Planned,
        team: Team | None = None,
        usual: Mapping[str, int] | None = None,
        clock: Clock | None = None,
    ) -> Body:
        """Add ``@name(ptr arena, ptr data, ptr rows, i64 count...)`` that runs all groups once.

        ``data`` points to (pointer, row stride in elements) pairs, one for each data input in the
        order of the graph's inputs; counts come in the order of the extents' names. A program
        with a guard gives i32: 1 if the guarded number was not finite, and then no state changed.
        With a team it is ``@name_part``, which each worker calls with its own number and how many
        they are. A short program may have a text of its own for the ``usual`` lengths of extents.
        With a clock it keeps the time of each group. What comes back says how groups were cut.
        """
        body = Body(name, planned, self.declarations, self, team, usual, clock)
        self.function(body.symbol, body.emit())
        return body

    def product_cut(self, group: Group, planned: Planned) -> Cut | None:
        """How a product is cut, or None."""
        return self.product_nest(group, planned).cut(planned.request.workers)

    def product_nest(self, group: Group, planned: Planned) -> ProductNest:
        """The nest of a product, to ask what it decides; nothing is written."""
        capacity, f = dict(planned.request.capacity), Emitter("", set())
        return ProductNest(
            f, group, self.arguments(group, planned), self.target, capacity, self.want
        )

    @staticmethod
    def arguments(group: Group, planned: Planned) -> Arguments:
        """What the text of a group's function calls its arguments."""
        return _arguments(group, planned)[1]

    def group_function(
        self, group: Group, planned: Planned, cut: Cut | None, block: str = ""
    ) -> str:
        """The symbol of a group's function, cut or whole; an equal one is shared.

        Args:
            block: "rows": for a block of rows; "sum", "rest": the part of a sum over all rows that
                goes on in a block, and what follows it. Each takes more arguments.
        """
        parameters, arguments = _arguments(group, planned)
        part = block if block in ("sum", "rest") else ""
        if block in ("rows", "sum"):
            totals = {extent: f"%total{k}" for k, extent in enumerate(arguments.counts)}
            parameters += [f"i64 {total}" for total in totals.values()]
            arguments = replace(arguments, totals=totals)
        if part:
            parameters.append("ptr %sums")
            arguments = replace(arguments, sums="%sums")
        span = None
        if cut is not None:
            parameters += ["i64 %first", "i64 %last"]
            span = Span("%first", "%last")
        head = f"define internal void @SYMBOL({', '.join(parameters)})"
        f = Emitter(head, self.declarations, "nounwind noinline")
        if group.kind == "product":
            capacity = dict(planned.request.capacity)
            nest = ProductNest(f, group, arguments, self.target, capacity, self.want)
            nest.emit(cut, span, part)
        elif part:
            emit_columns(f, group, arguments, None, part)
        else:
            _emit_loops(f, group, arguments, self.target, span)
        f.do("ret void")
        text = f.text()
        symbol = "group_" + hashlib.sha256(text.encode()).hexdigest()[:16]
        text = text.replace("@SYMBOL", f"@{symbol}", 1)
        if text not in self._functions:
            self.function(symbol, text)
        return symbol

    def emit_inline(
        self, f: Emitter, group: Group, arguments: Arguments, usual: Mapping[str, int]
    ) -> None:
        """Write a group where it is used, for extents of known lengths."""
        if group.kind == "product":
            lengths = {name: count + 1 for name, count in usual.items()}  # as a capacity has it
            ProductNest(f, group, arguments, self.target, lengths, self.want, in_line=True).emit()
        else:
            _emit_loops(f, group, arguments, self.target, None)


def _emit_loops(
    f: Emitter, group: Group, arguments: Arguments, target: Target, span: Span | None
) -> None:
    if group.kind == "rows":
        emit_rows(f, group, arguments, span)
    elif group.roots[0].kind == "dot":
        emit_dots(f, group, arguments, target, span)
    elif group.kind == "columns":
        emit_columns(f, group, arguments, span)
    else:
        emit_scatter(f, group, arguments)


def _arguments(group: Group, planned: Planned) -> tuple[list[str], Arguments]:
    """The parameters of a group's function, and what its text calls them."""
    parameters, pointers, strides = [], {}, {}
    for number, buffer in enumerate(touched_buffers(group)):
        pointers[buffer] = f"%p{number}"
        parameters.append(f"ptr %p{number}")
        if buffer.role == "data":
            strides[buffer] = f"%s{number}"
            parameters.append(f"i64 %s{number}")
    extents = sorted(planned.request.capacity)
    parameters += ["ptr %rows", *(f"i64 %count{k}" for k in range(len(extents)))]
    counts = {extent: f"%count{number}" for number, extent in enumerate(extents)}
    return parameters, Arguments(pointers, strides, counts, "%rows")
