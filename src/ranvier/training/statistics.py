"""Metrics in a training program: statistics of a batch, and the graph that ends an epoch.

That graph reads the sums of all statistics as one row of float64 numbers, in the order in which the
statistics stand in a batch's outputs, and gives one number a metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ranvier import ops
from ranvier.foundation.dtypes import is_float
from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import Extent, known_shape, show_shape
from ranvier.metrics import Metric, WholeSetMetric
from ranvier.ops.graph import Graph
from ranvier.ops.value import Value, constant, input_value


def streaming(metrics: Sequence[Metric]) -> list[Metric]:
    """Those that are added up over batches."""
    return [metric for metric in metrics if not isinstance(metric, WholeSetMetric)]


def statistics_of(
    metrics: Sequence[Metric], outputs: Value, targets: Value, weights: Value | None
) -> list[tuple[Value, ...]]:
    """The statistics of each metric over one batch.

    Raises:
        ShapeError: statistics with a number for each row.
    """
    found = []
    for metric in metrics:
        kept = metric.statistics(outputs, targets, weights)
        found.append(tuple(_statistic(metric, number) for number in kept))
    return found


def finish_graph(metrics: Sequence[Metric], statistics: Sequence[tuple[Value, ...]]) -> Graph:
    """Each metric's result from the sums of all statistics.

    **Shapes**: ``sums: (numbers in all,) -> (), ...``, all float64

    Raises:
        ShapeError: a result that is not one number.
    """
    shapes = [[known_shape(number.shape) for number in kept] for kept in statistics]
    count = sum(math.prod(shape) for kept in shapes for shape in kept)
    flat = input_value("sums", (count,), "float64")
    results, first = [], 0
    for metric, kept in zip(metrics, shapes, strict=True):
        sums = []
        for shape in kept:
            last = first + math.prod(shape)
            sums.append(ops.reshape(ops.slice_axis(flat, 0, first, last), shape))
            first = last
        results.append(_result(metric, metric.result(tuple(sums))))
    return Graph((flat,), tuple(results), tuple(metric.name for metric in metrics))


def _statistic(metric: Metric, number: Any) -> Value:
    value = number if isinstance(number, Value) else constant(number)
    if any(isinstance(length, Extent) for length in value.shape):
        raise ShapeError(
            f"The metric {metric.name!r} has a number for each row among its statistics.",
            happened=f"one of them has shape {show_shape(value.shape)}",
            needed="sums over the rows of a batch, which can be added up over an epoch",
            fix="sum over the rows, for example with ops.sum(x, axis=0)",
        )
    return value if is_float(value.dtype) else ops.cast(value, "float64")


def _result(metric: Metric, number: Any) -> Value:
    value = number if isinstance(number, Value) else constant(number, "float64")
    if value.shape != ():
        raise ShapeError(
            f"The result of the metric {metric.name!r} is not one number.",
            happened=f"it has shape {show_shape(value.shape)}",
            needed="a scalar, the metric's number in the history",
            fix="average over what is left, for example with ops.mean(x)",
        )
    return value if value.dtype == "float64" else ops.cast(value, "float64")
