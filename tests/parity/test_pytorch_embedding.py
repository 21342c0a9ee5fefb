"""Embedding beside PyTorch's: outputs, gradients and training in float64 to 1e-10."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ranvier as rv  # noqa: E402
import ranvier.ops as ops  # noqa: E402
from ranvier.graph.transforms import gradient  # noqa: E402
from ranvier.layers import Context, Embedding  # noqa: E402

NEAR = {"rtol": 1e-10, "atol": 1e-10}
#: Theirs and ours. What moves every row, and what only moves those that were read.
OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], Callable[[], rv.Optimizer]]] = {
    "sgd": (lambda p: torch.optim.SGD(p, 0.1), lambda: rv.SGD(0.1)),
    "momentum": (lambda p: torch.optim.SGD(p, 0.1, 0.9), lambda: rv.SGD(0.1, 0.9)),
    "decay": (
        lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.01),
        lambda: rv.SGD(0.1, weight_decay=0.01),
    ),
    "adam": (lambda p: torch.optim.Adam(p, 0.01), lambda: rv.Adam(0.01)),
}


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_outputs_and_gradients(shape: tuple[int, ...], engine: str) -> None:
    generator = np.random.default_rng(0)
    weight, x = generator.normal(size=(7, 5)), generator.integers(0, 7, shape)
    theirs = torch.nn.Embedding.from_pretrained(torch.tensor(weight), freeze=False)
    expected = theirs(torch.tensor(x))
    (expected**3).sum().backward()

    def forward(weight: Any, x: Any) -> Any:
        return Embedding(7, 5).forward(x, {"weight": weight}, Context(dtype="float64"))

    def both(weight: Any, x: Any) -> Any:
        def loss(w: Any) -> Any:
            y = forward(w, x)
            return ops.sum(y * y * y)

        return forward(weight, x), gradient(loss)(weight)

    found = rv.compile(both, engine=engine)(weight, x)
    np.testing.assert_allclose(found[0], expected.detach().numpy(), **NEAR)
    np.testing.assert_allclose(found[1], theirs.weight.grad.numpy(), **NEAR)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps(name: str) -> None:
    generator = np.random.default_rng(1)
    x = generator.integers(0, 8, (64, 3))  # of ten rows: two are never read
    y = generator.normal(size=(64, 1))
    theirs_of, ours_of = OPTIMIZERS[name]
    model = rv.Sequential(Embedding(10, 4), rv.Flatten(), rv.Dense(1), dtype="float64")
    model.build((3,), seed=2)
    start = {key: value.copy() for key, value in model.network.parameters.items()}
    embedding = torch.nn.Embedding.from_pretrained(
        torch.tensor(start["layers.0.weight"]), freeze=False
    )
    weight = torch.tensor(start["layers.2.weight"], requires_grad=True)
    bias = torch.tensor(start["layers.2.bias"], requires_grad=True)
    optimizer = theirs_of([embedding.weight, weight, bias])
    for _ in range(5):
        for first in range(0, 64, 16):
            rows = slice(first, first + 16)
            optimizer.zero_grad()
            found = embedding(torch.tensor(x[rows])).reshape(16, -1) @ weight + bias
            ((found - torch.tensor(y[rows])) ** 2).mean().backward()
            optimizer.step()
    model.fit(
        x, y, epochs=5, batch_size=16, shuffle=False, loss="mean_squared_error",
        optimizer=ours_of(), verbose=False,
    )  # fmt: skip
    ours = model.network.parameters
    for key, array in (
        ("layers.0.weight", embedding.weight), ("layers.2.weight", weight), ("layers.2.bias", bias),
    ):  # fmt: skip
        np.testing.assert_allclose(ours[key], array.detach().numpy(), err_msg=key, **NEAR)
    moved = (ours["layers.0.weight"][8:] != start["layers.0.weight"][8:]).any()
    assert moved == (name == "decay")
