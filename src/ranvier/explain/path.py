"""The way that weights take in training, for pictures of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ranvier.training.callbacks import FunctionCallback
from ranvier.training.events import Event, TrainingStarted


class WeightPath(FunctionCallback):
    """Copies all parameters before training and after every so many steps or epochs.

    Args:
        every: how often, as `rv.Callback.every`.

    Attributes:
        snapshots: parameters by name, the first before training; empty again when a run starts.

    Raises:
        ArgumentError: an `every` that is not understood.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> path = rv.explain.WeightPath(every="epoch")
        >>> x = np.arange(8.0)[:, None]
        >>> model = rv.Sequential(rv.Dense(1))
        >>> _ = model.fit(x, x, epochs=3, callbacks=[path], engine="reference")
        >>> len(path.snapshots)
        4
    """

    def __init__(self, every: str | tuple[str, ...] = "step") -> None:
        self.snapshots: list[Mapping[str, NDArray[Any]]] = []
        super().__init__(self._remember, every)

    def _remember(self, event: Event) -> None:
        self.snapshots.append(dict(event.parameters))

    def on_start(self, event: TrainingStarted) -> None:
        """The weights before the first step."""
        self.snapshots = []
        self._remember(event)

    def __repr__(self) -> str:
        return f"WeightPath(every={self.every!r})"
