"""The networks for scikit-learn: what they share with its own, and what they do beyond."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

import ranvier as rv
from ranvier.estimators import (
    AdalineClassifier,
    AdalineRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    PerceptronClassifier,
)
from ranvier.estimators.parameters import checked
from ranvier.estimators.stopping import StoppingRule
from ranvier.foundation.errors import ArgumentError, DataError, UnknownNameError
from ranvier.training.rules import UpdateRules

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
LINE = np.linspace(-1.0, 1.0, 120)[:, None]
WAVE = np.sin(3.0 * LINE[:, 0])


def small(**others: Any) -> NetworkClassifier:
    return NetworkClassifier((8,), **{"max_iter": 30, "random_state": 0, **others})


# --- the same as scikit-learn's


@pytest.mark.parametrize(
    ("ours", "theirs"), [(NetworkClassifier, MLPClassifier), (NetworkRegressor, MLPRegressor)]
)
def test_every_parameter_of_theirs_is_there_with_its_default(ours: Any, theirs: Any) -> None:
    own, peer = ours().get_params(), theirs().get_params()
    assert set(peer) <= set(own)
    # The loss that is left out is theirs.
    assert {name: own[name] for name in peer if name != "loss"} == {
        name: value for name, value in peer.items() if name != "loss"
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "y"),
    [
        (NetworkClassifier, MLPClassifier, Y),
        (NetworkClassifier, MLPClassifier, Y == 0),
        (NetworkRegressor, MLPRegressor, X[:, 0]),
        (NetworkRegressor, MLPRegressor, X[:, :2]),
    ],
)
@pytest.mark.parametrize("early", [False, True])
def test_fitted_attributes_are_theirs(ours: Any, theirs: Any, y: Any, early: bool) -> None:
    one = ours(hidden_layer_sizes=(5, 4), random_state=0, max_iter=20, early_stopping=early).fit(
        X, y
    )
    two = theirs(hidden_layer_sizes=(5, 4), random_state=0, max_iter=20, early_stopping=early).fit(
        X, y
    )
    for name in (name for name in vars(two) if name.endswith("_")):
        assert hasattr(one, name), name
    assert [w.shape for w in one.coefs_] == [w.shape for w in two.coefs_]
    assert [b.shape for b in one.intercepts_] == [b.shape for b in two.intercepts_]
    assert one.n_layers_ == two.n_layers_
    assert one.n_outputs_ == two.n_outputs_
    assert one.out_activation_ == two.out_activation_
    assert len(one.loss_curve_) == one.n_iter_
    assert one.t_ == one.n_iter_ * (135 if early else 150)
    assert (one.validation_scores_ is None) == (two.validation_scores_ is None)
    assert (one.best_loss_ is None) == (two.best_loss_ is None)
    assert one.predict(X).shape == two.predict(X).shape


def test_from_equal_weights_both_train_alike() -> None:
    """Full batches of sgd from the same first weights: the same weights after 25 epochs."""
    shared = {"solver": "sgd", "max_iter": 25, "tol": 0.0, "alpha": 0.1, "shuffle": False}
    peer = MLPClassifier((6,), random_state=1, warm_start=True, **{**shared, "max_iter": 1})
    own = NetworkClassifier((6,), random_state=1, warm_start=True, **{**shared, "max_iter": 1})
    peer.fit(X, Y)
    own.fit(X, Y)
    for array, source in zip(
        [*own.coefs_, *own.intercepts_], [*peer.coefs_, *peer.intercepts_], strict=True
    ):
        array[...] = source
    own.members_[0].state = {}
    peer._optimizer.velocities = [np.zeros_like(v) for v in peer._optimizer.velocities]
    own.set_params(max_iter=25).fit(X, Y)
    peer.set_params(max_iter=25).fit(X, Y)
    for mine, other in zip(own.coefs_, peer.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(own.loss_curve_[1:], peer.loss_curve_[1:], rtol=1e-10)
    np.testing.assert_allclose(own.predict_proba(X), peer.predict_proba(X), rtol=1e-8)


def test_the_stopping_rule_is_theirs() -> None:
    losses = [1.0, 0.9, 0.89995, 0.8999, 0.89985, 0.5, 0.49995, 0.4999, 0.49985, 0.4998]
    rule = StoppingRule(1e-4, 2)
    # The best loss moves with each of the small steps, so they do not add up to an improvement.
    assert [rule.count(loss) for loss in losses[:4]] == [False, False, False, False]
    assert rule.count(losses[4])
    rule = StoppingRule(1e-4, 3)
    ends = [rule.count(loss) for loss in losses]
    assert ends.index(True) == 9
    assert rule.best_loss == 0.4998


def test_epochs_between_two_looks_end_where_each_epoch_looked_at_ends() -> None:
    quiet = small(max_iter=3000, learning_rate_init=0.05).fit(X, Y)
    heard = small(max_iter=3000, learning_rate_init=0.05, callbacks=[lambda event: None]).fit(X, Y)
    assert quiet.n_iter_ == heard.n_iter_ < 3000
    assert quiet.loss_curve_ == heard.loss_curve_
    assert (quiet.coefs_[0] == heard.coefs_[0]).all()


def test_the_loss_of_an_epoch_counts_every_row_once() -> None:
    still = {"solver": "sgd", "learning_rate_init": 1e-15, "max_iter": 4, "tol": 0.0}
    model = small(**still, batch_size=100, alpha=2.0, shuffle=True).fit(X, Y)
    # The rows go in another order each epoch, but they are the same rows.
    np.testing.assert_allclose(model.loss_curve_, model.loss_curve_[0], rtol=1e-12)
    log_loss = -np.log(model.predict_proba(X)[np.arange(150), Y]).mean()
    squares = sum(float(np.square(w).sum()) for w in model.coefs_)
    assert model.loss_ == pytest.approx(log_loss + 0.5 * 2.0 * squares / 100, rel=1e-12)
    assert model.history_["loss"] == model.loss_curve_
    assert list(model.history_) == ["loss"]


def test_too_few_epochs_are_a_warning_of_theirs() -> None:
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\)"):
        small(max_iter=3).fit(X, Y)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_solvers_learn(solver: str) -> None:
    model = NetworkClassifier(
        (10,), solver=solver, learning_rate_init=0.02, max_iter=300, random_state=0
    ).fit(X, Y)
    assert model.score(X, Y) > 0.95


def test_lbfgs_counts_its_evaluations() -> None:
    short = small(solver="lbfgs", max_iter=200, max_fun=5).fit(X, Y)
    assert short.n_iter_ <= 5
    assert small(solver="lbfgs", max_iter=200, alpha=1.0).fit(X, Y).n_iter_ > 5


@pytest.mark.parametrize("rate", ["invscaling", "adaptive"])
def test_rates_of_sgd_change(rate: str) -> None:
    rates: list[float] = []
    small(
        solver="sgd", learning_rate=rate, learning_rate_init=0.01, max_iter=60, tol=0.5,
        n_iter_no_change=2, callbacks=[lambda event: rates.append(event.learning_rate)],
    ).fit(X, Y)  # fmt: skip
    if rate == "invscaling":
        wanted = 0.01 / (150.0 * np.arange(1, 1 + len(rates)) + 1.0) ** 0.5
        # The rule changes the rate before the function, which is called after it, looks.
        np.testing.assert_allclose(rates, wanted, rtol=1e-12)
    else:
        assert rates[0] == 0.01
        assert rates[-1] == pytest.approx(1e-6, rel=0.5)
        assert {round(a / b, 6) for a, b in itertools.pairwise(rates)} == {1.0, 5.0}


def test_early_stopping_keeps_the_best_weights() -> None:
    model = small(
        early_stopping=True, validation_fraction=0.3, max_iter=500, learning_rate_init=0.05
    ).fit(X, Y)
    assert model.best_validation_score_ == max(model.validation_scores_)
    held = model.history_["val_accuracy"]
    assert held == model.validation_scores_
    assert model.n_iter_ < 500


def test_float32_rows_train_a_float32_network() -> None:
    model = small().fit(X.astype("float32"), Y)
    assert model.coefs_[0].dtype == np.float32
    assert model.predict_proba(X).dtype == np.float32
    assert small().fit(X, Y).coefs_[0].dtype == np.float64


def test_verbose_says_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    small(verbose=True, max_iter=2, early_stopping=True).fit(X, Y)
    printed = capsys.readouterr().out
    assert "Iteration 1, loss = " in printed
    assert "Iteration 2, loss = " in printed
    assert printed.count("Validation score: ") == 2


# --- going on


def test_warm_start_goes_on() -> None:
    twice = small(warm_start=True, max_iter=10, tol=0.0).fit(X, Y).fit(X, Y)
    once = small(max_iter=10, tol=0.0).fit(X, Y)
    assert twice.n_iter_ == 20
    assert len(twice.loss_curve_) == 20
    assert twice.loss_curve_[:10] == once.loss_curve_
    assert twice.loss_curve_[-1] < once.loss_curve_[-1]
    with pytest.raises(ArgumentError, match="`y` has classes not in"):
        twice.fit(X, Y + 1)


def test_partial_fit_is_an_epoch_of_fit() -> None:
    parts = small(shuffle=False)
    for _ in range(5):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    whole = small(shuffle=False, max_iter=5, tol=0.0).fit(X, Y)
    assert parts.n_iter_ == 5
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(parts.coefs_[0], whole.coefs_[0], rtol=1e-12)
    line = NetworkRegressor((4,), random_state=0).partial_fit(LINE, WAVE).partial_fit(LINE, WAVE)
    assert line.n_iter_ == 2


def test_partial_fit_refuses() -> None:
    with pytest.raises(ArgumentError, match="classes must be passed on the first call"):
        small().partial_fit(X, Y)
    with pytest.raises(ArgumentError, match="only available for stochastic optimizers"):
        small(solver="lbfgs").partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ArgumentError, match="partial_fit does not support early_stopping"):
        small(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ArgumentError, match="'9' is not among them"):
        small().partial_fit(X, np.where(Y == 2, 9, Y), classes=[0, 1, 2])


# --- beyond


def test_a_body_of_layers_is_copied_and_trained() -> None:
    body = [rv.Dense(12, activation="gelu"), rv.LayerNorm(), rv.Dropout(0.1)]
    model = small(body=body, max_iter=150, learning_rate_init=0.01).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert [w.shape for w in model.coefs_] == [(4, 12), (12, 3)]
    assert not body[0].values
    assert (clone(model).fit(X, Y).coefs_[0] == model.coefs_[0]).all()


def test_a_model_can_be_the_body() -> None:
    body = rv.Sequential(rv.Dense(6, activation="relu"), rv.Dense(5, activation="relu"))
    model = small(body=body).fit(X, Y)
    assert [w.shape for w in model.coefs_] == [(4, 6), (6, 5), (5, 3)]
    assert not body.built
    x = rv.Input((4,))
    h = rv.Dense(4, activation="relu")(x)
    branches = rv.Model(x, rv.Concatenate()([h, x]))
    assert small(body=branches).fit(X, Y).coefs_[-1].shape == (8, 3)
    with pytest.raises(ArgumentError, match="body is not understood"):
        small(body=["dense"]).fit(X, Y)


def test_penalties_of_a_given_body_are_not_scaled() -> None:
    body = [rv.Dense(4, kernel_regularizer=rv.L2(0.5))]
    model = small(body=body, alpha=0.0, max_iter=1, solver="sgd", learning_rate_init=1e-12)
    model.fit(X, Y)
    plain = small(
        body=[rv.Dense(4)], alpha=0.0, max_iter=1, solver="sgd", learning_rate_init=1e-12
    ).fit(X, Y)
    squares = float(np.square(model.coefs_[0]).sum())
    assert model.loss_ - plain.loss_ == pytest.approx(0.5 * squares, rel=1e-6)


def test_the_penalty_is_theirs() -> None:
    weak, strong = (
        small(alpha=alpha, max_iter=1, solver="sgd", learning_rate_init=1e-12).fit(X, Y)
        for alpha in (0.0, 3.0)
    )
    squares = sum(float(np.square(w).sum()) for w in strong.coefs_)
    assert strong.loss_ - weak.loss_ == pytest.approx(0.5 * 3.0 * squares / 150, rel=1e-6)


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(ArgumentError, match="penalty"):
        UpdateRules(penalty=-1.0)


@pytest.mark.parametrize(
    ("sizes", "shapes"),
    [
        (7, [(4, 7), (7, 3)]),
        ([7, 6], [(4, 7), (7, 6), (6, 3)]),
        (np.array([7, 6]), [(4, 7), (7, 6), (6, 3)]),
        ((), [(4, 3)]),
    ],
)
def test_hidden_layers_as_their_users_write_them(sizes: Any, shapes: list[Any]) -> None:
    model = NetworkClassifier(sizes, max_iter=3, random_state=0).fit(X, Y)
    assert [w.shape for w in model.coefs_] == shapes
    assert model.predict(X).shape == (150,)


def test_own_losses_optimizers_and_schedules() -> None:
    model = small(
        loss=rv.CategoricalFocal(), optimizer=rv.NAdam(rv.OneCycle(0.1)),
        dropout=0.02,
        max_iter=150, clip_norm=1.0, average=0.9,
    ).fit(X, Y)  # fmt: skip
    assert model.score(X, Y) > 0.9
    hinge = small(loss="hinge", max_iter=200, learning_rate_init=0.02).fit(X, Y == 0)
    assert hinge.score(X, Y == 0) == 1.0
    assert hinge.predict_proba(X).shape == (150, 2)
    with pytest.raises(ValueError, match="hinge does not fit"):
        small(loss="hinge").fit(X, Y)
    scheduled = small(learning_rate=rv.CosineDecay(0.05), max_iter=100).fit(X, Y)
    assert scheduled.score(X, Y) > 0.95
    huber = NetworkRegressor((8,), loss=rv.Huber(0.5), random_state=0, max_iter=10)
    assert huber.fit(LINE, WAVE).predict(LINE).shape == (120,)
    with pytest.raises(UnknownNameError, match="no loss called"):
        small(loss="nonsense").fit(X, Y)


def test_balanced_class_weights_lift_the_rare_class() -> None:
    x, y = make_classification(
        900, 8, weights=[0.95], n_informative=3, flip_y=0.03, class_sep=0.7, random_state=3
    )
    plain = small(max_iter=60).fit(x[:600], y[:600])
    balanced = small(max_iter=60, class_weight="balanced").fit(x[:600], y[:600])
    scores = [balanced_accuracy_score(y[600:], m.predict(x[600:])) for m in (plain, balanced)]
    assert scores[1] > scores[0] + 0.05
    by_hand = small(max_iter=60).fit(
        x[:600], y[:600], sample_weight=600 / (2 * np.bincount(y[:600]))[y[:600]]
    )
    np.testing.assert_allclose(by_hand.coefs_[0], balanced.coefs_[0], rtol=1e-9)


def test_own_validation_rows() -> None:
    train, held = slice(0, None, 2), slice(1, None, 2)
    model = small(max_iter=5).fit(X[train], Y[train], validation=(X[held], Y[held]))
    assert model.history_["val_accuracy"][-1] == pytest.approx(model.score(X[held], Y[held]))
    stopped = small(early_stopping=True, max_iter=300, learning_rate_init=0.05).fit(
        X[train], Y[train], validation=(X[held], Y[held])
    )
    assert stopped.t_ == stopped.n_iter_ * 75
    assert stopped.best_validation_score_ == pytest.approx(stopped.score(X[held], Y[held]))
    with pytest.raises(ArgumentError, match="validation is not understood"):
        small().fit(X, Y, validation=0.5)
    with pytest.raises(ArgumentError, match="'9' is not among them"):
        small().fit(X, Y, validation=(X, np.full(150, 9)))
    numbers = NetworkRegressor((4,), max_iter=5, random_state=0)
    numbers.fit(LINE, WAVE, validation=(LINE, WAVE))
    assert numbers.history_["val_r2"][-1] == pytest.approx(numbers.score(LINE, WAVE))


def test_callbacks_hear_and_stop() -> None:
    heard: list[int] = []

    def enough(event: Any) -> None:
        heard.append(event.epoch)
        if event.epoch == 4:
            event.stop()

    model = small(callbacks=[enough]).fit(X, Y)
    assert heard == [1, 2, 3, 4]
    assert model.n_iter_ == 4
    patient = small(callbacks=[rv.EarlyStopping("loss", patience=1, tolerance=10.0)], max_iter=90)
    assert patient.fit(X, Y).n_iter_ < 90


def test_the_callbacks_of_scikit_learn() -> None:
    pytest.importorskip("sklearn.callback")

    class Log:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def setup(self, estimator: Any, context: Any) -> None:
            self.seen.append("setup")

        def teardown(self, estimator: Any, context: Any) -> None:
            self.seen.append("teardown")

        def on_fit_task_begin(self, estimator: Any, context: Any, **rest: Any) -> None:
            self.seen.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator: Any, context: Any, **rest: Any) -> bool:
            self.seen.append(f"end {context.task_name}")
            return self.seen.count("end epoch") == 3

    log = Log()
    model = small().set_callbacks(log).fit(X, Y)
    assert model.n_iter_ == 3
    inner = ["begin epoch", "end epoch"] * 3
    assert log.seen == ["setup", "begin fit", *inner, "end fit", "teardown"]


def test_scikit_learns_monitor_scores_the_network_of_each_epoch() -> None:
    callbacks = pytest.importorskip("sklearn.callback")
    monitor = callbacks.ScoringMonitor(scoring="accuracy")
    model = small(max_iter=6, learning_rate_init=0.05).set_callbacks(monitor).fit(X, Y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    scores = [row["accuracy"] for row in rows]
    for epochs in (2, 6):
        alone = small(max_iter=epochs, learning_rate_init=0.05).fit(X, Y)
        assert scores[epochs - 1] == pytest.approx(alone.score(X, Y))
    assert model.score(X, Y) == pytest.approx(scores[-1])


def test_several_labels() -> None:
    x, y = make_multilabel_classification(200, 8, n_classes=4, random_state=0)
    x = x / x.std(axis=0)
    model = NetworkClassifier((16,), max_iter=300, learning_rate_init=0.01, random_state=0)
    model.fit(x, y)
    assert model.predict(x).shape == y.shape
    assert model.predict_proba(x).shape == y.shape
    assert model.score(x, y) > 0.5
    assert model.out_activation_ == "logistic"
    early = small(early_stopping=True, max_iter=20).fit(x, y)
    assert early.validation_scores_ == [-loss for loss in early.history_["val_loss"]]
    with pytest.raises(ArgumentError, match="it has shape"):
        small(warm_start=True).fit(x, y).fit(x, y[:, :2])


def test_several_numbers_and_counts() -> None:
    both = np.stack([WAVE, 1.0 - WAVE], axis=1)
    model = NetworkRegressor((24,), "tanh", solver="lbfgs", random_state=0).fit(LINE, both)
    assert model.predict(LINE).shape == (120, 2)
    assert model.score(LINE, both) > 0.99
    counts = np.random.default_rng(0).poisson(np.exp(1.0 + LINE[:, 0]))
    poisson = NetworkRegressor((8,), loss="poisson", solver="lbfgs", random_state=0)
    found = poisson.fit(LINE, counts).predict(LINE)
    assert poisson.out_activation_ == "exp"
    assert (found > 0).all()
    assert np.corrcoef(found, np.exp(1.0 + LINE[:, 0]))[0, 1] > 0.95
    with pytest.raises(DataError, match="values of y are negative"):
        poisson.fit(LINE, WAVE)


def test_members_are_averaged_and_apart() -> None:
    model = small(n_members=3, max_iter=20).fit(X, Y)
    alone = [member.outputs((X,)) for member in model.members_]
    softmax = [np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in alone]
    np.testing.assert_allclose(model.predict_proba(X), np.mean(softmax, axis=0), rtol=1e-10)
    np.testing.assert_allclose(model.predict_spread(X), np.std(softmax, axis=0), atol=1e-12)
    assert (small().fit(X, Y).predict_spread(X) == 0).all()
    line = NetworkRegressor((8,), n_members=3, max_iter=20, random_state=0).fit(LINE, WAVE)
    assert line.predict_spread(LINE).min() > 0
    with pytest.raises(ArgumentError, match="n_members"):
        small(n_members=0).fit(X, Y)


@pytest.mark.parametrize("labels", [False, True])
def test_temperature_lowers_the_log_loss_of_rows_set_aside(labels: bool) -> None:
    x, y = make_classification(400, 10, flip_y=0.3, random_state=0)
    y = np.stack([y, 1 - y], axis=1) if labels else y
    bold = NetworkClassifier(
        (64,), learning_rate_init=0.02, max_iter=200, random_state=0, calibration="temperature"
    ).fit(x[:300], y[:300])
    assert bold.temperature_ > 1.2
    right = y[300:, 0] if labels else y[300:]
    column = 0 if labels else 1

    def loss(model: NetworkClassifier) -> float:
        p = model.predict_proba(x[300:])[:, column]
        return float(-np.log(np.where(right == 1, p, 1 - p)).mean())

    calm = loss(bold)
    before = bold.predict(x)
    bold.temperature_ = 1.0
    assert calm < loss(bold)
    assert (bold.predict(x) == before).all()


def test_missing_values_on_request() -> None:
    x = X.copy()
    x[::7, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        small().fit(x, Y)
    model = small(missing="mean", max_iter=200, learning_rate_init=0.01).fit(x, Y)
    assert model.coefs_[0].shape == (5, 8)  # the marks of the second column
    assert model.score(x, Y) > 0.9
    assert model.predict(X).shape == (150,)
    x[:, 2] = np.nan
    with pytest.raises(DataError, match="Column 2 of X has no number"):
        small(missing="mean").fit(x, Y)


# --- compiled once


def test_folds_rates_penalties_and_seeds_share_one_program() -> None:
    from ranvier.backends.native.jit import CODES
    from ranvier.compiler.pipeline import PLANS

    small(max_iter=2).fit(X[:140], Y[:140]).predict(X)
    made, hits = len(CODES), PLANS.hits
    for alpha, rate, seed, rows in ((1.0, 0.1, 3, 139), (0.5, 0.2, 4, 143), (1e-3, 1e-3, 5, 144)):
        model = small(alpha=alpha, learning_rate_init=rate, random_state=seed, max_iter=2)
        model.fit(X[:rows], Y[:rows]).predict(X)
    assert len(CODES) == made
    assert PLANS.hits > hits


def test_fits_in_other_threads_take_one_thread_each() -> None:
    found: list[int | None] = []

    def look() -> None:
        found.append(checked(small()).threads)

    look()
    other = threading.Thread(target=look)
    other.start()
    other.join()
    assert found == [None, 1]
    assert checked(small(threads=2)).threads == 2
    models = [small(threads=count).fit(X, Y) for count in (1, 2)]
    assert (models[0].coefs_[0] == models[1].coefs_[0]).all()


# --- bad input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"activation": "sharp"}, "activation"),
        ({"solver": "newton"}, "solver"),
        ({"alpha": -1.0}, "alpha"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": "slow"}, "learning_rate"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"learning_rate_init": 0.0}, "learning_rate_init"),
        ({"power_t": -1.0}, "power_t"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1.0}, "tol"),
        ({"momentum": 1.5}, "momentum"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"beta_1": 1.0}, "beta_1"),
        ({"beta_2": -0.1}, "beta_2"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"n_iter_no_change": 0}, "n_iter_no_change"),
        ({"max_fun": 0}, "max_fun"),
        ({"dropout": 1.0}, "dropout"),
        ({"categorical": "hash"}, "categorical"),
        ({"missing": "drop"}, "missing"),
        ({"calibration": "isotonic"}, "calibration"),
        ({"optimizer": "adamant"}, "optimizer"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"average": 2.0}, "average"),
        ({"threads": 0}, "threads"),
    ],
)
def test_a_parameter_outside_its_domain_is_a_value_error(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        NetworkClassifier(**{"max_iter": 1, **change}).fit(X, Y)


def test_bad_rows_and_targets() -> None:
    with pytest.raises(NotFittedError):
        small().predict(X)
    model = small(max_iter=1).fit(X, Y)
    with pytest.raises(ValueError, match="X has 3 features, but NetworkClassifier is expecting 4"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="Unknown label type"):
        small().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        small().fit(X, Y, sample_weight=-np.ones(150))
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        NetworkRegressor(solver="sgd", learning_rate_init=1e6, max_iter=50).fit(X, 1e6 * X[:, 0])
    with pytest.raises(ValueError, match=r"weigh nothing|non-zero"):
        small().fit(X, Y, sample_weight=np.zeros(150))


# --- as plain data


def test_a_pickle_predicts_the_same(tmp_path: Path) -> None:
    model = small(n_members=2, body=[rv.Dense(5, activation="relu")]).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(model))
    program = (
        "import pickle, sys, numpy as np; from pathlib import Path; "
        "model = pickle.loads(Path(sys.argv[1]).read_bytes()); "
        "print(model.predict(np.zeros((1, 4)))[0])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path), "RANVIER_CACHE": "off"},
    )  # fmt: skip
    assert found.stdout.strip() == str(model.predict(np.zeros((1, 4)))[0])


def test_without_scikit_learn_the_room_says_which_extra() -> None:
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "sys.modules['sklearn.base'] = None\n"
        "from ranvier.foundation.errors import MissingExtraError\n"
        "try:\n    import ranvier.estimators\n"
        "except MissingExtraError as error:\n    print(error.fix)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path), "RANVIER_CACHE": "off"},
    )  # fmt: skip
    assert found.stdout.strip() == 'pip install "ranvier[sklearn]"'


# --- hidden layers, and the ancestors


def test_the_transformer_gives_the_last_hidden_layer() -> None:
    transformer = NetworkTransformer((6, 3), max_iter=50, random_state=0).fit(X, Y)
    hidden = transformer.transform(X)
    network = transformer.network_
    np.testing.assert_allclose(
        hidden @ network.coefs_[-1] + network.intercepts_[-1],
        network.members_[0].outputs((X,)),
        rtol=1e-10,
    )
    assert isinstance(network, NetworkClassifier)
    assert list(transformer.get_feature_names_out()) == [f"networktransformer{k}" for k in range(3)]
    codes = NetworkTransformer((2,), "tanh", max_iter=30, random_state=0).fit(X)
    assert isinstance(codes.network_, NetworkRegressor)
    assert codes.network_.n_outputs_ == 4


def test_the_ancestors_learn_by_their_rules() -> None:
    two = Y != 2
    perceptron = PerceptronClassifier(random_state=0).fit(X[two], Y[two])
    assert perceptron.score(X[two], Y[two]) == 1.0
    assert perceptron.n_iter_ < 1000
    adaline = AdalineClassifier(random_state=0).fit(X, Y)
    assert adaline.coef_.shape == (3, 4)
    assert adaline.decision_function(X).shape == (150, 3)
    assert adaline.score(X, Y) > 0.75
    line = AdalineRegressor(random_state=0).fit(LINE, 2.0 * LINE[:, 0] + 1.0)
    np.testing.assert_allclose(line.coef_, [[2.0]], atol=1e-6)
    np.testing.assert_allclose(line.intercept_, [1.0], atol=1e-6)
    with pytest.raises(DataError, match="grew beyond all bounds"):
        AdalineRegressor(learning_rate=10.0).fit(100.0 * LINE, WAVE)
    with pytest.raises(DataError, match="at least 2 classes"):
        PerceptronClassifier().fit(X, np.zeros(150, int))
