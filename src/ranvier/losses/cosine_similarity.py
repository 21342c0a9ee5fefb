"""One minus the cosine of the angle between outputs and targets."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.losses.base import LOSSES, Loss, check_same_axes, check_same_shape, does_not_fit
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of

#: Lengths below count as this, as in PyTorch: a row of zeros has the cosine 0 with everything.
SHORTEST = 1e-8


def _length(x: Tensor) -> Any:
    squared = ops.sum(ops.multiply(x, x), axis=-1)
    # Before the root, whose slope at 0 is infinite: a row of zeros must not give NaN.
    return ops.sqrt(ops.maximum(squared, SHORTEST * SHORTEST))


@LOSSES.register("cosine_similarity")
class CosineSimilarity(Loss):
    """0 where outputs point in the targets' direction, 1 at a right angle, 2 in the opposite one.

    Formula: ``1 - sum(o t) / (max(|o|, 1e-8) max(|t|, 1e-8))`` over the last axis: one
    minus PyTorch's ``CosineSimilarity``. Keras's loss of this name leaves the 1 out.

    **Shapes**: ``outputs: (N, K), targets: (N, K) -> (N,)``; the mean over axes in between

    Example:
        >>> import numpy as np
        >>> directions = np.array([[2.0, 0.0], [0.0, 3.0]])
        >>> CosineSimilarity()(directions, np.array([[1.0, 0.0], [1.0, 0.0]])).tolist()
        [0.0, 1.0]
    """

    name = "cosine_similarity"
    reads = "numbers"
    own_units = True  # another origin or scale of the columns is another direction

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row; shapes must be equal."""
        check_same_shape(self.name, outputs, targets)
        if len(shape_of(outputs)) < 2:
            shapes = shape_of(outputs), shape_of(targets)
            raise does_not_fit(self.name, *shapes, "a direction for each row, (N, K)")
        wanted = ops.cast(targets, dtype_of(outputs))
        product = ops.sum(ops.multiply(outputs, wanted), axis=-1)
        cosine = ops.divide(product, ops.multiply(_length(outputs), _length(wanted)))
        axes = tuple(range(1, len(shape_of(outputs)) - 1))
        return ops.mean(ops.subtract(1.0, cosine), axis=axes)

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
