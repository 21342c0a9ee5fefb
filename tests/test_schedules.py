"""Schedules: their formulas, the native loop's rates, total lengths, and every error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import losses, ops
from ranvier.foundation import errors
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.optimizers import (
    SCHEDULES,
    SGD,
    Adam,
    Clock,
    ConstantSchedule,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    OneCycle,
    ParameterGroups,
    PolynomialDecay,
    Schedule,
    StepDecay,
)
from ranvier.training.program import TrainingProgram
from ranvier.training.rules import UpdateRules

Array = np.ndarray
CASES: tuple[Schedule, ...] = (
    ConstantSchedule(0.1),
    StepDecay(0.1, 2, 0.5),
    StepDecay(0.1, 5, 0.3, every="step"),
    ExponentialDecay(0.1, 0.7),
    ExponentialDecay(0.01, 1.2, every="step"),
    PolynomialDecay(0.1),
    PolynomialDecay(0.1, 3, 2.5, 0.01, every="epoch"),
    CosineDecay(0.1),
    CosineDecay(0.1, 17, warmup=4, end=0.01),
    CosineDecay(0.1, warmup=2, every="epoch"),
    CosineDecay(0.1, warmup=100),
    CosineRestarts(0.1, 2),
    CosineRestarts(0.1, 3, 2, 0.01, every="step"),
    OneCycle(0.1),
    OneCycle(0.1, 15, 0.5, 10.0, 100.0, "linear"),
    OneCycle(0.1, rising=0.0),
    OneCycle(0.1, rising=1.0, every="epoch"),
)
#: Of the runs below: 20 rows in batches of 4.
EPOCHS, STEPS = 6, 5


class Outputs(rv.Loss):
    """Outputs times targets: where inputs and targets are 1, the gradient of a weight is 1."""

    name = "outputs_of_test_schedules"
    reads = "numbers"

    def __call__(self, outputs: Any, targets: Any) -> Any:
        return ops.mean(outputs * targets, axis=1)


class Steps(rv.Callback):
    """The weight after each step."""

    every = "step"

    def __init__(self) -> None:
        self.weights: list[float] = [0.0]

    def on_step(self, event: Any) -> None:
        self.weights.append(float(event.parameters["layers.0.weight"][0, 0]))


def program_of(
    optimizer: Any, engine: str, rules: UpdateRules | None = None
) -> tuple[TrainingProgram, Steps]:
    network = Network([Dense(1, use_bias=False, kernel_initializer="zeros")], "float64")
    network.build((1,))
    steps, ones = Steps(), np.ones((20, 1))
    program = TrainingProgram(
        network, Outputs(), optimizer, [], ones, ones, batch_size=4, engine=engine,
        callbacks=[steps], rules=rules,
    )  # fmt: skip
    return program, steps


def rates_of(schedule: Schedule, engine: str, runs: tuple[int, ...] = (EPOCHS,)) -> Array:
    """The rate of every step, from how far it moved the weight."""
    program, steps = program_of(SGD(schedule), engine)
    for epochs in runs:
        program.run(epochs)
    return -np.diff(steps.weights)


def test_no_schedule_is_left_out() -> None:
    ours = {s for _, s in SCHEDULES.items() if s.__module__.startswith("ranvier.")}
    assert {type(schedule) for schedule in CASES} == ours


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_a_program_takes_steps_of_these_rates(schedule: Schedule, engine: str) -> None:
    expected = schedule.rates(EPOCHS, STEPS)
    np.testing.assert_allclose(rates_of(schedule, engine), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_configuration_round_trip(schedule: Schedule) -> None:
    again = type(schedule).from_config(schedule.config())
    assert again.config() == schedule.config()
    assert SCHEDULES[type(schedule).__name__] is type(schedule)
    # Also inside an optimizer.
    optimizer = Adam(schedule)
    copy = Adam.from_config(optimizer.config())
    assert repr(copy) == repr(optimizer)
    assert repr(schedule) in repr(optimizer)
    assert (copy.learning_rate.rates(4, 3) == schedule.rates(4, 3)).all()  # type: ignore[union-attr]


@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_rates_are_finite_also_beyond_the_end(schedule: Schedule) -> None:
    beyond = Clock(np.arange(100.0), np.arange(100.0) // 2, np.float64(8), np.float64(4))
    found = np.broadcast_to(schedule.rate(beyond), (100,))
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_stairs() -> None:
    found = StepDecay(0.8, 2, 0.5).rates(6, 2)
    np.testing.assert_allclose(found, np.repeat([0.8, 0.4, 0.2], 4), rtol=1e-15)
    by_step = StepDecay(0.8, 2, 0.5, every="step").rates(3, 2)
    np.testing.assert_allclose(by_step, [0.8, 0.8, 0.4, 0.4, 0.2, 0.2], rtol=1e-15)


def test_powers() -> None:
    t = np.arange(300)
    found = ExponentialDecay(0.1, 0.97).rates(300)
    np.testing.assert_allclose(found, 0.1 * 0.97**t, rtol=1e-12)


def test_a_polynomial_stays_at_its_end() -> None:
    found = PolynomialDecay(0.5, 10, 2.0, 0.1, every="epoch").rates(14)
    t = np.minimum(np.arange(14) / 10, 1)
    np.testing.assert_allclose(found, 0.1 + 0.4 * (1 - t) ** 2, rtol=1e-12)


def test_a_cosine_stays_at_its_end_and_warms_up() -> None:
    found = CosineDecay(0.5, 12, warmup=4, end=0.1).rates(15)
    np.testing.assert_allclose(found[:4], 0.5 * np.arange(1, 5) / 5, rtol=1e-15)
    s = np.minimum(np.arange(11) / 8, 1)
    np.testing.assert_allclose(found[4:], 0.1 + 0.2 * (1 + np.cos(np.pi * s)), rtol=1e-12)


@pytest.mark.parametrize(("first", "growth"), [(1, 2), (3, 2), (7, 3), (5, 1), (10, 10)])
def test_restarts_are_where_they_should_be(first: int, growth: int) -> None:
    count = 200_000
    starts, start, length = [], 0, first
    while start < count:
        starts.append(start)
        start, length = start + length, length * growth
    found = CosineRestarts(1.0, first, growth).rates(count)
    assert np.flatnonzero(found == 1.0).tolist() == starts


def test_one_cycle_goes_up_and_down() -> None:
    found = OneCycle(1.0, divisor=10, final_divisor=100).rates(10, 10)
    assert found.argmax() == 29
    assert found[29] == 1.0
    np.testing.assert_allclose(found[[0, -1]], [0.1, 1e-3], rtol=1e-12)
    assert (np.diff(found[:30]) > 0).all()
    assert (np.diff(found[29:]) < 0).all()


@pytest.mark.parametrize("schedule", [PolynomialDecay(0.1), OneCycle(0.1)], ids=str)
def test_the_length_is_that_of_all_runs_so_far(schedule: Schedule) -> None:
    found = rates_of(schedule, "native", (2, 4))
    np.testing.assert_allclose(found[:10], schedule.rates(2, STEPS), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found[10:], schedule.rates(6, STEPS)[10:], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_schedule_counts_updates_where_gradients_are_accumulated(engine: str) -> None:
    program, steps = program_of(SGD(OneCycle(0.1)), engine, UpdateRules(accumulate=3))
    program.run(EPOCHS)  # 30 batches, 10 updates
    moved = -np.diff(steps.weights)
    assert np.flatnonzero(moved).tolist() == list(range(2, 30, 3))
    np.testing.assert_allclose(moved[2::3], OneCycle(0.1).rates(10), rtol=1e-12, atol=1e-15)


def test_a_callback_scales_a_schedule() -> None:
    program, steps = program_of(SGD(StepDecay(0.1, 2, 0.5)), "native")

    class Halve(rv.Callback):
        def on_epoch(self, event: Any) -> None:
            event.scale_learning_rate(0.5)

    program._callbacks = (*program._callbacks, Halve())
    program.run(4)
    expected = np.repeat([0.1, 0.05, 0.0125, 0.00625], STEPS)
    np.testing.assert_allclose(-np.diff(steps.weights), expected, rtol=1e-12)


def test_a_schedule_of_ones_own() -> None:
    class Bounce(Schedule):
        def __init__(self, learning_rate: float) -> None:
            self.learning_rate = learning_rate

        def rate(self, clock: Clock) -> Any:
            odd = clock.step - 2.0 * ops.floor(clock.step / 2.0)
            return ops.where(odd > 0.5, 0.0, self.learning_rate)

    found = rates_of(Bounce(0.1), "native")
    np.testing.assert_allclose(found, np.tile([0.1, 0.0], 15), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fit_with_one_cycle(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 4)).astype(dtype)
    y = (x.sum(axis=1) > 0).astype("int32")
    found = []
    for engine in ("native", "reference"):
        model = rv.Sequential(rv.Dense(8, activation="tanh"), rv.Dense(2), dtype=dtype)
        optimizer = rv.Adam(rv.OneCycle(0.05))
        found.append(model.fit(x, y, optimizer=optimizer, epochs=5, engine=engine)["loss"])
    np.testing.assert_allclose(found[0], found[1], 1e-4 if dtype == "float32" else 1e-10)
    assert found[0][-1] < 0.5 * found[0][0]


def test_groups_have_schedules_of_their_own() -> None:
    network = Network([Dense(1, use_bias=False), Dense(1, use_bias=False)], "float64")
    network.build((1,))
    first = {name: array.copy() for name, array in network.parameters.items()}
    groups = ParameterGroups({"layers.0": SGD(StepDecay(0.1, 1, 0.5)), "*": SGD(0.0)})
    ones = np.ones((4, 1))
    loss = losses.resolve("mean_squared_error", (1,), "numbers")
    TrainingProgram(network, loss, groups, [], ones, ones).run(3)
    assert (network.parameters["layers.1.weight"] == first["layers.1.weight"]).all()
    w, v = float(first["layers.0.weight"][0, 0]), float(first["layers.1.weight"][0, 0])
    for rate in (0.1, 0.05, 0.025):
        w -= rate * 2 * v * (w * v - 1.0)
    np.testing.assert_allclose(network.parameters["layers.0.weight"], w, rtol=1e-12)


def test_the_error_of_a_bad_loss_names_the_schedule() -> None:
    program, _ = program_of(SGD(ExponentialDecay(1e300, 1e9)), "native")
    with pytest.raises(errors.TrainingError, match=r"it is ExponentialDecay\(1e\+300"):
        program.run(8)


ERRORS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("rate", lambda: StepDecay(-0.1, 2), ("StepDecay", "learning_rate", "-0.1")),
    ("rate of a constant", lambda: ConstantSchedule(math.nan), ("ConstantSchedule", "nan")),
    ("length", lambda: StepDecay(0.1, 0), ("length", "above 0")),
    ("factor", lambda: StepDecay(0.1, 1, 0.0), ("factor", "above 0")),
    ("unit", lambda: StepDecay(0.1, 1, every="batch"), ("StepDecay", "every", "batch")),
    ("factor of powers", lambda: ExponentialDecay(0.1, -1.0), ("ExponentialDecay", "factor")),
    ("exponent", lambda: PolynomialDecay(0.1, exponent=0.0), ("exponent", "above 0")),
    ("end", lambda: PolynomialDecay(0.1, end=-1.0), ("PolynomialDecay", "end")),
    ("length of a polynomial", lambda: PolynomialDecay(0.1, 0.0), ("length", "above 0")),
    ("warm-up", lambda: CosineDecay(0.1, warmup=-1), ("CosineDecay", "warmup")),
    ("long warm-up", lambda: CosineDecay(0.1, 5, warmup=5), ("leaves nothing", "5 of a length")),
    ("end of a cosine", lambda: CosineDecay(0.1, end=-1), ("CosineDecay", "end")),
    ("first", lambda: CosineRestarts(0.1, 0), ("CosineRestarts", "first")),
    ("growth", lambda: CosineRestarts(0.1, 2, 1.5), ("growth", "integer")),  # type: ignore[arg-type]
    ("rising", lambda: OneCycle(0.1, rising=1.5), ("OneCycle", "rising")),
    ("divisor", lambda: OneCycle(0.1, divisor=0), ("divisor", "above 0")),
    ("last divisor", lambda: OneCycle(0.1, final_divisor=0), ("final_divisor", "above 0")),
    ("shape", lambda: OneCycle(0.1, shape="cos"), ("shape", "did you mean 'cosine'")),
    ("length of a cycle", lambda: OneCycle(0.1, length=-1), ("OneCycle", "length")),
    ("no rate", lambda: Adam("fast"), ("Adam", "learning_rate", "fast")),  # type: ignore[arg-type]
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, action, parts = case
    with pytest.raises(errors.ArgumentError) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)


def test_a_schedule_that_does_not_exist() -> None:
    config = {**Adam().config(), "learning_rate": {"name": "StepDecai", "config": {}}}
    with pytest.raises(errors.UnknownNameError, match="did you mean 'StepDecay'"):
        Adam.from_config(config)
