"""Checkpoints: a run that was killed and goes on ends in the bits of one that was never stopped."""

from __future__ import annotations

import _thread
import dataclasses
import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import ranvier as rv
from ranvier.backends.control import WORDS
from ranvier.cli.commands import app
from ranvier.formats import atomic, load_checkpoint, save_checkpoint
from ranvier.foundation import errors
from ranvier.models import checkpoint as checkpoints
from ranvier.optimizers import OPTIMIZERS
from ranvier.training import run_state

NUMBERS = np.random.default_rng(3)
X = NUMBERS.normal(size=(90, 5)).astype("f4")
Y = (X[:, 0] + 0.5 * NUMBERS.normal(size=90) > 0).astype(int)


class DiedError(Exception):
    """What a callback raises where a process would be killed."""


def small(dtype: str = "float32") -> rv.Sequential:
    return rv.Sequential(
        rv.Dense(6, activation="relu"), rv.BatchNorm(), rv.Dropout(0.2), rv.Dense(2), dtype=dtype
    )


def plateau() -> list[Any]:
    return [rv.EarlyStopping(patience=100), rv.ReduceLearningRateOnPlateau(patience=0)]


def bits(model: Any) -> str:
    digest = hashlib.sha256()
    for name, array in model.network.parameters.items():
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()


def die_at(step: int) -> rv.FunctionCallback:
    def look(event: rv.StepEnded) -> None:
        if event.step >= step:
            raise DiedError

    return rv.FunctionCallback(look, every="step")


def killed(
    path: Path, make: Callable[[], Any], step: int, every: str = "4 steps", **options: Any
) -> None:
    """Train until a step and die there, with a checkpoint on the way."""
    keeps = rv.Checkpoint(path, every=every)
    callbacks = [keeps, *options.pop("callbacks", list)()]
    with pytest.raises(DiedError):
        make().fit(X, Y, callbacks=[*callbacks, die_at(step)], verbose=False, **options)
    keeps._writer.finish()


def check(path: Path, make: Callable[[], Any], step: int, **options: Any) -> Any:
    """A run that dies and goes on, against one that does not; gives the resumed history."""
    callbacks = options.pop("callbacks", list)
    whole = make()
    expected = whole.fit(X, Y, callbacks=callbacks(), verbose=False, **options)
    killed(path, make, step, callbacks=callbacks, **options)
    resumed = make()
    found = resumed.fit(
        X, Y, callbacks=[rv.Checkpoint(path, every="3 steps"), *callbacks()], verbose=False,
        resume=path, **options,
    )  # fmt: skip
    assert bits(resumed) == bits(whole)
    assert dict(found) == dict(expected)
    assert (found.epochs, found.best_epoch) == (expected.epochs, expected.best_epoch)
    assert (found.stopped_early, found.interrupted) == (expected.stopped_early, False)
    return found


# --- the same bits


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_at_once(tmp_path: Path, engine: str, dtype: str) -> None:
    history = check(
        tmp_path / "run", lambda: small(dtype), 13, epochs=6, batch_size=16, engine=engine,
        callbacks=plateau, validation=0.2, average=0.9, accumulate=2, clip_norm=1.0,
        optimizer=rv.Adam(rv.CosineDecay(0.01)), metrics=["f1", "roc_auc"],
    )  # fmt: skip
    assert any("goes on after 2 epochs" in note for note in history.notes)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer(tmp_path: Path, name: str) -> None:
    check(tmp_path / "run", small, 5, epochs=5, batch_size=32, optimizer=name)


def test_groups_and_graphs(tmp_path: Path) -> None:
    def make() -> rv.Model:
        x = rv.Input((5,))
        h = rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dropout(0.3))(x)
        return rv.Model(x, rv.Dense(2)(rv.Concatenate()([h, x])))

    groups = {"layers.0": rv.SGD(0.01, momentum=0.9), "*": rv.RMSprop(0.01)}
    check(tmp_path / "run", make, 11, epochs=4, batch_size=20, optimizer=groups, shuffle=False)


def test_lbfgs_is_not_changed_by_pauses(tmp_path: Path) -> None:
    options: dict[str, Any] = {"optimizer": "lbfgs", "epochs": 40, "verbose": False, "seed": 2}
    whole, paused = small(), small()
    expected = whole.fit(X, Y, **options)
    keeps = rv.Checkpoint(tmp_path / "run", every="0.001 seconds")
    assert dict(paused.fit(X, Y, callbacks=[keeps], **options)) == dict(expected)
    assert bits(paused) == bits(whole)


