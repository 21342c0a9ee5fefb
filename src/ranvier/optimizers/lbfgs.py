"""L-BFGS: Newton's direction from the last few gradients, and a step length that is searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier.layers.arguments import number, whole_number
from ranvier.ops import Tensor
from ranvier.optimizers.base import OPTIMIZERS, Optimizer

#: The state in which a program finds the gradient of each parameter.
GRADIENT = "gradient"


@OPTIMIZERS.register("lbfgs")
class LBFGS(Optimizer):
    """The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno, on all rows at once.

    An epoch is one iteration: a direction from the last pairs of steps and changes of the gradient,
    then a line search for a step length that meets the strong Wolfe conditions. The vectors are
    float64 whatever the network's dtype is. The program evaluates loss and gradient natively and
    is driven from outside: see `ranvier.training.lbfgs`. Random layers draw the same numbers in
    each evaluation, so that there is one function to minimize.

    Formula: ``w = w - length * H g``, H by the two-loop recursion from ``s = w' - w`` and
    ``y = g' - g``, starting from ``(s^T y / y^T y)`` times the identity.

    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989;
    Nocedal and Wright, "Numerical optimization", algorithms 7.4 and 3.5.

    **Shapes**: ``w, g: the parameter's``

    Args:
        learning_rate: the first length that each search tries, above 0.
        history: how many pairs are remembered.
        tolerance_gradient: training ends when no entry of the gradient is larger, at least 0.
        max_evaluations: of the loss in one line search.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = np.linspace(-1.0, 1.0, 20)[:, None]
        >>> model = rv.Sequential(rv.Dense(1), dtype="float64")
        >>> history = model.fit(x, 3.0 * x, optimizer=rv.LBFGS(), epochs=50, engine="reference")
        >>> model.layers[0].weight.round(4).tolist()
        [[3.0]]
    """

    name = "lbfgs"
    learning_rate: float

    def __init__(
        self,
        learning_rate: float = 1.0,
        history: int = 10,
        tolerance_gradient: float = 1e-5,
        max_evaluations: int = 25,
    ) -> None:
        self.learning_rate = number("LBFGS", "learning_rate", learning_rate, 0.0, above_low=True)
        self.history = whole_number("LBFGS", "history", history)
        self.tolerance_gradient = number("LBFGS", "tolerance_gradient", tolerance_gradient, 0.0)
        self.max_evaluations = whole_number("LBFGS", "max_evaluations", max_evaluations)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The gradient of the last evaluation."""
        return {GRADIENT: 0.0}

    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """Leaves the parameter where it is and the gradient for the driver; see :class:`LBFGS`."""
        return w, {GRADIENT: g}
