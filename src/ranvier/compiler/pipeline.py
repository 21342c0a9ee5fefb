"""The way from a graph to a planned program: a list of named passes, read top to bottom.

Each pass leaves a text of what it made, so that ``program.passes()`` shows the whole way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ranvier.compiler.blocks import Blocks, find_blocks
from ranvier.compiler.fuse import Fused, fuse
from ranvier.compiler.groups import Buffer, Group, show_group
from ranvier.compiler.key import graph_key
from ranvier.compiler.layout import choose_layouts, set_panel
from ranvier.compiler.normalize import normalize, refuse_unlowered
from ranvier.compiler.plan import MemoryPlan, add_scratch, order_groups, plan_memory
from ranvier.compiler.touched_rows import write_touched_rows
from ranvier.foundation.memo import Memo
from ranvier.graph.check import check
from ranvier.graph.show import show
from ranvier.graph.simplify import inline, simplify
from ranvier.ops.graph import Graph


@dataclass(frozen=True)
class Request:
    """What is to be compiled.

    Attributes:
        graph: the function.
        data: names of the inputs that are rows of a data source.
        updates: from the place of an output to the name of the input that it replaces.
        capacity: the longest that each symbolic extent gets.
        panel: columns of a product's panel on the target, by dtype.
        start: bytes of the arena that are taken already.
        guard: the place of an output that must be finite before any state is changed.
        shared: buffers of another program in the same arena, by input name.
        workers: the most that run the program together.
        blocks: whether a long batch may go through in blocks of rows, which one worker does alone.
    """

    graph: Graph
    data: frozenset[str]
    updates: Mapping[int, str]
    capacity: Mapping[str, int]
    panel: Mapping[str, int]
    start: int = 0
    guard: int | None = None
    shared: Mapping[str, Buffer] = field(default_factory=dict)
    workers: int = 1
    blocks: bool = True


@dataclass(eq=False)
class Planned:
    """A program that is ready to be written down: ordered groups in a planned arena.

    Equal requests share one, so nobody changes it.
    """

    request: Request
    graph: Graph
    fused: Fused
    groups: list[Group]
    memory: MemoryPlan
    blocks: Blocks | None = None
    passes: list[tuple[str, str | Callable[[], str], float]] = field(default_factory=list)

    @property
    def guard(self) -> Buffer | None:
        """The scalar that is checked before any state changes."""
        place = self.request.guard
        return None if place is None else self.fused.outputs[place]

    def show_passes(self) -> str:
        """The text that each pass left, in order."""
        return "\n\n".join(
            f"=== {name} ({seconds * 1e3:.1f} ms)\n{left() if callable(left) else left}"
            for name, left, seconds in self.passes
        )


#: What was planned lately, so that the next fit of the same architecture finds it.
PLANS: Memo[Planned] = Memo(128)


class _Log:
    """Runs passes and keeps what they made."""

    def __init__(self) -> None:
        self.passes: list[tuple[str, str | Callable[[], str], float]] = []

    def run(self, name: str, make: Callable[[], Any], text: Callable[[Any], str]) -> Any:
        begin = time.perf_counter()
        result = make()
        seconds = time.perf_counter() - begin
        # Groups are changed by later passes, so their text is made now; a graph never changes.
        left = partial(text, result) if isinstance(result, Graph) else text(result)
        self.passes.append((name, left, seconds))
        return result


def compile_plan(request: Request) -> Planned:
    """Run every pass; a request like an earlier one gets what was made then.

    The passes: *trace* (as given), *inline* (composites become primitives), *simplify* (constants
    folded, equal nodes merged), *normalize* (products of matrices, data copied in, tables updated
    where they were read), *fuse* (groups), *order* (updates in place), *layout* (panels), *memory*
    (one arena).

    Raises:
        UnsupportedOperationError: for operations without a native form.
    """
    return PLANS.find(_key(request), lambda: _planned(request))


def _key(request: Request) -> Hashable | None:
    """What the passes read of a request; None if an attribute of a node has no value to compare."""
    shared = tuple((name, b.offset, b.panel) for name, b in request.shared.items())
    try:
        graph = graph_key(request.graph)
    except TypeError:
        return None
    return (
        graph,
        request.data,
        tuple(request.updates.items()),
        tuple(request.capacity.items()),
        tuple(request.panel.items()),
        (request.start, request.guard, shared, request.workers, request.blocks),
    )


def _planned(request: Request) -> Planned:
    log = _Log()
    graph = log.run("trace", lambda: check(request.graph, "trace"), show)
    graph = log.run("inline", lambda: refuse_unlowered(inline(graph)), show)
    graph = log.run("simplify", lambda: check(simplify(graph), "simplify"), show)
    graph = log.run(
        "normalize",
        lambda: check(
            normalize(write_touched_rows(graph, request.updates), request.data), "normalize"
        ),
        show,
    )
    roles = {v.name: "data" if v.name in request.data else "state" for v in graph.inputs}
    fused = log.run("fuse", lambda: fuse(graph, roles, request.updates), _show_fused)
    for name, buffer in request.shared.items():
        if name in fused.inputs:
            fused.inputs[name].offset = buffer.offset
            if buffer.panel:
                set_panel(fused.inputs[name], buffer.panel)
    groups = log.run(
        "order", lambda: order_groups(fused, request.updates, request.guard), _show_order
    )
    blocks = None
    if request.blocks:
        blocks = find_blocks(groups, request.capacity, fused.outputs)
        groups = groups if blocks is None else blocks.order()
    log.run(
        "layout",
        lambda: choose_layouts(fused, groups, request.panel),
        lambda _: _show_panels(fused),
    )
    add_scratch(groups, request.panel, request.workers)
    memory = log.run(
        "memory",
        lambda: plan_memory(fused, groups, request.capacity, request.start, blocks),
        MemoryPlan.table,
    )
    return Planned(request, graph, fused, groups, memory, blocks, log.passes)


def _show_panels(fused: Fused) -> str:
    lines = [str(buffer) for buffer in fused.inputs.values() if buffer.panel]
    return "\n".join(lines) or "every buffer in rows"


def _show_fused(fused: Fused) -> str:
    return _show_groups(fused.groups)


def _show_order(groups: list[Group]) -> str:
    lines = []
    for group in groups:
        over = [b.alias.name for b in group.writes() if b.alias is not None]
        waits = ", ".join(f"group{n}" for n in sorted(group.after)) or "nothing"
        place = f"; writes over {', '.join(over)}" if over else ""
        lines.append(f"{group.name} after {waits}{place}")
    return "\n".join(lines)


def _show_groups(groups: list[Group]) -> str:
    return "\n".join(show_group(group) for group in groups)
