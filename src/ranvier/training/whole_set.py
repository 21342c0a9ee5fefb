"""Metrics that need all validation rows at once: computed in NumPy between two epochs.

The outputs come from a program of their own, which is compiled once and reads the parameters (or
their averages) where the engine keeps them. A monitor that watches such a metric decides here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends import control as words
from ranvier.metrics import Metric, WholeSetMetric
from ranvier.ops.graph import evaluate
from ranvier.training.engines import Engine, is_better
from ranvier.training.graphs import Recipe, X, outputs_graph
from ranvier.training.prediction import NativeForward

#: Rows computed at a time.
BATCH = 256


class WholeSet:
    """The metrics of whole sets of one training program.

    Args:
        recipe: what is trained.
        engine: holds the parameters; its control block holds the monitor.
        native: whether outputs are computed by native code.
        columns: of the history; those of whole sets come last.
        rows: arrays of the validation rows, inputs first and then targets; none: no validation.

    Attributes:
        said: what there is to say of the present run, by column.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine,
        native: bool,
        columns: Sequence[str],
        rows: Sequence[NDArray[Any]],
    ) -> None:
        self.engine = engine
        self._wanted = _wanted(recipe)
        self._inputs, self._targets = rows[: len(recipe.x)], rows[len(recipe.x) :]
        self._first = len(columns) - len(self._wanted)
        self._names = columns[self._first :]
        self._watched: int | None = None
        self.said: dict[str, str] = {}
        self._has_rows = bool(rows)
        if self._wanted and self._has_rows:
            self._compile(recipe, native)
            self._take_monitor()

    def _compile(self, recipe: Recipe, native: bool) -> None:
        self._graph = outputs_graph(recipe)
        self._parameters = [v.name for v in self._graph.inputs if not v.name.startswith(X)]
        self._native: NativeForward | None = None
        if native:
            self._native = NativeForward(self._graph, min(BATCH, len(self._inputs[0])))

    def _take_monitor(self) -> None:
        """A column that is filled here cannot be watched by native code."""
        column = self.engine.control["monitor_column"]
        if column >= self._first:
            self._watched = column
            self.engine.control["monitor_column"] = -1

    @property
    def after_epoch(self) -> Callable[[NDArray[np.float64]], None] | None:
        """What is to be called with the line of each finished epoch; None: nothing."""
        return self._after_epoch if self._wanted and self._has_rows else None

    def notes(self) -> list[str]:
        """What there is to say of a run."""
        if self._wanted and not self._has_rows:
            names = ", ".join(dict.fromkeys(metric.name for _, metric in self._wanted))
            return [f"Without validation data there is no {names}: it is computed on those rows."]
        notes = list(self.said.values())
        self.said.clear()
        return notes

    def _after_epoch(self, line: NDArray[np.float64]) -> None:
        outputs = self._outputs()
        for place, (output, metric) in enumerate(self._wanted):
            number = metric.score(outputs[output], self._targets[output])
            line[self._first + place] = number
            name = self._names[place]
            if math.isnan(number) and name not in self.said:
                self.said[name] = f"{name} is NaN: {metric.undefined}."
        if self._watched is not None:
            c = self.engine.control
            if is_better(c, float(line[self._watched])):
                self.engine.keep_now()
            if c["waited"] >= c["patience"]:
                c["status"] = words.NO_PATIENCE

    def _outputs(self) -> list[NDArray[Any]]:
        """What losses and metrics read of the validation rows, with the parameters of now."""
        now = {name: self.engine.view(name) for name in self._parameters}
        if self._native is not None:
            return self._native(now, self._inputs)
        found = evaluate(self._graph, [*now.values(), *self._inputs])
        return [np.asarray(one) for one in found]


def _wanted(recipe: Recipe) -> list[tuple[int, WholeSetMetric]]:
    """The metrics, each with the place of its output, in the order of their columns."""
    pairs: list[tuple[int, Metric]] = [
        (place, metric) for place, own in enumerate(recipe.metrics) for metric in own
    ]
    return [(place, metric) for place, metric in pairs if isinstance(metric, WholeSetMetric)]
