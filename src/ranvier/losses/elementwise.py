"""Losses that compare each output with its own target and average over a row."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import Loss, check_same_axes, check_same_shape
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


class ElementwiseLoss(Loss):
    """Base of losses of numbers, element by element: the mean over a row's outputs.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; more axes are averaged too
    """

    reads = "numbers"

    @abstractmethod
    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output. **Shapes**: both ``(N, ...)``, one dtype ``-> (N, ...)``"""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row; shapes must be equal."""
        check_same_shape(self.name, outputs, targets)
        losses = self.of_elements(outputs, ops.cast(targets, dtype_of(outputs)))
        return ops.mean(losses, axis=tuple(range(1, len(shape_of(outputs)))))

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