def test_lbfgs_goes_on_where_a_time_limit_ended_it(tmp_path: Path) -> None:
    # The end may fall into a line search: that iteration begins anew.
    path = tmp_path / "run"
    options: dict[str, Any] = {"optimizer": "lbfgs", "verbose": False}
    first, second, whole = small("float64"), small("float64"), small("float64")
    done = first.fit(
        X, Y, epochs=10**6, time_limit=0.02, callbacks=[rv.Checkpoint(path)], **options
    ).epochs
    found = second.fit(X, Y, epochs=done + 3, resume=path, **options)
    assert dict(found) == dict(whole.fit(X, Y, epochs=done + 3, **options))
    assert bits(second) == bits(whole)


def test_functions_as_layers_go_on_but_are_no_model_file(tmp_path: Path) -> None:
    def make() -> rv.Sequential:
        return rv.Sequential(rv.Dense(4), rv.Lambda(lambda x: x * x), rv.Dense(2))

    path, first, second, whole = tmp_path / "run", make(), make(), make()
    first.fit(X, Y, epochs=2, callbacks=[rv.Checkpoint(path)], verbose=False)
    second.fit(X, Y, epochs=4, resume=path, verbose=False)
    whole.fit(X, Y, epochs=4, verbose=False)
    assert bits(second) == bits(whole)
    with pytest.raises(errors.ModelFileError):
        rv.load(path)


def test_the_number_of_threads_may_change(tmp_path: Path) -> None:
    x = NUMBERS.normal(size=(2048, 64)).astype("f4")
    y = (x[:, 0] > 0).astype(int)

    def make() -> rv.Sequential:
        return rv.Sequential(rv.Dense(256, activation="relu"), rv.Dropout(0.1), rv.Dense(2))

    options: dict[str, Any] = {"batch_size": 1024, "verbose": False}
    whole, first, second = make(), make(), make()
    whole.fit(x, y, epochs=6, threads=1, **options)
    keeps = [rv.Checkpoint(tmp_path / "run", every="epoch")]
    first.fit(x, y, epochs=3, threads=2, callbacks=keeps, **options)
    second.fit(x, y, epochs=6, threads=1, resume=tmp_path / "run", **options)
    assert bits(first) != bits(whole) == bits(second)


