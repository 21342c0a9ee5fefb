"""Optimizers: their formulas step by step, convergence, and every error."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from ranvier import losses
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.graph.transforms import gradient
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.ops.graph import evaluate, trace
from ranvier.ops.value import Spec
from ranvier.optimizers import (
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
    resolve,
)
from ranvier.training.program import TrainingProgram

CASES: tuple[Optimizer, ...] = (
    SGD(0.05),
    SGD(0.02, momentum=0.9),
    SGD(0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
    Adam(0.1),
    Adam(betas=(0, 0)),
    Adam(0.01, weight_decay=0.1, amsgrad=True),
    AdamW(0.01),
    AdaGrad(0.05),
    AdaDelta(2.0),
    RMSprop(0.005),
    RMSprop(0.002, momentum=0.5, centered=True),
    NAdam(0.01),
    Adamax(0.01),
    Lion(0.002, weight_decay=0.1),
    Muon(0.02),
)


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


PARABOLA = (
    SGD(0.1), SGD(0.05, momentum=0.9), SGD(0.05, momentum=0.9, nesterov=True), Adam(0.2),
    Adam(0.2, amsgrad=True), AdamW(0.2, weight_decay=0.0), AdaGrad(2.0), AdaDelta(30.0),
    RMSprop(0.05, alpha=0.9, momentum=0.5, epsilon=0.5), RMSprop(0.1, epsilon=1.0, centered=True),
    NAdam(0.2), Adamax(0.2), Lion(0.02, betas=(0.9, 0.9)),
    Muon(0.2, weight_decay=0.0),
)  # fmt: skip
ROSENBROCK = (
    SGD(1e-3), SGD(2e-4, momentum=0.95), SGD(2e-4, momentum=0.95, nesterov=True), Adam(0.02),
    Adam(0.02, amsgrad=True), AdamW(0.02), AdaGrad(0.2), AdaDelta(10.0), RMSprop(0.005),
    RMSprop(0.002, momentum=0.5, centered=True), NAdam(0.02), Adamax(0.02), Lion(0.005),
    Muon(0.02),
)  # fmt: skip


@pytest.mark.parametrize("cases", [CASES, PARABOLA, ROSENBROCK], ids=["all", "bowl", "valley"])
def test_no_optimizer_is_left_out(cases: tuple[Optimizer, ...]) -> None:
    # L-BFGS is no update of one weight: tests/test_lbfgs.py.
    known = {o for _, o in OPTIMIZERS.items()} - {LBFGS}
    assert {type(optimizer) for optimizer in cases} == known


@pytest.mark.parametrize("optimizer", PARABOLA, ids=str)
def test_finds_the_bottom_of_a_parabola(optimizer: Optimizer) -> None:
    w, _ = run(optimizer, np.array([3.0, -4.0]), lambda w: 2 * (w - 1.0), 400)
    # Lion never takes a step smaller than its rate.
    np.testing.assert_allclose(w, 1.0, atol=5e-2 if isinstance(optimizer, Lion) else 1e-3)


@pytest.mark.parametrize("optimizer", ROSENBROCK, ids=str)
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


def test_nesterov_looks_ahead() -> None:
    # Buffers 1 and 1.9; to each gradient 0.9 of the new buffer is added.
    w, _ = run(SGD(0.1, 0.9, nesterov=True), np.array([0.0]), lambda w: np.ones(1), 2)
    np.testing.assert_allclose(w, -0.1 * (1 + 0.9 * 1 + 1 + 0.9 * 1.9), rtol=1e-15)


@pytest.mark.parametrize("optimizer", [SGD(0.5, weight_decay=0.1), AdamW(0.5, weight_decay=0.1)])
def test_weights_without_a_gradient_decay(optimizer: Optimizer) -> None:
    w, _ = run(optimizer, np.array([2.0]), np.zeros_like, 3)
    np.testing.assert_allclose(w, 2.0 * 0.95**3, rtol=1e-14)


def test_decoupled_decay_does_not_reach_the_moments() -> None:
    _, plain = run(Adam(0.0), np.array([2.0]), np.ones_like, 3)
    _, decoupled = run(AdamW(0.0, weight_decay=0.5), np.array([2.0]), np.ones_like, 3)
    _, coupled = run(Adam(0.0, weight_decay=0.5), np.array([2.0]), np.ones_like, 3)
    assert decoupled == plain
    assert coupled["mean"] == 2 * plain["mean"]


def test_amsgrad_remembers_the_largest_square() -> None:
    slopes = iter([10.0, 0.0, 0.0, 0.0])
    adam = Adam(betas=(0.9, 0.5), amsgrad=True)
    _, state = run(adam, np.zeros(1), lambda w: np.array([next(slopes)]), 4)
    assert (state["largest"], state["square"]) == (50.0, 6.25)


def test_adagrad_is_its_paper() -> None:
    w, state = run(AdaGrad(0.1), np.zeros(1), lambda w: np.array([2.0]), 3)
    np.testing.assert_allclose(w, -0.1 * sum(1 / math.sqrt(k) for k in (1, 2, 3)), rtol=1e-9)
    assert state["sum"] == 12.0


def test_adadelta_does_not_see_the_scale_of_the_gradient() -> None:
    slopes = np.random.default_rng(1).normal(size=(20, 3)) + 3.0
    found = []
    for scale in (1.0, 1000.0):
        given = iter(slopes * scale)
        found.append(run(AdaDelta(), np.zeros(3), lambda w, given=given: next(given), 20)[0])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_centered_rmsprop_divides_by_the_deviation() -> None:
    slopes = np.random.default_rng(2).normal(size=30)
    w, mean, square = 0.0, 0.0, 0.0
    for g in slopes:
        mean, square = 0.8 * mean + 0.2 * g, 0.8 * square + 0.2 * g * g
        w -= 0.01 * g / (math.sqrt(square - mean * mean) + 1e-8)
    given = iter(slopes)
    rmsprop = RMSprop(alpha=0.8, centered=True)
    found, _ = run(rmsprop, np.zeros(1), lambda w: np.array([next(given)]), 30)
    np.testing.assert_allclose(found, w, rtol=1e-10)


def test_a_variance_that_rounds_below_0_is_0() -> None:
    # Of equal gradients the mean's square passes the mean of squares by a rounding error.
    rmsprop = RMSprop(alpha=0.3, epsilon=1e-3, centered=True)
    g = np.random.default_rng(0).normal(size=1000).astype("float32")
    w, state = run(rmsprop, np.zeros_like(g), lambda w: g, 40)
    assert (state["square"] < state["mean"] ** 2).any()
    assert np.isfinite(w).all()


def test_adamax_divides_by_the_largest_gradient() -> None:
    slopes = iter([4.0, 1.0])
    adamax = Adamax(0.1, betas=(0.0, 0.5))
    w, state = run(adamax, np.zeros(1), lambda w: np.array([next(slopes)]), 2)
    np.testing.assert_allclose(w, -0.1 * (1 + 1 / 2), rtol=1e-8)
    np.testing.assert_allclose(state["largest"], 2.0, rtol=1e-8)


def test_nadam_is_its_paper() -> None:
    slopes = np.random.default_rng(3).normal(size=(50, 4))
    w, mean, square, product = np.ones(4), np.zeros(4), np.zeros(4), 1.0
    momenta = [0.9 * (1 - 0.5 * 0.96 ** (t * 4e-3)) for t in range(52)]
    for t, g in enumerate(slopes, 1):
        product *= momenta[t]
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
        ahead = momenta[t + 1] * mean / (1 - product * momenta[t + 1])
        ahead = ahead + (1 - momenta[t]) * g / (1 - product)
        w = w - 2e-3 * ahead / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    given = iter(slopes)
    found, state = run(NAdam(), np.ones(4), lambda w: next(given), 50)
    np.testing.assert_allclose(found, w, rtol=1e-12)
    np.testing.assert_allclose(state["product"], product, rtol=1e-12)


def test_lion_is_its_paper() -> None:
    slopes = np.random.default_rng(4).normal(size=(50, 4))
    w, mean = np.ones(4), np.zeros(4)
    for g in slopes:
        w = w - 0.01 * (np.sign(0.9 * mean + 0.1 * g) + 0.2 * w)
        mean = 0.99 * mean + 0.01 * g
    given = iter(slopes)
    found, _ = run(Lion(0.01, weight_decay=0.2), np.ones(4), lambda w: next(given), 50)
    np.testing.assert_allclose(found, w, rtol=1e-12)


def test_lion_stands_still_at_0_and_lets_nan_through() -> None:
    w, _ = run(Lion(0.1), np.ones(2, "f4"), lambda w: np.array([0.0, np.nan], "f4"), 1)
    assert w[0] == 1.0
    assert np.isnan(w[1])


def program_of(optimizer: Optimizer, dtype: str, engine: str) -> tuple[Network, TrainingProgram]:
    """A small network, batches of 16 with a short one at the end: 20 steps in 4 epochs."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(70, 6)).astype(dtype)
    y = (x @ rng.normal(size=(6, 3))).argmax(axis=1).astype("int32")
    network = Network([Dense(9, activation="tanh"), Dense(3)], dtype)
    network.build((6,), seed=1)
    loss = losses.resolve(None, (3,), "classes", 3)
    program = TrainingProgram(network, loss, optimizer, [], x, y, batch_size=16, engine=engine)
    return network, program


