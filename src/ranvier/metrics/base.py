"""What a metric is: statistics of a batch, added up over an epoch, and a result of their sums."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

import ranvier.ops as ops
from ranvier.foundation.registry import Registry
from ranvier.layers.configured import Configured, name_from_class
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of

METRICS: Registry[type[Metric]] = Registry("metric")


class Metric(Configured):
    """Base of all metrics: some statistics of each batch, and what their sums say of an epoch.

    Formula: ``result(sum over batches of statistics(outputs, targets, weights))``; the sums are
    kept in float64. A metric that is the mean of a number a row is a :class:`MeanMetric`; one that
    needs all rows at once is a :class:`WholeSetMetric`.

    Attributes:
        name: how it is asked for, and its key in the history; left out, it is made from the
            class's.
        larger_is_better: which way a monitor looks.

    Example:
        The root of the mean of all squared errors:

        >>> import numpy as np, ranvier as rv
        >>> class RootError(Metric):
        ...     name = "root_error"
        ...
        ...     def statistics(self, outputs, targets, weights=None):
        ...         squares = (outputs - targets) * (outputs - targets)
        ...         return rv.ops.sum(squares), rv.ops.sum(squares * 0.0 + 1.0)
        ...
        ...     def result(self, sums):
        ...         return rv.ops.sqrt(sums[0] / sums[1])
        >>> RootError().score(np.array([[3.0], [5.0]]), np.array([[0.0], [0.0]]))
        4.123105625617661
    """

    name: str = ""
    larger_is_better: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            cls.name = name_from_class(cls.__name__)

    @abstractmethod
    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """What is added up over the batches of an epoch: numbers of shapes without the batch axis.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...), weights: (N,) or None -> (...), ...``
        """

    @abstractmethod
    def result(self, sums: tuple[Any, ...]) -> Any:
        """The metric, from the float64 sums of its statistics.

        **Shapes**: ``sums: (...), ... -> ()``
        """

    @classmethod
    def of_probabilities(cls) -> Self:
        """The metric for outputs that are probabilities of yes instead of logits."""
        return cls()

    def score(self, outputs: Any, targets: Any, weights: Any | None = None) -> float:
        """The metric of rows that are there already, as arrays.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...), weights: (N,) or None``
        """
        found = self.statistics(outputs, targets, weights)
        return float(self.result(tuple(np.asarray(number, np.float64) for number in found)))


class MeanMetric(Metric):
    """Base of metrics that are a (weighted) mean of one number a row."""

    @abstractmethod
    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The metric of each row.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...) -> (N,)`` of the outputs' dtype
        """

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """The (weighted) sum over the rows, and how many rows these are."""
        rows = self.of_rows(outputs, targets)
        return weighted_sum(rows, weights), sum_of_weights(rows, weights)

    def result(self, sums: tuple[Any, ...]) -> Any:
        """The sum over the number of rows."""
        return ratio(*sums)


class WholeSetMetric(Metric):
    """Base of metrics that need all rows at once: a NumPy function of outputs and targets.

    `evaluate` computes them; `fit` does on the validation rows, at the end of each epoch, between
    two native calls.

    Attributes:
        undefined: why the metric may be NaN, for the note that is made then.
    """

    undefined: ClassVar[str] = "it is not defined for these rows"

    @abstractmethod
    def score(self, outputs: Any, targets: Any, weights: Any | None = None) -> float:
        """The metric of all rows.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...), weights: (N,) or None``
        """

    def statistics(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, ...]:
        """None: there is nothing that could be added up over batches."""
        return ()

    def result(self, sums: tuple[Any, ...]) -> Any:
        """NaN, as long as not all rows are there."""
        return float("nan")


def weighted_sum(rows: Tensor, weights: Tensor | None) -> Any:
    """Numbers of rows, times the rows' weights, added up.

    **Shapes**: ``rows: (N, ...), weights: (N,) or None -> (...)``
    """
    if weights is not None:
        for _ in range(len(shape_of(rows)) - 1):
            weights = ops.expand(weights, -1)
        rows = ops.multiply(rows, weights)
    return ops.sum(rows, axis=0)


def sum_of_weights(rows: Tensor, weights: Tensor | None) -> Any:
    """The sum of the weights; without weights the number of rows.

    **Shapes**: ``rows: (N, ...), weights: (N,) or None -> ()``
    """
    if weights is not None:
        return ops.sum(weights)
    dtype = dtype_of(rows)
    return ops.cast(ops.length(rows, 0, dtype), dtype)


def ratio(part: Tensor, whole: Tensor) -> Any:
    """``part / whole``, and 0 where the whole is 0, element by element.

    Example:
        >>> import numpy as np
        >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0])).tolist()
        [0.25, 0.0]
    """
    nothing = ops.equal(whole, 0.0)
    return ops.where(nothing, 0.0, ops.divide(part, ops.where(nothing, 1.0, whole)))
