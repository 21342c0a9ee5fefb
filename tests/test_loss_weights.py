"""Weights of rows, for every loss and every form of targets: weight 2 is the row twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier as rv
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
)

Array = np.ndarray
ROWS = 9
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4))
SEVERAL = RNG.integers(0, 3, ROWS)
SEVERAL[:3] = [0, 1, 2]
YES = np.arange(ROWS) % 3 == 0
NUMBERS = RNG.normal(size=(ROWS, 3))
CHANCES = RNG.dirichlet(np.ones(3), ROWS)
LABELS = RNG.integers(0, 2, (ROWS, 3)).astype("float64")

#: The forms in which a user may bring classes: integers, texts, booleans.
CLASSES = (SEVERAL, np.array(["ant", "bee", "cat"])[SEVERAL])
BINARY = (YES.astype(int), YES, np.where(YES, "yes", "no"))
#: Each loss with targets and the outputs they need; a tuple of lengths is a Reshape at the end.
CASES: tuple[tuple[Loss, Array, tuple[int, ...]], ...] = (
    *((loss, y, shape)
      for loss in (MeanSquaredError(), HalfSquaredError(), MeanAbsoluteError(), Huber(0.5),
                   LogCosh(), Quantile(0.8), CosineSimilarity())
      for y, shape in ((NUMBERS, (3,)), (NUMBERS[:, 0], (1,)))),
    (Poisson(), np.arange(ROWS), (1,)),
    (Poisson(), RNG.poisson(2.0, (ROWS, 3)).astype("float64"), (3,)),
    (KLDivergence(), CHANCES, (3,)),
    *((loss, y, (3,))
      for loss in (CategoricalCrossEntropy(), CategoricalCrossEntropy(0.1), CategoricalFocal())
      for y in CLASSES),
    (CategoricalCrossEntropy(probabilities=True), CHANCES, (3,)),
    *((loss, y, (1,))
      for loss in (BinaryCrossEntropy(), BinaryFocal(), Hinge(), Hinge(True), PerceptronLoss())
      for y in BINARY),
    *((loss, LABELS, (3,)) for loss in (BinaryCrossEntropy(), BinaryFocal(alpha=0.3), Hinge(),
                                        PerceptronLoss())),
    (BinaryCrossEntropy(), CHANCES, (3,)),
    (ContrastiveLoss(2.0), YES, (2, 3)),
    (ContrastiveLoss(2.0), YES.astype("float64")[:, None], (2, 3)),
    (TripletLoss(), np.zeros(ROWS), (3, 2)),
    (TripletLoss(), np.zeros(ROWS, int), (3, 2)),
)  # fmt: skip


def title(case: Any) -> str:
    loss, y, _ = case
    return f"{loss} of {y.dtype} {y.shape[1:]}"


def trained(
    loss: Loss, shape: tuple[int, ...], x: Array, y: Array, engine: str = "native", **weights: Any
) -> tuple[list[float], dict[str, Array]]:
    """The losses and parameters of three full-batch steps."""
    layers: list[Any] = [rv.Dense(6, "tanh"), rv.Dense(int(np.prod(shape)))]
    if len(shape) > 1:
        layers.append(rv.Reshape(shape))
    model = rv.Sequential(*layers, dtype="float64")
    history = model.fit(
        x, y, loss=loss, optimizer=rv.SGD(0.1), epochs=3, batch_size=None, metrics=[],
        engine=engine, verbose=False, **weights,
    )  # fmt: skip
    return history["loss"], model.network.parameters


def check_same(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=1e-12, atol=1e-13)
    for name, array in one[1].items():
        np.testing.assert_allclose(array, other[1][name], rtol=1e-12, atol=1e-13)


def test_every_loss_has_a_case() -> None:
    ours = {loss for _, loss in LOSSES.items() if loss.__module__.startswith("ranvier.")}
    assert ours == {type(loss) for loss, _, _ in CASES}


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", CASES, ids=title)
def test_weight_2_is_the_row_twice(case: Any, engine: str) -> None:
    loss, y, shape = case
    weights = np.ones(ROWS)
    weights[[1, 5]] = 2.0, 3.0
    rows = np.repeat(np.arange(ROWS), weights.astype(int))
    weighted = trained(loss, shape, X, y, engine, sample_weight=weights)
    check_same(weighted, trained(loss, shape, X[rows], y[rows], engine))
    if engine == "reference":  # the weights did something
        plain = trained(loss, shape, X, y, engine)
        assert any((weighted[1][name] != array).any() for name, array in plain[1].items())


@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_row_of_weight_0_is_no_row(case: Any) -> None:
    loss, y, shape = case
    weights = np.ones(ROWS)
    weights[[4, 8]] = 0.0
    rows = weights > 0
    weighted = trained(loss, shape, X, y, "reference", sample_weight=weights)
    check_same(weighted, trained(loss, shape, X[rows], y[rows], "reference"))


@pytest.mark.parametrize("case", CASES, ids=title)
def test_only_the_proportions_of_weights_count(case: Any) -> None:
    loss, y, shape = case
    weights = RNG.uniform(0.5, 2.0, ROWS)
    once = trained(loss, shape, X, y, "reference", sample_weight=weights)
    check_same(once, trained(loss, shape, X, y, "reference", sample_weight=8.0 * weights))
    plain = trained(loss, shape, X, y, "reference")
    check_same(plain, trained(loss, shape, X, y, "reference", sample_weight=[7.0] * ROWS))


OF_CLASSES = [case for case in CASES if case[1].dtype.kind in "iUb" and case[0].reads != "numbers"]


@pytest.mark.parametrize("case", OF_CLASSES, ids=title)
def test_a_class_of_weight_2_is_its_rows_twice(case: Any) -> None:
    loss, y, shape = case
    label = y[1].item()
    rows = np.repeat(np.arange(ROWS), 1 + (y == y[1]))
    weighted = trained(loss, shape, X, y, class_weight={label: 2.0})
    check_same(weighted, trained(loss, shape, X[rows], y[rows]))
    balanced = {one.item(): 1.0 / np.sum(y == one) for one in np.unique(y)}
    check_same(
        trained(loss, shape, X, y, "reference", class_weight="balanced"),
        trained(loss, shape, X, y, "reference", class_weight=balanced),
    )


@pytest.mark.parametrize("case", OF_CLASSES[:1] + OF_CLASSES[-1:], ids=title)
def test_weights_of_classes_and_rows_multiply(case: Any) -> None:
    loss, y, shape = case
    own = RNG.uniform(0.5, 2.0, ROWS)
    both = trained(loss, shape, X, y, sample_weight=own, class_weight={y[0].item(): 3.0})
    check_same(both, trained(loss, shape, X, y, sample_weight=own * np.where(y == y[0], 3, 1)))


#: Losses made of sums and products of what a small binary fraction can hold.
EXACT: tuple[tuple[Loss, bool], ...] = (
    (MeanSquaredError(), False), (HalfSquaredError(), False), (MeanAbsoluteError(), False),
    (Huber(), False), (Quantile(0.25), False), (Hinge(), True), (Hinge(True), True),
    (PerceptronLoss(), True),
)  # fmt: skip


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", EXACT, ids=lambda case: repr(case[0]))
def test_to_the_bit_where_every_sum_is_exact(case: Any, engine: str) -> None:
    loss, classes = case
    # Four rows of weights 1, 3, 1, 3: their mean is 2, and there are eight rows without weights.
    x = np.array([[1.0, -2.0], [0.5, 1.0], [-1.0, 1.5], [2.0, 0.0]])
    y = np.array([0, 1, 1, 0]) if classes else np.array([0.5, -1.0, 2.0, 0.25])
    weights = np.array([1.0, 3.0, 1.0, 3.0])
    rows = np.repeat(np.arange(4), weights.astype(int))
    found = []
    for given, arguments in ((np.arange(4), {"sample_weight": weights}), (rows, {})):
        model = rv.Sequential(rv.Dense(1), dtype="float64").build((2,))
        model.layers[0].weight[...] = [[0.25], [-0.5]]
        history = model.fit(
            x[given], y[given], loss=loss, optimizer=rv.SGD(2.0**-4), epochs=3, batch_size=None,
            metrics=[], engine=engine, verbose=False, **arguments,
        )  # fmt: skip
        found.append((history["loss"], model.layers[0].weight.tolist(), model.layers[0].bias[0]))
    assert found[0] == found[1]
    assert found[0][1] != [[0.25], [-0.5]]
