"""Losses: values at known points, gradients, choice by name, and every error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.graph.transforms import gradient
from ranvier.layers import Dense
from ranvier.losses import (
    LOSSES,
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalCrossEntropy,
    CategoricalFocal,
    ContrastiveLoss,
    CosineSimilarity,
    HalfSquaredError,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    PerceptronLoss,
    Poisson,
    Quantile,
    TripletLoss,
    choice_notes,
    kind_read_by,
    resolve,
)
from ranvier.networks.network import Network
from ranvier.ops.value import input_value
from ranvier.optimizers import SGD
from ranvier.training.program import TrainingProgram

Array = np.ndarray
RNG = np.random.default_rng(0)


def distributions(rows: int, count: int) -> Array:
    """Probabilities of each row, the first one certain: with zeros."""
    found = RNG.dirichlet(np.ones(count), rows)
    found[0] = np.eye(count)[0]
    return found


def numbers(*shape: int) -> tuple[Array, Array]:
    return 2.0 * RNG.normal(size=shape), RNG.normal(size=shape)


def classes(rows: int, count: int) -> Array:
    return RNG.integers(0, count, rows).astype("i4")


#: Each loss with outputs and targets it reads.
CASES: tuple[tuple[Loss, Array, Array], ...] = (
    *((loss, *numbers(*shape))
      for shape in ((5, 3), (1, 1), (2, 3, 5))
      for loss in (MeanSquaredError(), HalfSquaredError(), MeanAbsoluteError(), Huber(), LogCosh(),
                   Quantile(), CosineSimilarity())),
    (Huber(0.3), *numbers(5, 3)),
    (Quantile(0.9), *numbers(5, 3)),
    (Poisson(), RNG.normal(size=(5, 3)), RNG.integers(0, 5, (5, 3)).astype("f8")),
    (KLDivergence(), np.log(distributions(5, 3) + 0.1), distributions(5, 3)),
    (CategoricalCrossEntropy(), RNG.normal(size=(5, 7)), classes(5, 7)),
    (CategoricalCrossEntropy(), RNG.normal(size=(1, 2)), np.array([1], "i4")),
    (CategoricalCrossEntropy(0.1), RNG.normal(size=(5, 7)), classes(5, 7)),
    (CategoricalCrossEntropy(0.0, True), RNG.normal(size=(5, 3)), distributions(5, 3)),
    (CategoricalCrossEntropy(0.2, True), RNG.normal(size=(5, 3)), distributions(5, 3)),
    *((CategoricalFocal(*arguments), RNG.normal(size=(5, 3)), classes(5, 3))
      for arguments in ((), (0.0,), (0.5,), (3.0, [0.2, 1.0, 2.0]))),
    *((loss, *data)
      for loss in (BinaryCrossEntropy(), BinaryFocal(), BinaryFocal(0.5, 0.25), BinaryFocal(0.0),
                   Hinge(), Hinge(squared=True), PerceptronLoss())
      for data in ((RNG.normal(size=(5, 1)), classes(5, 2)),
                   (RNG.normal(size=(5, 3)), RNG.integers(0, 2, (5, 3)).astype("f8")))),
    (BinaryCrossEntropy(), RNG.normal(size=(5, 3)), RNG.uniform(size=(5, 3))),
    (BinaryFocal(alpha=0.7), RNG.normal(size=(5, 3)), RNG.uniform(size=(5, 3))),
    *((ContrastiveLoss(margin), RNG.normal(size=(6, 2, 3)), RNG.choice([0.0, 1.0, 0.3], (6, 1)))
      for margin in (1.0, 3.0)),
    *((TripletLoss(margin), RNG.normal(size=(6, 3, 2)), np.zeros((6, 1))) for margin in (1.0, 4.0)),
)  # fmt: skip


def title(case: Any) -> str:
    return f"{case[0]} {case[1].shape} {case[2].shape}"


def softmax(z: Array) -> Array:
    return np.exp(z) / np.exp(z).sum(1, keepdims=True)


def logarithm(t: Array) -> Array:
    return np.log(np.where(t > 0, t, 1.0))


def smoothed(loss: Any, z: Array, t: Array) -> Array:
    wanted = t if loss.probabilities else np.eye(z.shape[1])[t]
    wanted = (1 - loss.label_smoothing) * wanted + loss.label_smoothing / z.shape[1]
    return -(wanted * np.log(softmax(z))).sum(1)


def categorical_focal(loss: Any, z: Array, t: Array) -> Array:
    p = softmax(z)[np.arange(len(z)), t]
    return -np.asarray(loss.alpha or np.ones(z.shape[1]))[t] * (1 - p) ** loss.gamma * np.log(p)


def binary_focal(loss: Any, z: Array, t: Array) -> Array:
    p, t = 1 / (1 + np.exp(-z)), t.reshape(z.shape)
    second, first = (1, 1) if loss.alpha is None else (loss.alpha, 1 - loss.alpha)
    yes = second * (1 - p) ** loss.gamma * np.log(p)
    no = first * p**loss.gamma * np.log(1 - p)
    return -t * yes - (1 - t) * no


def binary_cross_entropy(loss: Any, z: Array, t: Array) -> Array:
    p, t = 1 / (1 + np.exp(-z)), t.reshape(z.shape)
    return -t * np.log(p) - (1 - t) * np.log(1 - p)


def cosine(loss: Any, z: Array, t: Array) -> Array:
    lengths = np.linalg.norm(z, axis=-1) * np.linalg.norm(t, axis=-1)
    return 1 - (z * t).sum(-1) / lengths


def huber(loss: Any, z: Array, t: Array) -> Array:
    a = np.abs(z - t)
    return np.where(a <= loss.delta, a**2 / 2, loss.delta * (a - loss.delta / 2))


def contrastive(loss: Any, z: Array, t: Array) -> Array:
    d, same = np.linalg.norm(z[:, 0] - z[:, 1], axis=1), t.reshape(len(z))
    return same * d**2 / 2 + (1 - same) * np.maximum(0, loss.margin - d) ** 2 / 2


def triplet(loss: Any, z: Array, t: Array) -> Array:
    near, far = (np.linalg.norm(z[:, 0] - z[:, k] + 1e-6, axis=1) for k in (1, 2))
    return np.maximum(0, near - far + loss.margin)


#: The textbook formulas, written without care for overflow; what they leave of a row is averaged.
FORMULAS: dict[type[Loss], Callable[[Any, Array, Array], Array]] = {
    MeanSquaredError: lambda loss, z, t: (z - t) ** 2,
    HalfSquaredError: lambda loss, z, t: (z - t) ** 2 / 2,
    MeanAbsoluteError: lambda loss, z, t: np.abs(z - t),
    Huber: huber,
    LogCosh: lambda loss, z, t: np.log(np.cosh(z - t)),
    Quantile: lambda loss, z, t: np.maximum(loss.q * (t - z), (loss.q - 1) * (t - z)),
    CosineSimilarity: cosine,
    Poisson: lambda loss, z, t: np.exp(z) - t * z,
    KLDivergence: lambda loss, z, t: (t * (logarithm(t) - z)).sum(1),
    ContrastiveLoss: contrastive,
    TripletLoss: triplet,
    CategoricalCrossEntropy: smoothed,
    CategoricalFocal: categorical_focal,
    BinaryCrossEntropy: binary_cross_entropy,
    BinaryFocal: binary_focal,
    Hinge: lambda loss, z, t: (
        np.maximum(0, 1 - (2 * t.reshape(z.shape) - 1) * z) ** (2 if loss.squared else 1)
    ),
    PerceptronLoss: lambda loss, z, t: np.maximum(0, (1 - 2 * t.reshape(z.shape)) * z).sum(1),
}


def reference(loss: Loss, z: Array, t: Array) -> Array:
    return FORMULAS[type(loss)](loss, z, t).reshape(len(z), -1).mean(1)


def test_every_loss_has_a_case() -> None:
    assert {type(loss) for loss, _, _ in CASES} == {loss for _, loss in LOSSES.items()}


@pytest.mark.parametrize("case", CASES, ids=title)
def test_value_is_the_formula(case: Any) -> None:
    loss, outputs, targets = case
    found = loss(outputs, targets)
    assert found.shape == (len(outputs),)
    np.testing.assert_allclose(found, reference(loss, outputs, targets), rtol=1e-12, atol=1e-15)
    single = loss(outputs.astype("f4"), targets)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_gradient_is_the_slope(case: Any) -> None:
    loss, outputs, targets = case
    found = gradient(lambda z: ops.sum(loss(z, targets)))(outputs)
    for index in np.ndindex(outputs.shape):
        moved = [outputs.copy(), outputs.copy()]
        moved[0][index] += 1e-6
        moved[1][index] -= 1e-6
        ends = [reference(loss, z, targets).sum() for z in moved]
        assert found[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_nan_spoils_its_own_row_and_no_other(case: Any) -> None:
    loss, outputs, targets = case
    broken = outputs.copy()
    broken[-1, ..., -1] = np.nan
    expected = np.arange(len(outputs)) == len(outputs) - 1
    assert np.isnan(loss(broken, targets)).tolist() == expected.tolist()


@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_loss_is_made_again_from_its_configuration(case: Any) -> None:
    loss, outputs, targets = case
    again = LOSSES[loss.name].from_config(loss.config())
    assert repr(again) == repr(loss)
    assert again(outputs, targets).tolist() == loss(outputs, targets).tolist()


# --- in a training program


def program(
    case: Any, dtype: str, engine: str, weights: Array | None = None, **arguments: Any
) -> Any:
    loss, outputs, targets = case
    x = np.random.default_rng(7).normal(size=(len(outputs), 4)).astype(dtype)
    network = Network([Dense(outputs.shape[1])], dtype)
    network.build((4,), seed=3)
    rows = arguments.pop("rows", slice(None))
    given = targets.astype(dtype) if targets.dtype.kind == "f" else targets
    return network, TrainingProgram(
        network, loss, SGD(0.05), [], x[rows], given[rows], weights, engine=engine, **arguments
    )


PLAIN = [case for case in CASES if case[1].ndim == 2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", PLAIN, ids=title)
def test_native_training_is_the_reference(case: Any, dtype: str) -> None:
    case[0].check(
        case[1].shape[1:], case[2].shape[1:], "numbers" if case[2].dtype.kind == "f" else "classes"
    )
    found = {}
    for engine in ("native", "reference"):
        network, trained = program(case, dtype, engine, batch_size=2)
        history = trained.run(3)
        found[engine] = [history["loss"], *network.parameters.values()]
    tolerance = 1e-10 if dtype == "float64" else 2e-5
    for native, expected in zip(found["native"], found["reference"], strict=True):
        np.testing.assert_allclose(native, expected, tolerance, tolerance)


@pytest.mark.parametrize("case", [c for c in PLAIN if len(c[1]) > 1], ids=title)
def test_weight_2_is_the_row_twice(case: Any) -> None:
    count = len(case[1])
    weights = np.ones(count)
    weights[1] = 2.0
    weighted = program(case, "float64", "native", weights / weights.mean(), batch_size=None)
    twice = program(case, "float64", "native", rows=[*range(count), 1], batch_size=None)
    losses = [trained.run(3)["loss"] for _, trained in (weighted, twice)]
    np.testing.assert_allclose(*losses, 1e-11)
    for name, array in weighted[0].parameters.items():
        np.testing.assert_allclose(array, twice[0].parameters[name], 1e-10, 1e-13)


FITS: tuple[tuple[Any, str, int], ...] = (
    ("huber", "numbers", 2), ("mae", "numbers", 2), (Quantile(0.8), "numbers", 2),
    ("focal", "classes", 3), ("focal", "two", 1), (Hinge(True), "two", 1),
    (CategoricalCrossEntropy(label_smoothing=0.1), "classes", 3),
    (CategoricalCrossEntropy(probabilities=True), "probabilities", 3),
)  # fmt: skip


@pytest.mark.parametrize("case", FITS, ids=lambda case: f"{case[0]} of {case[1]}")
def test_a_model_learns_with_it(case: Any) -> None:
    loss, kind, outputs = case
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 4)).astype("f4")
    scores = x @ rng.normal(size=(4, outputs))
    y = {
        "numbers": scores,
        "classes": scores.argmax(1),
        "two": np.where(scores[:, 0] > 0, "yes", "no"),
        "probabilities": softmax(scores),
    }[kind]
    model = rv.Sequential(rv.Dense(outputs))
    history = model.fit(x, y, loss=loss, optimizer=SGD(0.1), epochs=8, verbose=False)
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert np.isfinite(model.evaluate(x, y)["loss"])


# --- ends of the range


def test_known_points() -> None:
    row = np.array([[0.0, 3.0]])
    zero = np.zeros((1, 2))
    assert MeanSquaredError()(row, zero).tolist() == [4.5]
    assert HalfSquaredError()(row, zero).tolist() == [2.25]
    assert MeanAbsoluteError()(row, zero).tolist() == [1.5]
    assert Huber()(row, zero).tolist() == [1.25]
    assert Huber(10.0)(row, zero).tolist() == [2.25]
    assert Quantile(0.25)(row, zero).tolist() == [0.75 * 1.5]
    assert LogCosh()(row, zero) == pytest.approx([np.log(np.cosh(3.0)) / 2])
    assert Poisson()(zero, row).tolist() == [1.0]
    assert CosineSimilarity()(row, np.array([[0.0, -1.0]])).tolist() == [2.0]
    half = np.log([[0.5, 0.5]])
    assert KLDivergence()(half, np.array([[0.5, 0.5]])).tolist() == [0.0]
    assert KLDivergence()(half, np.array([[0.0, 1.0]])) == pytest.approx([np.log(2)])
    assert Hinge()(np.array([[-2.0], [1.0]]), np.array([1, 1], "i4")).tolist() == [3.0, 0.0]
    assert Hinge(True)(np.array([[-2.0]]), np.array([1], "i4")).tolist() == [9.0]


@pytest.mark.parametrize(
    "loss", [MeanAbsoluteError(), Huber(), LogCosh(), Quantile(), Quantile(0.9)]
)
def test_what_is_right_already_does_not_move(loss: Loss) -> None:
    right = np.array([[0.0, -2.0, 5.0]])
    assert not gradient(lambda z: ops.sum(loss(z, right)))(right).any()


def test_a_row_of_zeros_has_no_direction() -> None:
    zeros, ones = np.zeros((1, 3)), np.ones((1, 3))
    for outputs, targets in ((zeros, ones), (ones, zeros), (zeros, zeros)):
        assert CosineSimilarity()(outputs, targets).tolist() == [1.0]
        found = gradient(lambda z, t=targets: ops.sum(CosineSimilarity()(z, t)))(outputs)
        assert np.isfinite(found).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_points_are_pushed_nowhere(dtype: str) -> None:
    pairs = np.ones((2, 2, 3), dtype)
    same = np.array([[1.0], [0.0]], dtype)
    assert ContrastiveLoss()(pairs, same).tolist() == [0.0, 0.5]
    triplets = np.ones((1, 3, 2), dtype)
    triplets[0, 1:] = np.asarray(1.0 + 1e-6, dtype)  # their shift makes these distances zero or so
    for engine in ("native", "reference"):
        for loss, z, t in ((ContrastiveLoss(), pairs, same), (TripletLoss(), triplets, same[:1])):
            slope = rv.compile(gradient(lambda z, c=loss, t=t: ops.sum(c(z, t))), engine=engine)(z)
            assert np.isfinite(slope).all()
            assert loss.name == "triplet" or not slope.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_focal_and_log_cosh_far_out(dtype: str) -> None:
    far = np.array([[1000.0], [-1000.0]], dtype)
    yes = np.array([1, 1], "i4")
    assert BinaryFocal()(far, yes).tolist() == [0.0, 1000.0]
    slope = gradient(lambda z: ops.sum(BinaryFocal()(z, yes)))(far)
    assert slope.tolist() == [[0.0], [-1.0]]
    pair = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]], dtype)
    assert CategoricalFocal()(pair, np.array([0, 0], "i4")).tolist() == [0.0, 2000.0]
    for loss in (CategoricalFocal(), CategoricalFocal(0.5)):
        slope = gradient(lambda z, loss=loss: ops.sum(loss(z, np.array([0, 0], "i4"))))(pair)
        assert slope.tolist() == [[0.0, 0.0], [-1.0, 1.0]]
    found = LogCosh()(far, np.zeros_like(far))
    np.testing.assert_allclose(found, [1000.0 - np.log(2)] * 2, 1e-6)
    assert gradient(lambda z: ops.sum(LogCosh()(z, np.zeros_like(far))))(far).tolist() == [
        [1.0], [-1.0]
    ]  # fmt: skip


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
    assert isinstance(resolve("focal", (1,), "classes", 2), BinaryFocal)
    assert isinstance(resolve("focal", (4,), "numbers"), BinaryFocal)
    assert isinstance(resolve("focal", (3,), "classes", 3), CategoricalFocal)
    assert isinstance(resolve("mae", (3,), "numbers"), MeanAbsoluteError)
    loss = MeanSquaredError()
    assert resolve(loss, (1,), "numbers") is loss


def test_what_a_loss_reads() -> None:
    assert kind_read_by("mse") == kind_read_by(MeanSquaredError()) == "numbers"
    assert kind_read_by("categorical_cross_entropy") == "classes"
    assert kind_read_by("cross_entropy") == kind_read_by("focal") == "classes"
    assert kind_read_by(CategoricalCrossEntropy(0.1)) == "classes"
    assert kind_read_by(CategoricalCrossEntropy(probabilities=True)) == "numbers"
    for open_choice in ("binary_cross_entropy", None, "unheard of"):
        assert kind_read_by(open_choice) is None


def test_the_last_activation() -> None:
    categorical, binary = CategoricalCrossEntropy(), BinaryCrossEntropy()
    assert categorical.takes_logits("softmax")
    assert binary.takes_logits("sigmoid")
    for name in (None, "relu", "linear"):
        assert not categorical.takes_logits(name)
        assert not KLDivergence().takes_logits(name)
    assert CategoricalFocal().takes_logits("softmax")
    assert BinaryFocal().takes_logits("sigmoid")
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
    CategoricalCrossEntropy(probabilities=True).check((3,), (3,), "numbers")


MSE, CCE, BCE = MeanSquaredError(), CategoricalCrossEntropy(), BinaryCrossEntropy()
SOFT = CategoricalCrossEntropy(probabilities=True)
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
    ("hinge on 2 outputs", errors.ShapeError, lambda: Hinge()(np.ones((2, 2)), INTS), ("(N, 1)",)),
    ("check: hinge", errors.ShapeError, lambda: Hinge().check((2,), (), "classes", 2),
     ("hinge", "Dense(1)")),
    ("focal logits (N,)", errors.ShapeError, lambda: CategoricalFocal()(np.ones(2), INTS),
     ("categorical_focal", "(N, C)")),
    ("check: focal", errors.ShapeError,
     lambda: CategoricalFocal().check((3,), (), "classes", 4), ("Dense(4)",)),
    ("weights of 2 classes for 3", errors.ShapeError,
     lambda: CategoricalFocal(alpha=[1, 2])(np.ones((2, 3)), INTS), ("alpha has 2", "(2, 3)")),
    ("probabilities (N,)", errors.ShapeError, lambda: SOFT(np.ones(2), np.ones(2)), ("(N, C)",)),
    ("probabilities of others", errors.ShapeError, lambda: SOFT(np.ones((2, 3)), np.ones((2, 2))),
     ("(2, 3)", "(2, 2)")),
    ("check: probabilities", errors.ShapeError, lambda: SOFT.check((3,), (2,), "numbers"),
     ("(N, 3)", "(N, 2)")),
    ("check: probabilities of pictures", errors.ShapeError,
     lambda: SOFT.check((2, 3), (2, 3), "numbers"), ("(N, C)",)),
    ("check: probabilities of classes", errors.DTypeError,
     lambda: SOFT.check((3,), (), "classes", 3), ("classes", "floats")),
    ("directions (N,)", errors.ShapeError,
     lambda: CosineSimilarity()(np.ones(2), np.ones(2)), ("(N, K)",)),
    ("divergence of probabilities", errors.ArgumentError,
     lambda: resolve("kl_divergence", (3,), "numbers", None, "softmax"),
     ("softmax", "logarithms")),
    ("one point", errors.ShapeError, lambda: TripletLoss()(np.ones((2, 1)), np.ones(2)),
     ("triplet", "(2, 1)", "(N, 3, D)", "Stack()")),
    ("two of three points", errors.ShapeError, lambda: TripletLoss().check((2, 4), (1,), "numbers"),
     ("(N, 2, 4)", "3 points")),
    ("no pair", errors.ShapeError, lambda: ContrastiveLoss().check((8,), (1,), "numbers"),
     ("contrastive", "(N, 8)", "(N, 2, D)")),
    ("targets of a pair", errors.ShapeError,
     lambda: ContrastiveLoss()(np.ones((3, 2, 4)), np.ones((3, 2))), ("(3, 2)", "one target")),
    ("check: targets of a pair", errors.ShapeError,
     lambda: ContrastiveLoss().check((2, 4), (2,), "numbers"), ("(N, 2)", "(N, 2, 4)")),
    ("margin", errors.ArgumentError, lambda: ContrastiveLoss(0.0), ("margin", "above 0")),
    ("margin of triplets", errors.ArgumentError, lambda: TripletLoss("1"),
     ("TripletLoss", "margin")),
    ("delta", errors.ArgumentError, lambda: Huber(0.0), ("delta", "above 0")),
    ("q", errors.ArgumentError, lambda: Quantile(1.0), ("q is 1.0", "below 1")),
    ("squared", errors.ArgumentError, lambda: Hinge("yes"), ("squared",)),
    ("smoothing", errors.ArgumentError, lambda: CategoricalCrossEntropy(1.5),
     ("label_smoothing", "at most 1")),
    ("probabilities", errors.ArgumentError, lambda: CategoricalCrossEntropy(0.0, 1),
     ("probabilities",)),
    ("gamma", errors.ArgumentError, lambda: BinaryFocal(-1.0), ("gamma",)),
    ("gamma of classes", errors.ArgumentError, lambda: CategoricalFocal(np.nan), ("gamma",)),
    ("alpha", errors.ArgumentError, lambda: BinaryFocal(alpha=2), ("alpha", "at most 1")),
    ("one alpha for all classes", errors.ArgumentError, lambda: CategoricalFocal(alpha=0.25),
     ("alpha", "each class")),
    ("no alpha", errors.ArgumentError, lambda: CategoricalFocal(alpha=[]), ("each class",)),
    ("alpha below 0", errors.ArgumentError, lambda: CategoricalFocal(alpha=[1, -1]), ("alpha",)),
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


@pytest.mark.parametrize(
    "loss",
    [cls() for name, cls in LOSSES.items() if cls.reads == "numbers" and cls.name == name],
    ids=repr,
)
def test_numbers_are_never_broadcast(loss: Loss) -> None:
    for outputs, targets in (((2, 1), (2,)), ((2,), (2, 1)), ((2, 3), (2, 1)), ((2, 3), (1, 3))):
        with pytest.raises(errors.ShapeError):
            loss(np.ones(outputs), np.ones(targets))
    with pytest.raises(errors.ShapeError, match=r"\(N, 1\)"):
        loss.check((3,), (1,), "numbers")
    with pytest.raises(errors.DTypeError, match="floats"):
        loss.check((1,), (), "classes", 2)
