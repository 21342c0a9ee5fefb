"""1024-1024-1024-1024-10 with ReLU, batch 256, Adam: nothing but arithmetic and memory.

The classes come from a random linear map, so that there is something to learn.
"""

from __future__ import annotations

import numpy as np

from contender import Arrays, Workload

BATCH = 256
ROWS = 16 * BATCH


def load() -> Arrays:
    """Return `x: (4096, 1024)` and the classes `y: (4096,)`.

    >>> [array.shape for array in load()]
    [(4096, 1024), (4096,)]
    """
    random = np.random.default_rng(5)
    x = random.standard_normal((ROWS, 1024), np.float32)
    return x, (x @ random.standard_normal((1024, 10), np.float32)).argmax(axis=1)


WORKLOAD = Workload(
    name="mlp_1024",
    title="MLP 1024-1024-1024-1024-10 ReLU, batch 256, Adam",
    sizes=(1024, 1024, 1024, 1024, 10),
    activation="relu",
    output_activation="linear",
    loss="cross_entropy",
    optimizer="adam",
    learning_rate=1e-4,
    batch=BATCH,
    load=load,
    epochs=8,
    warm_epochs=1,
    most_epochs=1,
    target_loss=0.5,
    tolerance=0.1,
)
