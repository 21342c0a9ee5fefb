"""docs/from_scratch.py is plain NumPy, its slopes are right, and it trains as Ranvier does."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.foundation.random import permuted_rows

PATH = Path(__file__).resolve().parents[1] / "docs" / "from_scratch.py"
SEED = 3


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("from_scratch", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scratch = loaded()


def rows_of(kind: str, count: int) -> tuple[Any, Any]:
    random = np.random.default_rng(7)
    x = random.standard_normal((count, 5))
    if kind == "numbers":
        return x, np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]], axis=1)
    return x, (np.abs(x[:, :3]).argmax(axis=1)).astype(np.int64)


def orders(rows: int) -> Iterator[Any]:
    """Ranvier's orders of the rows."""
    epoch = 0
    while True:
        yield permuted_rows(SEED, epoch, rows)
        epoch += 1


def test_it_is_at_most_300_lines_of_numpy() -> None:
    text = PATH.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    assert found - set(sys.stdlib_module_names) == {"numpy"}


@pytest.mark.parametrize("activation", ["none", "sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_its_slopes_are_those_of_small_differences(activation: str, kind: str) -> None:
    x, y = rows_of(kind, 6)
    loss = scratch.squared_error if kind == "numbers" else scratch.cross_entropy
    network = scratch.Network([5, 4, 3, 2 if kind == "numbers" else 3], activation, seed=1)
    network.backward(loss(network.forward(x), y)[1])
    found = [array.copy() for array in network.gradients()]
    step = 1e-6
    for array, slopes in zip(network.parameters(), found, strict=True):
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + step
            above = loss(network.forward(x), y)[0]
            array[place] = kept - step
            below = loss(network.forward(x), y)[0]
            array[place] = kept
            assert slopes[place] == pytest.approx((above - below) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    ("activation", "kind", "rows", "batch"),
    [
        ("relu", "classes", 50, 16),  # a short last batch
        ("tanh", "numbers", 49, 16),  # a last row that joins the batch before it
        ("sigmoid", "classes", 40, 40),
        ("relu", "numbers", 24, 1),
    ],
)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: scratch.SGD(0.1), lambda: rv.SGD(0.1)),
        (lambda: scratch.SGD(0.02, momentum=0.9), lambda: rv.SGD(0.02, momentum=0.9)),
        (lambda: scratch.Adam(0.01), lambda: rv.Adam(0.01)),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_it_trains_as_ranvier_does(
    ours: Any, theirs: Any, activation: str, kind: str, rows: int, batch: int, engine: str
) -> None:
    x, y = rows_of(kind, rows)
    outputs = 2 if kind == "numbers" else 3
    model = rv.Sequential(
        rv.Dense(8, activation=activation),
        rv.Dense(6, activation=activation),
        rv.Dense(outputs),
        dtype="float64",
    ).build((5,), seed=SEED)
    network = scratch.Network([5, 8, 6, outputs], activation)
    for own, layer in zip(network.layers, model.layers, strict=True):
        own.weight, own.bias = layer.weight.copy(), layer.bias.copy()
    start = [array.copy() for array in network.parameters()]

    loss = scratch.squared_error if kind == "numbers" else scratch.cross_entropy
    history = scratch.train(network, x, y, loss, ours(), 8, batch, orders(rows))
    known = model.fit(
        x, y, optimizer=theirs(), epochs=8, batch_size=batch, seed=SEED, engine=engine
    )
    np.testing.assert_allclose(history, known["loss"], rtol=1e-10, atol=1e-12)
    theirs_now = [array for layer in model.layers for array in (layer.weight, layer.bias)]
    for array, before, other in zip(network.parameters(), start, theirs_now, strict=True):
        assert np.abs(array - before).max() > 1e-3, "nothing was learnt"
        np.testing.assert_allclose(array, other, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(network.forward(x), model.predict(x), rtol=1e-10, atol=1e-10)


def test_it_reads_digits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["from_scratch.py", "--quick"])
    scratch.main()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    assert float(printed[2].split("%")[0]) > 93.0
