"""The mean precision over all thresholds."""

from __future__ import annotations

import numpy as np

from ranvier.metrics.base import METRICS
from ranvier.metrics.ranking import Ranking, Reals


@METRICS.register("average_precision")
class AveragePrecision(Ranking):
    """The precision at each threshold, weighted by what the threshold adds to the recall.

    Formula: ``sum over thresholds of (R[k] - R[k - 1]) P[k]``, thresholds falling, without
    interpolation, as in scikit-learn. Of many classes it is the mean over the classes, each against
    the rest. Arguments, shapes and errors are those of :class:`~ranvier.metrics.ranking.Ranking`.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[0.1], [0.4], [0.35], [0.8]])
        >>> round(AveragePrecision().score(outputs, np.array([0, 0, 1, 1])), 4)
        0.8333
    """

    name = "average_precision"

    def of_order(self, wanted: Reals, others: Reals) -> float:
        """The mean precision where rows of the class are found."""
        found = np.cumsum(wanted)
        return float(np.sum(wanted * found / (found + np.cumsum(others))) / found[-1])
