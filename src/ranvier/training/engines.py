"""What runs a training program: native code, or the reference step by step.

Both read and leave the same control block, so that the program around them cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.control import Control
from ranvier.training.rules import EPOCH

Array = NDArray[Any]


class Engine(Protocol):
    """Runs steps and epochs on state of its own."""

    control: Control

    def load(self, state: Mapping[str, Array]) -> None:
        """Take parameters and optimizer state, by input name."""

    def view(self, name: str) -> Array:
        """A parameter or state as it is now."""

    def loss(self) -> float:
        """The loss of the last step's batch."""

    def run(self) -> None:
        """Go on from the control block's position until it says why it stopped."""

    def keep_best(self) -> None:
        """Ask for the best parameters to be kept."""

    def keep_now(self) -> None:
        """The present parameters are the best ones, if the best ones are kept."""

    def best(self) -> Mapping[str, Array]:
        """The parameters that were kept."""


def is_better(control: Control, value: float) -> bool:
    """The monitor's rule: whether an epoch's number is better; counts epochs since the best one."""
    sign = control["monitor_sign"]
    if sign * value < sign * control["best_value"] - control["tolerance"]:
        control["best_value"], control["best_epoch"] = value, control["epoch"] - 1
        control["waited"] = 0
        return True
    control["waited"] = control["waited"] + 1
    return False


def scalars_now(control: Control, numbers: Sequence[str]) -> dict[str, Any]:
    """The scalars that the next step reads, by input name.

    Args:
        control: where the run is.
        numbers: names of the numbers that the host gives the update, in order.
    """
    return {
        "control.step_real": np.float64(control["step"] + 1),
        "control.step_number": np.int64(control["step"]),
        "control.seed": np.int64(control["seed"]),
        "control.rate": np.float64(control["learning_rate"]),
        EPOCH: np.float64(control["epoch"]),
        **dict(zip(numbers, control.numbers(), strict=True)),
    }


def planned_rows(rows: int) -> int:
    """Rows that a batch of all rows is planned for: at most an eighth more than there are.

    Data sets of nearly the same length, such as the parts of a cross-validation, share a program.

    Example:
        >>> [planned_rows(rows) for rows in (7, 142, 143, 1437)]
        [7, 144, 144, 1536]
    """
    grain = max(1, 1 << max(0, rows.bit_length() - 4))
    return -(-rows // grain) * grain


def batch_bounds(rows: int, size: int) -> list[tuple[int, int]]:
    """First and last row of each batch; a last batch of one row joins the one before."""
    bounds = [(low, min(low + size, rows)) for low in range(0, rows, size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] == 1 and size > 1:
        bounds[-2:] = [(bounds[-2][0], rows)]
    return bounds
