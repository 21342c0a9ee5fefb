"""Activations and layers beside PyTorch's: outputs and gradients in float64 to 1e-10."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ranvier as rv  # noqa: E402
import ranvier.ops as ops  # noqa: E402
from ranvier.graph.transforms import gradient  # noqa: E402
from ranvier.layers import (  # noqa: E402
    ACTIVATIONS,
    L1,
    Context,
    Layer,
    LayerNorm,
    LeakyReLU,
    PReLU,
    RMSNorm,
)

#: Each activation's twin. "step" and "logarithm" have none.
TWINS: dict[str, Callable[[Any], Any]] = {
    "linear": torch.nn.Identity(),
    "identity": torch.nn.Identity(),
    "relu": torch.nn.ReLU(),
    "sigmoid": torch.nn.Sigmoid(),
    "tanh": torch.nn.Tanh(),
    "gelu": torch.nn.GELU(),
    "softmax": torch.nn.Softmax(dim=-1),
    "log_softmax": torch.nn.LogSoftmax(dim=-1),
    "leaky_relu": torch.nn.LeakyReLU(),
    "elu": torch.nn.ELU(),
    "selu": torch.nn.SELU(),
    "silu": torch.nn.SiLU(),
    "mish": torch.nn.Mish(),
    # Theirs is x from 20 on unless told otherwise.
    "softplus": torch.nn.Softplus(threshold=1000),
    "softsign": torch.nn.Softsign(),
    "hard_sigmoid": torch.nn.Hardsigmoid(),
    "exponential": torch.exp,
    "sine": torch.sin,
}
WITHOUT_TWIN = {"step", "logarithm"}
NEAR = {"rtol": 1e-10, "atol": 1e-10}
#: PyTorch's gradient of this one multiplies by 1 / 6 rounded to float32.
THEIRS_IS_ROUGH = {"hard_sigmoid": {"rtol": 3e-8, "atol": 1e-10}}

#: Layers with their twins, and the twin's names of the parameters.
LAYERS: tuple[tuple[Layer, Any, dict[str, str], tuple[int, ...]], ...] = (
    (LeakyReLU(0.2), torch.nn.LeakyReLU(0.2), {}, (6,)),
    (PReLU(), torch.nn.PReLU(6, dtype=torch.float64), {"slope": "weight"}, (6,)),
    (LayerNorm(), torch.nn.LayerNorm(6, dtype=torch.float64),
     {"weight": "weight", "bias": "bias"}, (3, 6)),
    (LayerNorm(0.1), torch.nn.LayerNorm(6, eps=0.1, dtype=torch.float64),
     {"weight": "weight", "bias": "bias"}, (6,)),
    (RMSNorm(), torch.nn.RMSNorm(6, dtype=torch.float64), {"weight": "weight"}, (3, 6)),
    (RMSNorm(0.1), torch.nn.RMSNorm(6, eps=0.1, dtype=torch.float64), {"weight": "weight"}, (6,)),
)  # fmt: skip


def inputs() -> np.ndarray:
    """Numbers of many sizes, and the corners of every activation."""
    drawn = np.random.default_rng(0).normal(0.0, 4.0, (20, 7))
    corners = np.array([[0.0, 3.0, -3.0, 30.0, -30.0, 1e-9, -1e-9]])
    return np.concatenate([drawn, corners, 0.1 * corners])


def test_every_activation_has_a_twin_or_none() -> None:
    ours = {name for name, f in ACTIVATIONS.items() if f.__module__.startswith("ranvier.")}
    assert ours == {*TWINS, *WITHOUT_TWIN}


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", TWINS)
def test_an_activation_and_its_gradient(name: str, engine: str) -> None:
    x, weights = inputs(), np.random.default_rng(1).normal(size=(22, 7))

    def both(x: Any) -> Any:
        return ACTIVATIONS[name](x), gradient(lambda x: ops.sum(ACTIVATIONS[name](x) * weights))(x)

    y, slope = rv.compile(both, engine=engine)(x)
    theirs = torch.tensor(x, requires_grad=True)
    result = TWINS[name](theirs)
    (result * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_allclose(y, result.detach().numpy(), **NEAR)
    np.testing.assert_allclose(slope, theirs.grad.numpy(), **THEIRS_IS_ROUGH.get(name, NEAR))


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", LAYERS, ids=lambda case: repr(case[0]))
def test_a_layer_and_its_gradients(case: Any, engine: str) -> None:
    layer, twin, names, shape = case
    rng = np.random.default_rng(3)
    x, weights = rng.normal(size=(5, *shape)), rng.normal(size=(5, *shape))
    values = {name: rng.normal(size=p.shape) for name, p in layer.declare(shape).items()}
    assert set(values) == set(names)

    def all_of_it(x: Any, values: Any) -> Any:
        def loss(x: Any, values: Any) -> Any:
            return ops.sum(layer.forward(x, values, Context()) * weights)

        return layer.forward(x, values, Context()), gradient(loss, (0, 1))(x, values)

    y, (of_x, of_values) = rv.compile(all_of_it, engine=engine)(x, values)
    theirs = torch.tensor(x, requires_grad=True)
    twin.zero_grad()
    with torch.no_grad():
        for name, other in names.items():
            getattr(twin, other).copy_(torch.from_numpy(values[name]))
    result = twin(theirs)
    (result * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_allclose(y, result.detach().numpy(), **NEAR)
    np.testing.assert_allclose(of_x, theirs.grad.numpy(), **NEAR)
    for name, other in names.items():
        np.testing.assert_allclose(of_values[name], getattr(twin, other).grad.numpy(), **NEAR)


def test_the_first_slopes_and_epsilons_are_theirs() -> None:
    assert PReLU().initial == torch.nn.PReLU().weight.item()
    assert LeakyReLU().slope == torch.nn.LeakyReLU().negative_slope
    assert LayerNorm().epsilon == torch.nn.LayerNorm(3).eps
    assert RMSNorm().epsilon is torch.nn.RMSNorm(3).eps is None


def test_l1_is_theirs_at_0_too() -> None:
    w = np.array([-2.0, 0.0, 3.0])
    theirs = torch.tensor(w, requires_grad=True)
    (0.5 * theirs.abs().sum()).backward()
    assert gradient(L1(0.5))(w).tolist() == theirs.grad.tolist()
