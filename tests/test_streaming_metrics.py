"""Metrics of whole runs: native as the reference, scikit-learn's numbers, stopping and going on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import losses, ops
from ranvier.foundation import errors
from ranvier.layers import Dense
from ranvier.metrics import (
    F1,
    METRICS,
    Accuracy,
    BalancedAccuracy,
    Metric,
    Precision,
    Recall,
    RocAuc,
    WholeSetMetric,
    resolve,
)
from ranvier.networks.network import Network
from ranvier.optimizers import SGD
from ranvier.training.program import History, Monitor, TrainingProgram

Array = np.ndarray
ROWS = 53
AVERAGES = ("micro", "macro", "weighted")
TASKS = ("binary", "two outputs", "many", "labels", "numbers")


def task(name: str, dtype: str = "float64") -> tuple[Array, Array, int]:
    """Inputs, targets and how many outputs a network for them has."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(ROWS, 4)).astype(dtype)
    if name == "labels":
        return x, (x[:, :3] + rng.normal(size=(ROWS, 3)) > 0).astype(dtype), 3
    if name == "numbers":
        return x, (x[:, :2] ** 2 + 0.1 * rng.normal(size=(ROWS, 2))).astype(dtype), 2
    count = 2 if name in ("binary", "two outputs") else 4
    y = np.clip(np.floor(x[:, 0] + 0.5 * rng.normal(size=ROWS) + count / 2), 0, count - 1)
    return x, y.astype("i4"), 1 if name == "binary" else count


def metrics_for(name: str) -> list[Metric]:
    """Every registered metric that reads the targets of a task, with every average."""
    x, y, outputs = task(name)
    found = dict.fromkeys(type(resolve(key)) for key, _ in METRICS.items())
    every: list[Metric] = [kind() for kind in found]
    every += [kind(average=a) for kind in (Precision, Recall, F1) for a in AVERAGES]
    fitting = []
    for metric in every:
        try:
            metric.score(x[:, :outputs], y)
        except errors.ShapeError:
            continue
        fitting.append(metric)
    return fitting


def program_for(
    name: str, metrics: list[Metric], engine: str, dtype: str = "float64", size: int | None = 9,
    weighted: bool = True, monitor: Monitor | None = None, **more: Any,
) -> TrainingProgram:  # fmt: skip
    x, y, outputs = task(name, dtype)
    kind = "numbers" if y.dtype.kind == "f" else "classes"
    loss = losses.resolve(None, (outputs,), kind, max(2, outputs))
    if name == "labels":
        loss = losses.BinaryCrossEntropy()
    network = Network([Dense(5, activation="tanh"), Dense(outputs)], dtype)
    network.build((4,), seed=3)
    weights = np.linspace(0.5, 1.5, ROWS) if weighted else None
    return TrainingProgram(
        network, loss, SGD(0.2), metrics, x, y, weights, (x[:31], y[:31]), batch_size=size,
        engine=engine, monitor=monitor, **more,
    )  # fmt: skip


def columns(history: History) -> Array:
    return np.array(list(history.values()))


# --- native, reference


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TASKS)
def test_native_is_the_reference(name: str, dtype: str) -> None:
    """All metrics at once, weighted rows, batches and validation that do not divide the rows."""
    metrics = metrics_for(name)
    names = {metric.name for metric in metrics}
    expected = {
        "labels": {"accuracy", "roc_auc", "log_loss"}, "numbers": {"r2", "rmse", "mape"},
        "many": {"f1_macro", "balanced_accuracy", "average_precision", "top_k_accuracy"},
    }  # fmt: skip
    assert names >= expected.get(name, {"f1", "f1_micro", "precision", "roc_auc"})
    histories = []
    for engine in ("native", "reference"):
        program = program_for(name, metrics, engine, dtype)
        histories.append(program.run(3))
    whole = {m.name for m in metrics if isinstance(m, WholeSetMetric)}
    streaming = ["loss", *(m.name for m in metrics if m.name not in whole)]
    assert set(histories[0]) == {*streaming, *(f"val_{n}" for n in (*streaming, *whole))}
    assert np.isfinite(columns(histories[0])).all()
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(columns(histories[0]), columns(histories[1]), tolerance, tolerance)


def test_every_metric_is_under_test() -> None:
    tested = {type(metric) for name in TASKS for metric in metrics_for(name)}
    assert tested == {metric for _, metric in METRICS.items()}


