"""The area under the receiver operating characteristic."""

from __future__ import annotations

import numpy as np

from ranvier.metrics.base import METRICS
from ranvier.metrics.ranking import Ranking, Reals


@METRICS.register("roc_auc")
class RocAuc(Ranking):
    """How likely a row of the class comes before one that is not; 1 is best, 0.5 is chance.

    Formula: ``(pairs in order + ties / 2) / pairs`` over all pairs of a row of the class and one
    of the others (Mann and Whitney, 1947), which is the area under the ROC curve. Of many classes
    it is the mean over the classes, each against the rest. Arguments, shapes and errors are those
    of :class:`~ranvier.metrics.ranking.Ranking`.

    Source: Hanley and McNeil, The meaning and use of the area under a ROC curve, 1982.

    Example:
        >>> import numpy as np
        >>> outputs = np.array([[0.1], [0.4], [0.35], [0.8]])
        >>> RocAuc().score(outputs, np.array([0, 0, 1, 1]))
        0.75
    """

    name = "roc_auc"

    def of_order(self, wanted: Reals, others: Reals) -> float:
        """The share of pairs in order."""
        before = np.cumsum(wanted) - wanted
        return float(np.sum(others * (before + 0.5 * wanted)) / (wanted.sum() * others.sum()))
