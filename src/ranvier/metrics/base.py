"""What a metric is: a sum and a count of each batch; the result is their ratio over an epoch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import ranvier.ops as ops
from ranvier.foundation.registry import Registry
from ranvier.layers.configured import Configured
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of

METRICS: Registry[type[Metric]] = Registry("metric")


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

    def terms(
        self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Any, Any]:
        """The (weighted) sum over a batch, and what to divide the sum of an epoch by.

        **Shapes**: ``outputs: (N, ...), targets: (N, ...), weights: (N,) or None -> (), ()``
        """
        rows = self.of_rows(outputs, targets)
        if weights is None:
            dtype = dtype_of(rows)
            return ops.sum(rows), ops.cast(ops.length(rows, 0, dtype), dtype)
        return ops.sum(ops.multiply(rows, weights)), ops.sum(weights)
