"""Cross-entropy between yes and no, from logits."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.foundation.dtypes import is_float
from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.losses.base import LOSSES, Loss, check_same_axes, check_same_shape, does_not_fit
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LOSSES.register("binary_cross_entropy")
class BinaryCrossEntropy(Loss):
    """Minus the logarithm of the probability that sigmoid gives to the right answer.

    Formula: ``-t log(p) - (1 - t) log(1 - p)`` with ``p = sigmoid(logit)``, computed as
    ``softplus(logit) - t logit``; the mean over outputs if there are several. Its gradient is
    ``p - t``.

    **Shapes**: ``outputs: (N, 1) logits, targets: (N,) integers 0 or 1 -> (N,)``, or
    ``outputs: (N, K) logits, targets: (N, K) floats from 0 to 1 -> (N,)``

    Example:
        >>> import numpy as np
        >>> loss = BinaryCrossEntropy()(np.array([[0.0], [50.0]]), np.array([1, 1], "int32"))
        >>> loss.round(4).tolist()
        [0.6931, 0.0]
    """

    name = "binary_cross_entropy"
    logits_of = "sigmoid"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        logits = shape_of(outputs)
        if is_float(dtype_of(targets)):
            check_same_shape(self.name, outputs, targets)
        elif len(logits) != 2 or logits[1] != 1 or shape_of(targets) != logits[:1]:
            needed = "outputs (N, 1) and integers (N,), or outputs and floats of one shape"
            raise does_not_fit(self.name, logits, shape_of(targets), needed)
        else:
            outputs = ops.reshape(outputs, logits[:1])
        losses = ops.binary_cross_entropy(outputs, ops.cast(targets, dtype_of(outputs)))
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
