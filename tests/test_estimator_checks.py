"""Every check of scikit-learn, for every estimator, without one expected failure."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from ranvier.estimators import (
    AdalineClassifier,
    AdalineRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    PerceptronClassifier,
)

ESTIMATORS = [
    NetworkClassifier(),
    NetworkRegressor(),
    NetworkTransformer((8,)),
    PerceptronClassifier(),
    AdalineClassifier(),
    AdalineRegressor(),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # scikit-learn's own checks warn of what they skip and of what is to come.
        warnings.simplefilter("default")
        check(estimator)
