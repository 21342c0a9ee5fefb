"""Metrics: statistics that add up to the value over all rows, by NumPy's own words; every error."""

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
    R2,
    Accuracy,
    AveragePrecision,
    BalancedAccuracy,
    Brier,
    LogLoss,
    MeanAbsoluteErrorMetric,
    MeanAbsolutePercentageError,
    MeanSquaredErrorMetric,
    Metric,
    Precision,
    Recall,
    RocAuc,
    RootMeanSquaredError,
    TopKAccuracy,
    WholeSetMetric,
    default_metrics,
    resolve,
)
from ranvier.models.evaluation import evaluate_outputs
from ranvier.networks.network import Network
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import Spec
from ranvier.optimizers import SGD
from ranvier.training.program import TrainingProgram
from ranvier.training.statistics import finish_graph, statistics_of

Array = np.ndarray
RNG = np.random.default_rng(1)
AVERAGES = ("micro", "macro", "weighted")


def classes(count: int) -> Array:
    return RNG.integers(0, count, 17).astype("i4")


def logits(count: int) -> Array:
    return RNG.normal(size=(17, count))


def chances(count: int) -> Array:
    return RNG.uniform(0.01, 0.99, (17, count))


LABELS = RNG.integers(0, 2, (17, 3)).astype("f8")
RATIOS = (Precision, Recall, F1)
ERRORS_OF_NUMBERS = (
    MeanSquaredErrorMetric, MeanAbsoluteErrorMetric, RootMeanSquaredError,
    MeanAbsolutePercentageError, R2,
)  # fmt: skip
CASES: tuple[tuple[Metric, Array, Array], ...] = (
    (Accuracy(), logits(5), classes(5)),
    (Accuracy(), logits(1), classes(2)),
    (Accuracy(0.5), chances(1), classes(2)),
    (Accuracy(), logits(3), LABELS),
    *((cls(), logits(3), logits(3)) for cls in ERRORS_OF_NUMBERS),
    *((cls(), logits(1), logits(1)) for cls in ERRORS_OF_NUMBERS),
    *((TopKAccuracy(k), logits(5), classes(5)) for k in (1, 2, 4, 5)),
    (TopKAccuracy(), logits(7), classes(7)),
    *((cls(), *data) for cls in (LogLoss, Brier)
      for data in ((logits(5), classes(5)), (logits(1), classes(2)), (logits(3), LABELS))),
    *((cls(probabilities=True), *data) for cls in (LogLoss, Brier)
      for data in ((chances(1), classes(2)), (chances(3), LABELS), (chances(3), chances(3)))),
    *((cls(), logits(n), classes(2)) for cls in (*RATIOS, BalancedAccuracy) for n in (1, 2)),
    *((cls(0.5), chances(1), classes(2)) for cls in (*RATIOS, BalancedAccuracy)),
    *((cls(average=a), logits(n), classes(max(n, 2)))
      for cls in RATIOS for a in AVERAGES for n in (1, 5)),
    (BalancedAccuracy(), logits(5), classes(5)),
    *((cls(), logits(n), classes(max(n, 2))) for cls in (RocAuc, AveragePrecision)
      for n in (1, 2, 3)),
    *((cls(), logits(3), LABELS) for cls in (RocAuc, AveragePrecision)),
)  # fmt: skip
#: No loss reads a probability for each of several classes that do not add up to 1.
UNTRAINED = tuple(
    (cls(probabilities=True), chances(3), classes(3)) for cls in (RocAuc, AveragePrecision)
)
STREAMING = tuple(case for case in CASES if not isinstance(case[0], WholeSetMetric))


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
    if isinstance(metric, MeanAbsolutePercentageError):
        return (np.abs(outputs - targets) / np.abs(targets)).mean(1)
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
    return found_classes(metric, outputs) == targets


def found_classes(metric: Any, outputs: Array) -> Array:
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > metric.threshold).astype(int)
    return outputs.argmax(1)


def of_classes(metric: Any, outputs: Array, targets: Array) -> float:
    """Precision, recall, F1 and balanced accuracy, class by class."""
    found, known = found_classes(metric, outputs), range(max(2, outputs.shape[1]))
    parts, wholes, rows = [], [], []
    for c in known:
        both = ((found == c) & (targets == c)).sum()
        mine, right = (found == c).sum(), (targets == c).sum()
        part, whole = {
            Precision: (both, mine), Recall: (both, right), BalancedAccuracy: (both, right),
            F1: (2 * both, mine + right),
        }[type(metric)]  # fmt: skip
        parts.append(part)
        wholes.append(whole)
        rows.append(right)
    each = [p / max(w, 1) for p, w in zip(parts, wholes, strict=True)]
    if isinstance(metric, BalancedAccuracy):
        return float(np.mean([e for e, r in zip(each, rows, strict=True) if r]))
    if metric.average == "binary":
        return float(each[1])
    if metric.average == "micro":
        return float(sum(parts) / sum(wholes))
    if metric.average == "weighted":
        return float(np.average(each, weights=rows))
    present = [bool(((found == c) | (targets == c)).any()) for c in known]
    return float(np.mean([e for e, p in zip(each, present, strict=True) if p]))


