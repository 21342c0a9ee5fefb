"""Probabilities that mean what they say: one temperature for all logits, found on other rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: How far the search goes, as logarithms of temperatures.
LOWEST, HIGHEST = -2.0, 2.0
GOLDEN = 0.5 * (5.0**0.5 - 1.0)


def best_temperature(log_loss: Callable[[float], float]) -> float:
    """The temperature with the least loss, by golden-section search over its logarithm.

    Dividing logits by one positive number moves no class before another; it only makes all answers
    bolder or more careful. Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
    networks", ICML 2017.

    Args:
        log_loss: of the rows at a temperature.

    Example:
        >>> round(best_temperature(lambda t: (t - 2.0) ** 2), 4)
        2.0
    """
    low, high = LOWEST, HIGHEST
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    losses = [log_loss(float(np.exp(left))), log_loss(float(np.exp(right)))]
    for _ in range(60):
        if losses[0] <= losses[1]:
            high, right, left = right, left, right - GOLDEN * (right - low)
            losses = [log_loss(float(np.exp(left))), losses[0]]
        else:
            low, left, right = left, right, left + GOLDEN * (high - left)
            losses = [losses[1], log_loss(float(np.exp(right)))]
    return float(np.exp(0.5 * (low + high)))


def log_loss_of(probabilities: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """The mean of minus the logarithm of the probability of what was right.

    **Shapes**: ``probabilities: (N, C), targets: (N, C)`` with 1 for what is right
    """
    least = np.finfo(np.float64).tiny
    logs = np.log(np.maximum(probabilities.astype(np.float64), least))
    return float(-(targets * logs).sum(axis=1).mean())
