"""Random graphs of layers: the native engine gives what the reference gives, 2,000 times.

Predictions, outputs in training, loss, gradients of parameters and inputs, running statistics and
the optimizer's update are compared. Fifty models are compiled as one program.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
import pytest

import ranvier as rv
from random_models import difference, draw, faults
from ranvier.networks.network import Network

CASES, PER_PROGRAM = 2_000, 50
FIRST = range(0, CASES, PER_PROGRAM)
#: So many of them are trained by a training program too.
TRAINED = 25


@pytest.fixture(scope="module")
def futures() -> Iterator[dict[int, Future[list[str]]]]:
    """All programs, made and compared by as many processes as there are processors, at most four.

    Processes are spawned: a fork of a process that holds threads may hang.
    """
    workers = min(4, os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield {first: pool.submit(faults, range(first, first + PER_PROGRAM)) for first in FIRST}


@pytest.mark.parametrize("first", FIRST)
def test_native_is_the_reference(first: int, futures: dict[int, Future[list[str]]]) -> None:
    assert futures[first].result() == []


@pytest.mark.parametrize("first", range(0, CASES, CASES // TRAINED))
def test_training_programs_are_the_reference(first: int) -> None:
    """The same models in the loop that `fit` runs: batches, a short one last, updates in place."""
    found = []
    for engine in ("native", "reference"):
        case = draw(first)
        network, rng = case.model.network, np.random.default_rng(first)
        y = {
            name: rng.normal(size=(len(case.x[0]), *shape))
            for name, shape in zip(network.wiring.output_names, network.output_shapes, strict=True)
        }
        x = case.x[0] if len(case.x) == 1 else case.x
        history = case.model.fit(
            x, y if len(y) > 1 else next(iter(y.values())), loss="mse", epochs=2, batch_size=2,
            optimizer=case.optimizer, engine=engine, verbose=False,
        )  # fmt: skip
        found.append({"loss": np.array(history["loss"]), **case.model.network.parameters})
    near = 5e-3 if case.dtype == "float32" else 1e-7
    for name, array in found[0].items():
        np.testing.assert_allclose(
            array, found[1][name], near, near, err_msg=f"{name}: {case.text}"
        )


def test_the_models_are_what_they_should_be() -> None:
    """Branches, merges, sharing, models inside models, several inputs and outputs: all there."""
    kinds: Counter[str] = Counter()
    for seed in range(200):
        network: Network = draw(seed).model.network
        calls = network.wiring.calls
        kinds.update(type(layer).__name__ for layer in network.layers)
        kinds["shared"] += len(calls) > len({call.layer for call in calls})
        kinds["merged"] += any(len(call.reads) > 1 for call in calls)
        kinds["several inputs"] += len(network.input_shapes) > 1
        kinds["several outputs"] += len(network.output_shapes) > 1
        kinds["frozen"] += len(network.trainable) < len(network.declared)
    expected = (
        "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Stack",
        "LayerNorm", "RMSNorm", "BatchNorm", "Dropout", "AlphaDropout", "GaussianNoise", "PReLU",
        "Embedding", "Dense", "Reshape", "Lambda", "shared", "merged", "several inputs",
        "several outputs", "frozen",
    )  # fmt: skip
    assert {name: kinds[name] for name in expected if kinds[name] < 3} == {}


def test_a_model_moves_its_weights() -> None:
    """The comparison above would say nothing of steps that change nothing."""
    case = draw(0)
    *_, slopes, _, new = rv.compile(case.step, engine="reference")(*case.arguments())
    before = case.model.network.parameters
    moved = [name for name, both in new.items() if np.abs(both[0] - before[name]).max() > 1e-6]
    assert moved
    assert all(np.isfinite(slope).all() for slope in slopes.values())


def test_what_differs_is_found() -> None:
    one = [np.ones(3), np.zeros(2, "float32")]
    assert difference(one, one, 1e-9) == ""
    assert "result 0 differs by 1.00e-03" in difference([np.full(3, 1.001)], one[:1], 1e-6)
    assert "float64" in difference([np.zeros(2)], one[1:], 1e-6)
    assert "not finite" in difference(one[:1], [np.array([1.0, 1.0, np.nan])], 1e-6)
    assert "differs by nan" in difference([np.array([1.0, 1.0, np.nan])], one[:1], 1e-6)