def of_pairs(metric: Any, outputs: Array, targets: Array) -> float:
    """Ranking metrics by their words: over pairs, and over the rows of the class."""
    if outputs.shape[1] <= 2 and targets.ndim == 1:
        columns = [(outputs[:, -1] - (outputs[:, 0] if outputs.shape[1] == 2 else 0), targets == 1)]
    else:
        p = outputs
        if targets.ndim == 1 and not metric.probabilities:
            p = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
        hot = targets > 0.5 if targets.ndim == 2 else np.eye(3)[targets] > 0
        columns = [(p[:, k], hot[:, k]) for k in range(3)]
    found = []
    for s, right in columns:
        if isinstance(metric, RocAuc):
            pairs = s[right][:, None] - s[~right][None]
            found.append(((pairs > 0) + 0.5 * (pairs == 0)).mean())
        else:
            found.append(np.mean([right[s >= limit].mean() for limit in s[right]]))
    return float(np.mean(found))


def value_of(metric: Any, outputs: Array, targets: Array) -> float:
    """The metric of all rows, by its textbook definition."""
    if isinstance(metric, RocAuc | AveragePrecision):
        return of_pairs(metric, outputs, targets)
    if isinstance(metric, Precision | Recall | F1 | BalancedAccuracy):
        return of_classes(metric, outputs, targets)
    if isinstance(metric, RootMeanSquaredError):
        return float(np.sqrt(((outputs - targets) ** 2).mean(0)).mean())
    if isinstance(metric, R2):
        left = ((outputs - targets) ** 2).mean(0) / targets.var(0)
        return float((1.0 - left).mean())
    return float(rows_of(metric, outputs, targets).mean())


def test_every_metric_has_a_case() -> None:
    assert {type(metric) for metric, _, _ in CASES} == {m for _, m in METRICS.items()}


@pytest.mark.parametrize("case", [*CASES, *UNTRAINED], ids=title)
def test_the_score_is_the_textbook_s(case: Any) -> None:
    metric, outputs, targets = case
    assert metric.score(outputs, targets) == pytest.approx(value_of(*case), rel=1e-12)