def test_killed_processes() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked in this test")
    # A process of its own: forks are made where nothing else is at work.
    program = Path(__file__).resolve().parent / "kill_and_resume.py"
    found = subprocess.run(
        [sys.executable, str(program), "--times", "10", "--epochs", "600"],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    kills, wrong = re.findall(r"kills=(\d+).*wrong=(\d+)", found.stdout)[-1]
    assert (int(kills), int(wrong)) == (10, 0)


def test_ctrl_c_writes_a_last_checkpoint(tmp_path: Path) -> None:
    path, first = tmp_path / "run", small()
    history = first.fit(
        X, Y, epochs=10**7, callbacks=[rv.Checkpoint(path, every="1000 seconds"), _Once()],
        verbose=False,
    )  # fmt: skip
    assert history.interrupted
    state = load_checkpoint(path).state
    assert (state.reason, state.counts["epoch"]) == ("interrupted", history.epochs)
    whole, second = small(), small()
    epochs = history.epochs + 2
    expected = whole.fit(X, Y, epochs=epochs, verbose=False)
    found = second.fit(X, Y, epochs=epochs, verbose=False, resume=path)
    assert found["loss"] == expected["loss"]
    assert bits(second) == bits(whole)


class _Once(rv.Callback):
    """Presses Ctrl-C a moment after the run has begun."""

    every = "run"

    def on_start(self, event: rv.TrainingStarted) -> None:
        threading.Timer(0.2, _thread.interrupt_main).start()


# --- what is counted goes on


def test_events_come_as_in_one_run(tmp_path: Path) -> None:
    def run(model: rv.Sequential, epochs: int, **options: Any) -> list[tuple[Any, ...]]:
        heard: list[tuple[Any, ...]] = []
        listeners = [
            rv.FunctionCallback(
                lambda e: heard.append(("step", e.step, e.epoch, e.loss)), "2 steps"
            ),
            rv.FunctionCallback(lambda e: heard.append(("epoch", e.epoch, e.epochs)), "2 epochs"),
            rv.FunctionCallback(lambda e: None, "0.001 seconds"),
        ]
        options["callbacks"] = [*listeners, *options.get("callbacks", [])]
        model.fit(X, Y, epochs=epochs, batch_size=30, verbose=False, **options)
        return heard

    whole = run(small(), 9)
    path = tmp_path / "run"
    first = run(small(), 4, callbacks=[rv.Checkpoint(path, "epoch")])
    second = run(small(), 9, resume=path)
    assert [one[:2] for one in first + second] == [one[:2] for one in whole]
    assert [one for one in first + second if one[0] == "step"] == [
        one for one in whole if one[0] == "step"
    ]


def test_a_checkpoint_knows_what_later_callbacks_decided(tmp_path: Path) -> None:
    # The checkpoint stands first; the reduction of the same epoch must be in it nevertheless.
    path = tmp_path / "run"
    reduce = rv.ReduceLearningRateOnPlateau("loss", patience=0, threshold=0.9, factor=0.5)
    small().fit(
        X, Y, epochs=3, callbacks=[rv.Checkpoint(path, "epoch"), reduce], verbose=False,
        optimizer=rv.SGD(0.1),
    )  # fmt: skip
    state = load_checkpoint(path).state
    assert state.reals["learning_rate"] == 0.1 * 0.5 * 0.5
    assert dict(state.callbacks)["ReduceLearningRateOnPlateau"]["bad"] == 0


def test_a_run_that_had_ended_stays_ended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    options: dict[str, Any] = {"validation": 0.3, "verbose": False, "epochs": 500}
    first, second = small(), small()
    callbacks = [rv.EarlyStopping(patience=3), rv.Checkpoint(path, "10 epochs")]
    expected = first.fit(X, Y, callbacks=callbacks, **options)
    assert expected.stopped_early
    found = second.fit(X, Y, callbacks=callbacks, resume=path, **options)
    assert (dict(found), found.stopped_early) == (dict(expected), True)
    assert found.best_epoch == expected.best_epoch
    assert bits(first) == bits(second)
    assert any("its patience was over" in note for note in found.notes)


def test_a_run_that_a_callback_ended_stays_ended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    stop = rv.FunctionCallback(lambda event: event.epoch == 2 and event.stop())
    first, second = small(), small()
    first.fit(X, Y, epochs=5, callbacks=[rv.Checkpoint(path), stop], verbose=False)
    found = second.fit(X, Y, epochs=5, resume=path, verbose=False)
    assert found.epochs == 2
    assert bits(first) == bits(second)
    assert any("had ended after 2 epochs: stopped" in note for note in found.notes)


def test_a_finished_run_can_be_made_longer_or_not(tmp_path: Path) -> None:
    path, whole, first = tmp_path / "run", small(), small()
    whole.fit(X, Y, epochs=5, verbose=False)
    first.fit(X, Y, epochs=3, callbacks=[rv.Checkpoint(path)], verbose=False)
    second, third = small(), small()
    history = second.fit(X, Y, epochs=5, resume=path, verbose=False)
    assert (bits(second), history.epochs) == (bits(whole), 5)
    shown: list[Any] = []
    history = third.fit(X, Y, epochs=2, resume=path, verbose=False, on_progress=shown.append)
    assert (bits(third), history.epochs) == (bits(first), 3)
    assert shown[-1].loss == history["loss"][-1]  # nothing was left to do, and that can be shown
    assert history.seconds > 0


def test_the_file_is_a_model_too(tmp_path: Path) -> None:
    path, model = tmp_path / "run", small()
    named = np.where(Y, "yes", "no")
    model.fit(
        X, named, epochs=8, validation=0.2, average=0.9, verbose=False,
        callbacks=[rv.Checkpoint(path), rv.EarlyStopping(patience=3)],
    )  # fmt: skip
    loaded = rv.load(path)
    assert bits(loaded) == bits(model)
    assert set(loaded.predict_classes(X)) <= {"yes", "no"}
    loaded.fit(X, named, epochs=1, verbose=False)


def test_notes_of_whole_sets_survive(tmp_path: Path) -> None:
    path = tmp_path / "run"
    y = np.zeros(90, int)
    y[:70:3] = 1
    held = (X[70:], y[70:])  # one class only: no ROC curve
    callbacks = [rv.Checkpoint(path, "epoch")]
    options: dict[str, Any] = {"validation": held, "metrics": ["roc_auc"], "verbose": False}
    small().fit(X[:70], y[:70], epochs=2, callbacks=callbacks, **options)
    assert "val_roc_auc" in load_checkpoint(path).state.said
    history = small().fit(X[:70], y[:70], epochs=3, resume=path, **options)
    assert np.isnan(history["val_roc_auc"]).all()
    assert len(history["val_roc_auc"]) == 3


# --- going on with something else is refused


DIFFERENT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("training data", {"x": X + 1e-6}),
    ("training data", {"y": 1 - Y}),
    ("training data", {"sample_weight": np.arange(90) + 1.0}),
    ("validation data", {"validation": (X[:9], Y[:9])}),
    ("batch size", {"batch_size": 31}),
    ("seed", {"seed": 1}),
    ("shuffle", {"shuffle": False}),
    ("engine", {"engine": "reference"}),
    ("optimizer", {"optimizer": rv.Adam(0.002)}),
    ("losses", {"loss": rv.CategoricalCrossEntropy(label_smoothing=0.1)}),
    ("metrics", {"metrics": ["f1"]}),
    ("rules of the update", {"clip_norm": 1.0}),
    ("EarlyStopping", {"callbacks": [rv.EarlyStopping("loss")]}),
    ("architecture", {"model": rv.Sequential(rv.Dense(7), rv.Dense(2))}),
    ("architecture", {"model": rv.Sequential(rv.Dense(6), rv.Dense(2), dtype="float64")}),
)


@pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: f"{case[0]} {next(iter(case[1]))}")
def test_another_run_is_refused_by_name(tmp_path: Path, case: Any) -> None:
    part, changes = case
    path = tmp_path / "run"
    rv.Sequential(rv.Dense(6), rv.Dense(2)).fit(
        X, Y, epochs=1, callbacks=[rv.Checkpoint(path)], verbose=False
    )
    given: dict[str, Any] = {"x": X, "y": Y, "epochs": 2, "verbose": False, **changes}
    model = given.pop("model", None) or rv.Sequential(rv.Dense(6), rv.Dense(2))
    with pytest.raises(errors.ArgumentError) as caught:
        model.fit(given.pop("x"), given.pop("y"), resume=path, **given)
    assert part in caught.value.headline
    assert f"{part}: " in caught.value.happened


def test_a_callback_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run"
    small().fit(X, Y, epochs=1, callbacks=[rv.Checkpoint(path), *plateau()[1:]], verbose=False)
    with pytest.raises(errors.ArgumentError, match="ReduceLearningRateOnPlateau"):
        small().fit(X, Y, epochs=2, resume=path, verbose=False)


def test_resume_needs_a_checkpoint(tmp_path: Path) -> None:
    small().build((5,)).save(tmp_path / "model")
    with pytest.raises(errors.ModelFileError, match="holds no run"):
        small().fit(X, Y, resume=tmp_path / "model", verbose=False)
    with pytest.raises(errors.FileError, match="cannot be read"):
        small().fit(X, Y, resume=tmp_path / "nothing", verbose=False)
    with pytest.raises(errors.ArgumentError, match="resume"):
        small().fit(X, Y, resume=3, verbose=False)  # type: ignore[arg-type]


def changed(state: Any, **changes: Any) -> Any:
    return dataclasses.replace(state, **changes)


def without(state: Any, part: str) -> Any:
    return changed(state, arrays={n: a for n, a in state.arrays.items() if part not in n})


HOSTILE: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("place", lambda s: changed(s, counts={**s.counts, "batch": 10**9})),
    ("place", lambda s: changed(s, counts={**s.counts, "epoch": 0, "first": 1})),
    ("place", lambda s: changed(s, counts={**s.counts, "best_epoch": 10**6})),
    ("history", lambda s: changed(s, counts={**s.counts, "epoch": 5})),
    ("history", lambda s: changed(s, history={"loss": s.history["loss"]})),
    ("sums", lambda s: changed(s, sums=np.zeros(99))),
    ("missing or left over", lambda s: without(s, "now.layers.0.weight")),
    ("missing or left over", lambda s: without(s, "best.layers.0.weight")),
    ("shape or dtype", lambda s: changed(
        s, arrays={n: a[:1] if n.endswith("0.bias") else a for n, a in s.arrays.items()})),
    ("cannot use", lambda s: changed(s, callbacks=(("ReduceLearningRateOnPlateau", {"best": 1}),))),
)  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case[0])
def test_a_state_that_cannot_be_is_refused(tmp_path: Path, case: Any) -> None:
    part, change = case
    path = tmp_path / "run"
    options: dict[str, Any] = {"validation": 0.2, "verbose": False}
    small().fit(X, Y, epochs=2, callbacks=[rv.Checkpoint(path), *plateau()], **options)
    save_checkpoint(path, change(load_checkpoint(path).state))
    with pytest.raises(errors.ModelFileError) as caught:
        small().fit(X, Y, epochs=3, callbacks=plateau(), resume=path, **options)
    assert part in caught.value.happened