@pytest.mark.parametrize("optimizer", CASES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("float64", 1e-9)])
def test_native_is_the_reference(optimizer: Optimizer, dtype: str, tolerance: float) -> None:
    found, program = program_of(optimizer, dtype, "native")
    history = program.run(4)
    expected, reference = program_of(optimizer, dtype, "reference")
    np.testing.assert_allclose(history["loss"], reference.run(4)["loss"], tolerance)
    assert history["loss"][-1] < history["loss"][0]
    for name, array in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, tolerance, tolerance)


# Muon needs the whole gradient before it can update a single weight.
@pytest.mark.parametrize("optimizer", [o for o in CASES if not isinstance(o, Muon)], ids=str)
def test_updates_run_where_the_gradient_is_made(optimizer: Optimizer) -> None:
    """One product a weight gradient: it writes over the weight and its state, in place."""
    _, program = program_of(optimizer, "float32", "native")
    fused, ordered = re.split("=== (?:fuse|order)", program.passes())[1:]
    products = re.findall(r"^(group\d+) product i<\d+ j<\d+ over k<N", fused, re.MULTILINE)
    written = {
        group: set(names.split(", "))
        for group, names in re.findall(r"^(group\d+) .*writes over (.*)$", ordered, re.MULTILINE)
    }
    # NAdam's product of momenta needs no gradient, so it has a group of its own.
    kept = set(optimizer.state((1,), "float32")) - {"product"}
    expected = [
        {weight, *(f"state.{weight}.{name}" for name in kept)}
        for weight in ("layers.1.weight", "layers.0.weight")
    ]
    assert [written[group] for group in products] == expected


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


