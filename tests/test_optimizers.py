"""Optimizers: their formulas step by step, convergence, and every error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.graph.transforms import gradient
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import Spec
from ranvier.optimizers import OPTIMIZERS, SGD, Adam, Optimizer, resolve

CASES: tuple[Optimizer, ...] = (SGD(0.05), SGD(0.02, momentum=0.9), Adam(0.1), Adam(betas=(0, 0)))


def run(
    optimizer: Optimizer, w: np.ndarray, slopes: Any, steps: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """A few updates by the reference, rates and steps as a program gives them."""
    state = {
        name: np.full_like(w, fill) for name, fill in optimizer.state(w.shape, w.dtype.name).items()
    }
    for step in range(1, steps + 1):
        w, state = optimizer.update(
            w, slopes(w), state, np.float64(step), np.float64(optimizer.learning_rate)
        )
    return w, state


def test_every_optimizer_has_a_case() -> None:
    assert {type(optimizer) for optimizer in CASES} == {o for _, o in OPTIMIZERS.items()}


@pytest.mark.parametrize("optimizer", CASES, ids=str)
def test_state_and_dtypes(optimizer: Optimizer) -> None:
    for dtype in ("float32", "float64"):
        w = np.ones((3, 5), dtype)
        new, state = run(optimizer, w, lambda w: w * 2, 2)
        assert new.shape == w.shape
        assert new.dtype == np.dtype(dtype)
        assert set(state) == set(optimizer.state((3, 5), dtype))
        assert all(v.shape == w.shape and v.dtype == w.dtype for v in state.values())


@pytest.mark.parametrize("optimizer", CASES, ids=str)
def test_configuration_round_trip(optimizer: Optimizer) -> None:
    again = type(optimizer).from_config(optimizer.config())
    assert again.config() == optimizer.config()
    assert OPTIMIZERS[optimizer.name] is type(optimizer)


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.05, momentum=0.9), Adam(0.2)], ids=str)
def test_finds_the_bottom_of_a_parabola(optimizer: Optimizer) -> None:
    w, _ = run(optimizer, np.array([3.0, -4.0]), lambda w: 2 * (w - 1.0), 400)
    np.testing.assert_allclose(w, 1.0, atol=1e-3)


@pytest.mark.parametrize("optimizer", [SGD(1e-3), SGD(2e-4, momentum=0.95), Adam(0.02)], ids=str)
def test_goes_down_the_valley_of_rosenbrock(optimizer: Optimizer) -> None:
    def height(w: Any) -> Any:
        x, y = ops.slice_axis(w, 0, 0, 1), ops.slice_axis(w, 0, 1, 2)
        return ops.sum((1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x))

    start = np.array([-1.0, 1.0])
    w, _ = run(optimizer, start, gradient(height), 300)
    assert float(height(w)) < 0.95 * float(height(start))


def test_sgd_is_its_formula() -> None:
    w, _ = run(SGD(0.1), np.array([1.0]), lambda w: np.array([2.0]), 3)
    np.testing.assert_allclose(w, 1.0 - 0.1 * 2.0 * 3, rtol=1e-15)


def test_momentum_is_pytorchs() -> None:
    # The first buffer is the first gradient; then 0.9 of it stays: 1, 1.9, 2.71.
    w, state = run(SGD(0.1, momentum=0.9), np.array([0.0]), lambda w: np.ones(1), 3)
    np.testing.assert_allclose(w, -0.1 * (1 + 1.9 + 2.71), rtol=1e-15)
    np.testing.assert_allclose(state["buffer"], 2.71, rtol=1e-15)


def test_adam_is_its_paper() -> None:
    slopes = np.random.default_rng(0).normal(size=(50, 4))
    w, mean, square = np.ones(4), np.zeros(4), np.zeros(4)
    for t, g in enumerate(slopes, 1):
        mean = 0.9 * mean + 0.1 * g
        square = 0.999 * square + 0.001 * g * g
        hat = np.sqrt(square / (1 - 0.999**t))
        w = w - 1e-3 * (mean / (1 - 0.9**t)) / (hat + 1e-8)
    given = iter(slopes)
    found, _ = run(Adam(), np.ones(4), lambda w: next(given), 50)
    np.testing.assert_allclose(found, w, rtol=1e-12)


def test_adam_without_memory_takes_steps_of_the_rate() -> None:
    w, _ = run(Adam(0.5, betas=(0.0, 0.0)), np.zeros(2), lambda w: np.array([3.0, -7.0]), 2)
    np.testing.assert_allclose(w, [-1.0, 1.0], rtol=1e-7)


def test_the_rate_of_the_call_counts() -> None:
    w, _ = SGD(123.0).update(np.zeros(1), np.ones(1), {}, np.float64(1), np.float64(0.25))
    assert w.tolist() == [-0.25]


@pytest.mark.parametrize("optimizer", CASES, ids=str)
def test_traced_is_evaluated(optimizer: Optimizer) -> None:
    names = list(optimizer.state((3,), "float32"))

    def update(w: Any, g: Any, step: Any, rate: Any, *state: Any) -> Any:
        new, left = optimizer.update(w, g, dict(zip(names, state, strict=True)), step, rate)
        return new, *(left[name] for name in names)

    array, scalar = Spec((3,), "float32"), Spec((), "float64")
    graph, _ = trace(update, [array, array, scalar, scalar, *[array] * len(names)])
    assert all(output.spec == array for output in graph.outputs)
    arrays = [np.ones(3, "f4"), np.arange(3, dtype="f4"), np.float64(3), np.float64(0.1)]
    arrays += [np.full(3, 0.5, "f4")] * len(names)
    for found, expected in zip(evaluate(graph, arrays), update(*arrays), strict=True):
        assert (found == expected).all()


def test_scalars_are_computed_once_in_float64() -> None:
    def update(w: Any, g: Any, step: Any, rate: Any, m: Any, v: Any) -> Any:
        return Adam().update(w, g, {"mean": m, "square": v}, step, rate)[0]

    array, scalar = Spec((N, 4), "float32"), Spec((), "float64")
    graph, _ = trace(update, [array, array, scalar, scalar, array, array])
    assert {v.dtype for v in graph.nodes() if v.op == "exp"} == {"float64"}
    assert all(v.shape == () for v in graph.nodes() if v.dtype == "float64")


def test_choice_by_name() -> None:
    assert resolve("adam").config() == Adam().config()
    assert resolve("sgd").config() == SGD().config()
    adam = Adam(0.5)
    assert resolve(adam) is adam
    assert (Adam().learning_rate, Adam().betas, Adam().epsilon) == (1e-3, (0.9, 0.999), 1e-8)
    assert (SGD().learning_rate, SGD().momentum) == (0.01, 0.0)
    assert SGD().state((2,), "float32") == {}


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("rate", errors.ArgumentError, lambda: SGD(-0.1), ("SGD", "learning_rate", "-0.1")),
    ("rate of NaN", errors.ArgumentError, lambda: Adam(math.nan), ("Adam", "nan")),
    ("momentum", errors.ArgumentError, lambda: SGD(0.1, momentum=1.0), ("momentum", "below 1")),
    ("one beta", errors.ArgumentError, lambda: Adam(betas=(0.9,)), ("betas", "two numbers")),
    ("betas of a number", errors.ArgumentError, lambda: Adam(betas=0.9), ("betas", "0.9")),
    ("beta of 1", errors.ArgumentError, lambda: Adam(betas=(0.9, 1.0)), ("betas[1]",)),
    ("epsilon", errors.ArgumentError, lambda: Adam(epsilon=-1e-8), ("epsilon",)),
    ("name", errors.UnknownNameError, lambda: resolve("adm"), ("adm", "did you mean 'adam'")),
    ("class", errors.ArgumentError, lambda: resolve(Adam), ("Adam(1e-3)",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)
