"""``rv.compile``: any function of arrays written in operations as a native callable."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.backends.native.arena import Arena
from ranvier.backends.native.emitter import Emitter
from ranvier.backends.native.jit import Code, compile_text
from ranvier.backends.native.modes import emit_flush, emit_restore
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.profile import Subject, profile
from ranvier.backends.native.profile_record import Profile
from ranvier.backends.native.target import find_target
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.dtypes import canonical
from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.foundation.shapes import show_shape
from ranvier.graph.tree import Tree, flatten, unflatten
from ranvier.ops.graph import Graph, evaluate, trace
from ranvier.ops.value import Spec

ENGINES = ("native", "reference")


class Program:
    """One graph compiled for one set of shapes.

    Args:
        graph: the function.
    """

    def __init__(self, graph: Graph) -> None:
        target = find_target()
        request = Request(graph, frozenset(), {}, {}, target.panels())
        self.planned: Planned = compile_plan(request)
        writer = ModuleWriter(target)
        writer.add_program("body", self.planned)
        writer.function("call", _entry(writer))
        self._code: Code = compile_text(writer.text(), target)
        self._call = self._code.function("call", ctypes.c_void_p)
        self._arena = Arena(self.planned.memory)
        self._lock = threading.Lock()
        fused = self.planned.fused
        for buffer, node in fused.constants.values():
            self._arena.view(buffer)[...] = node.attributes["value"]
        # Views are made once: a step with many small arrays would spend its time on them.
        buffers = [fused.inputs[value.name] for value in self.planned.graph.inputs]
        self._inputs = [(b, None if b.panel else self._arena.view(b)) for b in buffers]
        self._outputs = [self._arena.view(buffer) for buffer in fused.outputs]

    def __call__(self, arrays: list[Any]) -> list[Any]:
        """Run once: copies arrays in, results out."""
        with self._lock:
            for (buffer, view), array in zip(self._inputs, arrays, strict=True):
                if view is None:
                    self._arena.write(buffer, array)
                else:
                    view[...] = array
            self._call(self._arena.address)
            return [view.copy() for view in self._outputs]

    def profile(self, seconds: float = 0.3) -> Profile:
        """Time each group of a call, with the arguments of the last call, on a copy of its arena.

        Args:
            seconds: about how long to measure.
        """
        none, memory = np.zeros(1, np.int64), self.planned.memory
        with self._lock:
            start = self._arena.bytes.copy()
        subject = Subject(
            "a call", self.planned, memory, start, none, none, 0, 1, 1, None, find_target()
        )
        return profile(subject, seconds)

    def passes(self) -> str:
        """What each pass of the compiler made, in order."""
        return self.planned.show_passes()

    def source(self) -> str:
        """The LLVM text."""
        return self._code.text

    def assembly(self) -> str:
        """The machine code as text."""
        return self._code.assembly()

    def memory(self) -> MemoryPlan:
        """Where every byte lies."""
        return self.planned.memory


def _entry(writer: ModuleWriter) -> str:
    f = Emitter("define void @call(ptr %arena)", writer.declarations)
    mode = emit_flush(f, writer.target)
    f.do("call void @body(ptr %arena, ptr null, ptr null)")
    emit_restore(f, writer.target, mode)
    f.do("ret void")
    return f.text()


class Compiled:
    """A function that is compiled at its first call for each set of shapes; see :func:`compile`."""

    def __init__(self, function: Callable[..., Any], engine: str) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._engine = engine
        self._programs: dict[Any, tuple[Program | Graph, Tree]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run on arguments, compiled at the first call for each set of shapes and dtypes."""
        leaves, tree = flatten(arguments)
        arrays = [np.asarray(x) for x in leaves]
        program, out = self._programs_for(arrays, tree)
        results = program(arrays) if isinstance(program, Program) else evaluate(program, arrays)
        return unflatten(out, results)

    def program(self, *arguments: Any) -> Program:
        """The native program for arguments like these, to look at: passes, source, memory."""
        leaves, tree = flatten(arguments)
        program, _ = self._programs_for([np.asarray(x) for x in leaves], tree)
        if not isinstance(program, Program):
            raise ArgumentError(
                "This function has no native program.",
                happened=f'it was compiled with engine="{self._engine}"',
                needed='engine="native"',
                fix="leave the engine out",
            )
        return program

    def _programs_for(self, arrays: list[Any], tree: Tree) -> tuple[Program | Graph, Tree]:
        key = (tree, tuple((a.shape, a.dtype.str) for a in arrays))
        if key not in self._programs:
            self._programs[key] = self._build(arrays, tree)
        return self._programs[key]

    def _build(self, arrays: list[Any], tree: Tree) -> tuple[Program | Graph, Tree]:
        for array in arrays:
            if 0 in array.shape:
                raise ShapeError(
                    "A compiled function was called with an empty array.",
                    happened=f"an argument has shape {show_shape(array.shape)}",
                    needed="at least one element",
                    fix="leave the call out when there is nothing to compute",
                )
        specs = [Spec(tuple(a.shape), canonical(a.dtype)) for a in arrays]
        found: list[Tree] = []

        def flat(*values: Any) -> tuple[Any, ...]:
            results, out = flatten(self._function(*unflatten(tree, values)))
            found.append(out)
            return tuple(results)

        graph, _ = trace(flat, specs)
        program = Program(graph) if self._engine == "native" else graph
        return program, found[0]


def compile(function: Callable[..., Any], *, engine: str = "native") -> Compiled:
    """Turn a function of arrays written in ``rv.ops`` into a native callable.

    Args:
        function: of arrays, or nested tuples, lists and dicts of arrays; returns the like. It is
            traced once for each set of shapes and dtypes, so Python in it runs then, not at calls.
        engine: "native", or "reference" to run each operation's meaning in NumPy.

    Returns:
        A callable of the same arguments giving NumPy arrays. Its ``program(*arguments)`` shows the
        passes, the LLVM text and the plan of memory.

    Raises:
        TraceError: if the function asks a traced value for a number.
        UnsupportedOperationError: if it uses an operation that the native engine cannot run.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> f = rv.compile(lambda x, w: rv.ops.tanh(rv.ops.matmul(x, w)))
        >>> f(np.ones((2, 3), "float32"), np.zeros((3, 1), "float32")).tolist()
        [[0.0], [0.0]]
    """
    if engine not in ENGINES:
        raise ArgumentError(
            f"There is no engine called {engine!r}.",
            happened=f"engine={engine!r}",
            needed="'native' or 'reference'",
            fix="leave the engine out",
        )
    return Compiled(function, engine)
