"""What an ensemble's training leaves: a number an epoch for each member."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranvier.training.program import History


class EnsembleHistory(dict[str, NDArray[np.float64]]):
    """``history["loss"]``: **shape** ``(epochs, members)``; NaN where a member had stopped.

    Attributes:
        members: the history of each member, as training it alone would give it.
        lanes: how many members the program trained side by side; 1: one after another.
        seconds: what the run took.
        interrupted: whether the user ended it.
        notes: plain sentences.
    """

    def __init__(
        self,
        members: Sequence[History],
        lanes: int,
        seconds: float,
        interrupted: bool,
        notes: Sequence[str],
    ) -> None:
        self.members, self.lanes = tuple(members), lanes
        self.seconds, self.interrupted, self.notes = seconds, interrupted, list(notes)
        names = list(members[0]) if members else []
        super().__init__({name: _table([one[name] for one in members]) for name in names})


def _table(columns: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Columns of unequal length side by side, filled up with NaN."""
    longest = max(map(len, columns), default=0)
    table = np.full((longest, len(columns)), np.nan)
    for member, column in enumerate(columns):
        table[: len(column), member] = column
    return table
