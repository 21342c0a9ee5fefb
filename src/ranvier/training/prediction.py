"""The forward pass as a program: any number of rows, batch after batch."""

from __future__ import annotations

import ctypes
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.control import Control
from ranvier.backends.native.arena import Arena
from ranvier.backends.native.driver import OutputPlace, emit_prediction
from ranvier.backends.native.expressions import ROWS_AHEAD
from ranvier.backends.native.jit import Code, compile_written
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.shares import cost_of
from ranvier.backends.native.target import Target, find_target
from ranvier.backends.native.workers import chosen_workers
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.dtypes import itemsize
from ranvier.networks.network import Network
from ranvier.ops.graph import Graph, evaluate
from ranvier.training.graphs import DataSpec, X, forward_graph, numbered, source_array

#: Arenas that wait for the next call; more callers at once make their own.
POOL = 4
#: Nanoseconds that a part of the rows must take to be worth a thread: it starts in about 100 us,
#: then brings the parameters into an arena of its own.
START_OF_PART, NANOSECONDS_A_BYTE = 200_000, 0.2


def plan_forward(graph: Graph, longest: int, target: Target) -> Planned:
    """Plan a forward pass.

    Args:
        graph: from parameters and data to outputs.
        longest: the most rows computed at a time.
        target: the processor.
    """
    data = frozenset(value.name for value in graph.inputs if value.name.startswith(X))
    return compile_plan(Request(graph, data, {}, {"N": longest}, target.panels()))


