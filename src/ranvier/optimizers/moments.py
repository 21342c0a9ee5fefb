"""What optimizers with running means share: their betas, and coefficients of a step.

Coefficients are float64 scalars, the same for all weights, so a program computes them once a step.
"""

from __future__ import annotations

import math
from typing import Any

from ranvier import ops
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of


def two_betas(place: str, betas: object) -> tuple[float, float]:
    """Two numbers, each at least 0 and below 1.

    Raises:
        ArgumentError: for anything else.

    >>> two_betas("Adam", [0.9, 0.999])
    (0.9, 0.999)
    """
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ArgumentError(
            f"{place}: the argument betas is not understood.",
            happened=f"betas is {betas!r:.80}",
            needed="two numbers, each at least 0 and below 1",
            fix="write for example betas=(0.9, 0.999)",
        )
    first, second = (
        number(place, f"betas[{i}]", beta, 0.0, 1.0, below_high=True)
        for i, beta in enumerate(betas)
    )
    return first, second


def bias_correction(beta: float, step: Tensor) -> Any:
    """``1 - beta ** step`` as a float64 scalar."""
    if beta == 0.0:
        return 1.0
    return ops.subtract(1.0, ops.exp(ops.multiply(step, math.log(beta))))


def shrunk(w: Tensor, rate: Tensor, weight_decay: float) -> Any:
    """``(1 - rate * weight_decay) * w``: weight decay that does not pass through the gradient."""
    if not weight_decay:
        return w
    kept = ops.subtract(1.0, ops.multiply(rate, weight_decay))
    return ops.multiply(w, ops.cast(kept, dtype_of(w)))
