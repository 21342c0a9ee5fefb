"""The forward pass as a program: any number of rows, batch after batch."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.control import Control
from ranvier.backends.native.arena import Arena
from ranvier.backends.native.driver import OutputPlace, emit_prediction
from ranvier.backends.native.expressions import ROWS_AHEAD
from ranvier.backends.native.jit import Code, compile_written
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.target import Target, find_target
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.dtypes import itemsize
from ranvier.networks.network import Network
from ranvier.ops.graph import Graph, evaluate
from ranvier.training.graphs import DataSpec, X, forward_graph, numbered, source_array

#: Arenas that wait for the next call; more callers at once make their own.
POOL = 4


class NativeForward:
    """The compiled forward pass for inputs of some dtypes.

    Args:
        graph: from parameters and data to outputs.
        batch: rows computed at a time.
    """

    def __init__(self, graph: Graph, batch: int) -> None:
        target = find_target()
        self.batch = batch
        data = [value.name for value in graph.inputs if value.name.startswith(X)]
        request = Request(graph, frozenset(data), {}, {"N": batch}, target.panels())
        self.planned: Planned = compile_plan(request)
        found = self.planned.fused.outputs
        self.row_shapes = [tuple(d for d in out.shape[1:] if isinstance(d, int)) for out in found]
        self.dtypes = [out.dtype for out in found]
        places = tuple(
            OutputPlace(
                out.offset, out.row, int(np.prod(shape, dtype=np.int64)), itemsize(out.dtype)
            )
            for out, shape in zip(found, self.row_shapes, strict=True)
        )
        self.code: Code = compile_written(
            target, (self.planned,), places, lambda: self._text(target, places)
        )
        self._predict = self.code.function("predict", ctypes.c_void_p, ctypes.c_void_p)
        self._pool: list[Arena] = []
        self._lock = threading.Lock()

    def _text(self, target: Target, places: Sequence[OutputPlace]) -> str:
        """The module: the forward pass, and the loop over batches."""
        writer = ModuleWriter(target)
        writer.add_program("forward", self.planned)
        writer.function("predict", emit_prediction(writer.declarations, target, places))
        return writer.text()

    def _arena(self) -> Arena:
        with self._lock:
            if self._pool:
                return self._pool.pop()
        arena = Arena(self.planned.memory)
        for buffer, node in self.planned.fused.constants.values():
            arena.view(buffer)[...] = node.attributes["value"]
        return arena

    def __call__(
        self, parameters: Mapping[str, NDArray[Any]], x: Sequence[NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """Outputs for rows.

        Args:
            parameters: by the names of the graph's inputs.
            x: an array for each input of the network, laid out by `source_array`.
        """
        arena = self._arena()
        for name, array in parameters.items():
            if name in self.planned.fused.inputs:
                arena.write(self.planned.fused.inputs[name], array)
        rows = len(x[0])
        out = [
            np.empty((rows, *shape), dtype)
            for shape, dtype in zip(self.row_shapes, self.dtypes, strict=True)
        ]
        numbers = np.zeros(self.batch + ROWS_AHEAD, np.int64)
        pairs = [(one.ctypes.data, one.strides[0] // one.itemsize) for one in x]
        table = np.array(pairs, np.int64).reshape(-1)
        results = np.array([one.ctypes.data for one in out], np.int64)
        control = Control(1)
        control["rows"], control["batch_size"] = rows, self.batch
        control["row_numbers"], control["data"] = numbers.ctypes.data, table.ctypes.data
        control["outputs"] = results.ctypes.data
        self._predict(control.address, arena.address)
        with self._lock:
            if len(self._pool) < POOL:
                self._pool.append(arena)
        return out


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

    def __call__(self, *x: NDArray[Any]) -> Any:
        """Outputs for rows; a tuple if the network has several.

        **Shapes**: ``x: (N, ...) -> (N, ...)``

        Args:
            x: an array for each input of the network.
        """
        specs = [DataSpec(one.shape[1:], one.dtype.name) for one in x]
        if self.engine == "reference" or len(x[0]) == 0:
            found = self._evaluated(specs, x)
        else:
            rows = [source_array(one, one.dtype.name) for one in x]
            found = self._native(specs)(self.network.parameters, rows)
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

    def memory(self, dtype: str = "float32") -> MemoryPlan:
        """Where every byte lies, for inputs of a dtype."""
        specs = [DataSpec(shape, dtype) for shape in self.network.input_shapes]
        return self._native(specs).planned.memory
