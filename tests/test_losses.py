"""Losses: values at known points, gradients, choice by name, and every error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.graph.transforms import gradient
from ranvier.losses import (
    LOSSES,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Loss,
    MeanSquaredError,
    choice_notes,
    kind_read_by,
    resolve,
)
from ranvier.ops.value import input_value

RNG = np.random.default_rng(0)
#: Each loss with outputs and targets it reads.
CASES: tuple[tuple[Loss, np.ndarray, np.ndarray], ...] = (
    (MeanSquaredError(), RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))),
    (MeanSquaredError(), RNG.normal(size=(1, 1)), RNG.normal(size=(1, 1))),
    (MeanSquaredError(), RNG.normal(size=(2, 3, 5)), RNG.normal(size=(2, 3, 5))),
    (CategoricalCrossEntropy(), RNG.normal(size=(5, 7)), RNG.integers(0, 7, 5).astype("i4")),
    (CategoricalCrossEntropy(), RNG.normal(size=(1, 2)), np.array([1], "i4")),
    (BinaryCrossEntropy(), RNG.normal(size=(5, 1)), RNG.integers(0, 2, 5).astype("i4")),
    (BinaryCrossEntropy(), RNG.normal(size=(5, 3)), RNG.uniform(size=(5, 3))),
)


def reference(loss: Loss, z: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The textbook formulas, written without care for overflow."""
    if loss.name == "mean_squared_error":
        return ((z - t) ** 2).reshape(len(z), -1).mean(1)
    if loss.name == "categorical_cross_entropy":
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return -np.log(p[np.arange(len(z)), t])
    p = 1 / (1 + np.exp(-z))
    t = t.reshape(z.shape)
    return (-t * np.log(p) - (1 - t) * np.log(1 - p)).mean(1)


def test_every_loss_has_a_case() -> None:
    assert {type(loss) for loss, _, _ in CASES} == {loss for _, loss in LOSSES.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]} {c[1].shape}")
def test_value_is_the_formula(case: Any) -> None:
    loss, outputs, targets = case
    found = loss(outputs, targets)
    assert found.shape == (len(outputs),)
    np.testing.assert_allclose(found, reference(loss, outputs, targets), rtol=1e-12)
    single = loss(outputs.astype("f4"), targets)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, found, rtol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]} {c[1].shape}")