def test_the_memory_of_lbfgs_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "run"
    options: dict[str, Any] = {"optimizer": "lbfgs", "verbose": False}
    small().fit(X, Y, epochs=2, callbacks=[rv.Checkpoint(path)], **options)
    save_checkpoint(path, without(load_checkpoint(path).state, "driver.steps"))
    with pytest.raises(errors.ModelFileError, match="does not fit the run"):
        small().fit(X, Y, epochs=3, resume=path, **options)


def test_another_machine_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    small().fit(X, Y, epochs=1, callbacks=[rv.Checkpoint(path)], verbose=False)
    monkeypatch.setattr("ranvier.formats.checkpoint_file.machine", lambda: "another")
    history = small().fit(X, Y, epochs=2, resume=path, verbose=False)
    assert any("another kind of processor" in note for note in history.notes)


# --- places and disks


def test_places_are_looked_at_before_training(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not ours", encoding="utf-8")
    small().build((5,)).save(tmp_path / "model")
    for path, part in (
        (tmp_path / "missing" / "run", "mkdir -p"),
        (tmp_path, "it is a folder"),
        (tmp_path / "text", "no checkpoint"),
        (tmp_path / "model", "no checkpoint"),
    ):
        model, before = small(), path.read_bytes() if path.is_file() else b""
        with pytest.raises(errors.FileError) as caught:
            model.fit(X, Y, epochs=1, callbacks=[rv.Checkpoint(path)], verbose=False)
        assert part in str(caught.value)
        assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_read_only_folder_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints.os, "access", lambda *arguments: False)
    with pytest.raises(errors.FileError, match="cannot be written") as caught:
        small().fit(X, Y, epochs=1, callbacks=[rv.Checkpoint(tmp_path / "run")], verbose=False)
    assert "read-only" in caught.value.happened


@pytest.mark.parametrize("every", ["now and then", "0 seconds", 3])
def test_an_interval_that_is_not_understood(every: Any) -> None:
    with pytest.raises((errors.ArgumentError, TypeError)):
        rv.Checkpoint("run", every=every)


def test_a_full_disk_is_said_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model, whole = tmp_path / "run", small(), small()
    keeps = rv.Checkpoint(path, every="epoch")
    good: list[bytes] = []

    def fill_up(event: rv.EpochEnded) -> None:
        if event.epoch == 3:
            with keeps._writer._condition:
                keeps._writer._condition.wait_for(lambda: keeps._writer._thread is None)
            good.append(path.read_bytes())

            def full(*arguments: Any) -> Any:
                raise OSError(28, "No space left on device")

            monkeypatch.setattr(atomic.os, "fsync", full)

    history = model.fit(X, Y, epochs=8, callbacks=[keeps, fill_up], verbose=False)
    assert any("could not be written" in n and "No space left" in n for n in history.notes)
    assert path.read_bytes() == good[0]
    assert os.listdir(tmp_path) == ["run"]
    monkeypatch.undo()
    whole.fit(X, Y, epochs=8, verbose=False)
    assert bits(model) == bits(whole)
    resumed = small()
    resumed.fit(X, Y, epochs=8, resume=path, verbose=False)
    assert bits(resumed) == bits(whole)


def test_a_lost_folder_is_said_and_the_training_goes_on(tmp_path: Path) -> None:
    folder, model = tmp_path / "disk", small()
    folder.mkdir()
    lose = rv.FunctionCallback(
        lambda event: shutil.rmtree(folder) if event.epoch == 2 else None, every="epoch"
    )
    history = model.fit(
        X, Y, epochs=5, callbacks=[lose, rv.Checkpoint(folder / "run", "100 epochs")], verbose=False
    )
    assert history.epochs == 5
    assert any("cannot be written" in note for note in history.notes)


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "run", tmp_path / ".ranvier-other.tmp"
    left = tmp_path / f"{atomic._begin(path)}0123{atomic.END}"
    for one in (left, other):
        one.write_bytes(b"half")
    small().fit(X, Y, epochs=1, callbacks=[rv.Checkpoint(path)], verbose=False)
    assert sorted(os.listdir(tmp_path)) == [other.name, "run"]


