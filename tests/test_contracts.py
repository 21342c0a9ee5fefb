"""Everything that is registered is held to the contracts that users are offered: rv.testing."""

from __future__ import annotations

from typing import Any

import pytest

import test_layers
import test_losses
import test_merge
import test_metrics
import test_optimizers
from ranvier.layers import ACTIVATIONS
from ranvier.testing import (
    check_activation,
    check_layer,
    check_loss,
    check_metric,
    check_optimizer,
)

#: Their gradient is not their slope, on purpose: step's is 0.
NOT_DIFFERENTIABLE = ("step",)


@pytest.mark.parametrize("case", test_layers.CASES, ids=lambda case: case[2])
def test_layers_keep_their_contract(case: Any) -> None:
    check_layer(case[0], case[1])


@pytest.mark.parametrize("case", test_merge.CASES, ids=test_merge.title)
def test_layers_of_several_inputs_keep_their_contract(case: Any) -> None:
    check_layer(case[0], case[1])


@pytest.mark.parametrize("case", test_losses.CASES, ids=test_losses.title)
def test_losses_keep_their_contract(case: Any) -> None:
    check_loss(*case)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_keep_their_contract(name: str) -> None:
    check_activation(name, differentiable=name not in NOT_DIFFERENTIABLE)


@pytest.mark.parametrize("optimizer", test_optimizers.CASES, ids=str)
def test_optimizers_keep_their_contract(optimizer: Any) -> None:
    check_optimizer(optimizer)


@pytest.mark.parametrize("case", test_metrics.CASES, ids=test_metrics.title)
def test_metrics_keep_their_contract(case: Any) -> None:
    metric, outputs, targets = case
    reads_probabilities = metric.config() in ({"threshold": 0.5}, {"probabilities": True})
    check_metric(
        metric, outputs, targets, last_activation="sigmoid" if reads_probabilities else None
    )
