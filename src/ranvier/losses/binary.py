"""Losses of yes/no answers: one output for two classes, or several labels a row."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.losses.base import (
    Loss,
    check_range,
    check_same_axes,
    check_same_shape,
    does_not_fit,
)
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


class BinaryLoss(Loss):
    """Base of losses of one number for each yes/no answer; the mean over outputs if several.

    **Shapes**: ``outputs: (N, 1), targets: (N,) integers 0 or 1 -> (N,)``, or
    ``outputs: (N, K), targets: (N, K) floats from 0 to 1 -> (N,)``

    Attributes:
        shares: whether a target may lie between 0 and 1, as a probability.
    """

    own_units = True
    shares: ClassVar[bool] = True

    @abstractmethod
    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output. **Shapes**: both ``(N, ...)``, one dtype ``-> (N, ...)``"""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        shape = shape_of(outputs)
        if is_float(dtype_of(targets)):
            check_same_shape(self.name, outputs, targets)
        elif len(shape) != 2 or shape[1] != 1 or shape_of(targets) != shape[:1]:
            needed = "outputs (N, 1) and integers (N,), or outputs and floats of one shape"
            raise does_not_fit(self.name, shape, shape_of(targets), needed)
        else:
            outputs = ops.reshape(outputs, shape[:1])
        losses = self.of_elements(outputs, ops.cast(targets, dtype_of(outputs)))
        return ops.mean(losses, axis=tuple(range(1, len(shape_of(losses)))))

    def check(
        self,
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_kind: str,
        classes: int | None = None,
    ) -> None:
        """Two classes and one output, or numbers of the outputs' shape."""
        if target_kind == "numbers":
            check_same_axes(self.name, output_shape, target_shape)
        elif output_shape != (1,) or target_shape != () or classes not in (None, 2):
            raise ShapeError(
                f"The loss {self.name} does not fit the network's outputs.",
                happened=f"outputs are {show_shape((N, *output_shape))}, y has "
                f"{'C' if classes is None else classes} classes and shape "
                f"{show_shape((N, *target_shape))}",
                needed="outputs (N, 1) and two classes",
                fix="end the network with Dense(1), or use the loss cross_entropy with "
                "one output for each class",
            )

    def check_values(self, targets: NDArray[Any], name: str = "y") -> None:
        """From 0, no, to 1, yes; where :attr:`shares` is False these two alone."""
        inside = (targets >= 0) & (targets <= 1) if self.shares else (targets == 0) | (targets == 1)
        check_range(
            self.name,
            name,
            targets,
            ~inside,
            "numbers from 0 to 1" if self.shares else "0 for no and 1 for yes",
            "for labels -1 and 1 write (y > 0).astype('float32'); for other numbers use the loss "
            "mean_squared_error",
        )
