"""Training beside PyTorch: the same weights, data and steps give the same losses.

float64 to 1e-7 over 100 full-batch steps; float32 to 1e-4 on a smooth network, where rounding
alone decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ranvier import losses  # noqa: E402
from ranvier.layers import L2, Dense, Dropout  # noqa: E402
from ranvier.networks.network import Network  # noqa: E402
from ranvier.optimizers import SGD, Adam, Optimizer  # noqa: E402
from ranvier.training.program import PredictionProgram, TrainingProgram  # noqa: E402

Array = np.ndarray
STEPS = 100
ROWS, FEATURES = 60, 8
TOLERANCE = {"float64": 1e-7, "float32": 1e-4}

OPTIMIZERS: dict[str, tuple[Optimizer, Callable[[Any], Any]]] = {
    "sgd": (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "adam": (Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    "adam of other numbers": (
        Adam(0.005, betas=(0.8, 0.95), epsilon=1e-6),
        lambda p: torch.optim.Adam(p, lr=0.005, betas=(0.8, 0.95), eps=1e-6),
    ),
}
ACTIVATIONS: dict[str, Callable[[], Any]] = {
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "gelu": torch.nn.GELU,
    "softmax": lambda: torch.nn.Softmax(dim=1),
}


def problem(kind: str, dtype: str) -> tuple[Array, Array, int]:
    """Inputs, targets, and the outputs that a network needs for them."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(ROWS, FEATURES)).astype(dtype)
    if kind == "mse":
        return x, np.sin(x[:, :3] * 2.0).astype(dtype), 3
    scores = x @ rng.normal(size=(FEATURES, 4))
    if kind == "cross-entropy":
        return x, scores.argmax(axis=1).astype("int32"), 4
    return x, (scores[:, 0] > 0).astype("int32"), 1


def networks(outputs: int, activation: str, dtype: str) -> tuple[Network, Any]:
    """The same network twice, with the same weights."""
    units = (17, 9)
    ours = Network([*(Dense(n, activation=activation) for n in units), Dense(outputs)], dtype)
    ours.build((FEATURES,), seed=2)
    widths, parts = (FEATURES, *units, outputs), []
    for number, (inner, outer) in enumerate(itertools.pairwise(widths)):
        linear = torch.nn.Linear(inner, outer, dtype=getattr(torch, dtype))
        with torch.no_grad():
            weight = ours.parameters[f"layers.{number}.weight"]
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.zero_()
        parts += [linear, ACTIVATIONS[activation]()]
    return ours, torch.nn.Sequential(*parts[:-1])


def their_loss(kind: str, y: Array) -> Callable[[Any], Any]:
    targets = torch.from_numpy(y)
    if kind == "mse":
        return lambda outputs: torch.nn.functional.mse_loss(outputs, targets)
    if kind == "cross-entropy":
        return lambda outputs: torch.nn.functional.cross_entropy(outputs, targets.long())
    return lambda outputs: torch.nn.functional.binary_cross_entropy_with_logits(
        outputs[:, 0], targets.to(outputs.dtype)
    )


def train_theirs(network: Any, optimizer: Any, batches: list[tuple[Any, Any]]) -> list[float]:
    """The loss of each step: batches are inputs, and the loss of the outputs for them."""
    found = []
    for x, loss in batches:
        optimizer.zero_grad()
        value = loss(network(x))
        value.backward()
        optimizer.step()
        found.append(value.item())
    return found


