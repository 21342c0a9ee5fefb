"""The control block: every number that the host and a running program share.

An array of 8-byte words. The host fills it before a call and may read it, or write ``stop``, while
the call runs; the program leaves its position in it, so that the next call goes on from there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Words in order; those in REALS hold float64, the others int64 (pointers among them).
WORDS = (
    "stop",
    "status",
    "rows",
    "batch_size",
    "shuffle",
    "seed",
    "epoch",
    "batch",
    "last_epoch",
    "step",
    "last_step",
    "data",
    "validation_data",
    "validation_rows",
    "validation_batch",
    "row_numbers",
    "history",
    "columns",
    "first_epoch",
    "learning_rate",
    "monitor_sign",
    "monitor_column",
    "patience",
    "tolerance",
    "best_value",
    "best_epoch",
    "waited",
    "best_parameters",
    "loss_sum",
    "loss_count",
    "outputs",
)
REALS = frozenset(
    ("learning_rate", "monitor_sign", "tolerance", "best_value", "loss_sum", "loss_count")
)
#: The words after these are the running sums of metrics' statistics, then the update's numbers.
FIRST_SUM = len(WORDS)

#: What ``status`` says after a call.
FINISHED, STOPPED, STEP_LIMIT, NO_PATIENCE, NOT_FINITE, CONVERGED = range(6)
#: What ``stop`` asks for: an end after the present step; a pause, for which a driver of several
#: evaluations may finish what it began.
STOP, PAUSE = 1, 2


def word(name: str) -> int:
    """The place of a word."""
    return WORDS.index(name)


class Control:
    """The block as the host sees it.

    Args:
        sums: how many running sums of metrics' statistics there are.
        numbers: how many float64 numbers the host gives the update: rates of groups, bounds.
    """

    def __init__(self, sums: int, numbers: int = 0) -> None:
        self.words: NDArray[np.int64] = np.zeros(FIRST_SUM + sums + numbers, np.int64)
        self._first_number = FIRST_SUM + sums
        self._reals = self.words.view(np.float64)

    @property
    def address(self) -> int:
        """Where it lies."""
        return int(self.words.ctypes.data)

    def __getitem__(self, name: str) -> Any:
        place = word(name)
        return float(self._reals[place]) if name in REALS else int(self.words[place])

    def __setitem__(self, name: str, value: float) -> None:
        if name in REALS:
            self._reals[word(name)] = value
        else:
            self.words[word(name)] = value

    def sums(self) -> NDArray[np.float64]:
        """The running sums of metrics' statistics."""
        return self._reals[FIRST_SUM : self._first_number]

    def numbers(self) -> NDArray[np.float64]:
        """The numbers of the update, in the order of the step graph's ``numbers``."""
        return self._reals[self._first_number :]