STATES: tuple[tuple[Optimizer, dict[str, float]], ...] = (
    (SGD(weight_decay=0.1), {}),
    (SGD(momentum=0.5, nesterov=True), {"buffer": 0.0}),
    (Adam(), {"mean": 0.0, "square": 0.0}),
    (Adam(amsgrad=True), {"mean": 0.0, "square": 0.0, "largest": 0.0}),
    (AdamW(), {"mean": 0.0, "square": 0.0}),
    (AdaGrad(), {"sum": 0.0}),
    (AdaDelta(), {"square": 0.0, "moved": 0.0}),
    (RMSprop(), {"square": 0.0}),
    (RMSprop(momentum=0.5), {"square": 0.0, "buffer": 0.0}),
    (RMSprop(centered=True), {"square": 0.0, "mean": 0.0}),
    (NAdam(), {"mean": 0.0, "square": 0.0, "product": 1.0}),
    (Adamax(), {"mean": 0.0, "largest": 0.0}),
    (Lion(), {"mean": 0.0}),
    (Muon(), {"buffer": 0.0}),
)


@pytest.mark.parametrize(("optimizer", "expected"), STATES, ids=str)
def test_what_is_kept(optimizer: Optimizer, expected: dict[str, float]) -> None:
    assert optimizer.state((2, 3), "float32") == expected


