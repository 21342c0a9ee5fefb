"""MNIST, 784-256-128-10 with ReLU, batch 128, Adam: the step that everybody knows.

The digits are read from RANVIER_DATA (or ../shared/data beside the project); without them, random
bytes of the same size stand in: the time is the same, the loss is not.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

from contender import Arrays, Workload

BATCH = 128
ROWS = 60_000 // BATCH * BATCH  # whole batches only, so that every tool does the same work
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def folder() -> Path | None:
    """Return the folder with the four MNIST files, or None."""
    path = Path(os.environ.get("RANVIER_DATA", SHARED)) / "handwriting" / "mnist"
    return path if (path / "train-images-idx3-ubyte.gz").exists() else None


def load() -> Arrays:
    """Return the training digits: `x: (59904, 784)` of uint8, `y: (59904,)` classes."""
    path = folder()
    if path is None:
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (ROWS, 784), np.uint8)
        return pixels, random.integers(0, 10, ROWS)
    pixels = _numbers(path / "train-images-idx3-ubyte.gz", 16).reshape(-1, 784)
    labels = _numbers(path / "train-labels-idx1-ubyte.gz", 8)
    return pixels[:ROWS].copy(), labels[:ROWS].astype(np.int64)


def _numbers(path: Path, header: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


WORKLOAD = Workload(
    name="mnist_mlp",
    title="MNIST MLP 784-256-128-10 ReLU, batch 128, Adam",
    sizes=(784, 256, 128, 10),
    activation="relu",
    output_activation="linear",
    loss="cross_entropy",
    optimizer="adam",
    learning_rate=1e-3,
    batch=BATCH,
    load=load,
    epochs=2,
    warm_epochs=1,
    most_epochs=1,
    target_loss=0.05,
    scale=1 / 255,
    tolerance=0.1,
)
