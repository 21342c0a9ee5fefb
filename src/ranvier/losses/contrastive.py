"""The contrastive loss of pairs: same things near each other, different ones apart."""

from __future__ import annotations

from typing import Any

import ranvier.ops as ops
from ranvier.foundation.errors import ShapeError
from ranvier.foundation.shapes import N, Shape, show_shape
from ranvier.layers.arguments import number
from ranvier.losses.base import LOSSES, Loss
from ranvier.losses.embeddings import check_points, point, root, squared_distance
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LOSSES.register("contrastive")
class ContrastiveLoss(Loss):
    """Pairs of the same thing are drawn together, others pushed apart up to a margin.

    Formula: ``t d^2 / 2 + (1 - t) max(0, margin - d)^2 / 2`` with the Euclidean distance ``d`` of
    the two points of an example. The target ``t`` is 1 for a pair of the same, 0 for others (the
    paper counts the other way round). Two equal points of different things are pushed nowhere.

    Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping",
    CVPR 2006.

    **Shapes**: ``outputs: (N, 2, D), targets: (N,) or (N, 1), 0 to 1 -> (N,)``

    Args:
        margin: the distance from which different things are far enough apart, above 0.

    Raises:
        ArgumentError: for another margin.
        ShapeError: for outputs that are not two points an example, or other than one target each.

    Example:
        >>> import numpy as np
        >>> pairs = np.array([[[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [3.0, 4.0]]])
        >>> ContrastiveLoss(margin=7.0)(pairs, np.array([1.0, 0.0])).tolist()
        [12.5, 2.0]
    """

    name = "contrastive"
    reads = "numbers"

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = number("ContrastiveLoss", "margin", margin, 0.0, above_low=True)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row."""
        shape, target_shape = shape_of(outputs), shape_of(targets)
        check_points(self.name, shape, target_shape, 2)
        self._check_targets(shape, target_shape)
        same = ops.reshape(ops.cast(targets, dtype_of(outputs)), (shape[0],))
        squared = squared_distance(point(outputs, 0), point(outputs, 1))
        missing = ops.maximum(ops.subtract(self.margin, root(squared)), 0.0)
        apart = ops.multiply(ops.subtract(1.0, same), ops.multiply(missing, missing))
        return ops.multiply(0.5, ops.add(ops.multiply(same, squared), apart))

    def check(
        self,
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_kind: str,
        classes: int | None = None,
    ) -> None:
        """Numbers, one for each pair."""
        self._check_kind(target_kind)
        outputs: Shape = (N, *output_shape)
        targets: Shape = (N, *target_shape)
        check_points(self.name, outputs, targets, 2)
        self._check_targets(outputs, targets)

    def _check_targets(self, outputs: Shape, targets: Shape) -> None:
        if targets in ((outputs[0],), (outputs[0], 1)):
            return
        raise ShapeError(
            f"{self.name} cannot compare outputs {show_shape(outputs)} with targets "
            f"{show_shape(targets)}.",
            happened=f"outputs have shape {show_shape(outputs)}, targets {show_shape(targets)}",
            needed="one target for each pair, (N,) or (N, 1)",
            fix="give y as 1 for pairs of the same and 0 for others",
        )