@pytest.mark.parametrize("kind", [o for _, o in OPTIMIZERS.items()], ids=lambda o: o.name)
def test_every_optimizer_refuses_a_negative_rate(kind: Any) -> None:
    with pytest.raises(errors.ArgumentError, match=f"{kind.__name__}: the argument learning_rate"):
        kind(learning_rate=-1.0)


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("rate", errors.ArgumentError, lambda: SGD(-0.1), ("SGD", "learning_rate", "-0.1")),
    ("rate of NaN", errors.ArgumentError, lambda: Adam(math.nan), ("Adam", "nan")),
    ("momentum", errors.ArgumentError, lambda: SGD(0.1, momentum=1.0), ("momentum", "below 1")),
    ("one beta", errors.ArgumentError, lambda: Adam(betas=(0.9,)), ("betas", "two numbers")),
    ("betas of a number", errors.ArgumentError, lambda: Adam(betas=0.9), ("betas", "0.9")),
    ("beta of 1", errors.ArgumentError, lambda: Adam(betas=(0.9, 1.0)), ("betas[1]",)),
    ("epsilon", errors.ArgumentError, lambda: Adam(epsilon=-1e-8), ("epsilon",)),
    ("decay", errors.ArgumentError, lambda: Adam(weight_decay=-1), ("Adam:", "weight_decay")),
    ("amsgrad", errors.ArgumentError, lambda: Adam(amsgrad=1), ("Adam:", "amsgrad", "True or")),
    ("AdamW's", errors.ArgumentError, lambda: AdamW(weight_decay=-1), ("AdamW:", "weight_decay")),
    ("betas of AdamW", errors.ArgumentError, lambda: AdamW(betas=0.9), ("AdamW:", "two numbers")),
    ("nesterov", errors.ArgumentError, lambda: SGD(nesterov=True), ("momentum=0.9", "is 0")),
    ("nesterov of 1", errors.ArgumentError, lambda: SGD(0.1, 0.9, 1), ("nesterov", "True or")),
    ("decay of SGD", errors.ArgumentError, lambda: SGD(weight_decay=-1), ("SGD", "weight_decay")),
    ("AdaGrad", errors.ArgumentError, lambda: AdaGrad(epsilon=-1), ("AdaGrad", "epsilon")),
    ("rho", errors.ArgumentError, lambda: AdaDelta(rho=1.5), ("AdaDelta", "rho", "at most 1")),
    ("no epsilon", errors.ArgumentError, lambda: AdaDelta(epsilon=0), ("AdaDelta", "above 0")),
    ("alpha", errors.ArgumentError, lambda: RMSprop(alpha=1.0), ("RMSprop", "alpha", "below 1")),
    ("RMSprop", errors.ArgumentError, lambda: RMSprop(epsilon=-1), ("RMSprop", "epsilon")),
    ("its momentum", errors.ArgumentError, lambda: RMSprop(momentum=1), ("RMSprop", "momentum")),
    ("centered", errors.ArgumentError, lambda: RMSprop(centered=0), ("RMSprop", "centered")),
    ("NAdam", errors.ArgumentError, lambda: NAdam(epsilon=-1), ("NAdam", "epsilon")),
    ("betas of NAdam", errors.ArgumentError, lambda: NAdam(betas=(1, 0)), ("NAdam", "betas[0]")),
    ("fading", errors.ArgumentError, lambda: NAdam(momentum_decay=-1), ("momentum_decay",)),
    ("Adamax", errors.ArgumentError, lambda: Adamax(epsilon=-1), ("Adamax", "epsilon")),
    ("betas of Adamax", errors.ArgumentError, lambda: Adamax(betas=(1, 0)), ("Adamax", "betas")),
    ("Lion", errors.ArgumentError, lambda: Lion(weight_decay=-1), ("Lion", "weight_decay")),
    ("betas of Lion", errors.ArgumentError, lambda: Lion(betas=(0, 1)), ("Lion", "betas[1]")),
    ("name", errors.UnknownNameError, lambda: resolve("adm"), ("adm", "did you mean 'adam'")),
    ("class", errors.ArgumentError, lambda: resolve(Adam), ("the class Adam", "write Adam()")),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)