@pytest.mark.parametrize("size", [1, 7, 52, None])
def test_other_batches_give_the_same_statistics(size: int | None) -> None:
    """With a rate of 0 nothing changes but the batches."""
    found = []
    for batch in (size, 9):
        metrics = metrics_for("many")
        program = program_for("many", metrics, "native", size=batch, weighted=False)
        program.optimizer.learning_rate = 0.0
        history = program.run(1)
        found.append([history[m.name] for m in metrics if not isinstance(m, WholeSetMetric)])
    np.testing.assert_allclose(found[0], found[1], 1e-12)


class ConfusionCount(Metric):
    """A matrix is added up, more numbers than anybody would unroll; the result reads all of it."""

    name = "confusion"

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def statistics(self, outputs: Any, targets: Any, weights: Any = None) -> tuple[Any, ...]:
        found = ops.one_hot(ops.argmax(outputs), self.classes, outputs.dtype)
        right = ops.one_hot(targets, self.classes, outputs.dtype)
        if weights is not None:
            right = right * ops.expand(weights, -1)
        cube = ops.reshape(ops.sum(found, axis=0), (self.classes, 1, 1))
        return ops.matmul(ops.transpose(found), right), ops.broadcast_to(cube, (self.classes, 2, 3))

    def result(self, sums: tuple[Any, ...]) -> Any:
        matrix, cube = sums
        places = np.arange(1.0, 1.0 + self.classes)
        weighed = ops.sum(ops.matmul(matrix, places[:, None] * places))
        return weighed + ops.sum(cube * places[:, None, None] * np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [2, 17, 70])
def test_statistics_of_any_shape(count: int, dtype: str) -> None:
    rng = np.random.default_rng(count)
    x = rng.normal(size=(40, 3)).astype(dtype)
    y = rng.integers(0, count, 40).astype("i4")
    found = []
    for engine in ("native", "reference"):
        network = Network([Dense(count)], dtype)
        network.build((3,), seed=1)
        program = TrainingProgram(
            network, losses.CategoricalCrossEntropy(), SGD(0.1),
            [Accuracy(), ConfusionCount(count), BalancedAccuracy()], x, y, np.ones(40),
            (x[:23], y[:23]), batch_size=11, engine=engine,
        )  # fmt: skip
        found.append(columns(program.run(2)))
    np.testing.assert_allclose(found[0], found[1], 1e-5 if dtype == "float32" else 1e-11)
    # The first epoch's cube by itself: each row is found once, in one of the classes.
    assert (found[0][2] > 0.0).all()


# --- stopping and going on


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", ["many", "numbers"])
def test_stopping_in_the_middle_of_an_epoch_changes_nothing(name: str, engine: str) -> None:
    whole = program_for(name, metrics_for(name), engine).run(4)
    program = program_for(name, metrics_for(name), engine)
    c, control = program._engine.control, program._engine
    lines = np.zeros((4, len(program.names)))
    c["last_epoch"] = 4
    program._set_numbers(4)
    for last_step in (1, 2, 5, 6, 7, 13, 1000):
        c["first_epoch"] = 0
        c["history"], c["last_step"] = lines.ctypes.data, last_step
        control.run()
    whole_sets = ("val_roc_auc", "val_average_precision")  # filled by the program around engines
    streaming = [k for k, name in enumerate(program.names) if name not in whole_sets]
    np.testing.assert_array_equal(lines.T[streaming], columns(whole)[streaming])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_listening_to_every_step_changes_nothing(engine: str) -> None:
    whole = program_for("many", metrics_for("many"), engine).run(3)
    heard: list[float] = []
    listener = rv.FunctionCallback(lambda event: heard.append(event.seconds), every="step")
    program = program_for("many", metrics_for("many"), engine, callbacks=[listener])
    np.testing.assert_array_equal(columns(program.run(3)), columns(whole))
    assert len(heard) == 3 * 6


def test_two_runs_are_one() -> None:
    whole = program_for("many", metrics_for("many"), "native").run(4)
    program = program_for("many", metrics_for("many"), "native")
    parts = [columns(program.run(epochs)) for epochs in (1, 3)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), columns(whole))


# --- whole sets


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", ["binary", "two outputs", "many", "labels"])
def test_validation_scores_are_those_of_the_model_then(name: str, engine: str) -> None:
    x, y, _ = task(name)
    metrics = [m for m in metrics_for(name) if isinstance(m, WholeSetMetric)]
    assert len(metrics) == 2
    program = program_for(name, metrics, engine)
    for _ in range(3):
        history = program.run(1)
        outputs = predicted(program.network, x[:31])
        for metric in metrics:
            assert history[f"val_{metric.name}"] == [pytest.approx(metric.score(outputs, y[:31]))]


