"""A line search for the strong Wolfe conditions, as L-BFGS needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
#: The two numbers of the strong Wolfe conditions.
DECREASE, CURVATURE = 1e-4, 0.9


@dataclass(frozen=True)
class Point:
    """One evaluation along a line.

    Attributes:
        length: how far along.
        loss: there; infinite where it is no finite number.
        slope: of the loss along the line.
        gradient: flat.
        line: the epoch's line of the history.
    """

    length: float
    loss: float
    slope: float
    gradient: Vector
    line: Vector


def search(
    evaluate: Callable[[float], Point], start: Point, first: float, limit: int
) -> Point | None:
    """A point along a line that meets the strong Wolfe conditions.

    The interval between the best point so far and one that is known to be too far shrinks by cubic
    interpolation, and to a tenth where the loss is not finite (Nocedal and Wright, 3.5 and 3.6).

    Args:
        evaluate: the loss at a length.
        start: length 0, with a negative slope.
        first: the first length to try.
        limit: evaluations at most.

    Returns:
        The point; or the best one, if the limit came first; None if none is below the start.
    """
    low, high, length = start, None, first
    for _ in range(limit):
        point = evaluate(length)
        allowed = start.loss + DECREASE * point.length * start.slope
        if point.loss > allowed or (low.length > 0 and point.loss >= low.loss):
            high = point
        elif abs(point.slope) <= -CURVATURE * start.slope:
            return point
        else:
            toward = 1.0 if high is None else high.length - low.length
            low, high = point, (low if point.slope * toward >= 0 else high)
        following = 4.0 * low.length if high is None else _between(low, high)
        if following == length or not np.isfinite(following):
            break
        length = following
    return low if low.length > 0 else None


def _between(low: Point, high: Point) -> float:
    """Where the cubic through two points and slopes is smallest, kept away from both ends."""
    width = high.length - low.length
    if not np.isfinite(high.loss):
        return low.length + 0.1 * width
    # Nocedal and Wright, equation 3.59. Far too far it overflows: then in the middle.
    with np.errstate(all="ignore"):
        first = low.slope + high.slope - 3.0 * (high.loss - low.loss) / width
        root = np.sign(width) * np.sqrt(np.square(first) - np.multiply(low.slope, high.slope))
        share = 1.0 - np.divide(high.slope + root - first, high.slope - low.slope + 2.0 * root)
    return low.length + (min(max(float(share), 0.1), 0.9) if np.isfinite(share) else 0.5) * width
