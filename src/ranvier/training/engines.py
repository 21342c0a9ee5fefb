"""What runs a training program: native code, or the reference step by step. Both read and leave the
same control block, so that the program around them cannot tell them apart.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranvier.backends import control as words
from ranvier.backends.control import Control
from ranvier.backends.native.arena import Arena
from ranvier.backends.native.driver import Place, TrainingDriver, TrainingLayout
from ranvier.backends.native.jit import compile_text
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.target import find_target
from ranvier.compiler.groups import Buffer
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.foundation.random import permuted_rows
from ranvier.ops.graph import Graph, evaluate
from ranvier.training.graphs import SCALARS, StepGraph

Array = NDArray[Any]


class Engine(Protocol):
    """Runs steps and epochs on state of its own."""

    control: Control

    def load(self, state: Mapping[str, Array]) -> None:
        """Take parameters and optimizer state, by input name."""

    def view(self, name: str) -> Array:
        """A parameter or state as it is now."""

    def run(self) -> None:
        """Go on from the control block's position until it says why it stopped."""

    def keep_best(self) -> None:
        """Ask for the best parameters to be kept."""

    def best(self) -> Mapping[str, Array]:
        """The parameters that were kept."""


class NativeEngine:
    """The compiled loops.

    Args:
        step: the training step.
        validation: the validation batch, or None.
        capacity: most rows of a training batch, and of a validation batch.
        sources: arrays of the data inputs in order; and of the validation rows.
        parameters: names of the parameters, which come first among the inputs.
    """

    def __init__(
        self,
        step: StepGraph,
        validation: Graph | None,
        capacity: tuple[int, int],
        sources: tuple[Sequence[Array], Sequence[Array]],
        parameters: Sequence[str],
    ) -> None:
        self.parameter_names = list(parameters)
        target = find_target()
        data, panels = frozenset(step.data), target.panels()
        self.step: Planned = compile_plan(
            Request(step.graph, data, step.updates, {"N": capacity[0]}, panels, guard=0)
        )
        self.buffers = self.step.fused.inputs
        self.validation: Planned | None = None
        if validation is not None:
            self.validation = compile_plan(
                Request(validation, data, {}, {"N": capacity[1]}, panels,
                        start=self.step.memory.bytes, shared=self.buffers)
            )  # fmt: skip
        self.last = self.validation or self.step
        self.layout = self._layout(step.terms)
        self.control = Control(self.layout.sums)
        writer = ModuleWriter(target)
        writer.add_program("step", self.step)
        if self.validation is not None:
            writer.add_program("evaluate", self.validation)
        driver = TrainingDriver(writer.declarations, target, self.layout)
        writer.function("train", driver.emit())
        self.code = compile_text(writer.text(), target)
        self._train = self.code.function("train", ctypes.c_void_p, ctypes.c_void_p)
        self.arena = Arena(self.last.memory)
        self._fill_constants()
        self._best: NDArray[np.uint8] | None = None
        self._numbers = np.zeros(max(capacity) + 1, np.int64)
        self._sources = sources
        self._tables = [self._table(arrays) for arrays in sources]
        self.control["row_numbers"] = self._numbers.ctypes.data
        self.control["data"] = self._tables[0].ctypes.data
        self.control["validation_data"] = self._tables[1].ctypes.data
        self.control["validation_batch"] = capacity[1]

    @staticmethod
    def _table(arrays: Sequence[Array]) -> NDArray[np.int64]:
        """Address and row stride, in elements, of each data source."""
        pairs = [(a.ctypes.data, a.strides[0] // a.itemsize) for a in arrays]
        return np.array(pairs or [(0, 0)], np.int64).reshape(-1)

    def _layout(self, terms: int) -> TrainingLayout:
        outputs = [Place(b.offset, b.dtype) for b in self.step.fused.outputs[: terms + 1]]
        scalars = [
            Place(self.buffers[name].offset, dtype) if name in self.buffers else None
            for name, dtype in SCALARS.items()
        ]
        checked = self.validation.fused.outputs if self.validation is not None else []
        first = self.buffers[self.parameter_names[0]] if self.parameter_names else None
        last = self.buffers[self.parameter_names[-1]] if self.parameter_names else None
        span = (0, 0)
        if first is not None and last is not None:
            span = (first.offset, last.offset + last.bytes({"N": 0}) - first.offset)
        return TrainingLayout(
            outputs[0],
            tuple(outputs[1:]),
            tuple(Place(b.offset, b.dtype) for b in checked),
            *scalars,
            parameters=span,
        )

    def _fill_constants(self) -> None:
        for planned in (self.step, self.validation):
            if planned is not None:
                for buffer, node in planned.fused.constants.values():
                    self.arena.view(buffer)[...] = node.attributes["value"]

    def load(self, state: Mapping[str, Array]) -> None:
        """Take parameters and optimizer state, by input name."""
        for name, array in state.items():
            self.arena.write(self.buffers[name], array)

    def view(self, name: str) -> Array:
        """A parameter or state as it is now."""
        return self.arena.read(self.buffers[name])

    def run(self) -> None:
        """Go on from the control block's position."""
        self._train(self.control.address, self.arena.address)

    def keep_best(self) -> None:
        """Make room for the best parameters."""
        self._best = np.zeros(max(self.layout.parameters[1], 1), np.uint8)
        self.control["best_parameters"] = self._best.ctypes.data

    def best(self) -> Mapping[str, Array]:
        """The parameters that were kept."""
        if self._best is None:
            return {}
        start, length = self.layout.parameters
        now = self.arena.bytes[start : start + length].copy()
        self.arena.bytes[start : start + length] = self._best[:length]
        found = {name: self.view(name) for name in self.parameter_names}
        self.arena.bytes[start : start + length] = now
        return found


class ReferenceEngine:
    """The same loops in NumPy, by the meaning of every operation.

    Args: as of :class:`NativeEngine`.
    """

    def __init__(
        self,
        step: StepGraph,
        validation: Graph | None,
        capacity: tuple[int, int],
        sources: tuple[Sequence[Array], Sequence[Array]],
        parameters: Sequence[str],
    ) -> None:
        self.step, self.validation = step, validation
        self.capacity, self.sources = capacity, sources
        self.parameter_names = list(parameters)
        self.state: dict[str, Array] = {}
        self._best: dict[str, Array] = {}
        self._keeps = False
        checked = len(validation.outputs) if validation is not None else 0
        self.control = Control(max(step.terms, checked, 1))

    def load(self, state: Mapping[str, Array]) -> None:
        """Take parameters and optimizer state, by input name."""
        self.state.update({name: np.array(array) for name, array in state.items()})

    def view(self, name: str) -> Array:
        """A parameter or state as it is now."""
        return self.state[name]

    def keep_best(self) -> None:
        """Keep the best parameters from now on."""
        self._keeps = True

    def best(self) -> Mapping[str, Array]:
        """The parameters that were kept."""
        return self._best

    def run(self) -> None:
        """Go on from the control block's position."""
        c = self.control
        while c["epoch"] < c["last_epoch"]:
            rows = c["rows"]
            order = permuted_rows(c["seed"], c["epoch"], rows) if c["shuffle"] else np.arange(rows)
            bounds = batch_bounds(rows, c["batch_size"])
            while c["batch"] < len(bounds):
                if c["stop"] or c["step"] >= c["last_step"]:
                    c["status"] = words.STOPPED if c["stop"] else words.STEP_LIMIT
                    return
                low, high = bounds[c["batch"]]
                if not self._one_step(order[low:high]):
                    c["status"] = words.NOT_FINITE
                    return
            if self._epoch_end():
                c["status"] = words.NO_PATIENCE
                return
        c["status"] = words.FINISHED

    def _inputs(self, graph: Graph, names: Sequence[str], data: Sequence[Array]) -> list[Any]:
        rows = dict(zip(names, data, strict=False))
        c = self.control
        scalars = {
            "control.step_real": np.float64(c["step"] + 1),
            "control.step_number": np.int64(c["step"]),
            "control.seed": np.int64(c["seed"]),
            "control.rate": np.float64(c["learning_rate"]),
        }
        known = {**self.state, **scalars, **rows}
        return [known[v.name] for v in graph.inputs]

    def _one_step(self, rows: Array) -> bool:
        c, step = self.control, self.step
        data = [array[rows] for array in self.sources[0]]
        results = evaluate(step.graph, self._inputs(step.graph, step.data, data))
        if not np.isfinite(results[0]):
            return False
        for place, name in step.updates.items():
            self.state[name] = np.asarray(results[place])
        c["loss_sum"] = c["loss_sum"] + float(results[0])
        c["loss_count"] = c["loss_count"] + 1.0
        c.sums()[: step.terms] += [float(r) for r in results[1 : step.terms + 1]]
        c["batch"], c["step"] = c["batch"] + 1, c["step"] + 1
        return True

    def _epoch_end(self) -> bool:
        c = self.control
        terms = c.sums()[: self.step.terms]
        line = [c["loss_sum"] / c["loss_count"], *(terms[0::2] / terms[1::2])]
        if self.validation is not None:
            line += self._validate()
        self.line(c["epoch"] - c["first_epoch"])[:] = line
        c.sums()[:] = 0.0
        c["loss_sum"] = c["loss_count"] = 0.0
        c["batch"], c["epoch"] = 0, c["epoch"] + 1
        return self._watch(line)

    def line(self, number: int) -> NDArray[np.float64]:
        """One epoch's line of the history that the control block points to."""
        checked = len(self.validation.outputs) // 2 if self.validation is not None else 0
        columns = 1 + self.step.terms // 2 + checked
        address = self.control["history"] + number * columns * 8
        return np.ctypeslib.as_array((ctypes.c_double * columns).from_address(address))

    def _validate(self) -> list[float]:
        if self.validation is None:
            return []
        total = np.zeros(len(self.validation.outputs))
        for low in range(0, self.control["validation_rows"], self.capacity[1]):
            data = [array[low : low + self.capacity[1]] for array in self.sources[1]]
            inputs = self._inputs(self.validation, self.step.data, data)
            total += [float(r) for r in evaluate(self.validation, inputs)]
        return [float(r) for r in total[0::2] / total[1::2]]

    def _watch(self, line: Sequence[float]) -> bool:
        c = self.control
        if c["monitor_column"] < 0:
            return False
        sign, value = c["monitor_sign"], line[c["monitor_column"]]
        if sign * value < sign * c["best_value"] - c["tolerance"]:
            c["best_value"], c["best_epoch"], c["waited"] = value, c["epoch"] - 1, 0
            if self._keeps:
                self._best = {name: self.state[name].copy() for name in self.parameter_names}
        else:
            c["waited"] = c["waited"] + 1
        return bool(c["waited"] >= c["patience"])


def batch_bounds(rows: int, size: int) -> list[tuple[int, int]]:
    """First and last row of each batch; a last batch of one row joins the one before."""
    bounds = [(low, min(low + size, rows)) for low in range(0, rows, size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] == 1 and size > 1:
        bounds[-2:] = [(bounds[-2][0], rows)]
    return bounds


def buffer_of(planned: Planned, name: str) -> Buffer:
    """The buffer of an input."""
    return planned.fused.inputs[name]
