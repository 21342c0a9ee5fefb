"""The reference engine of a training program: the same loops in NumPy, for what the steps mean."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends import control as words
from ranvier.backends.control import Control
from ranvier.foundation.random import permuted_rows
from ranvier.foundation.shapes import known_shape
from ranvier.ops.graph import Graph, evaluate
from ranvier.training.engines import Array, batch_bounds, is_better, scalars_now
from ranvier.training.graphs import StepGraph


class ReferenceEngine:
    """The same loops in NumPy, by the meaning of every operation.

    Args: as of the native engine; threads are NumPy's own affair.
    """

    def __init__(
        self,
        step: StepGraph,
        validation: Graph | None,
        capacity: tuple[int, int],
        sources: tuple[Sequence[Array], Sequence[Array]],
        parameters: Sequence[str],
        threads: int | None = None,
    ) -> None:
        self.step, self.validation = step, validation
        self.capacity, self.sources = capacity, sources
        self.parameter_names = list(parameters)
        self.state: dict[str, Array] = {}
        self._best: dict[str, Array] = {}
        self._keeps = False
        self._loss = float("nan")
        self._sums = known_shape(step.finish.inputs[0].shape)[0]
        self.control = Control(max(self._sums, 1), len(step.numbers))

    def load(self, state: Mapping[str, Array]) -> None:
        """Take parameters and optimizer state, by input name."""
        self.state.update({name: np.array(array) for name, array in state.items()})

    def view(self, name: str) -> Array:
        """A parameter or state as it is now."""
        return self.state[name]

    def keep_best(self) -> None:
        """Keep the best parameters from now on."""
        self._keeps = True

    def keep_now(self) -> None:
        """The present parameters are the best ones, if the best ones are kept."""
        if self._keeps:
            self._best = {name: self.state[name].copy() for name in self.parameter_names}

    def best(self) -> Mapping[str, Array]:
        """The parameters that were kept."""
        return self._best

    def loss(self) -> float:
        """The loss of the last step's batch."""
        return self._loss

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
        known = {**self.state, **scalars_now(self.control, self.step.numbers), **rows}
        return [known[v.name] for v in graph.inputs]

    def _one_step(self, rows: Array) -> bool:
        c, step = self.control, self.step
        data = [array[rows] for array in self.sources[0]]
        results = evaluate(step.graph, self._inputs(step.graph, step.data, data))
        if not np.isfinite(results[0]):
            return False
        for place, name in step.updates.items():
            self.state[name] = np.asarray(results[place])
        self._loss = float(results[0])
        c["loss_sum"] = c["loss_sum"] + self._loss
        c["loss_count"] = c["loss_count"] + 1.0
        c.sums()[: self._sums] += _flat(results[1 : step.statistics + 1])
        c["batch"], c["step"] = c["batch"] + 1, c["step"] + 1
        return True

    def _epoch_end(self) -> bool:
        c = self.control
        line = [c["loss_sum"] / c["loss_count"], *self._finish(c.sums()[: self._sums])]
        if self.validation is not None:
            line += self._validate()
        self.line(c["epoch"] - c["first_epoch"])[: len(line)] = line
        c.sums()[:] = 0.0
        c["loss_sum"] = c["loss_count"] = 0.0
        c["batch"], c["epoch"] = 0, c["epoch"] + 1
        return self._watch(line)

    def line(self, number: int) -> NDArray[np.float64]:
        """One epoch's line of the history that the control block points to."""
        columns = self.control["columns"]
        address = self.control["history"] + number * columns * 8
        return np.ctypeslib.as_array((ctypes.c_double * columns).from_address(address))

    def _validate(self) -> list[float]:
        if self.validation is None:
            return []
        total = np.zeros(2 + self._sums)
        for low in range(0, self.control["validation_rows"], self.capacity[1]):
            data = [array[low : low + self.capacity[1]] for array in self.sources[1]]
            inputs = self._inputs(self.validation, self.step.data, data)
            total += _flat(evaluate(self.validation, inputs))
        return [float(total[0] / total[1]), *self._finish(total[2:])]

    def _finish(self, sums: NDArray[np.float64]) -> list[float]:
        """The metrics, from the sums of their statistics."""
        return [float(result) for result in evaluate(self.step.finish, [sums])]

    def _watch(self, line: Sequence[float]) -> bool:
        c = self.control
        if c["monitor_column"] < 0:
            return False
        if is_better(c, line[c["monitor_column"]]):
            self.keep_now()
        return bool(c["waited"] >= c["patience"])


def _flat(statistics: Sequence[Any]) -> NDArray[np.float64]:
    """All numbers of some statistics, one after another."""
    parts = [np.asarray(numbers, np.float64).reshape(-1) for numbers in statistics]
    return np.concatenate([*parts, np.zeros(0)])