def compare(kind: str, activation: str, name: str, dtype: str, engine: str = "native") -> None:
    x, y, outputs = problem(kind, dtype)
    ours, theirs = networks(outputs, activation, dtype)
    optimizer, make = OPTIMIZERS[name]
    target = "numbers" if kind == "mse" else "classes"
    loss = losses.resolve(None, (outputs,), target, max(outputs, 2))
    program = TrainingProgram(
        ours, loss, optimizer, [], x, y, batch_size=None, shuffle=False, engine=engine
    )
    history = program.run(STEPS)
    batches = [(torch.from_numpy(x), their_loss(kind, y))] * STEPS
    expected = train_theirs(theirs, make(theirs.parameters()), batches)
    assert expected[-1] < 0.97 * expected[0]
    np.testing.assert_allclose(history["loss"], expected, TOLERANCE[dtype], TOLERANCE[dtype])
    with torch.no_grad():
        answers = theirs(torch.from_numpy(x)).numpy()
    found = PredictionProgram(ours)(x)
    # The end state: every weight went the same way.
    scale = 10 * TOLERANCE[dtype] * max(1.0, float(np.abs(answers).max()))
    np.testing.assert_allclose(found, answers, atol=scale)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["mse", "cross-entropy", "binary"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_losses_of_a_smooth_network(dtype: str, kind: str, name: str) -> None:
    compare(kind, "tanh", name, dtype)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "gelu", "softmax"])
def test_losses_of_other_activations(activation: str, name: str) -> None:
    compare("cross-entropy" if activation != "softmax" else "mse", activation, name, "float64")


def test_the_reference_agrees_too() -> None:
    compare("cross-entropy", "gelu", "adam", "float64", engine="reference")


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_batches_in_their_order(name: str) -> None:
    """Five epochs of batches of 16, the last one short, without shuffling."""
    x, y, outputs = problem("cross-entropy", "float64")
    ours, theirs = networks(outputs, "tanh", "float64")
    optimizer, make = OPTIMIZERS[name]
    loss = losses.resolve(None, (outputs,), "classes", outputs)
    program = TrainingProgram(ours, loss, optimizer, [], x, y, batch_size=16, shuffle=False)
    history = program.run(5)
    their_optimizer = make(theirs.parameters())
    expected = []
    for _ in range(5):
        batches = [
            (torch.from_numpy(x[k : k + 16]), their_loss("cross-entropy", y[k : k + 16]))
            for k in range(0, ROWS, 16)
        ]
        expected.append(np.mean(train_theirs(theirs, their_optimizer, batches)))
    np.testing.assert_allclose(history["loss"], expected, 1e-10)


def test_weight_penalties() -> None:
    """``L2(c)`` adds ``c * sum(w * w)``: the gradient of PyTorch's weight decay of ``2 c``."""
    x, y, outputs = problem("mse", "float64")
    ours = Network([Dense(outputs, kernel_regularizer=L2(0.01))], "float64")
    ours.build((FEATURES,), seed=2)
    theirs = torch.nn.Linear(FEATURES, outputs, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(ours.parameters["layers.0.weight"].T.copy()))
        theirs.bias.zero_()
    loss = losses.resolve("mse", (outputs,), "numbers")
    TrainingProgram(ours, loss, SGD(0.1), [], x, y, batch_size=None, shuffle=False).run(STEPS)
    optimizer = torch.optim.SGD(
        [{"params": [theirs.weight], "weight_decay": 0.02}, {"params": [theirs.bias]}], lr=0.1
    )
    train_theirs(theirs, optimizer, [(torch.from_numpy(x), their_loss("mse", y))] * STEPS)
    np.testing.assert_allclose(
        ours.parameters["layers.0.weight"], theirs.weight.detach().numpy().T, 1e-10
    )


def test_a_network_with_dropout_predicts_as_without() -> None:
    ours, theirs = networks(4, "tanh", "float64")
    dropped = Network(
        [Dense(17, activation="tanh"), Dropout(0.5), Dense(9, activation="tanh"), Dense(4)],
        "float64",
    )
    dropped.build((FEATURES,))
    for number, other in ((0, 0), (1, 2), (2, 3)):
        for part in ("weight", "bias"):
            dropped.parameters[f"layers.{other}.{part}"][...] = ours.parameters[
                f"layers.{number}.{part}"
            ]
    x = problem("mse", "float64")[0]
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(PredictionProgram(dropped)(x), expected, 1e-11, 1e-13)