@pytest.mark.parametrize("case", STREAMING, ids=title)
def test_batches_add_up(case: Any) -> None:
    metric, outputs, targets = case
    batches = [
        metric.statistics(outputs[start : start + 6], targets[start : start + 6])
        for start in range(0, 17, 6)
    ]
    sums = tuple(np.sum(kept, axis=0) for kept in zip(*batches, strict=True))
    whole = metric.statistics(outputs, targets)
    assert [np.shape(s) for s in sums] == [np.shape(s) for s in whole]
    assert float(metric.result(sums)) == pytest.approx(metric.score(outputs, targets), rel=1e-12)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_weight_2_is_the_row_twice(case: Any) -> None:
    metric, outputs, targets = case
    for row in (3, 8):
        weights = np.ones(17)
        weights[row] = 2.0
        twice = [np.concatenate([a, a[row : row + 1]]) for a in (outputs, targets)]
        once = [np.delete(a, row, axis=0) for a in (outputs, targets)]
        found = metric.score(outputs, targets, weights)
        assert found == pytest.approx(metric.score(*twice), rel=1e-12)
        assert metric.score(outputs, targets, 7.0 * weights) == pytest.approx(found, rel=1e-12)
        weights[row] = 0.0
        found = metric.score(outputs, targets, weights)
        assert found == pytest.approx(metric.score(*once), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", STREAMING, ids=title)
def test_a_symbolic_batch(case: Any, dtype: str) -> None:
    """The graphs of a program give what the metric gives on arrays."""
    metric, outputs, targets = case
    outputs = outputs.astype(dtype)
    specs = [Spec((N, *a.shape[1:]), a.dtype.name) for a in (outputs, targets)]
    graph, _ = trace(lambda o, t: statistics_of([metric], o, t, None)[0], specs)
    assert all(v.dtype in (dtype, "float64") for v in graph.outputs)
    found = evaluate(graph, [outputs, targets])
    finish = finish_graph([metric], [graph.outputs])
    assert [v.spec for v in finish.outputs] == [Spec((), "float64")]
    flat = np.concatenate([np.ravel(np.float64(statistic)) for statistic in found])
    (result,) = evaluate(finish, [flat])
    assert float(result) == pytest.approx(metric.score(outputs, targets), rel=1e-12)


def test_whole_sets_have_nothing_to_add_up() -> None:
    assert RocAuc().statistics(logits(1), classes(2)) == ()
    assert np.isnan(RocAuc().result(()))


def test_a_tie_goes_to_the_first_class() -> None:
    targets = np.array([0, 1], "i4")
    assert Accuracy().score(np.zeros((2, 3)), targets) == 0.5
    assert Recall(average="weighted").score(np.zeros((2, 3)), targets) == 0.5


def test_top_k_counts_larger_outputs() -> None:
    tie, first = np.array([[1.0, 1.0, 0.0]]), np.array([0], "i4")
    for target, k, hit in ((0, 1, 1.0), (1, 1, 1.0), (2, 2, 0.0), (2, 3, 1.0)):
        assert TopKAccuracy(k).score(tie, np.array([target], "i4")) == hit
    for broken in (np.array([[np.nan, 1.0]]), np.array([[1.0, np.nan]])):
        assert TopKAccuracy(1).score(broken, first) == 0.0


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


def test_a_nan_is_not_hidden() -> None:
    broken, right = np.array([[np.nan], [1.0]]), np.array([[1.0], [2.0]])
    for metric in (R2(), RootMeanSquaredError(), MeanAbsolutePercentageError()):
        assert np.isnan(metric.score(broken, right))
    assert np.isnan(R2().score(broken, np.ones((2, 1))))
    assert np.isnan(RocAuc().score(broken, np.array([0, 1])))


def test_r2_of_constant_targets() -> None:
    """As in scikit-learn; in one pass the variance of 0.1 is not exactly 0."""
    targets = np.full((1000, 1), 0.1)
    assert R2().score(targets, targets) == 1.0
    assert R2().score(targets + 1.0, targets) == 0.0
    # Far from 0 and in float32, sums in float32 would have no digit left.
    far = (1e4 + RNG.normal(size=(500, 1))).astype("f4")
    near = (far + RNG.normal(size=(500, 1))).astype("f4")
    wide_far, wide_near = far.astype("f8"), near.astype("f8")
    expected = 1.0 - ((wide_near - wide_far) ** 2).mean() / wide_far.var()
    assert R2().score(near, far) == pytest.approx(expected, abs=1e-6)


def test_one_class_alone_has_no_ranking() -> None:
    outputs, ones = logits(1), np.ones(17, "i4")
    for metric in (RocAuc(), AveragePrecision()):
        assert np.isnan(metric.score(outputs, ones))
        assert np.isnan(metric.score(outputs, 0 * ones))
        assert np.isnan(metric.score(logits(3), ones))
        weights = np.r_[1.0, np.zeros(16)]
        assert np.isnan(metric.score(outputs, np.r_[0, ones[1:]], weights))


def test_a_fit_shows_them_by_name() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 3)).astype("f4")
    y = np.where(x[:, 0] > 0, "yes", "no")
    names = ["accuracy", "precision", "recall", "f1", "log_loss", "brier", "balanced_accuracy"]
    model = rv.Sequential(rv.Dense(1, activation="sigmoid"))
    history = model.fit(x, y, metrics=names, epochs=3, validation=0.2, verbose=False)
    assert set(history) == {"loss", "val_loss", *names, *(f"val_{name}" for name in names)}
    # In training mode the loss is the mean of batches, on validation rows that of all of them.
    np.testing.assert_allclose(history["val_log_loss"], history["val_loss"], 1e-5)
    scores = model.evaluate(x, y, metrics=[*names, "roc_auc"])
    found = model.predict(x)[:, 0] > 0.5
    right = y == "yes"
    assert scores["precision"] == pytest.approx((found & right).sum() / found.sum())
    assert scores["recall"] == pytest.approx((found & right).sum() / right.sum())
    both = (scores["recall"] + (~found & ~right).sum() / (~right).sum()) / 2
    assert scores["balanced_accuracy"] == pytest.approx(both)
    assert 0.5 < scores["roc_auc"] <= 1.0


def test_averages_have_names_of_their_own() -> None:
    found = [F1(), *(F1(average=a) for a in AVERAGES)]
    assert [m.name for m in found] == ["f1", "f1_micro", "f1_macro", "f1_weighted"]
    again = F1.from_config(found[2].config())
    assert again.name == "f1_macro"
    assert repr(again) == "F1(average='macro')"
    x, y = np.eye(3, dtype="f4")[np.arange(30) % 3], np.arange(30) % 3
    model = rv.Sequential(rv.Dense(3))
    history = model.fit(x, y, metrics=found[1:], epochs=1, verbose=False)
    assert list(history) == ["loss", "f1_micro", "f1_macro", "f1_weighted"]


