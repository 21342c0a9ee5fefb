"""XOR, 2-4-1 with tanh, one example at a time: what a step costs when there is no arithmetic."""

from __future__ import annotations

import numpy as np

from contender import Arrays, Workload


def load() -> Arrays:
    """Return the four rows: `x: (4, 2)`, `y: (4, 1)`.

    >>> load()[1].ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    return x, (x[:, :1] != x[:, 1:]).astype(np.float32)


WORKLOAD = Workload(
    name="xor",
    title="XOR 2-4-1 tanh, one example at a time, SGD",
    sizes=(2, 4, 1),
    activation="tanh",
    output_activation="tanh",
    loss="mse",
    optimizer="sgd",
    learning_rate=0.1,
    batch=1,
    load=load,
    epochs=2_000,
    warm_epochs=100,
    most_epochs=100_000,
    target_loss=0.01,
    tolerance=0.3,  # an epoch is four examples: their order alone moves its loss by 20 %
)