class Forward(ABC):
    """The code of a planned forward pass, and what a call of it needs.

    Args:
        planned: the forward pass.
        target: the processor that it was planned for.
        rows: computed at a time.
    """

    #: Tells the texts of subclasses apart.
    kind = ""
    #: Lengths of the extents in most calls, where they are known.
    usual: Mapping[str, int] | None = None

    def __init__(self, planned: Planned, target: Target, rows: int) -> None:
        self.planned, self.target, self.batch = planned, target, rows
        found = planned.fused.outputs
        self.row_shapes = [tuple(d for d in out.shape[1:] if isinstance(d, int)) for out in found]
        self.dtypes = [out.dtype for out in found]
        self.places = tuple(
            OutputPlace(
                out.offset, out.row, int(np.prod(shape, dtype=np.int64)), itemsize(out.dtype)
            )
            for out, shape in zip(found, self.row_shapes, strict=True)
        )
        numbers = (self.places, self.kind, rows)
        self.code: Code = compile_written(target, (planned,), numbers, self._text)

    @abstractmethod
    def _entry(self, writer: ModuleWriter) -> None:
        """Add the functions that Python calls."""

    def _text(self) -> str:
        writer = ModuleWriter(self.target)
        writer.add_program("forward", self.planned, usual=self.usual)
        self._entry(writer)
        return writer.text()

    def new_arena(self) -> Arena:
        """Memory for calls, constants filled in."""
        arena = Arena(self.planned.memory)
        for buffer, node in self.planned.fused.constants.values():
            arena.view(buffer)[...] = node.attributes["value"]
        return arena

    def results(self, rows: int) -> list[NDArray[Any]]:
        """An array for each output."""
        return [
            np.empty((rows, *shape), dtype)
            for shape, dtype in zip(self.row_shapes, self.dtypes, strict=True)
        ]

    @staticmethod
    def table(x: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Address and row stride, in elements, of each data source."""
        pairs = [(one.ctypes.data, one.strides[0] // one.itemsize) for one in x]
        return np.array(pairs, np.int64).reshape(-1)


class NativeForward(Forward):
    """The compiled forward pass for inputs of some dtypes and any number of rows.

    Args:
        graph: from parameters and data to outputs.
        batch: rows computed at a time.
    """

    kind = "batches"

    def __init__(self, graph: Graph, batch: int) -> None:
        target = find_target()
        super().__init__(plan_forward(graph, batch, target), target, batch)
        self._predict = self.code.function("predict", ctypes.c_void_p, ctypes.c_void_p)
        self._pool: list[Arena] = []
        self._lock = threading.Lock()

    def _entry(self, writer: ModuleWriter) -> None:
        writer.function("predict", emit_prediction(writer.declarations, self.target, self.places))

    def __call__(
        self, parameters: Mapping[str, NDArray[Any]], x: Sequence[NDArray[Any]], threads: int = 1
    ) -> list[NDArray[Any]]:
        """Outputs for rows.

        Args:
            parameters: by the names of the graph's inputs.
            x: an array for each input of the network, laid out by `source_array`.
            threads: the most that share the rows.
        """
        rows = len(x[0])
        out = self.results(rows)

        def run(low: int, high: int) -> None:
            self._run(parameters, [one[low:high] for one in x], [one[low:high] for one in out])

        _run_parts(run, parts_of(rows, self.batch, self.worth_threads(rows, threads)))
        return out

    def worth_threads(self, rows: int, most: int) -> int:
        """How many threads pay for some rows: each needs work for longer than it takes to begin."""
        groups, capacity = self.planned.groups, {"N": self.batch}
        work = sum(cost_of(group, capacity) for group in groups) * rows / self.batch
        start = START_OF_PART + self.planned.memory.state_bytes * NANOSECONDS_A_BYTE
        return max(1, min(most, int(work / start)))

    def _run(
        self,
        parameters: Mapping[str, NDArray[Any]],
        x: Sequence[NDArray[Any]],
        out: Sequence[NDArray[Any]],
    ) -> None:
        """Rows in an arena of their own."""
        with self._lock:
            arena = self._pool.pop() if self._pool else None
        arena = arena or self.new_arena()
        for name, array in parameters.items():
            if name in self.planned.fused.inputs:
                arena.write(self.planned.fused.inputs[name], array)
        numbers = np.zeros(self.batch + ROWS_AHEAD, np.int64)
        table = self.table(x)
        results = np.array([one.ctypes.data for one in out], np.int64)
        control = Control(1)
        control["rows"], control["batch_size"] = len(x[0]), self.batch
        control["row_numbers"], control["data"] = numbers.ctypes.data, table.ctypes.data
        control["outputs"] = results.ctypes.data
        self._predict(control.address, arena.address)
        with self._lock:
            if len(self._pool) < POOL:
                self._pool.append(arena)


def parts_of(rows: int, batch: int, count: int) -> list[tuple[int, int]]:
    """First and last row of each part: whole batches, as equal as they can be.

    Example:
        >>> parts_of(1000, 256, 3), parts_of(10, 256, 3)
        ([(0, 256), (256, 512), (512, 1000)], [(0, 10)])
    """
    batches = -(-rows // batch)
    count = max(1, min(count, batches))
    borders = [min(rows, batches * part // count * batch) for part in range(count + 1)]
    return list(pairwise(borders))


def _run_parts(run: Callable[[int, int], None], parts: Sequence[tuple[int, int]]) -> None:
    """The first part here, the others in threads of their own where the system has some."""
    threads, left = [], [parts[0]]
    for part in parts[1:]:
        thread = threading.Thread(target=run, args=part, name="ranvier", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            left.append(part)
        else:
            threads.append(thread)
    for part in left:
        run(*part)
    for thread in threads:
        thread.join()


class PredictionProgram:
    """What the last layer gives, for any number of rows; compiled at the first call.

    Several threads may call it at once: each call has its own memory.

    Args:
        network: built; its parameters are read at each call.
        engine: "native" or "reference".
        batch: rows computed at a time.
    """

    def __init__(self, network: Network, engine: str = "native", batch: int = 256) -> None:
        self.network = network
        self.engine = engine
        self.batch = batch
        self._programs: dict[tuple[str, ...], NativeForward] = {}
        self._lock = threading.Lock()

    def __call__(self, *x: NDArray[Any], threads: int | None = None) -> Any:
        """Outputs for rows; a tuple if the network has several.

        **Shapes**: ``x: (N, ...) -> (N, ...)``

        Args:
            x: an array for each input of the network.
            threads: how many at most share the rows; None: what the settings say, else all there
                are. Few rows have one; the bits are the same for any number.

        Raises:
            ArgumentError: a number of threads that cannot be.
        """
        workers = chosen_workers(threads)
        specs = [DataSpec(one.shape[1:], one.dtype.name) for one in x]
        if self.engine == "reference" or len(x[0]) == 0:
            found = self._evaluated(specs, x)
        else:
            rows = [source_array(one, one.dtype.name) for one in x]
            found = self._native(specs)(self.network.parameters, rows, workers)
        return found[0] if len(found) == 1 else tuple(found)

    def _evaluated(
        self, specs: Sequence[DataSpec], x: Sequence[NDArray[Any]]
    ) -> list[NDArray[Any]]:
        graph = forward_graph(self.network, specs)
        data = dict(zip(numbered(X, len(x)), x, strict=True))
        known = {**self.network.parameters, **data}
        found = evaluate(graph, [known[v.name] for v in graph.inputs], {"N": len(x[0])})
        return [np.asarray(one, self.network.dtype) for one in found]

    def _native(self, specs: Sequence[DataSpec]) -> NativeForward:
        # The network's own dtype changes when a network of another dtype takes it in.
        key = (self.network.dtype, *(spec.dtype for spec in specs))
        with self._lock:
            if key not in self._programs:
                graph = forward_graph(self.network, specs)
                self._programs[key] = NativeForward(graph, self.batch)
            return self._programs[key]

    def source(self, *x: NDArray[Any]) -> str:
        """The LLVM text of what computes outputs for such rows."""
        specs = [DataSpec(one.shape[1:], one.dtype.name) for one in x]
        return self._native(specs).code.text

    def memory(self, dtype: str = "float32") -> MemoryPlan:
        """Where every byte lies, for inputs of a dtype."""
        specs = [DataSpec(shape, dtype) for shape in self.network.input_shapes]
        return self._native(specs).planned.memory
