"""What a training program's profile starts from: its state, its next batches, its scalars."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.control import Control
from ranvier.backends.native.arena import Arena
from ranvier.backends.native.driver import Place
from ranvier.backends.native.expressions import ROWS_AHEAD
from ranvier.backends.native.profile import Subject
from ranvier.foundation.random import permuted_rows
from ranvier.training.engines import scalars_now
from ranvier.training.native import NativeEngine

#: The most row numbers that are kept for a profile; batches come round again after them.
MOST_ROWS = 1 << 16


def training_subject(engine: NativeEngine, control: Control) -> Subject:
    """A training step as something to time; the engine's own state is only read.

    Args:
        engine: what runs the step.
        control: where the run is: rows, batches, counters.
    """
    rows, count = control["rows"], control["batch_size"]
    batches = max(1, min(rows // count, max(1, MOST_ROWS // count)))
    order = np.arange(rows)
    if control["shuffle"]:
        order = permuted_rows(control["seed"], control["epoch"], rows)
    numbers = np.zeros(batches * count + ROWS_AHEAD, np.int64)
    numbers[: batches * count] = order[: batches * count]
    return Subject(
        "a step of training", engine.step, engine.memory, _start(engine, control),
        engine.tables[0], numbers, count, batches, engine.workers, engine.usual, engine.target,
    )  # fmt: skip


def _start(engine: NativeEngine, control: Control) -> NDArray[np.uint8]:
    """The arena as it is now, with the scalars of the next step in it."""
    arena = Arena(engine.memory)
    arena.bytes[:] = engine.arena.bytes
    layout = engine.layout
    now = scalars_now(control, [str(n) for n in range(len(layout.numbers))])
    places = {
        "control.step_real": layout.step_real,
        "control.step_number": layout.step_number,
        "control.seed": layout.seed,
        "control.rate": layout.rate,
        "control.epoch": layout.epoch,
        **{str(number): place for number, place in enumerate(layout.numbers)},
    }
    for name, place in places.items():
        if place is not None:
            _scalar(arena, place)[0] = now[name]
    return arena.bytes


def _scalar(arena: Arena, place: Place) -> NDArray[np.generic]:
    return np.frombuffer(arena.bytes.data, place.dtype, 1, place.offset)
