"""The forward pass as a program: any number of rows, batch after batch."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.control import Control
from ranvier.backends.native.arena import Arena
from ranvier.backends.native.driver import Place, emit_prediction
from ranvier.backends.native.expressions import ROWS_AHEAD
from ranvier.backends.native.jit import Code, compile_text
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.target import find_target
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.dtypes import itemsize
from ranvier.networks.network import Network
from ranvier.ops.graph import Graph, evaluate
from ranvier.training.graphs import DataSpec, X, forward_graph, source_array

#: Arenas that wait for the next call; more callers at once make their own.
POOL = 4


class _NativeForward:
    """The compiled forward pass for one dtype of inputs."""

    def __init__(self, graph: Graph, batch: int) -> None:
        target = find_target()
        self.batch = batch
        request = Request(graph, frozenset((X,)), {}, {"N": batch}, target.panels())
        self.planned: Planned = compile_plan(request)
        out = self.planned.fused.outputs[0]
        writer = ModuleWriter(target)
        writer.add_program("forward", self.planned)
        self.row_shape = tuple(d for d in out.shape[1:] if isinstance(d, int))
        self.dtype = out.dtype
        length = int(np.prod(self.row_shape, dtype=np.int64))
        place = Place(out.offset, out.dtype)
        text = emit_prediction(
            writer.declarations, target, place, out.row, length, itemsize(out.dtype)
        )
        writer.function("predict", text)
        self.code: Code = compile_text(writer.text(), target)
        self._predict = self.code.function("predict", ctypes.c_void_p, ctypes.c_void_p)
        self._pool: list[Arena] = []
        self._lock = threading.Lock()

    def _arena(self) -> Arena:
        with self._lock:
            if self._pool:
                return self._pool.pop()
        arena = Arena(self.planned.memory)
        for buffer, node in self.planned.fused.constants.values():
            arena.view(buffer)[...] = node.attributes["value"]
        return arena

    def __call__(self, parameters: dict[str, NDArray[Any]], x: NDArray[Any]) -> NDArray[Any]:
        arena = self._arena()
        for name, array in parameters.items():
            if name in self.planned.fused.inputs:
                arena.write(self.planned.fused.inputs[name], array)
        out = np.empty((len(x), *self.row_shape), self.dtype)
        numbers = np.zeros(self.batch + ROWS_AHEAD, np.int64)
        table = np.array([x.ctypes.data, x.strides[0] // x.itemsize], np.int64)
        control = Control(1)
        control["rows"], control["batch_size"] = len(x), self.batch
        control["row_numbers"], control["data"] = numbers.ctypes.data, table.ctypes.data
        control["outputs"] = out.ctypes.data
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
        self._programs: dict[str, _NativeForward] = {}
        self._lock = threading.Lock()

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Outputs for rows. **Shapes**: ``x: (N, ...) -> (N, ...)``"""
        spec = DataSpec(x.shape[1:], x.dtype.name)
        if self.engine == "reference" or len(x) == 0:
            graph = forward_graph(self.network, spec)
            known = {**self.network.parameters, X: x}
            found = evaluate(graph, [known[v.name] for v in graph.inputs], {"N": len(x)})
            return np.asarray(found[0], self.network.dtype)
        return self._native(spec)(self.network.parameters, source_array(x, x.dtype.name))

    def _native(self, spec: DataSpec) -> _NativeForward:
        with self._lock:
            if spec.dtype not in self._programs:
                graph = forward_graph(self.network, spec)
                self._programs[spec.dtype] = _NativeForward(graph, self.batch)
            return self._programs[spec.dtype]

    def memory(self, dtype: str = "float32") -> MemoryPlan:
        """Where every byte lies, for inputs of a dtype."""
        shape = self.network.input_shape or ()
        return self._native(DataSpec(shape, dtype)).planned.memory
