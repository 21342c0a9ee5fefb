"""The size of Iris, 4-16-16-3 with ReLU, batch 16, Adam: a small step with everything in it.

Every row comes three times and one label in eight is wrong, so that the loss stays away from zero
and no gradient dies out: a network that has learnt everything would time something else.
"""

from __future__ import annotations

import numpy as np

from contender import Arrays, Workload

BATCH = 16
ROWS = 144  # of 150: whole batches only, so that every tool does the same work


def load() -> Arrays:
    """Return `x: (144, 4)` and the classes `y: (144,)`.

    >>> [array.shape for array in load()]
    [(144, 4), (144,)]
    """
    random = np.random.default_rng(3)
    centres = random.normal(size=(3, 4))
    classes = np.arange(50) % 3
    x = centres[classes] + random.normal(scale=0.5, size=(50, 4))
    x, y = np.tile(x, (3, 1)), np.tile(classes, 3)
    wrong = random.random(150) < 1 / 8
    y[wrong] = (y[wrong] + 1) % 3
    return x[:ROWS].astype(np.float32), y[:ROWS].astype(np.int64)


WORKLOAD = Workload(
    name="iris",
    title="Iris-sized 4-16-16-3 ReLU, batch 16, Adam",
    sizes=(4, 16, 16, 3),
    activation="relu",
    output_activation="linear",
    loss="cross_entropy",
    optimizer="adam",
    learning_rate=1e-3,
    batch=BATCH,
    load=load,
    epochs=300,
    warm_epochs=20,
    most_epochs=5_000,
    target_loss=0.3,
    tolerance=0.05,
)
