"""The mean squared error."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import LOSSES, Loss, check_same_axes, check_same_shape
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LOSSES.register("mean_squared_error")
class MeanSquaredError(Loss):
    """The mean over outputs of the squared difference.

    Formula: ``mean((outputs - targets) ** 2)`` of each row.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too

    Example:
        >>> import numpy as np
        >>> MeanSquaredError()(np.array([[1.0, 4.0]]), np.array([[0.0, 2.0]])).tolist()
        [2.5]
    """

    name = "mean_squared_error"
    reads = "numbers"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row; shapes must be equal."""
        check_same_shape(self.name, outputs, targets)
        difference = ops.subtract(outputs, ops.cast(targets, dtype_of(outputs)))
        axes = tuple(range(1, len(shape_of(outputs))))
        return ops.mean(ops.multiply(difference, difference), axis=axes)

    def check(
        self,
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_kind: str,
        classes: int | None = None,
    ) -> None:
        """Numbers of the outputs' shape."""
        self._check_kind(target_kind)
        check_same_axes(self.name, output_shape, target_shape)


LOSSES.register("mse")(MeanSquaredError)
