"""Losses of one class out of several, with one output for each class."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.losses.base import Loss, does_not_fit
from ranvier.ops import Tensor
from ranvier.ops.value import shape_of


class CategoricalLoss(Loss):
    """Base of losses of classes.

    **Shapes**: ``outputs: (N, C), targets: (N,) integers from 0 to C - 1 -> (N,)``
    """

    reads = "classes"
    own_units = True
    output_per_class = True

    @abstractmethod
    def of_classes(self, outputs: Tensor, classes: Tensor) -> Any:
        """The loss of each row. **Shapes**: ``outputs: (N, C), classes: (N,) -> (N,)``"""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        logits, classes = shape_of(outputs), shape_of(targets)
        if len(logits) != 2 or classes != logits[:1]:
            raise does_not_fit(self.name, logits, classes, "outputs (N, C) and targets (N,)")
        return self.of_classes(outputs, targets)

    def check(
        self,
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_kind: str,
        classes: int | None = None,
    ) -> None:
        """One output for each class."""
        self._check_kind(target_kind)
        count = "C" if classes is None else str(classes)
        fits = len(output_shape) == 1 and (classes is None or output_shape[0] == classes)
        if not fits or target_shape != ():
            raise ShapeError(
                f"The loss {self.name} does not fit the network's outputs.",
                happened=f"outputs are {show_shape((N, *output_shape))}, y has "
                f"{count} classes and shape {show_shape((N, *target_shape))}",
                needed=f"outputs (N, {count}), one for each class, and y (N,)",
                fix=f"end the network with Dense({count}) and give y one class a row",
            )