def test_gradient_is_the_slope(case: Any) -> None:
    loss, outputs, targets = case
    found = gradient(lambda z: ops.sum(loss(z, targets)))(outputs)
    for index in np.ndindex(outputs.shape):
        moved = [outputs.copy(), outputs.copy()]
        moved[0][index] += 1e-6
        moved[1][index] -= 1e-6
        ends = [reference(loss, z, targets).sum() for z in moved]
        assert found[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_large_logits_do_not_overflow() -> None:
    z = np.array([[1000.0], [-1000.0]])
    assert BinaryCrossEntropy()(z, np.array([1, 1], "i4")).tolist() == [0.0, 1000.0]
    pair = np.array([[1000.0, -1000.0]])
    assert CategoricalCrossEntropy()(pair, np.array([1], "i4")).tolist() == [2000.0]


def test_a_symbolic_batch() -> None:
    outputs, classes = input_value("z", (N, 3), "float32"), input_value("y", (N,), "int32")
    assert CategoricalCrossEntropy()(outputs, classes).shape == (N,)
    one = input_value("z", (N, 1), "float32")
    assert BinaryCrossEntropy()(one, classes).shape == (N,)
    assert MeanSquaredError()(one, input_value("y", (N, 1), "float32")).shape == (N,)


def test_choice() -> None:
    assert isinstance(resolve(None, (3,), "classes", 3), CategoricalCrossEntropy)
    assert isinstance(resolve(None, (1,), "classes", 2), BinaryCrossEntropy)
    assert isinstance(resolve(None, (2,), "classes", 2), CategoricalCrossEntropy)
    assert isinstance(resolve(None, (1,), "numbers"), MeanSquaredError)
    assert isinstance(resolve("mse", (1,), "numbers"), MeanSquaredError)
    assert isinstance(resolve("mean_squared_error", (1,), "numbers"), MeanSquaredError)
    assert isinstance(resolve("cross_entropy", (1,), "classes", 2), BinaryCrossEntropy)
    assert isinstance(resolve("cross_entropy", (1,), "classes", 5), CategoricalCrossEntropy)
    assert isinstance(resolve("cross_entropy", (4,), "numbers"), BinaryCrossEntropy)
    loss = MeanSquaredError()
    assert resolve(loss, (1,), "numbers") is loss


def test_what_a_loss_reads() -> None:
    assert kind_read_by("mse") == kind_read_by(MeanSquaredError()) == "numbers"
    assert kind_read_by("categorical_cross_entropy") == "classes"
    assert kind_read_by("cross_entropy") == "classes"
    for open_choice in ("binary_cross_entropy", None, "unheard of"):
        assert kind_read_by(open_choice) is None


def test_the_last_activation() -> None:
    categorical, binary = CategoricalCrossEntropy(), BinaryCrossEntropy()
    assert categorical.takes_logits("softmax")
    assert binary.takes_logits("sigmoid")
    for name in (None, "relu", "linear"):
        assert not categorical.takes_logits(name)
    assert not MeanSquaredError().takes_logits("sigmoid")


def test_what_was_chosen_is_said() -> None:
    notes = choice_notes(None, CategoricalCrossEntropy(), "softmax")
    assert "categorical_cross_entropy" in notes[0]
    assert "softmax" in notes[1]
    assert choice_notes("mse", MeanSquaredError(), None) == ()
    assert "numbers" in choice_notes(None, MeanSquaredError(), None)[0]


def test_what_fits_is_accepted() -> None:
    CategoricalCrossEntropy().check((3,), (), "classes", 3)
    BinaryCrossEntropy().check((1,), (), "classes", 2)
    BinaryCrossEntropy().check((3,), (3,), "numbers")
    MeanSquaredError().check((2, 2), (2, 2), "numbers")


MSE, CCE, BCE = MeanSquaredError(), CategoricalCrossEntropy(), BinaryCrossEntropy()
INTS = np.array([0, 1], "i4")
ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("(N, 1) and (N,)", errors.ShapeError, lambda: MSE(np.ones((2, 1)), np.ones(2)),
     ("(2, 1)", "(2,)", "reshape(-1, 1)")),
    ("other columns", errors.ShapeError, lambda: MSE(np.ones((2, 3)), np.ones((2, 1))),
     ("(2, 3)", "(2, 1)")),
    ("classes (N, 1)", errors.ShapeError, lambda: CCE(np.ones((2, 3)), INTS[:, None]), ("(2, 1)",)),
    ("logits (N,)", errors.ShapeError, lambda: CCE(np.ones(2), INTS), ("(N, C)",)),
    ("binary on 2 outputs", errors.ShapeError, lambda: BCE(np.ones((2, 2)), INTS), ("(N, 1)",)),
    ("binary on floats (N,)", errors.ShapeError, lambda: BCE(np.ones((2, 1)), np.ones(2)),
     ("(2, 1)", "(2,)")),
    ("check: mse of classes", errors.DTypeError, lambda: MSE.check((1,), (), "classes", 2),
     ("classes", "floats")),
    ("check: mse", errors.ShapeError, lambda: MSE.check((3,), (1,), "numbers"),
     ("(N, 3)", "(N, 1)")),
    ("check: classes of numbers", errors.DTypeError, lambda: CCE.check((3,), (1,), "numbers"),
     ("numbers", "integers")),
    ("check: too few outputs", errors.ShapeError, lambda: CCE.check((3,), (), "classes", 10),
     ("(N, 3)", "10 classes", "Dense(10)")),
    ("check: too many outputs", errors.ShapeError, lambda: CCE.check((11,), (), "classes", 10),
     ("Dense(10)",)),
    ("check: pictures", errors.ShapeError, lambda: CCE.check((3, 3, 10), (), "classes", 10),
     ("(N, 3, 3, 10)",)),
    ("check: binary", errors.ShapeError, lambda: BCE.check((2,), (), "classes", 2), ("Dense(1)",)),
    ("check: binary of 3", errors.ShapeError, lambda: BCE.check((1,), (), "classes", 3),
     ("3 classes",)),
    ("check: labels", errors.ShapeError, lambda: BCE.check((2,), (3,), "numbers"), ("(N, 3)",)),
    ("softmax and binary", errors.ArgumentError,
     lambda: resolve("cross_entropy", (1,), "classes", 2, "softmax"),
     ("softmax", "sigmoid")),
    ("sigmoid and categorical", errors.ArgumentError,
     lambda: resolve(None, (3,), "classes", 3, "sigmoid"), ("sigmoid", "softmax")),
    ("name", errors.UnknownNameError, lambda: resolve("crossentropy", (3,), "classes", 3),
     ("crossentropy", "did you mean 'cross_entropy'")),
    ("class", errors.ArgumentError, lambda: resolve(MeanSquaredError, (3,), "numbers"),
     ("MeanSquaredError",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)
