"""The triplet loss: an anchor nearer to its like than to anything else."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.foundation.shapes import N
from ranvier.layers.arguments import number
from ranvier.losses.base import LOSSES, Loss
from ranvier.losses.embeddings import check_points, point, root, squared_distance
from ranvier.ops import Tensor
from ranvier.ops.value import shape_of

#: Added to every coordinate of a difference, as in PyTorch.
SHIFT = 1e-6


@LOSSES.register("triplet")
class TripletLoss(Loss):
    """The anchor shall be nearer to the positive than to the negative, by a margin.

    Formula: ``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` with the Euclidean
    distance ``d(a, b) = |a - b + 1e-6|``, as in PyTorch's ``TripletMarginLoss``.

    What is right is in the order of the three points, so there is nothing to compare with: targets
    are not read. `fit` wants one a row all the same; give ``y=np.zeros(len(x))``.

    Schroff, Kalenichenko and Philbin, "FaceNet: a unified embedding for face recognition and
    clustering", CVPR 2015 (with squared distances there).

    **Shapes**: ``outputs: (N, 3, D)``: anchor, positive, negative; ``targets: (N, ...)``, any
    ``-> (N,)``

    Args:
        margin: by how much nearer, above 0.

    Raises:
        ArgumentError: for another margin.
        ShapeError: for outputs that are not three points an example.

    Example:
        >>> import numpy as np
        >>> points = np.array([[[0.0], [1.0], [3.0]], [[0.0], [3.0], [1.0]]])
        >>> TripletLoss()(points, np.zeros(2)).round(3).tolist()
        [0.0, 3.0]
    """

    name = "triplet"
    # Integers are taken as numbers: nobody is asked for classes that are not read.
    reads = "numbers"

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = number("TripletLoss", "margin", margin, 0.0, above_low=True)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row; targets are not read."""
        check_points(self.name, shape_of(outputs), shape_of(targets), 3)
        anchor = point(outputs, 0)
        near, far = (root(squared_distance(anchor, point(outputs, k), SHIFT)) for k in (1, 2))
        return ops.maximum(ops.add(ops.subtract(near, far), self.margin), 0.0)

    def check(
        self,
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_kind: str,
        classes: int | None = None,
    ) -> None:
        """Three points an example; any numbers as targets."""
        self._check_kind(target_kind)
        check_points(self.name, (N, *output_shape), (N, *target_shape), 3)
