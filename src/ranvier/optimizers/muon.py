"""Muon: the momentum of a matrix, made orthogonal before it is subtracted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ranvier import ops
from ranvier.layers.arguments import flag, number, one_of, whole_number
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of, shape_of
from ranvier.optimizers.adamw import AdamW
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.moments import shrunk, two_betas
from ranvier.optimizers.schedules import Schedule, rate_from

#: Of the polynomial a x + b x^3 + c x^5: the steepest at 0 that keeps singular values near 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
#: The Frobenius norm is divided by at least this.
SMALLEST_NORM = 1e-7
SCALES = ("original", "match_rms_adamw")


def orthogonalized(x: Tensor, steps: int = 5) -> Any:
    """A matrix with its singular values brought near 1, by Newton and Schulz's iteration.

    Formula: ``x = x / max(norm(x), 1e-7)``, then in each step
    ``x = 3.4445 x - 4.7750 (x x^T) x + 2.0315 (x x^T)^2 x``. After five steps all but tiny singular
    values lie between 0.68 and 1.21: near enough for an optimizer.

    **Shapes** ``x: (F, U) -> (F, U)``

    Args:
        x: the matrix.
        steps: of the iteration.

    Example:
        >>> import numpy as np
        >>> x = np.array([[3.0, 1.0], [1.0, 2.0], [0.0, 1.0]])
        >>> values = np.linalg.svd(orthogonalized(x), compute_uv=False)
        >>> bool((abs(values - 1.0) < 0.35).all())
        True
    """
    a, b, c = COEFFICIENTS
    rows, columns = shape_of(x)
    tall = int(rows) > int(columns)  # type: ignore[arg-type]
    norm = ops.sqrt(ops.sum(ops.multiply(x, x)))
    x = ops.divide(x, ops.maximum(norm, SMALLEST_NORM))
    for _ in range(steps):
        # The smaller of the two Gram matrices: both lead to the same x.
        turned = ops.transpose(x)
        gram = ops.matmul(turned, x) if tall else ops.matmul(x, turned)
        mixed = ops.add(ops.multiply(b, gram), ops.multiply(c, ops.matmul(gram, gram)))
        product = ops.matmul(x, mixed) if tall else ops.matmul(mixed, x)
        x = ops.add(ops.multiply(a, x), product)
    return x


@OPTIMIZERS.register("muon")
class Muon(Optimizer):
    """Steps along the orthogonalized momentum of every weight matrix; all others by AdamW.

    Formula, for a matrix ``w`` of F rows and U columns: ``m = m + (1 - momentum) (g - m)``,
    ``u = g + momentum (m - g)`` (Nesterov's; else ``u = m``),
    ``w = (1 - rate * weight_decay) w - rate * s * orthogonalized(u)`` with
    ``s = sqrt(max(1, U / F))``, or ``s = 0.2 sqrt(max(F, U))``, which gives a step the size of
    one of AdamW. It is PyTorch's `torch.optim.Muon`, whose weights are the transposes of ours; but
    the iteration runs in the parameter's dtype, not in bfloat16.

    Parameters that are no matrices (biases, the weights of norms) are updated by :class:`AdamW`
    with the same rate and weight decay. Keller Jordan also leaves the last layer and embeddings to
    AdamW: say so with `ParameterGroups`.

    Keller Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024.
    Liu et al., "Muon is scalable for LLM training", 2025, for ``"match_rms_adamw"``.

    **Shapes**: ``w, g, m: the parameter's``

    Args:
        learning_rate: the rate per step, at least 0, or a schedule.
        momentum: what stays of m from step to step, at least 0 and below 1.
        nesterov: whether the step looks ahead.
        weight_decay: the part of w that goes with each step of rate 1, at least 0.
        steps: of the iteration.
        scale: ``"original"`` or ``"match_rms_adamw"``: s above.
        betas: AdamW's, for what is no matrix.
        epsilon: AdamW's.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> w, _ = Muon(0.1, weight_decay=0.0).update(
        ...     np.zeros((2, 2)), np.array([[5.0, 0.0], [0.0, 5.0]]),
        ...     {"buffer": np.zeros((2, 2))}, 1.0, 0.1,
        ... )
        >>> bool(abs(w[0, 0] + 0.1) < 0.03 and w[0, 1] == 0.0)
        True
    """

    name = "muon"

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.1,
        steps: int = 5,
        scale: str = "original",
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.learning_rate = rate_from("Muon", learning_rate)
        self.momentum = number("Muon", "momentum", momentum, 0.0, 1.0, below_high=True)
        self.nesterov = flag("Muon", "nesterov", nesterov)
        self.weight_decay = number("Muon", "weight_decay", weight_decay, 0.0)
        self.steps = whole_number("Muon", "steps", steps, high=99)
        self.scale = one_of("Muon", "scale", scale, SCALES)
        self.betas = two_betas("Muon", betas)
        self.epsilon = number("Muon", "epsilon", epsilon, 0.0)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The momentum of a matrix, from 0; AdamW's moments of anything else."""
        return {"buffer": 0.0} if len(shape) == 2 else self._others().state(shape, dtype)

    def _others(self) -> AdamW:
        return AdamW(0.0, self.betas, self.epsilon, self.weight_decay)

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step; see :class:`Muon`."""
        shape = shape_of(w)
        if len(shape) != 2:
            return self._others().update(w, g, state, step, rate)
        past = state["buffer"]
        buffer = ops.add(past, ops.multiply(1.0 - self.momentum, ops.subtract(g, past)))
        mixed = buffer
        if self.nesterov:
            mixed = ops.add(g, ops.multiply(self.momentum, ops.subtract(buffer, g)))
        inputs, units = (int(length) for length in shape)  # type: ignore[arg-type]
        factor = math.sqrt(max(1.0, units / inputs))
        if self.scale == "match_rms_adamw":
            factor = 0.2 * math.sqrt(max(inputs, units))
        size = ops.cast(ops.multiply(rate, factor), dtype_of(w))
        move = ops.multiply(size, orthogonalized(mixed, self.steps))
        return ops.subtract(shrunk(w, rate, self.weight_decay), move), {"buffer": buffer}
