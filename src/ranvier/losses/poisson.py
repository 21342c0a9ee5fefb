"""The Poisson loss, for counts."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.losses.base import LOSSES, check_range
from ranvier.losses.elementwise import ElementwiseLoss
from ranvier.ops import Tensor


@LOSSES.register("poisson")
class Poisson(ElementwiseLoss):
    """Minus the log-likelihood of counts, without the part that no output changes.

    Formula: ``mean(exp(outputs) - targets * outputs)`` of each row: outputs are logarithms of
    rates, as in PyTorch's ``PoissonNLLLoss(log_input=True, full=False)``.

    **Shapes**: ``outputs: (N, K) logarithms of rates, targets: (N, K) counts -> (N,)``; more axes
    are averaged too

    Example:
        >>> import numpy as np
        >>> Poisson()(np.array([[0.0, 0.0]]), np.array([[3.0, 0.0]])).tolist()
        [1.0]
    """

    name = "poisson"
    own_units = True

    def of_elements(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each output."""
        return ops.subtract(ops.exp(outputs), ops.multiply(targets, outputs))

    def check_values(self, targets: NDArray[Any], name: str = "y") -> None:
        """Counts, or other numbers of 0 or more."""
        check_range(
            self.name,
            name,
            targets,
            targets < 0,
            "counts, or other numbers of 0 or more",
            "give the counts as they are, not standardised, or use the loss mean_squared_error",
        )

    def estimates(self, outputs: Tensor) -> Any:
        """The rates: ``exp(outputs)``."""
        return ops.exp(outputs)
