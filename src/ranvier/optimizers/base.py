"""What an optimizer is: one update of one parameter, written in ``ranvier.ops``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.registry import Registry
from ranvier.layers.configured import Configured
from ranvier.ops import Tensor

OPTIMIZERS: Registry[type[Optimizer]] = Registry("optimizer")


class Optimizer(Configured):
    """Base of all optimizers. Their defaults are PyTorch's, except SGD's learning rate.

    Attributes:
        name: how it is asked for by name.
        learning_rate: the rate per step; a program reads it anew at each step.
    """

    name: ClassVar[str] = ""
    learning_rate: float

    @abstractmethod
    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The names of what is kept for one parameter, each with the number it starts from.

        Every state tensor has the parameter's shape and dtype.
        """

    @abstractmethod
    def update(
        self,
        w: Tensor,
        g: Tensor,
        state: Mapping[str, Tensor],
        step: Tensor,
        rate: Tensor,
    ) -> tuple[Any, dict[str, Any]]:
        """One step.

        **Shapes**: ``w, g and state: the parameter's; step, rate: ()``

        Args:
            w: the parameter.
            g: its gradient.
            state: what :meth:`state` asked for.
            step: float64 scalar, 1 in the first step.
            rate: float64 scalar, the learning rate of this step.

        Returns:
            The new parameter and the new state, by the same names.
        """


def resolve(spec: str | Optimizer) -> Optimizer:
    """The optimizer that is meant by a name or is one already.

    Raises:
        UnknownNameError: for a name that is not registered.
        ArgumentError: for something else.

    Example:
        >>> resolve("adam").learning_rate
        0.001
    """
    if isinstance(spec, Optimizer):
        return spec
    if isinstance(spec, str):
        return OPTIMIZERS[spec]()
    raise ArgumentError(
        "The argument optimizer is not understood.",
        happened=f"optimizer is {spec!r:.80}",
        needed="a name, or an optimizer such as Adam(1e-3)",
        fix='write for example optimizer="adam"',
    )
