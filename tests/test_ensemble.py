"""Ensembles: every member is, to the bit, the network trained alone; and what they say together."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.foundation.errors import ArgumentError, NotBuiltError, TrainingError

ROWS = 53
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, 5)).astype(np.float32)
CLASSES = RANDOM.integers(0, 3, ROWS)
NUMBERS = np.stack([X[:, 0] * X[:, 1], np.sin(X[:, 2])], axis=1)
WORDS = RANDOM.integers(0, 11, (ROWS, 4))
DENSE = rv.Dense


def branches() -> rv.Model:
    """A graph with a merge and two outputs."""
    first = rv.Input((5,))
    hidden = DENSE(6, activation="relu")(first)
    joined = rv.Add()([DENSE(6)(hidden), hidden])
    both = rv.Concatenate()([joined, first])
    return rv.Model(first, {"kind": DENSE(3)(joined), "size": DENSE(2)(both)})


#: Network, examples, targets, arguments of fit.
CASES: dict[str, tuple[Callable[[], rv.Model], Any, Any, dict[str, Any]]] = {
    "momentum": (
        lambda: rv.Sequential(DENSE(7, activation="tanh"), DENSE(2)),
        X, NUMBERS, {"optimizer": rv.SGD(0.05, momentum=0.9), "batch_size": 8},
    ),
    "dropout": (
        lambda: rv.Sequential(DENSE(20, activation="gelu"), rv.Dropout(0.3), DENSE(3)),
        X, CLASSES, {"optimizer": "adamw", "batch_size": 10},
    ),
    "batch norm": (
        lambda: rv.Sequential(DENSE(9), rv.BatchNorm(), DENSE(3, activation="softmax")),
        X, CLASSES, {"batch_size": 16, "validation": 0.25},
    ),
    "binary, all rows": (
        lambda: rv.Sequential(DENSE(18, activation="sigmoid"), rv.LayerNorm(), DENSE(1)),
        X, X[:, 0] > 0, {"batch_size": None, "validation": (X, X[:, 1] > 0)},
    ),
    "clipped and averaged": (
        lambda: rv.Sequential(DENSE(17, activation="elu"), DENSE(2)),
        X, NUMBERS,
        {"clip_norm": 0.1, "clip_value": 0.05, "average": 0.9, "validation": 0.2},
    ),
    "accumulated and weighted": (
        lambda: rv.Sequential(DENSE(17, activation="silu"), DENSE(3)),
        X, CLASSES,
        {"accumulate": 3, "sample_weight": np.linspace(0.1, 1, ROWS), "class_weight": "balanced"},
    ),
    "float64": (
        lambda: rv.Sequential(DENSE(19, activation="relu"), DENSE(2), dtype="float64"),
        X, NUMBERS, {"loss": "huber", "metrics": ["mae", "r2"]},
    ),
    "groups and schedules": (
        lambda: rv.Sequential(DENSE(6, activation="mish"), DENSE(2)),
        X, NUMBERS,
        {"optimizer": {"layers.0": rv.RMSprop(rv.CosineDecay(0.01)), "*": rv.SGD(0.1)},
         "shuffle": False},
    ),
    "one example at a time": (
        lambda: rv.Sequential(DENSE(33), rv.PReLU(), rv.RMSNorm(), DENSE(2)),
        X, NUMBERS, {"loss": "mae", "batch_size": 1},
    ),
    "counted metrics": (
        lambda: rv.Sequential(DENSE(33, activation="selu"), DENSE(3)),
        X, CLASSES,
        {"metrics": ["accuracy", rv.metrics.F1(average="macro")], "validation": 0.3},
    ),
    "noise": (
        lambda: rv.Sequential(rv.GaussianNoise(0.1), DENSE(8, activation="softsign"), DENSE(2)),
        X, NUMBERS, {"optimizer": "lion"},
    ),
    "deep": (
        lambda: rv.Sequential(DENSE(40, activation="relu"), DENSE(30), DENSE(2)),
        X, NUMBERS, {"loss": "cosine_similarity", "optimizer": "adagrad"},
    ),
    "orthogonal steps": (
        lambda: rv.Sequential(DENSE(8, activation="relu"), DENSE(3)),
        X, CLASSES, {"optimizer": "muon", "loss": "categorical_focal"},
    ),
    "embedding": (
        lambda: rv.Sequential(rv.Embedding(11, 3), rv.Flatten(), DENSE(3)), WORDS, CLASSES, {},
    ),
    "graph": (
        branches, X, {"kind": CLASSES, "size": NUMBERS},
        {"loss_weights": {"kind": 1.0, "size": 0.3}, "validation": 0.2},
    ),
}  # fmt: skip


def parameters(model: rv.Model) -> dict[str, np.ndarray]:
    """Copies of a model's weights."""
    return {name: array.copy() for name, array in model.network.parameters.items()}


