"""The learning rate range test: its rates and losses, its suggestion, its picture, its errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.foundation.errors import ArgumentError, FileError, MissingExtraError, TrainingError
from ranvier.models.range_test import suggested_rate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 4))
Y = X @ RNG.normal(size=(4, 1))


def model(dtype: str = "float64") -> rv.Sequential:
    return rv.Sequential(rv.Dense(8, activation="tanh"), rv.Dense(1), dtype=dtype)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_losses_are_those_of_a_run_by_hand(engine: str) -> None:
    """Rate k belongs to the loss of step k + 1: an update shows in the step after it."""
    found = rv.learning_rate_range_test(
        model(), X, Y, lowest=1e-3, highest=1e-1, steps=12, optimizer=rv.SGD(99.0), engine=engine
    )
    np.testing.assert_allclose(found.rates, np.geomspace(1e-3, 1e-1, 12))
    losses: list[float] = []

    def by_hand(event: Any) -> None:
        losses.append(event.loss)
        if event.step < 12:
            event.set_learning_rate(1e-3 * 100 ** (event.step / 11))

    listener = rv.FunctionCallback(by_hand, "step")
    model().fit(X, Y, optimizer=rv.SGD(1e-3), epochs=2, callbacks=[listener], engine=engine)
    np.testing.assert_allclose(found.losses, losses[1:13], 1e-12)
    assert found.ended == "finished"


def test_the_mean_is_without_the_pull_of_its_start() -> None:
    found = rv.learning_rate_range_test(model(), X, Y, steps=10, smoothing=0.8)
    for k in range(10):
        weights = 0.8 ** np.arange(k, -1, -1)
        mean = (weights * found.losses[: k + 1]).sum() / weights.sum()
        np.testing.assert_allclose(found.smoothed[k], mean, 1e-12)
    raw = rv.learning_rate_range_test(model(), X, Y, steps=10, smoothing=0.0)
    np.testing.assert_allclose(raw.smoothed, raw.losses)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_suggestion_trains(optimizer: str) -> None:
    found = rv.learning_rate_range_test(model(), X, Y, optimizer=optimizer)
    assert found.suggestion is not None
    kinds = {"sgd": rv.SGD, "adam": rv.Adam}
    good = model().fit(X, Y, optimizer=kinds[optimizer](found.suggestion), epochs=20)
    poor = model().fit(X, Y, optimizer=kinds[optimizer](1e-6), epochs=20)
    assert good["loss"][-1] < 0.05 * poor["loss"][-1]


def test_it_ends_when_the_loss_grows() -> None:
    found = rv.learning_rate_range_test(model(), X, Y, optimizer="sgd", highest=1e6, steps=200)
    assert found.ended == "diverged"
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 200
    # Of the first ten means nothing is asked.
    settled = found.smoothed[10:]
    assert settled[-1] > 4 * settled.min()
    assert (settled[:-1] <= 4 * np.minimum.accumulate(settled)[:-1]).all()


def test_it_ends_where_the_loss_is_no_number() -> None:
    """Two steps of such a rate overflow before the mean has noticed."""
    linear = rv.Sequential(rv.Dense(1), dtype="float32")
    found = rv.learning_rate_range_test(
        linear, X, Y, optimizer="sgd", lowest=1e-3, highest=1e30, steps=4, smoothing=0.999
    )
    assert found.ended in ("not finite", "diverged")
    assert np.isfinite(found.losses).all()


def test_nothing_to_learn_gives_no_suggestion() -> None:
    rates = np.geomspace(1e-6, 10.0, 60)
    assert suggested_rate(rates, np.arange(60.0), 10) is None
    assert suggested_rate(rates[:2], np.array([2.0, 1.0]), 10) is None


@pytest.mark.parametrize("seed", range(10))
def test_noise_does_not_choose(seed: int) -> None:
    """A loss that falls around 1e-3, and batches that differ as much as it falls in a decade."""
    rates = np.geomspace(1e-6, 10.0, 100)
    far = np.log10(rates / 1e-3)
    losses = 1 / (1 + np.exp(3 * far)) + np.exp(10 * (far - 3.5))
    losses += 0.1 * np.random.default_rng(seed).normal(size=100)
    found = suggested_rate(rates, losses, 10)
    assert found is not None
    assert 2e-4 < found < 5e-3


def test_the_model_stays_as_it_is() -> None:
    one = model()
    rv.learning_rate_range_test(one, X, Y, steps=5)
    assert not one.built
    assert one.preparation is None
    one.build((4,))
    before = one.layers[0].weight.copy()
    rv.learning_rate_range_test(one, X, Y, steps=5, highest=1.0)
    assert (one.layers[0].weight == before).all()
    optimizer = rv.Adam(0.5)
    rv.learning_rate_range_test(one, X, Y, steps=5, optimizer=optimizer)
    assert optimizer.learning_rate == 0.5


def test_short_epochs() -> None:
    """A batch of all rows: every step is an epoch."""
    found = rv.learning_rate_range_test(model(), X, Y, steps=30, batch_size=None, highest=0.1)
    assert len(found.rates) == 30


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_picture(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plots'")
    found = rv.learning_rate_range_test(model(), X, Y, steps=20)
    path = tmp_path / f"rates{ending}"
    found.plot(path)
    assert path.stat().st_size > 1000
    if ending == ".svg":
        assert "learning rate" in path.read_text(encoding="utf-8")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rv.learning_rate_range_test(model(), X, Y, steps=3)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="matplotlib") as caught:
        found.plot("rates.png")
    assert 'pip install "ranvier[plots]"' in str(caught.value)


@pytest.mark.parametrize("name", ["rates.txt", "missing/rates.png"])
def test_no_place_for_a_picture(tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plots'")
    found = rv.learning_rate_range_test(model(), X, Y, steps=3)
    with pytest.raises(FileError, match="cannot be written"):
        found.plot(tmp_path / name)


def test_a_loss_that_is_no_number_from_the_start() -> None:
    one = model().build((4,))
    one.layers[1].weight[...] = 1e200
    with pytest.raises(TrainingError):
        rv.learning_rate_range_test(one, X, Y)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"lowest": 0.0}, "lowest"),
        ({"lowest": 1.0, "highest": 0.5}, "highest"),
        ({"steps": 1}, "steps"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"optimizer": "lbfgs"}, "one learning rate"),
        ({"optimizer": rv.SGD(rv.OneCycle(0.1))}, "one learning rate"),
        ({"optimizer": {"*": "adam"}}, "one learning rate"),
    ],
)
def test_errors_say_what_is_wrong(arguments: Any, word: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        rv.learning_rate_range_test(model(), X, Y, **arguments)
    assert word in str(caught.value)
