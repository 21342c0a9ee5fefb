"""Cross-entropy between several classes, from logits."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.shapes import N, known
from ranvier.layers.arguments import flag, number
from ranvier.losses.base import (
    LOSSES,
    check_range,
    check_same_axes,
    check_same_shape,
    does_not_fit,
)
from ranvier.losses.categorical import CategoricalLoss
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LOSSES.register("categorical_cross_entropy")
class CategoricalCrossEntropy(CategoricalLoss):
    """Minus the logarithm of the probability that softmax gives to the right class.

    Formula: ``-log(softmax(logits)[target])``; its gradient is
    ``softmax(logits) - one_hot(target)``. Of probabilities ``t``, and with smoothing ``s``, it is
    ``-sum(((1 - s) t + s / C) log(softmax(logits)))``, as in PyTorch.

    **Shapes**: ``outputs: (N, C) logits, targets: (N,) integers from 0 to C - 1 -> (N,)``, or with
    ``probabilities=True`` ``outputs: (N, C) logits, targets: (N, C) floats -> (N,)``

    Args:
        label_smoothing: the share of the target that is spread over all classes, from 0 to 1.
        probabilities: whether targets are the probabilities of all classes instead of one class.

    Raises:
        ArgumentError: for other arguments.

    Example:
        >>> import numpy as np
        >>> loss = CategoricalCrossEntropy()(np.array([[0.0, 0.0]]), np.array([1], "int32"))
        >>> loss.round(4).tolist()
        [0.6931]
    """

    name = "categorical_cross_entropy"
    logits_of = "softmax"

    def __init__(self, label_smoothing: float = 0.0, probabilities: bool = False) -> None:
        place = "CategoricalCrossEntropy"
        self.label_smoothing = number(place, "label_smoothing", label_smoothing, 0.0, 1.0)
        self.probabilities = flag(place, "probabilities", probabilities)
        if self.probabilities:
            self.reads = "numbers"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        if not self.probabilities:
            return super().__call__(outputs, targets)
        check_same_shape(self.name, outputs, targets)
        if len(shape_of(outputs)) != 2:
            raise does_not_fit(self.name, shape_of(outputs), shape_of(targets), "both (N, C)")
        return self._of_probabilities(outputs, ops.cast(targets, dtype_of(outputs)))

    def of_classes(self, outputs: Tensor, classes: Tensor) -> Any:
        """The loss of each row of which one class is right."""
        if self.label_smoothing == 0.0:
            return ops.categorical_cross_entropy(outputs, classes)
        count = known(shape_of(outputs)[-1])
        return self._of_probabilities(outputs, ops.one_hot(classes, count, dtype_of(outputs)))

    def _of_probabilities(self, outputs: Tensor, wanted: Tensor) -> Any:
        if self.label_smoothing > 0.0:
            floor = self.label_smoothing / known(shape_of(outputs)[-1])
            wanted = ops.add(ops.multiply(1.0 - self.label_smoothing, wanted), floor)
        return -ops.sum(ops.multiply(wanted, ops.log_softmax(outputs)), axis=-1)

    def check(
        self,
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_kind: str,
        classes: int | None = None,
    ) -> None:
        """One output for each class, or for each probability."""
        if not self.probabilities:
            super().check(output_shape, target_shape, target_kind, classes)
            return
        self._check_kind(target_kind)
        check_same_axes(self.name, output_shape, target_shape)
        if len(output_shape) != 1:
            raise does_not_fit(self.name, (N, *output_shape), (N, *target_shape), "both (N, C)")

    def check_values(self, targets: NDArray[Any], name: str = "y") -> None:
        """Classes, or probabilities from 0 to 1."""
        if self.probabilities:
            check_range(
                self.name,
                name,
                targets,
                (targets < 0) | (targets > 1),
                "probabilities from 0 to 1, those of a row adding up to 1",
                "divide each row by its sum: y / y.sum(axis=1, keepdims=True)",
            )
