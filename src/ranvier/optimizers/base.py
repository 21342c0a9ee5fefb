"""What an optimizer is: one update of one parameter, written in ``ranvier.ops``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ranvier import ops
from ranvier.foundation.registry import Registry
from ranvier.layers.configured import Configured, name_from_class
from ranvier.ops import Tensor
from ranvier.optimizers.schedules import Clock, Schedule

OPTIMIZERS: Registry[type[Optimizer]] = Registry("optimizer")


class Optimizer(Configured):
    """Base of all optimizers. Their defaults are PyTorch's, except SGD's learning rate.

    Attributes:
        name: how it is asked for by name; left out, it is made from the class's.
        learning_rate: the rate per step, or a schedule. A program reads a number at the beginning
            of each run; nothing is compiled anew.
    """

    name: ClassVar[str] = ""
    learning_rate: float | Schedule

    @property
    def host_rate(self) -> float:
        """The number that the host gives a program: the rate, or 1 where a schedule gives it."""
        return 1.0 if isinstance(self.learning_rate, Schedule) else self.learning_rate

    def rate_of(self, host: Tensor, clock: Clock | None) -> Any:
        """The rate of a step as a float64 scalar: the host's number, times what a schedule gives.

        Args:
            host: the number that the host gives.
            clock: of the run; None where there is no schedule.
        """
        if not isinstance(self.learning_rate, Schedule) or clock is None:
            return host
        return ops.multiply(host, self.learning_rate.rate(clock))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            cls.name = name_from_class(cls.__name__)

    def state(self, shape: tuple[int, ...], dtype: str) -> dict[str, float]:
        """The names of what is kept for one parameter, each with the number it starts from.

        Every state tensor has the parameter's shape and dtype. Nothing is kept if this is left out.
        """
        return {}

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
