"""Losses of embeddings beside PyTorch: values and gradients, and 100 full-batch steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ranvier as rv  # noqa: E402
import ranvier.ops as ops  # noqa: E402
from ranvier.graph.transforms import gradient  # noqa: E402
from ranvier.losses import ContrastiveLoss, Loss, TripletLoss  # noqa: E402

NEAR = {"rtol": 1e-10, "atol": 1e-10}
RNG = np.random.default_rng(0)
PAIRS = RNG.normal(size=(12, 2, 3))
PAIRS[0, 1] = PAIRS[0, 0]  # a distance of exactly 0
TRIPLETS = 0.7 * RNG.normal(size=(12, 3, 4))
SAME = (RNG.random((12, 1)) < 0.5).astype("f8")


def contrastive(margin: float) -> Callable[[Any, Any], Any]:
    """PyTorch has none; this is the paper's formula in its operations."""

    def of(z: Any, t: Any) -> Any:
        d = torch.nn.functional.pairwise_distance(z[:, 0], z[:, 1], eps=0.0)
        apart = torch.clamp(margin - d, min=0.0)
        return (t[:, 0] * d**2 / 2 + (1 - t[:, 0]) * apart**2 / 2).mean()

    return of


def triplet(margin: float) -> Callable[[Any, Any], Any]:
    theirs = torch.nn.TripletMarginLoss(margin=margin)
    return lambda z, t: theirs(z[:, 0], z[:, 1], z[:, 2])


CASES: tuple[tuple[Loss, np.ndarray, Callable[[Any, Any], Any]], ...] = (
    (ContrastiveLoss(), PAIRS, contrastive(1.0)),
    (ContrastiveLoss(3.0), PAIRS, contrastive(3.0)),
    (TripletLoss(), TRIPLETS, triplet(1.0)),
    (TripletLoss(0.2), TRIPLETS, triplet(0.2)),
)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case[0]))
def test_value_and_gradient(case: Any, engine: str) -> None:
    loss, outputs, theirs = case
    z = torch.from_numpy(outputs.copy()).requires_grad_()
    expected = theirs(z, torch.from_numpy(SAME))
    expected.backward()

    def both(z: Any) -> Any:
        return ops.mean(loss(z, SAME)), gradient(lambda z: ops.mean(loss(z, SAME)))(z)

    value, slope = rv.compile(both, engine=engine)(outputs)
    np.testing.assert_allclose(value, expected.item(), **NEAR)
    np.testing.assert_allclose(slope, z.grad.numpy(), **NEAR)


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case[0]))
def test_100_full_batch_steps(case: Any) -> None:
    loss, outputs, theirs = case
    points, width = outputs.shape[1:]
    x = np.random.default_rng(1).normal(size=(12, 5))
    model = rv.Sequential(
        rv.Dense(8, "tanh"), rv.Dense(points * width), rv.Reshape((points, width)), dtype="float64"
    ).build((5,))
    network = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, points * width)
    ).double()
    with torch.no_grad():
        for k, layer in ((0, model.layers[0]), (2, model.layers[1])):
            network[k].weight.copy_(torch.from_numpy(layer.weight.T.copy()))
            network[k].bias.copy_(torch.from_numpy(layer.bias))
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(SAME)
    expected = []
    for _ in range(100):
        optimizer.zero_grad()
        value = theirs(network(inputs).reshape(-1, points, width), targets)
        value.backward()
        optimizer.step()
        expected.append(value.item())
    history = model.fit(
        x, SAME, loss=loss, optimizer=rv.SGD(0.05), epochs=100, batch_size=None, verbose=False
    )
    np.testing.assert_allclose(history["loss"], expected, 1e-7, 1e-9)
    assert history["loss"][-1] < history["loss"][0]


def test_the_margin_is_theirs() -> None:
    assert TripletLoss().margin == torch.nn.TripletMarginLoss().margin