def predicted(network: Network, x: Array) -> Array:
    """The network's outputs by plain NumPy."""
    p = network.parameters
    hidden = np.tanh(x @ p["layers.0.weight"] + p["layers.0.bias"])
    return hidden @ p["layers.1.weight"] + p["layers.1.bias"]


def by_hand(values: list[float], patience: int, tolerance: float = 0.0) -> tuple[int, int]:
    """Epochs run and the best one, larger being better."""
    best, place, waited = -np.inf, -1, 0
    for epoch, value in enumerate(values):
        if -value < -best - tolerance:
            best, place, waited = value, epoch, 0
        else:
            waited += 1
        if waited >= patience:
            return epoch + 1, place
    return len(values), place


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("patience", [1, 2, 5])
def test_a_monitor_may_watch_them(engine: str, patience: int) -> None:
    metrics: list[Metric] = [RocAuc(), Accuracy()]
    free = program_for("binary", metrics, engine).run(30)
    monitor = Monitor("val_roc_auc", patience=patience, tolerance=0.001)
    program = program_for("binary", metrics, engine, monitor=monitor)
    history = program.run(30)
    epochs, best = by_hand(free["val_roc_auc"], patience, 0.001)
    assert (history.epochs, history.best_epoch) == (epochs, best)
    assert history.stopped_early == (epochs < 30)
    assert history["val_roc_auc"] == free["val_roc_auc"][:epochs]
    # The best epoch's weights are back.
    x, y, _ = task("binary")
    now = RocAuc().score(predicted(program.network, x[:31]), y[:31])
    assert now == pytest.approx(free["val_roc_auc"][best], abs=1e-12)


def test_a_monitor_of_another_number_stays_native() -> None:
    monitor = Monitor("val_loss", patience=2)
    found = []
    for metrics in ([Accuracy()], [RocAuc(), Accuracy()]):
        program = program_for("binary", metrics, "native", monitor=monitor)
        program.optimizer.learning_rate = 3.0
        history = program.run(60)
        found.append((history.epochs, history.best_epoch, history["val_loss"]))
    assert found[0] == found[1]
    assert found[0][0] < 60
    assert len(history["val_roc_auc"]) == history.epochs


def test_it_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_for("binary", [RocAuc()], "native")
    monkeypatch.setattr("ranvier.training.whole_set.NativeForward", None)
    assert len(program.run(5)["val_roc_auc"]) == 5


def test_averages_are_what_is_scored() -> None:
    """Where weights are averaged, the average is validated, by whole sets too."""
    x, y, _ = task("binary")
    model = rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dense(1), dtype="float64")
    history = model.fit(
        x, y, validation=(x[:31], y[:31]), epochs=4, metrics=["roc_auc", "accuracy"],
        average=0.9, optimizer=SGD(0.5), verbose=False,
    )  # fmt: skip
    scores = model.evaluate(x[:31], y[:31], metrics=["roc_auc", "accuracy"])
    assert history["val_roc_auc"][-1] == pytest.approx(scores["roc_auc"])
    assert history["val_accuracy"][-1] == pytest.approx(scores["accuracy"])


