"""Muon: its formula in NumPy, PyTorch's decisions, native equal to the reference, its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import losses
from ranvier.foundation.errors import ArgumentError
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.optimizers import AdamW, Muon
from ranvier.optimizers.muon import COEFFICIENTS, orthogonalized
from ranvier.training.program import TrainingProgram

SHAPES = [(4, 4), (7, 3), (3, 7), (1, 5), (6, 1)]


def newton_schulz(x: np.ndarray, steps: int = 5) -> np.ndarray:
    """Keller Jordan's text, in float64."""
    a, b, c = COEFFICIENTS
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / max(np.linalg.norm(x), 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_orthogonalized_is_its_iteration(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_allclose(orthogonalized(x), newton_schulz(x), 1e-12, 1e-14)
    np.testing.assert_allclose(orthogonalized(x, 2), newton_schulz(x, 2), 1e-12, 1e-14)


def test_singular_values_come_near_1() -> None:
    x = np.random.default_rng(1).normal(size=(30, 20)) * 1e3
    u, _, v = np.linalg.svd(x, full_matrices=False)
    found = u.T @ orthogonalized(x) @ v.T
    np.testing.assert_allclose(found, np.diag(np.diag(found)), atol=1e-12)
    assert (abs(np.diag(found) - 1.0) < 0.4).all()


def test_nothing_to_orthogonalize() -> None:
    assert (orthogonalized(np.zeros((3, 2))) == 0.0).all()
    assert np.isnan(orthogonalized(np.full((3, 2), np.nan))).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_its_formula(shape: tuple[int, int], scale: str, nesterov: bool) -> None:
    rng = np.random.default_rng(2)
    muon = Muon(0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.05, steps=4, scale=scale)
    w = found = rng.normal(size=shape)
    buffer, state = np.zeros(shape), {"buffer": np.zeros(shape)}
    rows, columns = shape
    size = {"original": max(1.0, columns / rows) ** 0.5, "match_rms_adamw": 0.2 * max(shape) ** 0.5}
    for step in range(1, 6):
        g = rng.normal(size=shape)
        buffer = 0.9 * buffer + 0.1 * g
        u = 0.1 * g + 0.9 * buffer if nesterov else buffer
        w = w * (1 - 0.1 * 0.05) - 0.1 * size[scale] * newton_schulz(u, 4)
        found, state = muon.update(found, g, state, np.float64(step), np.float64(0.1))
    np.testing.assert_allclose(found, w, 1e-11, 1e-13)
    np.testing.assert_allclose(state["buffer"], buffer, 1e-12, 1e-14)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_pytorchs(
    shape: tuple[int, int], scale: str, nesterov: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's optimizer, with the iteration in float64: it has no way to ask for that."""
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("torch.optim._muon")
    if not hasattr(module, "_zeropower_via_newtonschulz"):
        pytest.skip("this PyTorch computes the iteration elsewhere")
    monkeypatch.setattr(
        module,
        "_zeropower_via_newtonschulz",
        lambda g, coefficients, steps, eps: torch.tensor(newton_schulz(g.numpy(), steps)),
    )
    rng = np.random.default_rng(3)
    w = rng.normal(size=shape)
    peer = torch.tensor(w.T.copy(), requires_grad=True)
    optimizer = torch.optim.Muon([peer], lr=0.02, nesterov=nesterov, adjust_lr_fn=scale)
    muon, state = Muon(0.02, nesterov=nesterov, scale=scale), {"buffer": np.zeros(shape)}
    for step in range(1, 11):
        g = rng.normal(size=shape)
        peer.grad = torch.tensor(g.T.copy())
        optimizer.step()
        w, state = muon.update(w, g, state, np.float64(step), np.float64(0.02))
    np.testing.assert_allclose(w, peer.detach().numpy().T, 1e-10, 1e-12)


def test_muon_has_pytorchs_defaults() -> None:
    torch = pytest.importorskip("torch")
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this PyTorch has no Muon")
    peer = torch.optim.Muon([torch.zeros(2, 2)]).defaults
    muon = Muon()
    assert (muon.learning_rate, muon.momentum, muon.nesterov) == (1e-3, 0.95, True)
    assert (peer["lr"], peer["momentum"], peer["nesterov"]) == (1e-3, 0.95, True)
    assert (muon.weight_decay, muon.steps) == (peer["weight_decay"], peer["ns_steps"])
    assert peer["ns_coefficients"] == COEFFICIENTS


@pytest.mark.parametrize("shape", [(5,), (2, 3, 2)], ids=str)
def test_what_is_no_matrix_is_left_to_adamw(shape: tuple[int, ...]) -> None:
    muon = Muon(0.01, weight_decay=0.3, betas=(0.8, 0.9), epsilon=1e-6)
    adamw = AdamW(0.01, (0.8, 0.9), 1e-6, 0.3)
    assert muon.state(shape, "float64") == adamw.state(shape, "float64")
    w = g = np.random.default_rng(4).normal(size=shape)
    state = {"mean": np.zeros(shape), "square": np.zeros(shape)}
    for found, expected in zip(
        muon.update(w, g, state, np.float64(1), np.float64(0.01)),
        adamw.update(w, g, state, np.float64(1), np.float64(0.01)),
        strict=True,
    ):
        assert str(found) == str(expected)


def train(dtype: str, engine: str) -> tuple[Network, Any]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(90, 20)).astype(dtype)
    y = np.sin(x[:, :3])
    # Matrices that are tall, wide and of a single column.
    layers = [Dense(33, activation="tanh"), Dense(1, activation="tanh"), Dense(3)]
    network = Network(layers, dtype=dtype)
    network.build((20,), seed=1)
    loss = losses.resolve("mean_squared_error", (3,), "numbers", None)
    program = TrainingProgram(network, loss, Muon(0.02), [], x, y, batch_size=16, engine=engine)
    return network, program.run(4)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("float64", 1e-11)])
def test_native_is_the_reference(dtype: str, tolerance: float) -> None:
    found, history = train(dtype, "native")
    expected, plain = train(dtype, "reference")
    np.testing.assert_allclose(history["loss"], plain["loss"], tolerance)
    assert history["loss"][-1] < history["loss"][0]
    for name, array in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, tolerance, tolerance)


def test_muon_by_name() -> None:
    x = np.random.default_rng(6).normal(size=(64, 4))
    model = rv.Sequential(rv.Dense(8, activation="relu"), rv.Dense(1))
    history = model.fit(x, x[:, :1] * 2, optimizer="muon", epochs=3, engine="reference")
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"nesterov": 1}, "nesterov"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"steps": 0}, "steps"),
        ({"steps": 100}, "steps"),
        ({"scale": "orginal"}, "original"),
        ({"betas": 0.9}, "betas"),
        ({"epsilon": -1.0}, "epsilon"),
    ],
)
def test_errors_say_what_is_wrong(arguments: Any, word: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Muon(**arguments)
    assert "Muon" in str(caught.value)
    assert word in str(caught.value)
