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


#: A list where older versions of scikit-learn give pytest a generator, which it warns of.
CHECKS = parametrize_with_checks(ESTIMATORS).mark


@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        # scikit-learn's own checks warn of what they skip and of what is to come.
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)
