"""Schedules beside PyTorch's: the same rates to 1e-12, and the same losses of a training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import test_pytorch  # noqa: E402

from ranvier import losses  # noqa: E402
from ranvier.optimizers import (  # noqa: E402
    SCHEDULES,
    SGD,
    Adam,
    ConstantSchedule,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    OneCycle,
    PolynomialDecay,
    Schedule,
    StepDecay,
)
from ranvier.training.program import TrainingProgram  # noqa: E402

schedulers = torch.optim.lr_scheduler
#: Moves of each schedule.
MOVES = 100


def warmed_up(optimizer: Any, moves: int) -> Any:
    """Linear warm-up in 10 moves, then a cosine."""
    rise = schedulers.LinearLR(optimizer, 1 / 11, total_iters=10)
    fall = schedulers.CosineAnnealingLR(optimizer, moves - 10, 0.001)
    return schedulers.SequentialLR(optimizer, [rise, fall], [10])


CASES: dict[str, tuple[Schedule, Callable[[Any], Any]]] = {
    "constant": (ConstantSchedule(0.1), lambda o: schedulers.ConstantLR(o, factor=1.0)),
    "step": (StepDecay(0.1, 7, 0.3), lambda o: schedulers.StepLR(o, 7, gamma=0.3)),
    "step of defaults": (StepDecay(0.1, 30), lambda o: schedulers.StepLR(o, 30)),
    "exponential": (ExponentialDecay(0.1, 0.93), lambda o: schedulers.ExponentialLR(o, 0.93)),
    "polynomial": (
        PolynomialDecay(0.1, 50, 2.5, every="epoch"),
        lambda o: schedulers.PolynomialLR(o, 50, power=2.5),
    ),
    "linear": (
        PolynomialDecay(0.1, 80, every="epoch"),
        lambda o: schedulers.PolynomialLR(o, 80),
    ),
    "cosine": (
        CosineDecay(0.1, end=0.01, every="epoch"),
        lambda o: schedulers.CosineAnnealingLR(o, MOVES, eta_min=0.01),
    ),
    "cosine after warm-up": (
        CosineDecay(0.1, warmup=10, end=0.001, every="epoch"),
        lambda o: warmed_up(o, MOVES),
    ),
    "restarts": (
        CosineRestarts(0.1, 7),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 7),
    ),
    "growing restarts": (
        CosineRestarts(0.1, 3, 2, end=0.001),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.001),
    ),
    "one cycle": (
        OneCycle(0.1, every="epoch"),
        lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=MOVES, cycle_momentum=False),
    ),
    "one cycle of other numbers": (
        OneCycle(0.2, MOVES, 0.45, 10.0, 100.0, "linear"),
        lambda o: schedulers.OneCycleLR(
            o, 0.2, total_steps=MOVES, pct_start=0.45, anneal_strategy="linear",
            cycle_momentum=False, div_factor=10.0, final_div_factor=100.0,
        ),
    ),
}  # fmt: skip


def test_no_schedule_is_left_out() -> None:
    ours = {s for _, s in SCHEDULES.items() if s.__module__.startswith("ranvier.")}
    assert {type(schedule) for schedule, _ in CASES.values()} == ours


def their_rates(schedule: Schedule, make: Callable[[Any], Any]) -> list[float]:
    """The rate of each move."""
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=schedule.learning_rate)
    scheduler, found = make(optimizer), []
    for move in range(MOVES):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if move < MOVES - 1:
            scheduler.step()
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_rates_are_pytorchs(name: str) -> None:
    schedule, make = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, of SequentialLR
        expected = their_rates(schedule, make)
    np.testing.assert_allclose(schedule.rates(MOVES), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("adam", [False, True], ids=["sgd", "adam"])
def test_training_is_pytorchs(name: str, adam: bool) -> None:
    schedule, make = CASES[name]
    x, y, outputs = test_pytorch.problem("cross-entropy", "float64")
    ours, theirs = test_pytorch.networks(outputs, "tanh", "float64")
    loss = losses.resolve(None, (outputs,), "classes", outputs)
    optimizer = Adam(schedule) if adam else SGD(schedule)
    kind = torch.optim.Adam if adam else torch.optim.SGD
    program = TrainingProgram(ours, loss, optimizer, [], x, y, batch_size=None, shuffle=False)
    found = program.run(MOVES)["loss"]
    their_loss = test_pytorch.their_loss("cross-entropy", y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        their_optimizer = kind(theirs.parameters(), lr=schedule.learning_rate)
        scheduler, expected = make(their_optimizer), []
        for move in range(MOVES):
            their_optimizer.zero_grad()
            value = their_loss(theirs(torch.from_numpy(x)))
            value.backward()
            their_optimizer.step()
            expected.append(value.item())
            if move < MOVES - 1:
                scheduler.step()
    np.testing.assert_allclose(found, expected, 1e-7, 1e-7)
