"""BatchNorm beside PyTorch's: outputs, gradients, running statistics, and 50 steps of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ranvier as rv  # noqa: E402
import ranvier.ops as ops  # noqa: E402
from ranvier.graph.transforms import gradient  # noqa: E402
from ranvier.layers import BatchNorm, Context  # noqa: E402

NEAR = {"rtol": 1e-10, "atol": 1e-10}
NAMES = ("weight", "bias", "running_mean", "running_var")

CASES: tuple[tuple[BatchNorm, Any, tuple[int, ...]], ...] = (
    (BatchNorm(), lambda: torch.nn.BatchNorm1d(6, dtype=torch.float64), (6,)),
    (BatchNorm(0.4, 0.01), lambda: torch.nn.BatchNorm1d(6, 0.01, 0.4, dtype=torch.float64), (6,)),
    (BatchNorm(), lambda: torch.nn.BatchNorm2d(3, dtype=torch.float64), (4, 5, 3)),
    (BatchNorm(axis=1), lambda: torch.nn.BatchNorm2d(3, dtype=torch.float64), (3, 4, 5)),
)


def theirs_of(x: Any, layer: BatchNorm) -> Any:
    """Our pictures have their channels last."""
    return x.movedim(-1, 1) if x.ndim == 4 and layer.axis == -1 else x


def filled(make: Any, values: dict[str, np.ndarray]) -> Any:
    twin = make()
    with torch.no_grad():
        for name in NAMES:
            getattr(twin, name).copy_(torch.from_numpy(values[name]))
    return twin


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[2]}")
def test_outputs_gradients_and_statistics(case: Any, engine: str, training: bool) -> None:
    layer, make, shape = case
    rng = np.random.default_rng(0)
    x, weights = rng.normal(1.0, 2.0, (7, *shape)), rng.normal(size=(7, *shape))
    values = {name: 0.5 + rng.random(p.shape) for name, p in layer.declare(shape).items()}

    def all_of_it(x: Any, values: Any) -> Any:
        context = Context(training=training, dtype="float64")
        y = layer.forward(x, values, context)

        def loss(x: Any, values: Any) -> Any:
            inner = Context(training=training, dtype="float64")
            return ops.sum(layer.forward(x, values, inner) * weights)

        kept = [context.assigned.get(name, values[name]) for name in NAMES[2:]]
        return y, gradient(loss, (0, 1))(x, values), [k + 0.0 for k in kept]

    y, (of_x, of_values), kept = rv.compile(all_of_it, engine=engine)(x, values)
    twin = filled(make, values).train(training)
    given = torch.tensor(x, requires_grad=True)
    result = twin(theirs_of(given, layer))
    (result * theirs_of(torch.from_numpy(weights), layer)).sum().backward()
    expected = result.movedim(1, -1) if theirs_of(given, layer) is not given else result
    np.testing.assert_allclose(y, expected.detach().numpy(), **NEAR)
    np.testing.assert_allclose(of_x, given.grad.numpy(), **NEAR)
    for name in NAMES[:2]:
        np.testing.assert_allclose(of_values[name], getattr(twin, name).grad.numpy(), **NEAR)
    for name, found in zip(NAMES[2:], kept, strict=True):
        np.testing.assert_allclose(found, getattr(twin, name).numpy(), **NEAR)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_50_steps_of_training(engine: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.0, 2.0, (40, 5)), rng.normal(size=(40, 2))
    model = rv.Sequential(
        rv.BatchNorm(), rv.Dense(8), rv.BatchNorm(0.2), rv.Activation("tanh"), rv.Dense(2),
        dtype="float64",
    ).build((5,), seed=1)  # fmt: skip
    network = torch.nn.Sequential(
        torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8, momentum=0.2),
        torch.nn.Tanh(), torch.nn.Linear(8, 2),
    ).double()  # fmt: skip
    with torch.no_grad():
        for k in (1, 4):
            network[k].weight.copy_(torch.from_numpy(model.layers[k].weight.T.copy()))
            network[k].bias.copy_(torch.from_numpy(model.layers[k].bias))
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    for step in range(50):
        rows = slice(step % 5 * 8, step % 5 * 8 + 8)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    model.fit(
        x, y, optimizer=rv.SGD(0.1, momentum=0.9), epochs=10, batch_size=8,
        shuffle=False, engine=engine, verbose=False,
    )  # fmt: skip
    for k in (0, 2):
        for name in NAMES:
            expected = getattr(network[k], name).detach().numpy()
            np.testing.assert_allclose(getattr(model.layers[k], name), expected, 1e-7, 1e-7)
    predicted = network.eval()(inputs).detach().numpy()
    np.testing.assert_allclose(model.predict(x, engine=engine), predicted, 1e-7, 1e-7)