def test_the_writer_keeps_the_newest_and_carries_errors() -> None:
    writer, begun, go_on, written = checkpoints.Writer(), threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        go_on.wait()
        written.append("first")

    writer.put(slow)
    begun.wait()
    writer.put(lambda: written.append("second"))
    writer.put(lambda: written.append("third"))
    go_on.set()
    writer.finish()
    assert written == ["first", "third"]

    def wrong() -> None:
        raise DiedError

    writer.put(wrong)
    with pytest.raises(DiedError):
        writer.finish()


class Knows(rv.Callback):
    """A callback with a state of its own."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def checkpoint_state(self) -> dict[str, Any]:
        return {"value": self.value}

    def resume_from(self, state: Any) -> None:
        self.value = state["value"]


@pytest.mark.parametrize(
    "value", [1, 0.1, float("inf"), -float("inf"), None, "ü", [1, {"a": [True]}], np.float64(2.5)]
)
def test_callbacks_get_back_what_they_gave(tmp_path: Path, value: Any) -> None:
    path, fresh = tmp_path / "run", Knows("fresh")
    small().fit(X, Y, epochs=1, callbacks=[rv.Checkpoint(path), Knows(value)], verbose=False)
    small().fit(X, Y, epochs=2, callbacks=[fresh], resume=path, verbose=False)
    assert fresh.value == value


def test_a_callback_with_something_else_is_refused_at_once(tmp_path: Path) -> None:
    callbacks = [rv.Checkpoint(tmp_path / "run"), Knows(np.zeros(3))]
    with pytest.raises(errors.ArgumentError, match="ndarray"):
        small().fit(X, Y, epochs=1, callbacks=callbacks, verbose=False)


def test_a_checkpoint_can_be_copied_and_printed() -> None:
    keeps = pickle.loads(pickle.dumps(rv.Checkpoint("run", every=("epoch", "5 seconds"))))
    assert repr(keeps) == "Checkpoint('run', every=('epoch', '5 seconds'))"


def test_the_state_names_all_words_of_a_run() -> None:
    # A word that the native code keeps from call to call, and that is no setting, is in a state.
    kept = {*run_state.COUNTS, *run_state.REALS}
    settings = {
        "stop", "status", "rows", "batch_size", "shuffle", "seed", "last_epoch", "last_step",
        "data", "validation_data", "validation_rows", "validation_batch", "row_numbers", "history",
        "columns", "first_epoch", "monitor_sign", "monitor_column", "patience", "tolerance",
        "best_parameters", "outputs",
    }  # fmt: skip
    assert set(WORDS) - settings <= kept


# --- the command line


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_ranvier_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    common = ("train", "iris", "--network", "dense 8 relu, dropout 0.1, dense 3")
    done = run(*common, "--epochs", 9, "--out", "whole.safetensors")
    assert done.exit_code == 0
    half = run(*common, "--epochs", 4, "--out", "m.safetensors", "--checkpoint", "run", "--every",
               "2 epochs")  # fmt: skip
    assert half.exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = run("resume", tmp_path / "run", "--epochs", 9, "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout)["training"]["epochs"] == 9
    assert bits(rv.load(tmp_path / "m.safetensors")) == bits(
        rv.load(tmp_path / "whole.safetensors")
    )
    shown = run("inspect", tmp_path / "run")
    assert "9 epochs" in shown.stdout
    assert "batch size: 32" in shown.stdout


def test_errors_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    same = run("train", "iris", "--out", "a", "--checkpoint", "a")
    assert (same.exit_code, "one file" in same.stderr) == (2, True)
    small().fit(X, Y, epochs=1, callbacks=[rv.Checkpoint("python")], verbose=False)
    found = run("resume", "python")
    assert (found.exit_code, "was not written by ranvier train" in found.stderr) == (2, True)
    table = tmp_path / "t.csv"
    table.write_text("a,b\n" + "\n".join(f"{k},{k % 2}" for k in range(30)), encoding="utf-8")
    assert run("train", table, "--epochs", 2, "--checkpoint", "run").exit_code == 0
    table.write_text(table.read_text(encoding="utf-8").replace("7,", "8,"), encoding="utf-8")
    changed_data = run("resume", "run", "--epochs", 3)
    assert changed_data.exit_code == 2
    assert "training data" in changed_data.stderr
    state = load_checkpoint("run")
    for command, part in (
        ({**state.command, "epochs": 0}, "epochs"),  # type: ignore[dict-item]
        ({**state.command, "extra": 1}, "keys"),  # type: ignore[dict-item]
    ):
        save_checkpoint("bad", state.state, command=command)
        assert part in run("resume", "bad").stderr
