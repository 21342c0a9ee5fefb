"""Optimizers beside PyTorch's: the same losses over 100 full-batch steps in float64.

Lion has no twin there; its formula is tested in ``tests/test_optimizers.py``. Muon's twin iterates
in bfloat16: ``tests/test_muon.py`` compares with it, the iteration in float64. L-BFGS is
compared by its optimum, in ``tests/test_lbfgs.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import test_pytorch  # noqa: E402

from ranvier.optimizers import (  # noqa: E402
    LBFGS,
    OPTIMIZERS,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Muon,
    NAdam,
    Optimizer,
    RMSprop,
)

CASES: dict[str, tuple[Optimizer, Callable[[Any], Any]]] = {
    "nesterov": (
        SGD(0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "sgd with decay": (
        SGD(0.1, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    ),
    "nesterov with decay": (
        SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.02),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.02),
    ),
    "adam with decay": (
        Adam(0.01, weight_decay=0.02),
        lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.02),
    ),
    "amsgrad": (
        Adam(0.01, betas=(0.9, 0.9), amsgrad=True),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.9), amsgrad=True),
    ),
    "adamw": (AdamW(0.01), lambda p: torch.optim.AdamW(p, lr=0.01)),
    "adamw of other numbers": (
        AdamW(0.01, betas=(0.8, 0.9), weight_decay=0.3, amsgrad=True),
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.3, amsgrad=True),
    ),
    "adagrad": (AdaGrad(), lambda p: torch.optim.Adagrad(p)),
    "adagrad of other numbers": (
        AdaGrad(0.05, epsilon=1e-3),
        lambda p: torch.optim.Adagrad(p, lr=0.05, eps=1e-3),
    ),
    "adadelta": (AdaDelta(), lambda p: torch.optim.Adadelta(p)),
    "adadelta of other numbers": (
        AdaDelta(3.0, rho=0.8, epsilon=1e-5),
        lambda p: torch.optim.Adadelta(p, lr=3.0, rho=0.8, eps=1e-5),
    ),
    "rmsprop": (RMSprop(1e-3), lambda p: torch.optim.RMSprop(p, lr=1e-3)),
    "rmsprop with momentum": (
        RMSprop(1e-3, alpha=0.9, momentum=0.8),
        lambda p: torch.optim.RMSprop(p, lr=1e-3, alpha=0.9, momentum=0.8),
    ),
    "rmsprop, centered": (
        RMSprop(1e-3, epsilon=1e-4, centered=True),
        lambda p: torch.optim.RMSprop(p, lr=1e-3, eps=1e-4, centered=True),
    ),
    "rmsprop with all": (
        RMSprop(5e-4, alpha=0.95, epsilon=1e-4, momentum=0.5, centered=True),
        lambda p: torch.optim.RMSprop(
            p, lr=5e-4, alpha=0.95, eps=1e-4, momentum=0.5, centered=True
        ),
    ),
    "nadam": (NAdam(), lambda p: torch.optim.NAdam(p)),
    "nadam of other numbers": (
        NAdam(0.01, betas=(0.8, 0.95), momentum_decay=0.1),
        lambda p: torch.optim.NAdam(p, lr=0.01, betas=(0.8, 0.95), momentum_decay=0.1),
    ),
    "adamax": (Adamax(), lambda p: torch.optim.Adamax(p)),
    "adamax of other numbers": (
        Adamax(0.01, betas=(0.8, 0.9), epsilon=1e-5),
        lambda p: torch.optim.Adamax(p, lr=0.01, betas=(0.8, 0.9), eps=1e-5),
    ),
}


@pytest.fixture(autouse=True)
def _double_scalars() -> Iterator[None]:
    """NAdam keeps its product of momenta in PyTorch's default dtype, whatever the weights are."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def test_every_optimizer_is_compared() -> None:
    without_twin = {LBFGS, Lion, Muon}
    compared = {type(optimizer) for optimizer, _ in CASES.values()}
    assert compared | without_twin == {found for _, found in OPTIMIZERS.items()}


@pytest.mark.parametrize("name", CASES)
def test_losses_of_classes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(test_pytorch.OPTIMIZERS, name, CASES[name])
    test_pytorch.compare("cross-entropy", "tanh", name, "float64")


@pytest.mark.parametrize("name", ["adamw", "rmsprop with all", "nadam of other numbers"])
def test_losses_of_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(test_pytorch.OPTIMIZERS, name, CASES[name])
    test_pytorch.compare("mse", "tanh", name, "float64")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SGD, torch.optim.SGD),
        (Adam, torch.optim.Adam),
        (AdamW, torch.optim.AdamW),
        (AdaGrad, torch.optim.Adagrad),
        (AdaDelta, torch.optim.Adadelta),
        (RMSprop, torch.optim.RMSprop),
        (NAdam, torch.optim.NAdam),
        (Adamax, torch.optim.Adamax),
    ],
)
def test_defaults(ours: type[Optimizer], theirs: Any) -> None:
    """Every argument has the number that PyTorch has, but for the rate of SGD (1e-3 there)."""
    names = {"learning_rate": "lr", "epsilon": "eps"}
    known = theirs([torch.zeros(1, requires_grad=True)]).defaults
    expected = {name: known[names.get(name, name)] for name in ours().config()}
    if ours is SGD:
        expected["learning_rate"] = 0.01
    assert ours.from_config(expected).config() == ours().config()
