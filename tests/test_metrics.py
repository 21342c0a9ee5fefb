"""Metrics: sums and counts that add up to the value over all rows, and every error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.metrics import (
    METRICS,
    Accuracy,
    MeanSquaredErrorMetric,
    Metric,
    default_metrics,
    resolve,
)
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import Spec

RNG = np.random.default_rng(1)
CASES: tuple[tuple[Metric, np.ndarray, np.ndarray], ...] = (
    (Accuracy(), RNG.normal(size=(17, 5)), RNG.integers(0, 5, 17).astype("i4")),
    (Accuracy(), RNG.normal(size=(17, 1)), RNG.integers(0, 2, 17).astype("i4")),
    (Accuracy(0.5), RNG.uniform(size=(17, 1)), RNG.integers(0, 2, 17).astype("i4")),
    (Accuracy(), RNG.normal(size=(17, 3)), RNG.integers(0, 2, (17, 3)).astype("f8")),
    (MeanSquaredErrorMetric(), RNG.normal(size=(17, 3)), RNG.normal(size=(17, 3))),
)


def rows_of(metric: Metric, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The metric of each row by plain NumPy."""
    if isinstance(metric, MeanSquaredErrorMetric):
        return ((outputs - targets) ** 2).mean(1)
    assert isinstance(metric, Accuracy)
    if targets.ndim == 2:
        return ((outputs > metric.threshold) == (targets > 0.5)).mean(1)
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > metric.threshold).astype(int) == targets
    return outputs.argmax(1) == targets


def test_every_metric_has_a_case() -> None:
    assert {type(metric) for metric, _, _ in CASES} == {m for _, m in METRICS.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]} {c[1].shape} {c[2].shape}")
def test_batches_add_up(case: Any) -> None:
    metric, outputs, targets = case
    total = count = 0.0
    for start in range(0, 17, 6):
        part = slice(start, start + 6)
        terms = metric.terms(outputs[part], targets[part])
        assert [np.shape(term) for term in terms] == [(), ()]
        total, count = total + float(terms[0]), count + float(terms[1])
    assert count == 17.0
    assert total / count == pytest.approx(rows_of(metric, outputs, targets).mean())


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]} {c[1].shape} {c[2].shape}")
def test_weight_2_is_the_row_twice(case: Any) -> None:
    metric, outputs, targets = case
    weights = np.ones(17)
    weights[3] = 2.0
    total, count = metric.terms(outputs, targets, weights)
    twice = [np.concatenate([a, a[3:4]]) for a in (outputs, targets)]
    plain = metric.terms(*twice)
    assert float(total / count) == pytest.approx(float(plain[0] / plain[1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]} {c[1].shape} {c[2].shape}")
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


def test_choice() -> None:
    assert resolve("accuracy").config() == {"threshold": 0.0}
    assert resolve("accuracy", probabilities=True).config() == {"threshold": 0.5}
    assert resolve("mse").name == "mse"
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