def alone(case: str, seed: int, first: int, epochs: int = 3) -> tuple[rv.Model, Any]:
    """A member as it is without the others, and its history."""
    make, x, y, arguments = CASES[case]
    model = make()
    model.build(None if case == "graph" else x.shape[1:], seed=first)
    return model, model.fit(x, y, epochs=epochs, seed=seed, **arguments)


@pytest.mark.parametrize("case", CASES)
def test_a_member_has_the_bits_of_the_network_alone(case: str) -> None:
    make, x, y, arguments = CASES[case]
    ensemble = rv.Ensemble(make(), members=5)
    history = ensemble.fit(x, y, epochs=3, seed=2, **arguments)
    assert history.lanes == 8, history.notes
    for k in (0, 3, 4):
        model, own = alone(case, seed=2, first=2 + k)
        for name, array in model.network.parameters.items():
            np.testing.assert_array_equal(
                ensemble.members[k].network.parameters[name], array, strict=True
            )
        assert dict(history.members[k]) == dict(own)
        assert all(history[name][:, k].tolist() == own[name] for name in own)


def test_blocks_threads_and_a_second_fit() -> None:
    make, x, y, arguments = CASES["momentum"]
    found = []
    for threads in (1, 3):
        ensemble = rv.Ensemble(make(), members=35)
        first = ensemble.fit(x, y, epochs=2, threads=threads, **arguments)
        second = ensemble.fit(x, y, epochs=2, threads=threads, **arguments)
        assert first.lanes == 16
        assert second["loss"].mean() < first["loss"].mean()
        found.append([parameters(member) for member in ensemble.members])
    for one, other in zip(*found, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    model = alone("momentum", seed=0, first=34, epochs=2)[0]
    model.fit(x, y, epochs=2, **arguments)
    assert all(np.array_equal(found[0][34][n], a) for n, a in parameters(model).items())


ONE_AFTER_ANOTHER: dict[str, tuple[str, dict[str, Any], str]] = {
    "own order": ("momentum", {"own_order": True}, "order of rows of its own"),
    "reference": ("momentum", {"engine": "reference"}, "reference engine"),
    "early stopping": (
        "momentum", {"callbacks": [rv.EarlyStopping("loss", patience=1)]}, "callbacks",
    ),
    "whole sets": (
        "dropout", {"metrics": ["roc_auc"], "validation": 0.3}, "all rows at once",
    ),
    "L-BFGS": ("momentum", {"optimizer": "lbfgs"}, "L-BFGS"),
    "touched rows": ("embedding", {"optimizer": "sgd"}, "scatter_onto"),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_AFTER_ANOTHER)
def test_members_that_train_one_after_another_say_why(case: str) -> None:
    base, more, why = ONE_AFTER_ANOTHER[case]
    make, x, y, arguments = CASES[base]
    whole = {**arguments, **more}
    ensemble = rv.Ensemble(make(), members=2)
    history = ensemble.fit(x, y, epochs=3, seed=4, **whole)
    assert history.lanes == 1
    assert why in history.notes[-1]
    own_order = whole.pop("own_order", False)
    model = make().build(x.shape[1:], seed=5)
    model.fit(x, y, epochs=3, seed=5 if own_order else 4, **whole)
    for name, array in model.network.parameters.items():
        np.testing.assert_array_equal(ensemble.members[1].network.parameters[name], array)


def test_large_networks_and_single_members_train_one_after_another() -> None:
    wide = rv.Ensemble(rv.Sequential(DENSE(900, activation="relu"), DENSE(2)), members=5)
    assert "fills the vectors" in wide.fit(X, NUMBERS, epochs=1).notes[-1]
    single = rv.Ensemble(rv.Sequential(DENSE(2)), members=1)
    assert single.fit(X, NUMBERS, epochs=1)["loss"].shape == (1, 1)


def test_histories_of_unequal_length_end_in_nan() -> None:
    ensemble = rv.Ensemble(rv.Sequential(DENSE(2)), members=4)
    stop = rv.EarlyStopping("loss", patience=1, tolerance=0.02)
    history = ensemble.fit(X, NUMBERS, epochs=60, optimizer=rv.SGD(0.3), callbacks=[stop])
    lengths = [one.epochs for one in history.members]
    assert np.isfinite(history["loss"]).sum(axis=0).tolist() == lengths
    assert len(history["loss"]) == max(lengths)


# --- answers


def test_mean_and_spread_of_numbers() -> None:
    ensemble = rv.Ensemble(rv.Sequential(DENSE(8, activation="tanh"), DENSE(2)), members=6)
    ensemble.fit(X, NUMBERS, epochs=2)
    each = np.stack([member.predict(X) for member in ensemble.members])
    np.testing.assert_array_equal(ensemble.predict(X), each.mean(axis=0))
    np.testing.assert_array_equal(ensemble.spread(X), each.std(axis=0))
    assert ensemble.predict(X[:3], engine="reference").shape == (3, 2)
    with pytest.raises(ArgumentError, match="needs a model for classes"):
        ensemble.predict_classes(X)


def test_classes_come_from_the_mean_probability() -> None:
    words = np.array(["iris", "rose", "lily"])[CLASSES]
    ensemble = rv.Ensemble(rv.Sequential(DENSE(8, activation="tanh"), DENSE(3)), members=3)
    ensemble.fit(X, words, epochs=2)
    mean = np.mean([member.predict_proba(X) for member in ensemble.members], axis=0)
    np.testing.assert_array_equal(ensemble.predict_proba(X), mean)
    expected = np.array(["iris", "lily", "rose"])[mean.argmax(axis=1)]
    assert ensemble.predict_classes(X).tolist() == expected.tolist()


def test_several_outputs() -> None:
    ensemble = rv.Ensemble(branches(), members=3)
    ensemble.fit(
        X, {"kind": CLASSES, "size": CLASSES % 2}, epochs=1, loss={"size": "cross_entropy"}
    )
    found = ensemble.predict(X)
    assert {name: array.shape for name, array in found.items()} == {
        "kind": (ROWS, 3), "size": (ROWS, 2),
    }  # fmt: skip
    assert set(ensemble.predict_classes(X)["size"]) <= {0, 1}


def test_members_are_models(tmp_path: Any) -> None:
    ensemble = rv.Ensemble(rv.Sequential(DENSE(4), DENSE(3)), members=4)
    assert len(ensemble) == len(ensemble.members) == 4
    assert not ensemble.built
    ensemble.fit(X, CLASSES, epochs=1)
    assert ensemble.built
    assert [type(member).__name__ for member in ensemble.members[1:3]] == ["Sequential"] * 2
    assert ensemble.members[-1] is ensemble.members[3]
    before = ensemble.predict(X)
    ensemble.members[2].save(tmp_path / "member.safetensors")
    loaded = rv.load(tmp_path / "member.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), ensemble.members[2].predict(X))
    ensemble.members[2].fit(X, CLASSES, epochs=1)
    assert (ensemble.predict(X) != before).any()


def test_the_model_that_was_given_stays_as_it_is() -> None:
    model = rv.Sequential(DENSE(3)).build((5,), seed=7)
    before = parameters(model)
    ensemble = rv.Ensemble(model, members=2).build(seed=1)
    ensemble.fit(X, CLASSES, epochs=1)
    assert all(np.array_equal(before[name], a) for name, a in parameters(model).items())
    assert repr(ensemble) == "Ensemble(Sequential(Dense(3)), members=2)"


# --- errors


def test_errors_of_an_ensemble() -> None:
    with pytest.raises(ArgumentError, match="made of a model"):
        rv.Ensemble("model")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="members"):
        rv.Ensemble(rv.Sequential(DENSE(1)), members=0)
    ensemble = rv.Ensemble(rv.Sequential(DENSE(1)), members=2)
    with pytest.raises(NotBuiltError):
        ensemble.predict(X)
    with pytest.raises(ArgumentError, match="seed"):
        ensemble.fit(X, NUMBERS[:, :1], seed=-1)
    with pytest.raises(ArgumentError, match="own_order"):
        ensemble.fit(X, NUMBERS[:, :1], own_order=1)  # type: ignore[arg-type]


def test_a_member_that_diverges_is_named() -> None:
    ensemble = rv.Ensemble(rv.Sequential(DENSE(4), DENSE(2)), members=20)
    ensemble.build((5,))
    ensemble.members[17].network.parameters["layers.0.weight"][...] = np.float32(1e30)
    with pytest.raises(TrainingError, match="member 17 "):
        ensemble.fit(X, NUMBERS, epochs=2, optimizer=rv.SGD(0.1))


def test_an_interrupted_run_keeps_the_weights_so_far() -> None:
    x = np.linspace(-1, 1, 1000, dtype=np.float32)[:, None]
    ensemble = rv.Ensemble(rv.Sequential(DENSE(2, activation="tanh"), DENSE(1)), members=4)
    ensemble.build((1,))
    before = [parameters(member) for member in ensemble.members]
    timer = threading.Timer(0.5, _thread.interrupt_main)
    ensemble.fit(x, x, epochs=1, batch_size=1)  # compiled now, not while the clock runs
    timer.start()
    history = ensemble.fit(x, x, epochs=40_000, batch_size=1)
    timer.cancel()
    assert history.interrupted
    assert history["loss"].shape == (len(history["loss"]), 4)
    assert len(history["loss"]) < 40_000
    for member, was in zip(ensemble.members, before, strict=True):
        now = parameters(member)
        assert all(np.isfinite(now[name]).all() for name in now)
        assert any((now[name] != was[name]).any() for name in now)
