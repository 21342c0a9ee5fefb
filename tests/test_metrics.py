"""Metrics: sums and counts that add up to the value over all rows, and every error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import losses
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.layers import Dense
from ranvier.metrics import (
    F1,
    METRICS,
    Accuracy,
    Brier,
    LogLoss,
    MeanAbsoluteErrorMetric,
    MeanSquaredErrorMetric,
    Metric,
    Precision,
    Recall,
    TopKAccuracy,
    default_metrics,
    resolve,
)
from ranvier.models.evaluation import evaluate_outputs
from ranvier.networks.network import Network
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import Spec
from ranvier.optimizers import SGD
from ranvier.training.program import TrainingProgram

Array = np.ndarray
RNG = np.random.default_rng(1)


def classes(count: int) -> Array:
    return RNG.integers(0, count, 17).astype("i4")


def logits(count: int) -> Array:
    return RNG.normal(size=(17, count))


def chances(count: int) -> Array:
    return RNG.uniform(0.01, 0.99, (17, count))


LABELS = RNG.integers(0, 2, (17, 3)).astype("f8")
CASES: tuple[tuple[Metric, Array, Array], ...] = (
    (Accuracy(), logits(5), classes(5)),
    (Accuracy(), logits(1), classes(2)),
    (Accuracy(0.5), chances(1), classes(2)),
    (Accuracy(), logits(3), LABELS),
    (MeanSquaredErrorMetric(), logits(3), logits(3)),
    (MeanAbsoluteErrorMetric(), logits(3), logits(3)),
    *((TopKAccuracy(k), logits(5), classes(5)) for k in (1, 2, 4, 5)),
    (TopKAccuracy(), logits(7), classes(7)),
    *((cls(), *data) for cls in (LogLoss, Brier)
      for data in ((logits(5), classes(5)), (logits(1), classes(2)), (logits(3), LABELS))),
    *((cls(probabilities=True), *data) for cls in (LogLoss, Brier)
      for data in ((chances(1), classes(2)), (chances(3), LABELS), (chances(3), chances(3)))),
    *((cls(), logits(1), classes(2)) for cls in (Precision, Recall, F1)),
    *((cls(0.5), chances(1), classes(2)) for cls in (Precision, Recall, F1)),
)  # fmt: skip


def title(case: Any) -> str:
    return f"{case[0]} {case[1].shape} {case[2].shape}"


def probabilities_of(metric: Any, outputs: Array) -> Array:
    if metric.probabilities:
        return outputs
    if outputs.shape[1] == 5:
        return np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    return 1 / (1 + np.exp(-outputs))


def rows_of(metric: Any, outputs: Array, targets: Array) -> Array:
    """The metric of each row by plain NumPy."""
    if isinstance(metric, MeanSquaredErrorMetric):
        return ((outputs - targets) ** 2).mean(1)
    if isinstance(metric, MeanAbsoluteErrorMetric):
        return np.abs(outputs - targets).mean(1)
    if isinstance(metric, TopKAccuracy):
        best = np.argsort(-outputs, axis=1)[:, : metric.k]
        return (best == targets[:, None]).any(1)
    if isinstance(metric, LogLoss | Brier):
        p = probabilities_of(metric, outputs)
        if outputs.shape[1] == 5:
            hot = np.eye(5)[targets]
            brier = ((p - hot) ** 2).sum(1)
            return brier if isinstance(metric, Brier) else -np.log((p * hot).sum(1))
        t = targets.reshape(p.shape)
        loss = -t * np.log(p) - (1 - t) * np.log(1 - p)
        return (loss if isinstance(metric, LogLoss) else (p - t) ** 2).mean(1)
    assert isinstance(metric, Accuracy)
    if targets.ndim == 2:
        return ((outputs > metric.threshold) == (targets > 0.5)).mean(1)
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > metric.threshold).astype(int) == targets
    return outputs.argmax(1) == targets


def value_of(metric: Any, outputs: Array, targets: Array) -> float:
    """The metric of all rows, by its textbook definition."""
    if not isinstance(metric, Precision | Recall | F1):
        return float(rows_of(metric, outputs, targets).mean())
    found, right = outputs[:, 0] > metric.threshold, targets == 1
    precision = (found & right).sum() / found.sum()
    recall = (found & right).sum() / right.sum()
    harmonic = 2 * precision * recall / (precision + recall)
    return float({"precision": precision, "recall": recall, "f1": harmonic}[metric.name])


def test_every_metric_has_a_case() -> None:
    assert {type(metric) for metric, _, _ in CASES} == {m for _, m in METRICS.items()}


@pytest.mark.parametrize("case", CASES, ids=title)
def test_batches_add_up(case: Any) -> None:
    metric, outputs, targets = case
    total = count = 0.0
    for start in range(0, 17, 6):
        part = slice(start, start + 6)
        terms = metric.terms(outputs[part], targets[part])
        assert [np.shape(term) for term in terms] == [(), ()]
        total, count = total + float(terms[0]), count + float(terms[1])
    assert count == 17.0 or isinstance(metric, Precision | Recall | F1)
    assert total / count == pytest.approx(value_of(metric, outputs, targets), rel=1e-12)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_weight_2_is_the_row_twice(case: Any) -> None:
    metric, outputs, targets = case
    for row in (3, 8):
        weights = np.ones(17)
        weights[row] = 2.0
        total, count = metric.terms(outputs, targets, weights)
        twice = [np.concatenate([a, a[row : row + 1]]) for a in (outputs, targets)]
        plain = metric.terms(*twice)
        assert float(total / count) == pytest.approx(float(plain[0] / plain[1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=title)
def test_native_training_is_the_reference(case: Any, dtype: str) -> None:
    """Of an epoch of batches with weights, and of validation rows without."""
    metric, outputs, targets = case
    kind = "numbers" if targets.dtype.kind == "f" else "classes"
    loss = losses.resolve(None, outputs.shape[1:], kind, max(2, outputs.shape[1]))
    x = np.random.default_rng(5).normal(size=(17, 4)).astype(dtype)
    y = targets.astype(dtype) if kind == "numbers" else targets
    weights = np.linspace(0.5, 1.5, 17)
    # A metric of probabilities is asked for where the loss reads them too.
    last = "sigmoid" if metric.config() in ({"threshold": 0.5}, {"probabilities": True}) else None
    if last:
        loss = losses.MeanSquaredError() if kind == "numbers" else losses.Hinge()
    found = []
    for engine in ("native", "reference"):
        network = Network([Dense(outputs.shape[1], activation=last)], dtype)
        network.build((4,), seed=3)
        program = TrainingProgram(
            network, loss, SGD(0.05), [metric], x, y, weights, (x[:7], y[:7]), batch_size=6,
            engine=engine,
        )  # fmt: skip
        history = program.run(2)
        found.append([history[metric.name], history[f"val_{metric.name}"]])
    np.testing.assert_allclose(*found, 1e-10 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_symbolic_batch(case: Any, dtype: str) -> None:
    metric, outputs, targets = case
    outputs = outputs.astype(dtype)
    specs = [Spec((N, *a.shape[1:]), a.dtype.name) for a in (outputs, targets)]
    graph, _ = trace(metric.terms, specs)
    assert [v.spec for v in graph.outputs] == [Spec((), dtype)] * 2
    found = evaluate(graph, [outputs, targets])
    expected = metric.terms(outputs, targets)
    np.testing.assert_allclose([float(v) for v in found], [float(v) for v in expected])


def test_a_tie_goes_to_the_first_class() -> None:
    total, _ = Accuracy().terms(np.zeros((2, 3)), np.array([0, 1], "i4"))
    assert float(total) == 1.0


def test_top_k_counts_larger_outputs() -> None:
    tie, first = np.array([[1.0, 1.0, 0.0]]), np.array([0], "i4")
    for target, k, hit in ((0, 1, 1.0), (1, 1, 1.0), (2, 2, 0.0), (2, 3, 1.0)):
        total, _ = TopKAccuracy(k).terms(tie, np.array([target], "i4"))
        assert float(total) == hit
    for broken in (np.array([[np.nan, 1.0]]), np.array([[1.0, np.nan]])):
        assert float(TopKAccuracy(1).terms(broken, first)[0]) == 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_where_nothing_is_counted_the_ratio_is_0(engine: str, dtype: str) -> None:
    metrics = [Precision(), Recall(), F1()]
    nothing = np.zeros(6, "i4")
    scores = evaluate_outputs(-np.ones((6, 1), dtype), nothing, None, metrics, None)
    network = Network([Dense(1, use_bias=False)], dtype)
    network.build((2,))
    x = np.zeros((6, 2), dtype)  # outputs are 0: none is above it
    history = TrainingProgram(
        network, losses.BinaryCrossEntropy(), SGD(0.1), metrics, x, nothing, np.ones(6),
        (x, nothing), batch_size=4, engine=engine,
    ).run(1)  # fmt: skip
    for metric in metrics:
        assert scores[metric.name] == 0.0
        assert history[metric.name] == history[f"val_{metric.name}"] == [0.0]


def test_empty_batches_change_nothing() -> None:
    """A batch without any row to count adds too little to be seen."""
    outputs, right = np.ones((3, 1), "f4"), np.array([1, 0, 1], "i4")
    found = Precision().terms(outputs, right)
    none = Precision().terms(-outputs, right)
    assert float(found[1]) + float(none[1]) == 3.0
    assert (float(found[0]), float(none[0])) == (2.0, 0.0)


def test_a_fit_shows_them_by_name() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 3)).astype("f4")
    y = np.where(x[:, 0] > 0, "yes", "no")
    names = ["accuracy", "precision", "recall", "f1", "log_loss", "brier"]
    model = rv.Sequential(rv.Dense(1, activation="sigmoid"))
    history = model.fit(x, y, metrics=names, epochs=3, validation=0.2, verbose=False)
    assert set(history) == {"loss", "val_loss", *names, *(f"val_{name}" for name in names)}
    # In training mode the loss is the mean of batches, on validation rows that of all of them.
    np.testing.assert_allclose(history["val_log_loss"], history["val_loss"], 1e-5)
    scores = model.evaluate(x, y, metrics=names)
    found = model.predict(x)[:, 0] > 0.5
    right = y == "yes"
    assert scores["precision"] == pytest.approx((found & right).sum() / found.sum())
    assert scores["recall"] == pytest.approx((found & right).sum() / right.sum())


def test_choice() -> None:
    assert resolve("accuracy").config() == {"threshold": 0.0}
    assert resolve("accuracy", probabilities=True).config() == {"threshold": 0.5}
    assert resolve("mse").name == "mse"
    assert resolve("mae").name == resolve("mean_absolute_error").name == "mae"
    for name in ("precision", "recall", "f1"):
        assert resolve(name, probabilities=True).config() == {"threshold": 0.5}
        assert resolve(name).larger_is_better
    for name in ("log_loss", "brier"):
        assert resolve(name, probabilities=True).config() == {"probabilities": True}
        assert not resolve(name).larger_is_better
    assert resolve("top_k_accuracy", probabilities=True).config() == {"k": 5}
    metric = Accuracy(0.7)
    assert resolve(metric, probabilities=True) is metric
    assert default_metrics("classes") == ("accuracy",)
    assert default_metrics("numbers") == ()
    assert Accuracy.larger_is_better
    assert not MeanSquaredErrorMetric.larger_is_better


INTS = np.array([0, 1], "i4")
ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("classes (N, 1)", errors.ShapeError,
     lambda: Accuracy().terms(np.ones((2, 3)), INTS[:, None]), ("accuracy", "(2, 1)")),
    ("labels", errors.ShapeError,
     lambda: Accuracy().terms(np.ones((2, 3)), np.ones((2, 2))), ("(2, 3)", "(2, 2)")),
    ("mse", errors.ShapeError,
     lambda: MeanSquaredErrorMetric().terms(np.ones((2, 1)), np.ones(2)), ("(2, 1)", "(2,)")),
    ("mae", errors.ShapeError,
     lambda: MeanAbsoluteErrorMetric().terms(np.ones((2, 1)), np.ones(2)), ("(2, 1)", "(2,)")),
    ("top k of one output", errors.ShapeError,
     lambda: TopKAccuracy().terms(np.ones((2, 1)), INTS), ("top_k_accuracy", "two or more")),
    ("top k of other rows", errors.ShapeError,
     lambda: TopKAccuracy().terms(np.ones((3, 4)), INTS), ("(3, 4)", "(2,)")),
    ("precision of 3 classes", errors.ShapeError,
     lambda: Precision().terms(np.ones((2, 3)), INTS), ("precision", "(N, 1)")),
    ("recall of floats", errors.ShapeError,
     lambda: Recall().terms(np.ones((2, 1)), np.ones(2)), ("recall", "integers")),
    ("f1 of a column", errors.ShapeError,
     lambda: F1().terms(np.ones((2, 1)), INTS[:, None]), ("f1", "(2, 1)")),
    ("log loss of other rows", errors.ShapeError,
     lambda: LogLoss().terms(np.ones((3, 4)), INTS), ("(3, 4)",)),
    ("log loss of labels", errors.ShapeError,
     lambda: LogLoss(True).terms(np.ones((2, 2)), np.ones((2, 1))), ("log_loss", "(2, 1)")),
    ("log loss of two probabilities", errors.ShapeError,
     lambda: LogLoss(True).terms(np.ones((2, 2)), INTS), ("log_loss", "(N, 1)")),
    ("brier of other rows", errors.ShapeError,
     lambda: Brier().terms(np.ones((3, 4)), INTS), ("brier", "(3, 4)")),
    ("brier of labels", errors.ShapeError,
     lambda: Brier().terms(np.ones((2, 2)), np.ones((2, 1))), ("brier", "(2, 1)")),
    ("k", errors.ArgumentError, lambda: TopKAccuracy(0), ("k is 0",)),
    ("probabilities", errors.ArgumentError, lambda: LogLoss(1), ("probabilities",)),
    ("probabilities of brier", errors.ArgumentError, lambda: Brier("a"), ("probabilities",)),
    ("threshold of recall", errors.ArgumentError, lambda: Recall("a"), ("Recall", "threshold")),
    ("threshold", errors.ArgumentError, lambda: Accuracy("a"), ("threshold",)),
    ("name", errors.UnknownNameError, lambda: resolve("acuracy"), ("did you mean 'accuracy'",)),
    ("class", errors.ArgumentError, lambda: resolve(Accuracy), ("Accuracy()",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)
