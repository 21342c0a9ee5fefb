"""What a metric is: a sum and a count of each batch; the result is their ratio over an epoch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import ranvier.ops as ops
from ranvier.foundation.registry import Registry
from ranvier.layers.configured import Configured
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of

METRICS: Registry[type[Metric]] = Registry("metric")
#: The count where nothing was counted, so that the result is 0 and not 0 / 0. Far too small to
#: change another count: 1 + 1e-30 is 1.
NOTHING = 1e-30


class Metric(Configured):
    """Base of all streaming metrics.

    Attributes:
        name: how it is asked for, and its key in the history.
        larger_is_better: which way a monitor looks.
    """

    name: ClassVar[str] = ""
    larger_is_better: ClassVar[bool] = False

    @abstractmethod
    def of_rows(self, outputs: Tensor, targets: Tensor) -> Any:
        """The metric of each row.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...) -> (N,)`` of the outputs' dtype
        """

    def counts_of_rows(self, outputs: Tensor, targets: Tensor) -> Any | None:
        """What each row adds to the number that the sum is divided by; None: 1, a mean over rows.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...) -> (N,)`` of the outputs' dtype
        """
        return None

    @classmethod
    def of_probabilities(cls) -> Self:
        """The metric for outputs that are probabilities of yes instead of logits."""
        return cls()

    def terms(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, Any]:
        """The (weighted) sum over a batch, and what to divide the sum of an epoch by.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...), weights: (N,) or None -> (), ()``
        """
        rows = self.of_rows(outputs, targets)
        counts = self.counts_of_rows(outputs, targets)
        if counts is not None:
            if weights is not None:
                rows, counts = ops.multiply(rows, weights), ops.multiply(counts, weights)
            return ops.sum(rows), ops.maximum(ops.sum(counts), NOTHING)
        if weights is None:
            dtype = dtype_of(rows)
            return ops.sum(rows), ops.cast(ops.length(rows, 0, dtype), dtype)
        return ops.sum(ops.multiply(rows, weights)), ops.sum(weights)
