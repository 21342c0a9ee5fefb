"""The estimators inside scikit-learn's own tools, and with data frames."""

from __future__ import annotations

import io
from typing import Any

import joblib
import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import StackingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - it is what it enables
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import _get_feature_names

from ranvier.estimators import NetworkClassifier, NetworkRegressor, NetworkTransformer
from ranvier.foundation.errors import DataError

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # joblib's workers import scikit-learn anew, and it warns of what is to come.
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::DeprecationWarning"),
]

X, Y = load_iris(return_X_y=True)


def small(**others: Any) -> NetworkClassifier:
    return NetworkClassifier(
        (8,), **{"max_iter": 60, "learning_rate_init": 0.02, "random_state": 0, **others}
    )


def test_a_pipeline_and_its_scores() -> None:
    pipe = make_pipeline(StandardScaler(), small())
    assert pipe.fit(X, Y).score(X, Y) > 0.95
    scores = cross_val_score(pipe, X, Y, cv=3)
    assert scores.mean() > 0.9
    assert (cross_val_score(pipe, X, Y, cv=3) == scores).all()


def test_a_column_transformer() -> None:
    table = np.array([["a", 1.0], ["b", 2.0], ["a", 3.0], ["b", 4.0]] * 15, object)
    y = [0, 1, 0, 1] * 15
    before = ColumnTransformer([("kind", OneHotEncoder(), [0]), ("size", StandardScaler(), [1])])
    assert make_pipeline(before, small()).fit(table, y).score(table, y) == 1.0


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_grid(jobs: int) -> None:
    search = GridSearchCV(
        small(), {"alpha": [1e-4, 10.0], "learning_rate_init": [1e-5, 0.02]},
        cv=3, n_jobs=jobs,
    ).fit(X, Y)  # fmt: skip
    assert search.best_params_["learning_rate_init"] == 0.02
    assert search.best_score_ > 0.85


def test_a_halving_grid() -> None:
    search = HalvingGridSearchCV(
        small(), {"alpha": [1e-4, 1.0, 100.0]}, cv=3, random_state=0, min_resources=60
    ).fit(X, Y)
    assert search.best_score_ > 0.85


def test_calibration_importance_and_stacking() -> None:
    calibrated = CalibratedClassifierCV(small(), cv=3).fit(X, Y)
    assert calibrated.predict_proba(X).shape == (150, 3)
    found = permutation_importance(small().fit(X, Y), X, Y, n_repeats=2, random_state=0)
    assert found.importances_mean[2:].max() > found.importances_mean[:2].max()
    stack = StackingClassifier([("network", small())], LogisticRegression(max_iter=500), cv=3)
    assert stack.fit(X, Y).score(X, Y) > 0.9


def test_a_transformer_in_a_pipeline_gives_named_frames() -> None:
    polars = pytest.importorskip("polars")
    hidden = NetworkTransformer((3,), max_iter=80, learning_rate_init=0.02, random_state=0)
    pipe = make_pipeline(StandardScaler(), hidden, LogisticRegression(max_iter=500)).fit(X, Y)
    assert pipe.score(X, Y) > 0.9
    frame = clone(hidden).set_output(transform="polars").fit(X, Y).transform(X)
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == [f"networktransformer{k}" for k in range(3)]


def test_metadata_finds_its_way() -> None:
    weights = np.where(Y == 2, 5.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        plain = small().set_fit_request(sample_weight=True, validation=False)
        plain.set_score_request(sample_weight=False)
        routed = cross_validate(
            plain, X, Y, cv=3, params={"sample_weight": weights}, return_estimator=True
        )
        unweighted = small().set_fit_request(sample_weight=False)
        without = cross_validate(unweighted, X, Y, cv=3, return_estimator=True)
    pairs = zip(routed["estimator"], without["estimator"], strict=True)
    assert all((a.coefs_[0] != b.coefs_[0]).any() for a, b in pairs)


def test_joblib_keeps_a_model() -> None:
    model = small(n_members=2, calibration="temperature").fit(X, Y)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    again = joblib.load(file)
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    assert again.temperature_ == model.temperature_
    assert (clone(again).fit(X, Y).coefs_[0] == model.coefs_[0]).all()


# --- data frames


def _frames() -> list[str]:
    return ["polars", "pandas"]


def _frame(library: str, columns: dict[str, Any]) -> Any:
    module = pytest.importorskip(library)
    pytest.importorskip("narwhals")
    frame = module.DataFrame(columns)
    if library == "pandas":
        frame["city"] = frame["city"].astype("category")
    return frame


COLUMNS = {
    "age": [20.0, 35.0, 41.0, 50.0] * 20,
    "city": ["Oslo", "Rome", "Rome", "Bonn"] * 20,
    "member": [True, False, True, False] * 20,
}
MOVED = [0, 1, 1, 0] * 20


@pytest.mark.parametrize("library", _frames())
@pytest.mark.parametrize("categorical", ["one_hot", "embedding"])
def test_categories_by_dtype(library: str, categorical: str) -> None:
    frame = _frame(library, COLUMNS)
    model = small(categorical=categorical, max_iter=300).fit(frame, MOVED)
    # Older versions of scikit-learn do not see the names of every library's frames.
    named = _get_feature_names(frame) is not None
    assert hasattr(model, "feature_names_in_") == named
    assert model.n_features_in_ == 3
    assert model.score(frame, MOVED) == 1.0
    # Bonn, Oslo and Rome as columns beside age and member; or numbers learned of four places.
    width = 5 if categorical == "one_hot" else 2 + 3
    assert model.coefs_[0].shape == (width, 8)
    new = _frame(library, {"age": [30.0], "city": ["Paris"], "member": [True]})
    assert model.predict(new).shape == (1,)
    with pytest.raises(ValueError, match="feature names" if named else "'age' is missing"):
        model.predict(_frame(library, {"eta": [1.0], "city": ["Rome"], "member": [True]}))
    number = _frame(library, {"age": ["old"], "city": ["Rome"], "member": [True]})
    with pytest.raises(DataError, match="'age' holds texts"):
        model.predict(number)


@pytest.mark.parametrize("library", _frames())
def test_missing_values_of_a_frame(library: str) -> None:
    columns = {**COLUMNS, "age": [None, 35.0, 41.0, 50.0] * 20}
    frame = _frame(library, columns)
    with pytest.raises(ValueError, match="Input X contains NaN: column 'age', row 0"):
        small().fit(frame, MOVED)
    model = small(missing="mean").fit(frame, MOVED)
    assert model.coefs_[0].shape == (6, 8)
    assert model.predict(frame).shape == (80,)


@pytest.mark.parametrize("library", _frames())
def test_a_frame_of_texts_only_is_embedded(library: str) -> None:
    frame = _frame(library, {"city": COLUMNS["city"]})
    model = small(categorical="embedding", max_iter=300).fit(frame, MOVED)
    assert model.score(frame, MOVED) == 1.0
    numbers = NetworkRegressor((8,), max_iter=5, random_state=0).fit(frame, np.array(MOVED, float))
    assert numbers.predict(frame).shape == (80,)


def test_too_many_categories_are_refused() -> None:
    frame = _frame("polars", {"city": [f"place {k}" for k in range(10_001)]})
    with pytest.raises(DataError, match="10001 different texts"):
        small().fit(frame, np.arange(10_001) % 2)
