"""Clipping, groups, accumulation and averages beside PyTorch's: 50 steps in float64 to 1e-7."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import test_pytorch  # noqa: E402

from ranvier import losses  # noqa: E402
from ranvier.optimizers import SGD, Adam, AdamW, Optimizer, ParameterGroups  # noqa: E402
from ranvier.training.program import TrainingProgram  # noqa: E402
from ranvier.training.rules import UpdateRules  # noqa: E402

STEPS, TOLERANCE = 50, 1e-7


def both(
    optimizer: Optimizer | ParameterGroups,
    rules: UpdateRules,
    make: Any,
    before_step: Any = None,
    after_step: Any = None,
) -> tuple[list[float], list[float], Any, Any]:
    """The losses of all steps, ours and theirs, and both networks after them."""
    x, y, outputs = test_pytorch.problem("cross-entropy", "float64")
    ours, theirs = test_pytorch.networks(outputs, "tanh", "float64")
    loss = losses.resolve(None, (outputs,), "classes", outputs)
    program = TrainingProgram(
        ours, loss, optimizer, [], x, y, batch_size=None, shuffle=False, rules=rules
    )
    found = program.run(STEPS)["loss"]
    their_optimizer, their_loss = make(theirs), test_pytorch.their_loss("cross-entropy", y)
    after = after_step(theirs) if after_step is not None else None
    expected = []
    for step in range(STEPS):
        value = their_loss(theirs(torch.from_numpy(x)))
        (value / rules.accumulate).backward()
        expected.append(value.item())
        if (step + 1) % rules.accumulate:
            continue
        if before_step is not None:
            before_step(theirs)
        their_optimizer.step()
        their_optimizer.zero_grad()
        if after is not None:
            after.update_parameters(theirs)
    return found, expected, ours, theirs if after is None else after.module


def same(found: list[float], expected: list[float], ours: Any, theirs: Any) -> None:
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(found, expected, TOLERANCE, TOLERANCE)
    linear = [part for part in theirs if isinstance(part, torch.nn.Linear)]
    for number, part in enumerate(linear):
        weight = part.weight.detach().numpy().T
        name = f"layers.{number}."
        np.testing.assert_allclose(ours.parameters[name + "weight"], weight, TOLERANCE, TOLERANCE)
        bias = part.bias.detach().numpy()
        np.testing.assert_allclose(ours.parameters[name + "bias"], bias, TOLERANCE, TOLERANCE)


@pytest.mark.parametrize("bound", [0.05, 0.3, 10.0])
@pytest.mark.parametrize("adam", [False, True], ids=["momentum", "adam"])
def test_clipping_by_norm(bound: float, adam: bool) -> None:
    optimizer = Adam(0.01) if adam else SGD(0.5, momentum=0.5)
    norms = []

    def clip(network: Any) -> None:
        norms.append(float(torch.nn.utils.clip_grad_norm_(network.parameters(), bound)))

    same(
        *both(
            optimizer,
            UpdateRules(clip_norm=bound),
            lambda n: (
                torch.optim.Adam(n.parameters(), lr=0.01)
                if adam
                else torch.optim.SGD(n.parameters(), lr=0.5, momentum=0.5)
            ),
            clip,
        )
    )
    assert (max(norms) > bound) == (bound < 10.0)


def test_clipping_by_value() -> None:
    same(
        *both(
            SGD(0.5),
            UpdateRules(clip_value=0.01),
            lambda n: torch.optim.SGD(n.parameters(), lr=0.5),
            lambda n: torch.nn.utils.clip_grad_value_(n.parameters(), 0.01),
        )
    )


def groups(network: Any) -> Any:
    first, *others = [part for part in network if isinstance(part, torch.nn.Linear)]
    biases = [part.bias for part in others]
    weights = [part.weight for part in others]
    return torch.optim.AdamW(
        [
            {"params": first.parameters(), "lr": 1e-3, "weight_decay": 0.3},
            {"params": biases, "weight_decay": 0.0},
            {"params": weights, "weight_decay": 0.05, "betas": (0.8, 0.9)},
        ],
        lr=0.01,
    )


def test_groups_of_adamw() -> None:
    ours = {
        "layers.0": AdamW(1e-3, weight_decay=0.3),
        "layers.1.bias": AdamW(0.01, weight_decay=0.0),
        "layers.2.bias": AdamW(0.01, weight_decay=0.0),
        "*": AdamW(0.01, betas=(0.8, 0.9), weight_decay=0.05),
    }
    same(*both(ParameterGroups(ours), UpdateRules(), groups))


def test_groups_with_clipping_and_accumulation() -> None:
    ours = {
        "layers.0": AdamW(1e-3, weight_decay=0.3),
        "layers.1.bias": AdamW(0.01, weight_decay=0.0),
        "layers.2.bias": AdamW(0.01, weight_decay=0.0),
        "*": AdamW(0.01, betas=(0.8, 0.9), weight_decay=0.05),
    }
    rules = UpdateRules(clip_norm=0.2, accumulate=3)
    clip = torch.nn.utils.clip_grad_norm_
    same(*both(ParameterGroups(ours), rules, groups, lambda n: clip(n.parameters(), 0.2)))


def test_averages() -> None:
    """PyTorch's start from the weights after the first step; from then on it is the same mean."""

    def averaged(network: Any) -> Any:
        swa = torch.optim.swa_utils
        model = swa.AveragedModel(network, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
        # As if one update were done: its first one would only copy.
        model.n_averaged += 1
        return model

    same(
        *both(
            Adam(0.01),
            UpdateRules(average=0.9),
            lambda n: torch.optim.Adam(n.parameters(), lr=0.01),
            after_step=averaged,
        )
    )
