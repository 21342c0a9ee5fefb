"""The Kullback-Leibler divergence between two distributions."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError
from ranvier.losses.base import LOSSES, Loss, check_range, check_same_axes, check_same_shape
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of


@LOSSES.register("kl_divergence")
class KLDivergence(Loss):
    """How much is lost when the targets' distribution is taken for the outputs'.

    Formula: ``sum(t (log(t) - outputs))`` of each row, where 0 log(0) is 0: outputs are logarithms
    of probabilities, as in PyTorch's ``KLDivLoss``; its mean over rows is ``"batchmean"``.

    **Shapes**: ``outputs: (N, C) log-probabilities, targets: (N, C) probabilities -> (N,)``; more
    axes are summed too

    Example:
        >>> import numpy as np
        >>> loss = KLDivergence()(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
        >>> loss.round(4).tolist()
        [0.6931]
    """

    name = "kl_divergence"
    reads = "numbers"
    own_units = True

    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row; shapes must be equal."""
        check_same_shape(self.name, outputs, targets)
        t = ops.cast(targets, dtype_of(outputs))
        # log(1) in the place of log(0): the product is 0 without a NaN on the way.
        logarithm = ops.log(ops.where(ops.equal(t, 0.0), 1.0, t))
        losses = ops.multiply(t, ops.subtract(logarithm, outputs))
        return ops.sum(losses, axis=tuple(range(1, len(shape_of(outputs)))))

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

    def check_values(self, targets: NDArray[Any], name: str = "y") -> None:
        """Probabilities, or other numbers of 0 or more."""
        check_range(
            self.name,
            name,
            targets,
            targets < 0,
            "probabilities: numbers of 0 or more that add up to 1 in each row",
            "give the probabilities themselves, neither their logarithms nor standardised",
        )

    def estimates(self, outputs: Tensor) -> Any:
        """The probabilities: ``exp(outputs)``."""
        return ops.exp(outputs)

    def takes_logits(self, last_activation: str | None) -> bool:
        """Never: outputs are read as they are, and must be logarithms.

        Raises:
            ArgumentError: if the network ends in probabilities.
        """
        if last_activation in ("softmax", "sigmoid"):
            raise ArgumentError(
                f"The loss {self.name} does not fit a network that ends in {last_activation}.",
                happened=f"the last layer's activation is {last_activation}, which gives "
                "probabilities",
                needed="outputs that are logarithms of probabilities",
                fix="use CategoricalCrossEntropy(probabilities=True), which differs by a constant",
            )
        return False
