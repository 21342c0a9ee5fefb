"""A graph of layers beside PyTorch: two inputs, a shared layer, a sum, two outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ranvier as rv  # noqa: E402

ROWS, STEPS = 50, 100


class Twin(torch.nn.Module):  # type: ignore[misc]
    """The same graph."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = torch.nn.Linear(6, 5), torch.nn.Linear(3, 5)
        self.shared = torch.nn.Linear(5, 5)
        self.kind, self.size = torch.nn.Linear(11, 3), torch.nn.Linear(5, 2)

    def forward(self, a: Any, b: Any) -> tuple[Any, Any]:
        h, g = torch.tanh(self.a(a)), torch.tanh(self.b(b))
        both = h + g
        product = torch.tanh(self.shared(both)) * torch.tanh(self.shared(h))
        return self.kind(torch.cat([both, a], dim=1)), self.size(product)


def ours() -> tuple[rv.Model, dict[str, Any]]:
    """The graph, and its layers by the names of the twin's."""
    a, b = rv.Input((6,)), rv.Input((3,))
    layers = {
        "a": rv.Dense(5, activation="tanh"),
        "b": rv.Dense(5, activation="tanh"),
        "shared": rv.Dense(5, activation="tanh"),
        "kind": rv.Dense(3),
        "size": rv.Dense(2),
    }
    h, g = layers["a"](a), layers["b"](b)
    both = rv.Add()([h, g])
    product = rv.Multiply()([layers["shared"](both), layers["shared"](h)])
    kind = layers["kind"](rv.Concatenate()([both, a]))
    return rv.Model((a, b), (kind, layers["size"](product)), dtype="float64"), layers


def test_a_hundred_steps_equal_pytorchs() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(ROWS, 6)), rng.normal(size=(ROWS, 3))
    kind, size = rng.integers(0, 3, ROWS), rng.normal(size=(ROWS, 2))
    model, layers = ours()
    model.build(seed=5)
    twin = Twin().double()
    with torch.no_grad():
        for name, layer in layers.items():
            linear = getattr(twin, name)
            linear.weight.copy_(torch.tensor(layer.weight.T))
            linear.bias.copy_(torch.tensor(layer.bias))
    history = model.fit(
        (a, b), (kind, size), epochs=STEPS, batch_size=None, shuffle=False, verbose=False,
        loss_weights=(1.0, 0.5), optimizer=rv.Adam(0.01),
    )  # fmt: skip
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01)
    expected = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        scores, numbers = twin(torch.tensor(a), torch.tensor(b))
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(kind))
        loss = loss + 0.5 * torch.nn.functional.mse_loss(numbers, torch.tensor(size))
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-7)