def test_two_outputs_have_their_own() -> None:
    x, y, _ = task("binary")
    entry = rv.Input((4,))
    hidden = rv.Dense(4, activation="tanh")(entry)
    model = rv.Model(entry, {"first": rv.Dense(1)(hidden), "second": rv.Dense(1)(hidden)})
    other = (x[:, 1] > 0).astype("i4")
    history = model.fit(
        x, (y, other), validation=(x[:31], (y[:31], other[:31])), epochs=2,
        metrics=(["roc_auc"], ["accuracy", "roc_auc"]), verbose=False,
    )  # fmt: skip
    names = [name for name in history if name.endswith("roc_auc")]
    assert names == ["val_first_roc_auc", "val_second_roc_auc"]
    outputs = model.predict(x[:31])
    for name, own, right in zip(names, outputs.values(), (y, other), strict=True):
        assert history[name][-1] == pytest.approx(RocAuc().score(own, right[:31]), abs=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_listeners_see_them(optimizer: str) -> None:
    x, y, _ = task("binary")
    heard: list[float] = []
    model = rv.Sequential(rv.Dense(1), dtype="float64")
    history = model.fit(
        x, y, validation=(x[:31], y[:31]), epochs=3, metrics=["roc_auc", "f1"], verbose=False,
        optimizer=optimizer, callbacks=[lambda event: heard.append(event["val_roc_auc"])],
    )  # fmt: skip
    assert heard == history["val_roc_auc"]
    scores = model.evaluate(x[:31], y[:31], metrics=["roc_auc", "f1"])
    assert heard[-1] == pytest.approx(scores["roc_auc"], abs=1e-12)
    assert history["val_f1"][-1] == pytest.approx(scores["f1"], abs=1e-12)


class MedianError(WholeSetMetric):
    """A user's own."""

    name = "median_error"

    def score(self, outputs: Any, targets: Any, weights: Any = None) -> float:
        return float(np.median(np.abs(outputs - targets)))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_one_s_own(engine: str) -> None:
    program = program_for("numbers", [MedianError()], engine, monitor=Monitor("val_median_error"))
    history = program.run(4)
    x, y, _ = task("numbers")
    assert history.best_epoch == int(np.argmin(history["val_median_error"]))  # down is better
    error = np.abs(predicted(program.network, x[:31]) - y[:31])
    assert np.median(error) == pytest.approx(min(history["val_median_error"]))


def test_without_validation_it_is_said() -> None:
    x, y, _ = task("binary")
    model = rv.Sequential(rv.Dense(1))
    history = model.fit(x, y, epochs=1, metrics=["roc_auc"], verbose=False)
    assert list(history) == ["loss"]
    assert any("Without validation data there is no roc_auc" in note for note in history.notes)
    with pytest.raises(errors.UnknownNameError, match="roc_auc"):
        model.fit(x, y, metrics=["roc_auc"], callbacks=[rv.EarlyStopping("val_roc_auc")])


def test_one_class_alone_is_said() -> None:
    x, y, _ = task("binary")
    model = rv.Sequential(rv.Dense(1))
    history = model.fit(
        x, y, epochs=2, metrics=["roc_auc"], validation=(x[y == 1], y[y == 1]), verbose=False
    )
    assert np.isnan(history["val_roc_auc"]).all()
    said = [note for note in history.notes if "val_roc_auc is NaN" in note]
    assert len(said) == 1
    assert "a class has no rows" in said[0]


# --- scikit-learn


def of_scikit_learn() -> dict[str, Callable[..., float]]:
    m = pytest.importorskip("sklearn.metrics")
    return {
        "accuracy": m.accuracy_score, "balanced_accuracy": m.balanced_accuracy_score,
        "precision": m.precision_score, "recall": m.recall_score, "f1": m.f1_score,
        "rmse": m.root_mean_squared_error, "mse": m.mean_squared_error, "r2": m.r2_score,
        "mae": m.mean_absolute_error, "mape": m.mean_absolute_percentage_error,
        "roc_auc": m.roc_auc_score, "average_precision": m.average_precision_score,
        "log_loss": m.log_loss, "brier": m.brier_score_loss, "top_k": m.top_k_accuracy_score,
    }  # fmt: skip


def draws(count: int = 60) -> list[tuple[np.random.Generator, int, Array | None]]:
    """Generators, numbers of rows and weights, some of them small and some without weights."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(2, 40))
        found.append((rng, rows, rng.uniform(0.1, 3.0, rows) if seed % 2 else None))
    return found


def test_counts_of_classes_are_scikit_learn_s() -> None:
    """Few rows and many classes: some are in the targets only, in the outputs only, or nowhere."""
    theirs = of_scikit_learn()
    for rng, rows, weights in draws():
        count = int(rng.integers(2, 8))
        outputs, targets = rng.normal(size=(rows, count)), rng.integers(0, count, rows)
        found = outputs.argmax(1)
        if count == 2 and rng.uniform() < 0.5:
            outputs = outputs[:, :1]
            found = (outputs[:, 0] > 0).astype(int)
        averages = (*AVERAGES, "binary") if count == 2 else AVERAGES
        for kind in (Precision, Recall, F1):
            for average in averages:
                expected = theirs[kind.name](
                    targets, found, average=average, zero_division=0, sample_weight=weights
                )
                score = kind(average=average).score(outputs, targets, weights)
                assert score == pytest.approx(expected, rel=1e-12), (kind, average, targets, found)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # classes that are only found
            for kind in (Accuracy, BalancedAccuracy):
                expected = theirs[kind.name](targets, found, sample_weight=weights)
                score = kind().score(outputs, targets, weights)
                assert score == pytest.approx(expected, rel=1e-12)


def test_numbers_are_scikit_learn_s() -> None:
    theirs = of_scikit_learn()
    for rng, rows, weights in draws():
        outputs, targets = rng.normal(size=(2, rows, int(rng.integers(1, 4))))
        if rng.uniform() < 0.3:
            # Others are not constant any more for scikit-learn, by the rounding of their mean.
            targets[:, 0] = 0.0 if weights is not None else rng.choice([0.0, 2.5])
        if rng.uniform() < 0.3:
            outputs[:, 0] = targets[:, 0]
        for name in ("rmse", "mse", "mae", "mape", "r2"):
            expected = theirs[name](targets, outputs, sample_weight=weights)
            score = resolve(name).score(outputs, targets, weights)
            assert score == pytest.approx(expected, rel=1e-11, abs=1e-13), name


def test_rankings_are_scikit_learn_s() -> None:
    theirs, compared = of_scikit_learn(), 0
    for rng, rows, weights in draws(120):
        count = int(rng.integers(2, 5))
        digits = int(rng.integers(0, 3))  # few digits: many ties
        chances = np.round(rng.dirichlet(np.ones(count), rows), digits + 1)
        chances /= chances.sum(1, keepdims=True)
        targets = rng.integers(0, count, rows)
        if weights is not None:
            weights[rng.uniform(size=rows) < 0.2] = 0.0
        counted = targets if weights is None else targets[weights > 0]
        for name in ("roc_auc", "average_precision"):
            score = resolve(name, probabilities=True).score(chances, targets, weights)
            if len(set(counted)) < count:
                assert np.isnan(score)
                continue
            given: dict[str, Any] = {"sample_weight": weights}
            right, numbers = targets, chances[:, 1] if count == 2 else chances
            if count > 2 and name == "roc_auc":
                given |= {"multi_class": "ovr", "average": "macro"}
            elif count > 2:
                right = np.eye(count)[targets]
            expected = theirs[name](right, numbers, **given)
            assert score == pytest.approx(expected, abs=1e-12)
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_history_is_scikit_learn_s(engine: str) -> None:
    """After the last epoch, on the validation rows, from the outputs of the trained network."""
    theirs = of_scikit_learn()
    for name in ("many", "numbers"):
        x, y, _ = task(name)
        program = program_for(name, metrics_for(name), engine)
        history = program.run(2)
        outputs, right = predicted(program.network, x[:31]), y[:31]
        if name == "numbers":
            for metric in ("rmse", "mse", "mae", "mape", "r2"):
                expected = theirs[metric](right, outputs)
                assert history[f"val_{metric}"][-1] == pytest.approx(expected, rel=1e-9)
            continue
        found = outputs.argmax(1)
        for metric in ("precision", "recall", "f1"):
            for average in AVERAGES:
                expected = theirs[metric](right, found, average=average, zero_division=0)
                got = history[f"val_{metric}_{average}"][-1]
                assert got == pytest.approx(expected, rel=1e-12)
        chances = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
        auc = theirs["roc_auc"](right, chances, multi_class="ovr")
        assert history["val_roc_auc"][-1] == pytest.approx(auc, rel=1e-12)
        log_loss = theirs["log_loss"](right, chances)
        assert history["val_log_loss"][-1] == pytest.approx(log_loss, rel=1e-9)


# --- errors


class OfRows(Metric):
    name = "of_rows"

    def statistics(self, outputs: Any, targets: Any, weights: Any = None) -> tuple[Any, ...]:
        return (ops.sum(outputs, axis=1),)

    def result(self, sums: tuple[Any, ...]) -> Any:
        return ops.sum(sums[0])


class Several(Metric):
    name = "several"

    def statistics(self, outputs: Any, targets: Any, weights: Any = None) -> tuple[Any, ...]:
        return (ops.sum(outputs, axis=0),)

    def result(self, sums: tuple[Any, ...]) -> Any:
        return sums[0]


@pytest.mark.parametrize(
    ("metric", "parts"),
    [
        (OfRows(), ("'of_rows'", "(N,)", "ops.sum(x, axis=0)")),
        (Several(), ("'several'", "(4,)", "ops.mean(x)")),
    ],
)
def test_metrics_that_are_not_numbers(metric: Metric, parts: tuple[str, ...]) -> None:
    with pytest.raises(errors.ShapeError) as caught:
        program_for("many", [metric], "native")
    for part in parts:
        assert part in str(caught.value)