def test_choice() -> None:
    assert resolve("accuracy").config() == {"threshold": 0.0}
    assert resolve("accuracy", probabilities=True).config() == {"threshold": 0.5}
    assert resolve("mse").name == resolve("mean_squared_error").name == "mse"
    assert resolve("mae").name == resolve("mean_absolute_error").name == "mae"
    assert resolve("rmse").name == resolve("root_mean_squared_error").name == "rmse"
    assert resolve("mape").name == resolve("mean_absolute_percentage_error").name == "mape"
    for name in ("precision", "recall", "f1"):
        found = resolve(name, probabilities=True).config()
        assert found == {"threshold": 0.5, "average": "binary"}
    assert resolve("balanced_accuracy", probabilities=True).config() == {"threshold": 0.5}
    for name in ("log_loss", "brier", "roc_auc", "average_precision"):
        assert resolve(name, probabilities=True).config() == {"probabilities": True}
    assert resolve("top_k_accuracy", probabilities=True).config() == {"k": 5}
    metric = Accuracy(0.7)
    assert resolve(metric, probabilities=True) is metric
    assert default_metrics("classes") == ("accuracy",)
    assert default_metrics("numbers") == ()


def test_which_way_is_better() -> None:
    falling = {"log_loss", "brier", "mse", "mae", "rmse", "mape"}
    for _, metric in METRICS.items():
        assert metric.larger_is_better == (metric.name not in falling)


INTS = np.array([0, 1], "i4")
ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("classes (N, 1)", errors.ShapeError,
     lambda: Accuracy().score(np.ones((2, 3)), INTS[:, None]), ("accuracy", "(2, 1)")),
    ("labels", errors.ShapeError,
     lambda: Accuracy().score(np.ones((2, 3)), np.ones((2, 2))), ("(2, 3)", "(2, 2)")),
    *((name, errors.ShapeError,
       lambda name=name: resolve(name).score(np.ones((2, 1)), np.ones(2)), ("(2, 1)", "(2,)"))
      for name in ("mse", "mae", "rmse", "mape", "r2")),
    ("top k of one output", errors.ShapeError,
     lambda: TopKAccuracy().score(np.ones((2, 1)), INTS), ("top_k_accuracy", "two or more")),
    ("top k of other rows", errors.ShapeError,
     lambda: TopKAccuracy().score(np.ones((3, 4)), INTS), ("(3, 4)", "(2,)")),
    ("precision of 3 classes", errors.ShapeError,
     lambda: Precision().score(np.ones((2, 3)), INTS), ("Precision(average='macro')", "(2, 3)")),
    ("recall of floats", errors.ShapeError,
     lambda: Recall().score(np.ones((2, 1)), np.ones(2)), ("recall", "integers")),
    ("f1 of a column", errors.ShapeError,
     lambda: F1(average="macro").score(np.ones((2, 1)), INTS[:, None]), ("f1_macro", "(2, 1)")),
    ("balanced accuracy of labels", errors.ShapeError,
     lambda: BalancedAccuracy().score(np.ones((2, 2)), np.ones((2, 2))), ("integers",)),
    ("log loss of other rows", errors.ShapeError,
     lambda: LogLoss().score(np.ones((3, 4)), INTS), ("(3, 4)",)),
    ("log loss of labels", errors.ShapeError,
     lambda: LogLoss(True).score(np.ones((2, 2)), np.ones((2, 1))), ("log_loss", "(2, 1)")),
    ("log loss of two probabilities", errors.ShapeError,
     lambda: LogLoss(True).score(np.ones((2, 2)), INTS), ("log_loss", "(N, 1)")),
    ("brier of other rows", errors.ShapeError,
     lambda: Brier().score(np.ones((3, 4)), INTS), ("brier", "(3, 4)")),
    ("brier of labels", errors.ShapeError,
     lambda: Brier().score(np.ones((2, 2)), np.ones((2, 1))), ("brier", "(2, 1)")),
    ("ranking of other rows", errors.ShapeError,
     lambda: RocAuc().score(np.ones((3, 4)), INTS), ("roc_auc", "(3, 4)")),
    ("ranking of labels", errors.ShapeError,
     lambda: AveragePrecision().score(np.ones((2, 2)), np.ones((2, 1))), ("average_precision",)),
    ("k", errors.ArgumentError, lambda: TopKAccuracy(0), ("k is 0",)),
    ("average", errors.ArgumentError, lambda: F1(average="makro"), ("did you mean 'macro'",)),
    ("probabilities", errors.ArgumentError, lambda: LogLoss(1), ("probabilities",)),
    ("probabilities of brier", errors.ArgumentError, lambda: Brier("a"), ("probabilities",)),
    ("probabilities of a ranking", errors.ArgumentError, lambda: RocAuc(1), ("RocAuc",)),
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
