"""Losses beside PyTorch's, in float64: values and gradients to 1e-10."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ranvier import losses, ops  # noqa: E402
from ranvier.graph.transforms import gradient  # noqa: E402

F = torch.nn.functional
RNG = np.random.default_rng(3)
Z = 2.0 * RNG.normal(size=(9, 4))
NUMBERS = RNG.normal(size=(9, 4))
NUMBERS[0] = Z[0]  # differences of exactly 0
COUNTS = RNG.integers(0, 6, (9, 4)).astype("f8")
CHANCES = RNG.dirichlet(np.ones(4), 9)
CHANCES[0] = [0.0, 1.0, 0.0, 0.0]
CLASSES = RNG.integers(0, 4, 9).astype("i4")
COLUMN = 2.0 * RNG.normal(size=(9, 1))
YES = RNG.integers(0, 2, 9).astype("i4")
ZEROS = Z.copy()
ZEROS[1] = 0.0


def cosine(z: Any, t: Any) -> Any:
    return (1 - F.cosine_similarity(z, t)).mean()


def focal(gamma: float, alpha: float) -> Callable[[Any, Any], Any]:
    """As in torchvision, for one output."""

    def of(z: Any, t: Any) -> Any:
        p, t = torch.sigmoid(z[:, 0]), t.to(z.dtype)
        right = p * t + (1 - p) * (1 - t)
        crossed = F.binary_cross_entropy_with_logits(z[:, 0], t, reduction="none")
        weight = alpha * t + (1 - alpha) * (1 - t)
        return (weight * (1 - right) ** gamma * crossed).mean()

    return of


def categorical_focal(z: Any, t: Any) -> Any:
    logarithm = F.log_softmax(z, 1).gather(1, t.long()[:, None])[:, 0]
    return -((1 - logarithm.exp()) ** 2 * logarithm).mean()


def weighted(z: Any, t: Any) -> Any:
    weights = torch.tensor([1.0, 0.5, 2.0, 0.0], dtype=z.dtype)
    return F.cross_entropy(z, t.long(), weight=weights, reduction="none").mean()


def hinge(z: Any, t: Any) -> Any:
    """PyTorch's is of several classes and divided by their count: here 0 against the output."""
    pair = torch.cat([torch.zeros_like(z), z], 1)
    return 2 * F.multi_margin_loss(pair, t.long())


def squared_hinge(z: Any, t: Any) -> Any:
    pair = torch.cat([torch.zeros_like(z), z], 1)
    return 2 * F.multi_margin_loss(pair, t.long(), p=2)


CASES: tuple[tuple[losses.Loss, np.ndarray, np.ndarray, Callable[[Any, Any], Any]], ...] = (
    (losses.MeanSquaredError(), Z, NUMBERS, F.mse_loss),
    (losses.MeanAbsoluteError(), Z, NUMBERS, F.l1_loss),
    (losses.Huber(), Z, NUMBERS, F.huber_loss),
    (losses.Huber(0.4), Z, NUMBERS, lambda z, t: F.huber_loss(z, t, delta=0.4)),
    (losses.Poisson(), Z, COUNTS, F.poisson_nll_loss),
    (losses.KLDivergence(), Z, CHANCES, lambda z, t: F.kl_div(z, t, reduction="batchmean")),
    (losses.CosineSimilarity(), Z, NUMBERS, cosine),
    (losses.CosineSimilarity(), ZEROS, NUMBERS, cosine),
    (losses.CategoricalCrossEntropy(), Z, CLASSES, lambda z, t: F.cross_entropy(z, t.long())),
    (losses.CategoricalCrossEntropy(0.1), Z, CLASSES,
     lambda z, t: F.cross_entropy(z, t.long(), label_smoothing=0.1)),
    (losses.CategoricalCrossEntropy(probabilities=True), Z, CHANCES, F.cross_entropy),
    (losses.CategoricalCrossEntropy(0.3, True), Z, CHANCES,
     lambda z, t: F.cross_entropy(z, t, label_smoothing=0.3)),
    (losses.BinaryCrossEntropy(), Z, CHANCES, F.binary_cross_entropy_with_logits),
    (losses.Hinge(), COLUMN, YES, hinge),
    (losses.Hinge(squared=True), COLUMN, YES, squared_hinge),
    (losses.BinaryFocal(2.0, 0.25), COLUMN, YES, focal(2.0, 0.25)),
    (losses.BinaryFocal(1.5, 0.5), COLUMN, YES, focal(1.5, 0.5)),
    (losses.CategoricalFocal(), Z, CLASSES, categorical_focal),
    (losses.CategoricalFocal(0.0, [1.0, 0.5, 2.0, 0.0]), Z, CLASSES, weighted),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1].shape}")
def test_value_and_gradient(case: Any) -> None:
    loss, outputs, targets, theirs = case
    z = torch.from_numpy(outputs.copy()).requires_grad_()
    expected = theirs(z, torch.from_numpy(targets))
    expected.backward()
    assert float(np.mean(loss(outputs, targets))) == pytest.approx(expected.item(), rel=1e-10)
    found = gradient(lambda x: ops.mean(loss(x, targets)))(outputs)
    np.testing.assert_allclose(found, z.grad.numpy(), 1e-10, 1e-10)
