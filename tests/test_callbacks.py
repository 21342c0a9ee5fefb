"""Callbacks: who is called when, what an event shows, what it may ask, and every error."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.foundation.errors import ArgumentError, TrainingError, UnknownNameError

ENGINES = ("native", "reference")
X = np.random.default_rng(0).normal(size=(40, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3


def small() -> rv.Sequential:
    return rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dense(1), dtype="float64")


def fit(callbacks: Any, **arguments: Any) -> tuple[rv.Sequential, Any]:
    """Ten epochs of four steps."""
    model = small()
    wishes = {"epochs": 10, "batch_size": 10, "optimizer": rv.SGD(0.05), **arguments}
    return model, model.fit(X, Y, callbacks=callbacks, **wishes)


class Recorder(rv.Callback):
    """Writes down everything it hears."""

    def __init__(self, every: Any) -> None:
        self.every = every
        self.heard: list[Any] = []

    def on_start(self, event: rv.TrainingStarted) -> None:
        self.heard.append(event)

    def on_step(self, event: rv.StepEnded) -> None:
        self.heard.append(event)

    def on_epoch(self, event: rv.EpochEnded) -> None:
        self.heard.append(event)

    def on_time(self, event: rv.TimePassed) -> None:
        self.heard.append(event)

    def on_end(self, event: rv.TrainingEnded) -> None:
        self.heard.append(event)


ALL = ("epoch", "step", "100 seconds")


def weights(model: rv.Sequential) -> list[np.ndarray]:
    return [array.copy() for array in model.network.parameters.values()]


def same(first: rv.Sequential, second: rv.Sequential) -> bool:
    pairs = zip(weights(first), weights(second), strict=True)
    return all((a == b).all() for a, b in pairs)


# --- who is called when


@pytest.mark.parametrize("engine", ENGINES)
def test_events_come_in_order(engine: str) -> None:
    recorder = Recorder(ALL)
    _, history = fit([recorder], epochs=2, engine=engine)
    kinds = [type(event).__name__ for event in recorder.heard]
    epoch = ["StepEnded"] * 4 + ["EpochEnded"]
    assert kinds == ["TrainingStarted", *epoch, *epoch, "TrainingEnded"]
    steps = [event for event in recorder.heard if isinstance(event, rv.StepEnded)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [event.epoch for event in steps] == [1] * 4 + [2] * 4
    np.testing.assert_allclose(np.mean([e.loss for e in steps[:4]]), history["loss"][0], 1e-12)
    epochs = [event for event in recorder.heard if isinstance(event, rv.EpochEnded)]
    assert [event["loss"] for event in epochs] == history["loss"]
    assert [(event.epoch, event.epochs) for event in epochs] == [(1, 2), (2, 2)]
    seconds = [event.seconds for event in recorder.heard]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("engine", ENGINES)
def test_intervals(engine: str) -> None:
    heard: list[Any] = []
    listeners = [
        rv.FunctionCallback(lambda e: heard.append(("epoch", e.epoch)), "4 epochs"),
        rv.FunctionCallback(lambda e: heard.append(("step", e.step)), every="6 steps"),
    ]
    fit(listeners, epochs=6, engine=engine)
    assert heard == [
        ("step", 6), ("step", 12), ("epoch", 4), ("step", 18), ("step", 24),
    ]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "every", ["epoch", "3 epochs", "step", "7 steps", "0.001 seconds", "run", ALL], ids=str
)
def test_listening_changes_no_bit(engine: str, every: Any) -> None:
    alone, plain = fit([], engine=engine, validation=0.25)
    recorder = rv.FunctionCallback(lambda event: None, every)
    watched, history = fit([recorder], engine=engine, validation=0.25)
    assert same(alone, watched)
    assert dict(history) == dict(plain)


def test_python_is_entered_only_for_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    program = small().training_program(X, Y, batch_size=10)
    run = program._engine.run
    monkeypatch.setattr(program._engine, "run", lambda: (calls.append(1), run())[1])
    program.run(1000)
    assert len(calls) == 1
    listening = small().training_program(
        X, Y, batch_size=10, callbacks=[rv.FunctionCallback(lambda event: None, "250 epochs")]
    )
    run = listening._engine.run
    monkeypatch.setattr(listening._engine, "run", lambda: (calls.append(2), run())[1])
    listening.run(1000)
    assert calls == [1, 2, 2, 2, 2]


def test_seconds() -> None:
    recorder = Recorder(("0.05 seconds", "epoch", "1000 steps"))

    def enough(event: rv.EpochEnded) -> None:
        if sum(isinstance(e, rv.TimePassed) for e in recorder.heard) >= 3:
            event.stop()

    model, history = fit([recorder, enough], epochs=10**9)
    times = [event for event in recorder.heard if isinstance(event, rv.TimePassed)]
    assert len(times) == 3
    assert all(b.seconds - a.seconds >= 0.05 for a, b in itertools.pairwise(times))
    assert recorder.heard[-1].reason == "stopped"
    # Being asked by the clock did not change what was computed.
    again, _ = fit([], epochs=history.epochs)
    assert same(model, again)


def test_callbacks_run_in_the_callers_thread() -> None:
    names: list[str] = []
    fit([lambda event: names.append(threading.current_thread().name)], epochs=3)
    assert names == [threading.current_thread().name] * 3


def test_a_function_may_stand_alone() -> None:
    losses: list[float] = []
    _, history = fit(lambda event: losses.append(event["loss"]), epochs=3)
    assert losses == history["loss"]


def test_a_second_run_counts_anew() -> None:
    recorder = Recorder(ALL)
    program = small().training_program(X, Y, batch_size=10, callbacks=[recorder])
    program.run(1)
    first = [(type(e), getattr(e, "step", None), getattr(e, "epoch", None)) for e in recorder.heard]
    recorder.heard.clear()
    program.run(1)
    again = [(type(e), getattr(e, "step", None), getattr(e, "epoch", None)) for e in recorder.heard]
    assert first == again


# --- what an event shows


@pytest.mark.parametrize("engine", ENGINES)
def test_an_event_shows_the_run(engine: str) -> None:
    shown: list[Any] = []

    def look(event: rv.EpochEnded) -> None:
        shown.append(
            (event.history.epochs, len(event.history["val_loss"]), event.learning_rate,
             event.parameters["layers.1.bias"], sorted(event.parameters), len(event.parameters))
        )  # fmt: skip

    model, _ = fit([look], engine=engine, epochs=2, validation=0.25)
    assert [entry[:3] for entry in shown] == [(1, 1, 0.05), (2, 2, 0.05)]
    np.testing.assert_array_equal(shown[-1][3], model.network.parameters["layers.1.bias"])
    assert (shown[0][3] != shown[1][3]).all()
    assert shown[0][4] == sorted(model.network.parameters)
    assert shown[0][5] == 4
    with pytest.raises(ValueError, match="read-only"):
        shown[0][3][...] = 0.0


def test_the_start_says_what_will_be() -> None:
    recorder = Recorder(ALL)
    y = (Y[:, 0] > 0).astype(int)
    model = rv.Sequential(rv.Dense(1))
    model.fit(X, y, epochs=3, batch_size=10, validation=(X, y), callbacks=[recorder])
    start = recorder.heard[0]
    assert (start.epochs, start.steps) == (3, 4)
    assert start.columns == ("loss", "accuracy", "val_loss", "val_accuracy")
    assert start.rising == {"accuracy", "val_accuracy"}


def test_metrics_of_whole_sets_are_there_when_a_callback_hears() -> None:
    heard: list[float] = []
    y = (Y[:, 0] > 0).astype(int)
    history = rv.Sequential(rv.Dense(1)).fit(
        X, y, epochs=3, validation=(X, y), metrics=["roc_auc"], optimizer=rv.SGD(0.5),
        callbacks=[lambda event: heard.append(event["val_roc_auc"])],
    )  # fmt: skip
    assert heard == history["val_roc_auc"]
    assert len(set(heard)) > 1


def test_the_end_shows_what_is_kept() -> None:
    """The monitor puts the best weights back before anybody is told of the end."""
    recorder = Recorder(ALL)
    kept: list[np.ndarray] = []
    recorder.on_end = lambda event: kept.append(event.parameters["layers.0.weight"])  # type: ignore[method-assign]
    model, _ = fit(
        [recorder, rv.EarlyStopping("loss", patience=1)], optimizer=rv.SGD(0.9), epochs=30
    )
    np.testing.assert_array_equal(kept[0], model.network.parameters["layers.0.weight"])


def test_reasons_of_the_end() -> None:
    recorder = Recorder(ALL)
    fit([recorder])
    assert recorder.heard[-1].reason == "finished"
    fit([recorder, lambda event: event.stop()])
    assert (recorder.heard[-1].reason, recorder.heard[-1].epochs) == ("stopped", 1)
    fit([recorder, rv.EarlyStopping("loss", tolerance=100.0, patience=2)])
    assert (recorder.heard[-1].reason, recorder.heard[-1].epochs) == ("no patience", 3)
    _, history = fit([recorder], time_limit=0.2, epochs=10**9)
    assert recorder.heard[-1].reason == "time limit"
    assert recorder.heard[-1].epochs == history.epochs
    recorder.heard.clear()
    with pytest.raises(TrainingError):
        fit([recorder], optimizer=rv.SGD(1e200))
    assert recorder.heard[-1].reason == "not finite"


def test_events_are_frozen_and_print_short() -> None:
    recorder = Recorder(ALL)
    fit([recorder], epochs=1)
    with pytest.raises(AttributeError):
        recorder.heard[1].step = 3
    assert repr(recorder.heard[1]).startswith("StepEnded(seconds=")


# --- what an event may ask


@pytest.mark.parametrize("engine", ENGINES)
def test_stop_after_a_step(engine: str) -> None:
    seen: list[np.ndarray] = []

    def second(event: rv.StepEnded) -> None:
        seen.append(event.parameters["layers.0.weight"])
        if event.step == 6:
            event.stop()

    model, history = fit([rv.FunctionCallback(second, "step")], engine=engine)
    assert history.epochs == 1
    assert len(history["loss"]) == 1
    assert len(seen) == 6
    np.testing.assert_array_equal(seen[-1], model.network.parameters["layers.0.weight"])
    assert (seen[-1] != seen[-2]).any()


def test_stop_before_the_first_step() -> None:
    class No(rv.Callback):
        every = "run"

        def on_start(self, event: rv.TrainingStarted) -> None:
            event.stop()

    model, history = fit([No()])
    assert history.epochs == 0
    assert same(model, small().build((3,)))


@pytest.mark.parametrize("engine", ENGINES)
def test_another_learning_rate(engine: str) -> None:
    """A rate of zero stops everything: ten epochs are three."""

    def freeze(event: rv.EpochEnded) -> None:
        if event.epoch == 3:
            event.set_learning_rate(0.0)

    rates: list[float] = []
    frozen, _ = fit([freeze, lambda event: rates.append(event.learning_rate)], engine=engine)
    three, _ = fit([], engine=engine, epochs=3)
    assert same(frozen, three)
    assert rates == [0.05] * 2 + [0.0] * 8


def test_the_rate_of_schedules_and_groups_is_a_factor() -> None:
    """Nothing moves any more where the factor on all rates is 0."""
    for optimizer in (rv.SGD(rv.StepDecay(0.1, 5)), {"*": rv.SGD(0.1)}):
        rates: list[float] = []
        frozen, _ = fit(
            [rv.FunctionCallback(lambda e: e.epoch == 3 and e.set_learning_rate(0.0)),
             lambda event, rates=rates: rates.append(event.learning_rate)],
            optimizer=optimizer,
        )  # fmt: skip
        three, _ = fit([], optimizer=optimizer, epochs=3)
        assert same(frozen, three)
        assert rates == [1.0] * 2 + [0.0] * 8


def test_a_scaled_learning_rate_is_of_this_run() -> None:
    rates: list[float] = []

    def halve(event: rv.EpochEnded) -> None:
        rates.append(event.learning_rate)
        event.scale_learning_rate(0.5)

    listener = rv.FunctionCallback(halve)
    program = small().training_program(
        X, Y, batch_size=10, optimizer=rv.SGD(0.25), callbacks=[listener]
    )
    program.run(3)
    program.run(1)
    assert rates == [0.25, 0.125, 0.0625, 0.25]


# --- when something goes wrong


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("every", ["epoch", "step", "0.0001 seconds"])
def test_an_error_comes_out_as_it_is(engine: str, every: str) -> None:
    class OwnError(Exception):
        pass

    def fail(event: Any) -> None:
        raise OwnError("here")

    model = small().build((3,))
    before = weights(model)
    with pytest.raises(OwnError, match="here"):
        model.fit(X, Y, epochs=10**6, callbacks=[rv.FunctionCallback(fail, every)], engine=engine)
    # The weights so far are kept, and nothing runs on.
    assert any((a != b).any() for a, b in zip(before, weights(model), strict=True))
    after = weights(model)
    assert not [t for t in threading.enumerate() if t.name == "ranvier"]
    assert all((a == b).all() for a, b in zip(after, weights(model), strict=True))


def test_interrupt_in_a_callback() -> None:
    def interrupt(event: rv.EpochEnded) -> None:
        if event.epoch == 2:
            raise KeyboardInterrupt

    recorder = Recorder(ALL)
    _, history = fit([recorder, interrupt])
    assert history.interrupted
    assert history.epochs == 2
    assert recorder.heard[-1].reason == "interrupted"


# --- built-in callbacks


def plateau(losses: list[float], **arguments: Any) -> list[float]:
    """The rates after each epoch, without a run around."""
    from ranvier.backends.control import Control
    from ranvier.training.events import EpochEnded, Run, TrainingStarted
    from ranvier.training.records import History

    class Engine:
        control = Control(1)

    Engine.control["learning_rate"] = 1.0
    run = Run(Engine(), (), History(("loss",)))  # type: ignore[arg-type]
    callback = rv.ReduceLearningRateOnPlateau("loss", **arguments)
    callback.on_start(TrainingStarted(run, 0.0, len(losses), 1, ("loss",), frozenset()))
    rates = []
    for epoch, loss in enumerate(losses, 1):
        event = EpochEnded(run, 0.0, epoch, len(losses), {"loss": loss})
        callback.on_epoch(event)
        rates.append(event.learning_rate)
    return rates


def test_plateau_by_hand() -> None:
    assert plateau([3, 2, 2, 2, 1, 1], factor=0.5, patience=1) == [1, 1, 1, 0.5, 0.5, 0.5]
    assert plateau([1] * 5, factor=0.5, patience=0) == [1, 0.5, 0.25, 0.125, 0.0625]
    assert plateau([1] * 4, factor=0.5, patience=0, min_learning_rate=0.3) == [1, 0.5, 0.3, 0.3]
    assert plateau([1] * 5, factor=0.5, patience=0, cooldown=1) == [1, 0.5, 0.5, 0.25, 0.25]
    assert plateau([1, 2, 3, 3], factor=0.5, patience=0, mode="max") == [1, 1, 1, 0.5]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_is_pytorchs(seed: int, mode: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    losses = rng.normal(size=120) * 0.05 + np.exp(-np.arange(120) / 30) - 0.4 * (seed % 3)
    wish = {
        "factor": float(rng.choice([0.1, 0.5])),
        "patience": int(rng.integers(0, 5)),
        "threshold": float(rng.choice([0.0, 1e-4, 0.1])),
        "cooldown": int(rng.integers(0, 4)),
    }
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, min_lr=1e-3, eps=0.0, **wish
    )
    expected = []
    for loss in losses:
        peer.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
    found = plateau(losses.tolist(), mode=mode, min_learning_rate=1e-3, **wish)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(found)) > 1


@pytest.mark.parametrize("engine", ENGINES)
def test_plateau_in_a_run(engine: str) -> None:
    rates: list[float] = []
    slower = rv.ReduceLearningRateOnPlateau(factor=0.5, patience=0, threshold=0.99)
    _, history = fit([slower, lambda e: rates.append(e.learning_rate)], epochs=4, engine=engine)
    assert rates == [0.05, 0.025, 0.0125, 0.00625]
    assert "Without validation data ReduceLearningRateOnPlateau watches 'loss'" in str(
        history.notes
    )


def test_plateau_knows_what_rises() -> None:
    y = (Y[:, 0] > 0).astype(int)
    rates: list[float] = []
    history = rv.Sequential(rv.Dense(1)).fit(
        X, y, epochs=6, validation=(X, y), optimizer=rv.SGD(0.5), batch_size=4, seed=1,
        callbacks=[
            rv.ReduceLearningRateOnPlateau("val_accuracy", factor=0.5, patience=0),
            lambda event: rates.append(event.learning_rate),
        ],
    )  # fmt: skip
    best, expected, rate = 0.0, [], 0.5
    for accuracy in history["val_accuracy"]:
        if accuracy > best * (1 + 1e-4):
            best = accuracy
        else:
            rate *= 0.5
        expected.append(rate)
    assert rates == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_tolerance_on_the_training_loss(engine: str) -> None:
    """What scikit-learn calls tol and n_iter_no_change."""
    stop = rv.EarlyStopping("loss", tolerance=1e-3, patience=3)
    _, history = fit([stop], epochs=500, engine=engine)
    assert history.stopped_early
    losses = np.array(history["loss"])
    best, waited, ends = np.inf, 0, 0
    for ends, loss in enumerate(losses, 1):  # noqa: B007 - read after the loop
        best, waited = (loss, 0) if loss < best - 1e-3 else (best, waited + 1)
        if waited == 3:
            break
    assert ends == len(losses) == history.epochs


# --- errors


class Silent(rv.Callback):
    def on_step(self, event: rv.StepEnded) -> None:
        """Never called: every is an epoch."""


def silent(every: Any) -> Any:
    return rv.FunctionCallback(print, every)


@pytest.mark.parametrize(
    ("action", "kind", "word"),
    [
        (lambda: fit([rv.Callback]), ArgumentError, "the class Callback"),
        (lambda: fit([3]), ArgumentError, "an rv.Callback"),
        (lambda: fit([Silent()]), ArgumentError, "on_step of the callback Silent"),
        (lambda: silent("often"), ArgumentError, "often"),
        (lambda: silent("0 steps"), ArgumentError, "0 steps"),
        (lambda: silent("1.5 epochs"), ArgumentError, "1.5 epochs"),
        (lambda: silent(("epoch", 3)), ArgumentError, "every is 3"),
        (lambda: rv.FunctionCallback(3), ArgumentError, "a function"),  # type: ignore[arg-type]
        (lambda: fit([rv.ReduceLearningRateOnPlateau("los")]), UnknownNameError, "loss"),
        (lambda: rv.ReduceLearningRateOnPlateau(3), ArgumentError, "metric"),  # type: ignore[arg-type]
        (lambda: rv.ReduceLearningRateOnPlateau(factor=1.0), ArgumentError, "factor"),
        (lambda: rv.ReduceLearningRateOnPlateau(patience=-1), ArgumentError, "patience"),
        (lambda: rv.ReduceLearningRateOnPlateau(threshold=-1), ArgumentError, "threshold"),
        (lambda: rv.ReduceLearningRateOnPlateau(cooldown=-1), ArgumentError, "cooldown"),
        (lambda: rv.ReduceLearningRateOnPlateau(min_learning_rate=-1), ArgumentError, "min_l"),
        (lambda: rv.ReduceLearningRateOnPlateau(mode="up"), ArgumentError, "mode"),
        (lambda: fit([lambda e: e["los"]]), UnknownNameError, "did you mean 'loss'"),
        (lambda: fit([lambda e: e.parameters["bias"]]), UnknownNameError, "bias"),
        (lambda: fit([lambda e: e.set_learning_rate(-1)]), ArgumentError, "learning_rate"),
        (lambda: fit([lambda e: e.scale_learning_rate("x")]), ArgumentError, "factor"),
    ],
)
def test_errors_say_what_is_wrong(action: Any, kind: Any, word: str) -> None:
    with pytest.raises(kind) as caught:
        action()
    assert word in str(caught.value)
