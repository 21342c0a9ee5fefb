"""From gradients to weights: clipping, accumulation, averages, groups, constraints, numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import losses, ops
from ranvier.foundation import errors
from ranvier.layers import (
    CONSTRAINTS,
    Constraint,
    Dense,
    Layer,
    MaxNorm,
    NonNegative,
    Parameter,
    UnitNorm,
)
from ranvier.layers.constraints import constraint_from
from ranvier.layers.initializers import INITIALIZERS
from ranvier.networks.network import Network
from ranvier.ops.value import Spec
from ranvier.optimizers import SGD, Adam, AdamW, ParameterGroups, RMSprop, StepDecay, resolve
from ranvier.training.program import Monitor, TrainingProgram
from ranvier.training.rules import UpdateRules

Array = np.ndarray
ENGINES = ("native", "reference")
ROWS, FEATURES, OUTPUTS = 48, 6, 3


def data(dtype: str = "float64") -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, FEATURES)).astype(dtype)
    return x, (x @ rng.normal(size=(FEATURES, OUTPUTS)) + 1.0).astype(dtype)


def line(dtype: str = "float64", **arguments: Any) -> Network:
    """One linear layer."""
    network = Network([Dense(OUTPUTS, **arguments)], dtype)
    network.build((FEATURES,), seed=4)
    return network


def deep(dtype: str = "float64") -> Network:
    layers = [Dense(17, activation="tanh"), Dense(9, activation="tanh"), Dense(OUTPUTS)]
    network = Network(layers, dtype)
    network.build((FEATURES,), seed=4)
    return network


def program_of(
    network: Network, optimizer: Any, rules: UpdateRules | None = None, **arguments: Any
) -> TrainingProgram:
    x, y = data(network.dtype)
    loss = losses.resolve("mean_squared_error", (OUTPUTS,), "numbers")
    settings = {"batch_size": 4, "shuffle": False} | arguments
    return TrainingProgram(network, loss, optimizer, [], x, y, rules=rules, **settings)


def slopes(w: Array, b: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """The gradient of the mean squared error of a line."""
    off = 2.0 * (x @ w + b - y) / y.size
    return x.T @ off, off.sum(axis=0)


def close(network: Network, w: Array, b: Array, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(network.parameters["layers.0.weight"], w, tolerance, tolerance)
    np.testing.assert_allclose(network.parameters["layers.0.bias"], b, tolerance, tolerance)


def start(network: Network) -> tuple[Array, Array]:
    first = network.parameters
    return first["layers.0.weight"].copy(), first["layers.0.bias"].copy()


# --- native is the reference

RULES: tuple[UpdateRules, ...] = (
    UpdateRules(clip_norm=0.5),
    UpdateRules(clip_value=0.05),
    UpdateRules(accumulate=5),
    UpdateRules(average=0.9),
    UpdateRules(clip_norm=0.5, clip_value=0.1, accumulate=3, average=0.5),
)


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("optimizer", [SGD(0.02, 0.9), Adam(0.01), RMSprop(0.01)], ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("float64", 1e-9)])
def test_native_is_the_reference(
    rules: UpdateRules, optimizer: Any, dtype: str, tolerance: float
) -> None:
    x, y = data(dtype)
    found = []
    for engine in ENGINES:
        network = deep(dtype)
        history = program_of(
            network, optimizer, rules, engine=engine, shuffle=True, validation=(x[:9], y[:9])
        ).run(3)
        assert history["val_loss"][-1] < history["val_loss"][0]
        found.append((history, network))
    (native, ours), (reference, theirs) = found
    for column in native:
        np.testing.assert_allclose(native[column], reference[column], tolerance)
    for name, array in theirs.parameters.items():
        np.testing.assert_allclose(ours.parameters[name], array, tolerance, tolerance)


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_bits_do_not_depend_on_how_a_run_is_split(rules: UpdateRules) -> None:
    found = []
    for runs in ((4,), (1, 3), (1, 1, 1, 1)):
        program = program_of(deep("float32"), Adam(0.01), rules)
        for epochs in runs:
            program.run(epochs)
        found.append(program.hash())
    assert len(set(found)) == 1


@pytest.mark.parametrize("rules", [RULES[1], RULES[2], RULES[3]], ids=str)
def test_updates_stay_where_the_gradient_is_made(rules: UpdateRules) -> None:
    """Only a norm needs gradients in memory: one group writes over a weight and all its state."""
    order = program_of(deep("float32"), Adam(), rules).passes().split("=== order")[1]
    for layer in range(3):
        name = f"layers.{layer}.weight"
        wanted = {name, f"state.{name}.mean", f"state.{name}.square"}
        wanted |= {f"average.{name}"} if rules.average else set()
        wanted |= {f"accumulated.{name}"} if rules.accumulate > 1 else set()
        written = [set(w.split(", ")) for w in re.findall(r"writes over (.*)", order)]
        assert wanted in written


# --- clipping


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bound", [0.01, 1.0, 1e6])
def test_clipping_by_norm_is_its_formula(engine: str, bound: float) -> None:
    network = line()
    (w, b), (x, y) = start(network), data()
    program_of(network, SGD(0.1), UpdateRules(clip_norm=bound), engine=engine).run(5)
    clipped = 0
    for k in range(5 * ROWS // 4):
        rows = slice(4 * k % ROWS, 4 * k % ROWS + 4)
        gw, gb = slopes(w, b, x[rows], y[rows])
        norm = math.sqrt((gw**2).sum() + (gb**2).sum())
        share = min(1.0, bound / (norm + 1e-6))
        clipped += share < 1.0
        w, b = w - 0.1 * share * gw, b - 0.1 * share * gb
    assert (clipped > 0) == (bound < 1e6)
    close(network, w, b)


@pytest.mark.parametrize("engine", ENGINES)
def test_clipping_by_value_comes_before_the_norm(engine: str) -> None:
    network = line()
    (w, b), (x, y) = start(network), data()
    rules = UpdateRules(clip_norm=0.3, clip_value=0.1)
    program_of(network, SGD(0.1), rules, engine=engine, batch_size=None).run(7)
    for _ in range(7):
        gw, gb = (np.clip(g, -0.1, 0.1) for g in slopes(w, b, x, y))
        share = min(1.0, 0.3 / (math.sqrt((gw**2).sum() + (gb**2).sum()) + 1e-6))
        w, b = w - 0.1 * share * gw, b - 0.1 * share * gb
    close(network, w, b)


def test_the_norm_is_of_what_is_trained() -> None:
    network = Network([Dense(4), Dense(OUTPUTS)], "float64")
    network.build((FEATURES,), seed=1)
    network.layers[0].trainable = False
    hidden = data()[0] @ network.parameters["layers.0.weight"]
    w = network.parameters["layers.1.weight"].copy()
    program_of(network, SGD(1.0), UpdateRules(clip_norm=0.2), batch_size=None).run(1)
    gw, gb = slopes(w, np.zeros(OUTPUTS), hidden, data()[1])
    norm = math.sqrt((gw**2).sum() + (gb**2).sum())
    np.testing.assert_allclose(
        network.parameters["layers.1.weight"], w - 0.2 / (norm + 1e-6) * gw, rtol=1e-12
    )


def test_everything_frozen_leaves_nothing_to_clip() -> None:
    network = line()
    network.layers[0].trainable = False
    w, b = start(network)
    program_of(network, SGD(1.0), UpdateRules(0.1, 0.1, 2, 0.5)).run(2)
    close(network, w, b, 0.0)


# --- accumulation


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, 0.9), Adam(0.01)], ids=str)
def test_accumulated_batches_are_one_large_batch(engine: str, optimizer: Any) -> None:
    small, large = line(), line()
    program = program_of(small, optimizer, UpdateRules(accumulate=4), engine=engine)
    history = program.run(5)
    other = program_of(large, optimizer, engine=engine, batch_size=16).run(5)
    close(small, *start(large), tolerance=1e-11)
    # Each batch's loss is recorded, before the update that it is part of.
    np.testing.assert_allclose(history["loss"], other["loss"], rtol=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_count_of_batches_goes_on_from_epoch_to_epoch(engine: str) -> None:
    network = line()
    (w, b), (x, y) = start(network), data()
    program = program_of(network, SGD(0.1), UpdateRules(accumulate=5), engine=engine, batch_size=16)
    sums, updates = [np.zeros_like(w), np.zeros_like(b)], 0
    for batch in range(3 * 7):
        if batch % 3 == 0:
            program.run(1)
        rows = slice(16 * (batch % 3), 16 * (batch % 3) + 16)
        sums = [s + g for s, g in zip(sums, slopes(w, b, x[rows], y[rows]), strict=True)]
        if (batch + 1) % 5 == 0:
            w, b = w - 0.1 * sums[0] / 5, b - 0.1 * sums[1] / 5
            sums, updates = [np.zeros_like(w), np.zeros_like(b)], updates + 1
        if batch % 3 == 2:
            close(network, w, b)
    assert updates == 4


def test_gradients_that_wait_for_an_update_are_said() -> None:
    program = program_of(line(), SGD(0.1), UpdateRules(accumulate=5), batch_size=16)
    (note,) = program.run(1).notes
    assert note.startswith("The gradients of the last 3 batches are no part of an update yet")
    assert program.run(4).notes == []


def test_adam_counts_updates() -> None:
    """Of one gradient per update Adam's first step is the rate, whatever the batch's number."""
    network = line()
    w, b = start(network)
    program_of(network, Adam(0.25), UpdateRules(accumulate=12)).run(1)
    step = np.abs(network.parameters["layers.0.weight"] - w)
    np.testing.assert_allclose(step, 0.25, rtol=1e-3)
    assert (network.parameters["layers.0.bias"] != b).all()


# --- averages


@pytest.mark.parametrize("engine", ENGINES)
def test_the_average_is_its_formula(engine: str) -> None:
    network, x = line(), data()[0]
    (w, b), (x, y) = start(network), data()
    program = program_of(
        network, SGD(0.1), UpdateRules(average=0.9), engine=engine, batch_size=None,
        validation=data(),
    )  # fmt: skip
    mean_w, mean_b = w, b
    for _ in range(3):
        history = program.run(4)
        for k in range(4):
            gw, gb = slopes(w, b, x, y)
            w, b = w - 0.1 * gw, b - 0.1 * gb
            mean_w, mean_b = 0.9 * mean_w + 0.1 * w, 0.9 * mean_b + 0.1 * b
            expected = ((x @ mean_w + mean_b - y) ** 2).mean()
            np.testing.assert_allclose(history["val_loss"][k], expected, rtol=1e-12)
        # The network has the average; the next run goes on from the weights themselves.
        close(network, mean_w, mean_b)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_best_average_is_kept(engine: str) -> None:
    network = deep()
    x, y = data()
    program = program_of(
        network, SGD(0.9), UpdateRules(average=0.5), engine=engine, validation=(x[::2], y[::2]),
        monitor=Monitor("val_loss", keep_best=True),
    )  # fmt: skip
    history = program.run(6)
    best = int(np.argmin(history["val_loss"]))
    assert history.best_epoch == best
    again = deep()
    program_of(
        again, SGD(0.9), UpdateRules(average=0.5), engine=engine, validation=(x[::2], y[::2])
    ).run(best + 1)
    for name, array in again.parameters.items():
        assert (network.parameters[name] == array).all()


def test_a_run_goes_on_from_the_best_epochs_weights_and_average() -> None:
    found, (x, y) = [], data()
    for monitor in (None, Monitor("val_loss", mode="max", keep_best=True)):
        network = line()  # the first epoch is the worst, and so the best of this monitor
        program = program_of(
            network, SGD(0.05), UpdateRules(average=0.5), validation=(x, y), monitor=monitor
        )
        history = program.run(1 if monitor is None else 3)
        assert history.best_epoch in (None, 0)
        names = ("layers.0.weight", "average.layers.0.weight")
        found.append([program._engine.view(name).copy() for name in names])
    for one, other in zip(*found, strict=True):
        assert (one == other).all()
    assert (found[0][0] != found[0][1]).all()


def test_predictions_and_the_file_use_the_average(tmp_path: Any) -> None:
    x, y = data("float32")
    model = rv.Sequential(rv.Dense(OUTPUTS))
    program = model.training_program(x, y, average=0.99, optimizer=rv.SGD(0.1))
    program.run(2)
    average = program._engine.view("average.layers.0.weight")
    assert (model.layers[0].weight == average).all()
    assert (program._engine.view("layers.0.weight") != average).any()
    model.save(tmp_path / "model.safetensors")
    again = rv.load(tmp_path / "model.safetensors")
    assert (again.layers[0].weight == average).all()
    np.testing.assert_allclose(model.predict(x), x @ average + model.layers[0].bias, rtol=1e-5)


def test_what_layers_keep_by_themselves_is_not_averaged() -> None:
    network = Network([rv.BatchNorm(), Dense(OUTPUTS)], "float64")
    network.build((FEATURES,), seed=1)
    program = program_of(network, SGD(0.1), UpdateRules(average=0.9), validation=data())
    assert math.isfinite(program.run(2)["val_loss"][-1])
    names = {v.name for v in program._step.graph.inputs}
    assert "average.layers.0.weight" in names
    assert "average.layers.0.running_mean" not in names


# --- groups


@pytest.mark.parametrize("engine", ENGINES)
def test_each_group_has_its_own_optimizer(engine: str) -> None:
    network = line()
    (w, b), (x, y) = start(network), data()
    groups = resolve({"*": SGD(0.1), "layers.0.bias": SGD(0.02, weight_decay=0.5)})
    program_of(network, groups, engine=engine, batch_size=None).run(5)
    for _ in range(5):
        gw, gb = slopes(w, b, x, y)
        w, b = w - 0.1 * gw, b - 0.02 * (gb + 0.5 * b)
    close(network, w, b)


def test_the_longest_path_wins_by_whole_words() -> None:
    groups = ParameterGroups({"*": "sgd", "layers.1": "adam", "layers.1.bias": "lion"})
    names = ("layers.0.weight", "layers.1.weight", "layers.1.bias", "layers.10.bias")
    assert [groups.paths[groups.of(name)] for name in names] == [
        "*", "layers.1", "layers.1.bias", "*",
    ]  # fmt: skip
    assert repr(groups) == (
        "ParameterGroups({'*': SGD(), 'layers.1': Adam(), 'layers.1.bias': Lion()})"
    )


def test_a_group_of_everything_is_the_optimizer_itself() -> None:
    plain, grouped = deep("float32"), deep("float32")
    program_of(plain, Adam(0.01)).run(3)
    program_of(grouped, ParameterGroups({"*": Adam(0.01)})).run(3)
    for name, array in plain.parameters.items():
        assert (grouped.parameters[name] == array).all()


def test_groups_in_fit() -> None:
    x, y = data("float32")
    optimizer = {"layers.0": rv.SGD(0.0), "*": rv.AdamW(0.01)}
    found = []
    for engine in ENGINES:
        model = rv.Sequential(rv.Dense(5), rv.Dense(OUTPUTS)).build((FEATURES,))
        before = model.layers[0].weight.copy()
        history = model.fit(x, y, optimizer=optimizer, epochs=3, engine=engine)
        assert (model.layers[0].weight == before).all()
        found.append(history["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


# --- constraints

SAMPLES: tuple[Constraint, ...] = (MaxNorm(0.5), MaxNorm(0.3, axis=1), UnitNorm(), NonNegative())


def test_no_constraint_is_left_out() -> None:
    ours = {c for _, c in CONSTRAINTS.items() if c.__module__.startswith("ranvier.")}
    assert {type(one) for one in SAMPLES} == ours


def by_hand(constraint: Constraint, w: Array) -> Array:
    if isinstance(constraint, NonNegative):
        return np.where(w < 0, 0.0, w)
    axis = getattr(constraint, "axis", 0)
    norm = np.sqrt((w**2).sum(axis=axis, keepdims=True))
    wanted = np.minimum(norm, constraint.max_value) if isinstance(constraint, MaxNorm) else 1.0
    return w * (wanted / (norm + 1e-7))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("constraint", SAMPLES, ids=str)
@pytest.mark.parametrize("accumulate", [1, 3])
def test_constraints_hold_after_each_update(
    engine: str, constraint: Constraint, accumulate: int
) -> None:
    network = line(kernel_constraint=constraint)
    (w, b), (x, y) = start(network), data()
    rules = UpdateRules(accumulate=accumulate)
    program_of(network, SGD(0.1), rules, engine=engine, batch_size=ROWS // accumulate).run(5)
    for _ in range(5):
        gw, gb = slopes(w, b, x, y)
        w, b = by_hand(constraint, w - 0.1 * gw), b - 0.1 * gb
    close(network, w, b, 1e-11)


@pytest.mark.parametrize("constraint", SAMPLES, ids=str)
def test_constraints_in_float32(constraint: Constraint) -> None:
    found = []
    for engine in ENGINES:
        network = line("float32", kernel_constraint=constraint)
        program_of(network, Adam(0.05), UpdateRules(average=0.8), engine=engine).run(3)
        found.append(network.parameters["layers.0.weight"])
    np.testing.assert_allclose(found[0], found[1], 1e-4, 1e-5)


def test_a_constraint_lets_nan_through() -> None:
    for constraint in SAMPLES:
        found = constraint(np.array([[1.0, np.nan], [2.0, -1.0]]))
        assert np.isnan(found).any()


@pytest.mark.parametrize("constraint", SAMPLES, ids=str)
def test_a_constraint_is_saved_with_its_layer(constraint: Constraint, tmp_path: Any) -> None:
    model = rv.Sequential(rv.Dense(2, kernel_constraint=constraint)).build((3,))
    model.save(tmp_path / "model.safetensors")
    again = rv.load(tmp_path / "model.safetensors").layers[0]
    assert repr(again.kernel_constraint) == repr(constraint)
    assert repr(constraint) in repr(again)


def test_a_constraint_of_ones_own() -> None:
    class Even(Constraint):
        def __call__(self, weight: Any) -> Any:
            return weight - ops.mean(weight)

    network = line(kernel_constraint=Even())
    program_of(network, SGD(0.1)).run(1)
    assert abs(network.parameters["layers.0.weight"].mean()) < 1e-15


# --- numbers that change


def code_of(program: TrainingProgram) -> Any:
    return program._native().code


def test_numbers_change_without_compiling_anew() -> None:
    network = line()
    (w, b), (x, y) = start(network), data()
    groups = ParameterGroups({"layers.0.weight": SGD(0.1), "*": SGD(0.2)})
    program = program_of(network, groups, UpdateRules(clip_norm=0.1), batch_size=None)
    code = code_of(program)
    for rates, bound in (((0.1, 0.2), 0.1), ((0.3, 0.05), 0.2), ((0.0, 0.1), 100.0)):
        for group, rate in zip(groups.optimizers, rates, strict=True):
            group.learning_rate = rate
        program.rules = UpdateRules(clip_norm=bound)
        program.run(3)
        for _ in range(3):
            gw, gb = slopes(w, b, x, y)
            share = min(1.0, bound / (math.sqrt((gw**2).sum() + (gb**2).sum()) + 1e-6))
            w, b = w - rates[0] * share * gw, b - rates[1] * share * gb
        close(network, w, b)
    assert code_of(program) is code


def test_the_rate_of_one_optimizer_changes_without_compiling_anew() -> None:
    network, optimizer = line(), SGD(0.1)
    (w, b), (x, y) = start(network), data()
    program = program_of(network, optimizer, UpdateRules(average=0.0), batch_size=None)
    code = code_of(program)
    for rate, average in ((0.1, 0.0), (0.4, 0.0)):
        optimizer.learning_rate = rate
        program.rules = UpdateRules(average=average)
        program.run(1)
        gw, gb = slopes(w, b, x, y)
        w, b = w - rate * gw, b - rate * gb
        close(network, w, b)
    program.rules, before = UpdateRules(average=0.999), start(network)
    program.run(1)
    assert np.abs(network.parameters["layers.0.weight"] - before[0]).max() < 1e-2
    assert code_of(program) is code


def test_the_number_of_epochs_changes_without_compiling_anew() -> None:
    program = program_of(line(), SGD(rv.OneCycle(0.1)))
    code = code_of(program)
    program.run(2)
    program.run(5)
    assert code_of(program) is code
    assert program._engine.control.numbers().tolist() == [7 * 12, 7]


# --- errors


class Grows(Constraint):
    def __call__(self, weight: Any) -> Any:
        return ops.cast(weight, "float32")


class Flat(Layer):
    """A parameter without the axis that its constraint asks for."""

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        zeros = INITIALIZERS["zeros"]
        return {"offset": Parameter(input_shape, zeros, constraint=MaxNorm(axis=1))}

    def forward(self, x: Any, parameters: Mapping[str, Any], context: Any) -> Any:
        return x + parameters["offset"]


def flat() -> Network:
    network = Network([Flat(), Dense(OUTPUTS)], "float64")
    network.build((FEATURES,))
    return network


def with_rules(before: UpdateRules, after: UpdateRules) -> None:
    program = program_of(line(), SGD(0.1), before, engine="reference")
    program.rules = after
    program.run(1)


def with_a_schedule() -> None:
    optimizer = SGD(0.1)
    program = program_of(line(), optimizer, engine="reference")
    optimizer.learning_rate = StepDecay(0.1, 2)
    program.run(1)


def groups_of(groups: Any) -> None:
    program_of(deep(), resolve(groups), engine="reference")


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("norm", errors.ArgumentError, lambda: UpdateRules(clip_norm=0.0), ("clip_norm", "above 0")),
    ("value", errors.ArgumentError, lambda: UpdateRules(clip_value=-1), ("clip_value", "-1")),
    ("count", errors.ArgumentError, lambda: UpdateRules(accumulate=0), ("accumulate", "from 1")),
    ("decay", errors.ArgumentError, lambda: UpdateRules(average=1.0), ("average", "below 1")),
    ("on", errors.ArgumentError, lambda: with_rules(UpdateRules(), UpdateRules(1.0)),
     ("compiled for other updates", "clip_norm came or went")),
    ("off", errors.ArgumentError, lambda: with_rules(UpdateRules(average=0.5), UpdateRules()),
     ("average came or went", "training_program")),
    ("other count", errors.ArgumentError,
     lambda: with_rules(UpdateRules(accumulate=2), UpdateRules(accumulate=3)),
     ("accumulate changed from 2 to 3",)),
    ("schedule", errors.ArgumentError, with_a_schedule, ("total_steps came or went",)),
    ("no groups", errors.ArgumentError, lambda: resolve({}), ("dict of []", '"*"')),
    ("number as path", errors.ArgumentError, lambda: resolve({0: SGD()}), ("[0]",)),
    ("no optimizer", errors.ArgumentError, lambda: resolve({"*": 0.1}), ("0.1", "adam")),
    ("its name", errors.UnknownNameError, lambda: resolve({"*": "adm"}), ("mean 'adam'",)),
    ("path", errors.UnknownNameError, lambda: groups_of({"layer.0": "sgd", "*": "sgd"}),
     ("'layer.0'", "did you mean 'layers.0'")),
    ("layers left", errors.ArgumentError, lambda: groups_of({"layers.1": "sgd"}),
     ("layers.0, layers.2", 'add a group "*"')),
    ("one left", errors.ArgumentError, lambda: ParameterGroups({"a": "sgd"}).of("b.weight"),
     ("no group of the optimizer has b",)),
    ("length", errors.ArgumentError, lambda: MaxNorm(-1.0), ("MaxNorm", "max_value")),
    ("axis", errors.ArgumentError, lambda: UnitNorm(-1), ("UnitNorm", "axis")),
    ("no axis", errors.ShapeError, lambda: program_of(flat(), SGD(0.1)),
     ("MaxNorm(axis=1)", "1 axes", "axis 1")),
    ("dtype", errors.DTypeError,
     lambda: program_of(line(kernel_constraint=Grows()), SGD(0.1)), ("constraint Grows",)),
    ("constraint", errors.ArgumentError, lambda: Dense(1, kernel_constraint=2.0),
     ("Dense", "kernel_constraint", "MaxNorm(2.0)")),
    ("its kind", errors.UnknownNameError,
     lambda: constraint_from("Dense", "kernel_constraint", {"name": "MaxNorn", "config": {}}),
     ("did you mean 'MaxNorm'",)),
    ("fit", errors.ArgumentError,
     lambda: rv.Sequential(rv.Dense(3)).fit(*data(), clip_norm=-1.0), ("fit", "clip_norm")),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)


def test_groups_of_frozen_layers_are_allowed() -> None:
    network = deep()
    network.layers[0].trainable = False
    groups = ParameterGroups({"layers.0": AdamW(), "layers.1": SGD(0.1), "layers.2": SGD(0.1)})
    before = network.parameters["layers.0.weight"].copy()
    program_of(network, groups).run(1)
    assert (network.parameters["layers.0.weight"] == before).all()


def test_a_bad_loss_is_found_with_every_rule() -> None:
    network = deep()
    network.parameters["layers.2.bias"][1] = np.inf
    rules = UpdateRules(clip_norm=1.0, clip_value=1.0, accumulate=2, average=0.9)
    groups = ParameterGroups({"layers.0": SGD(0.5), "*": SGD(StepDecay(0.1, 2))})
    with pytest.raises(errors.TrainingError, match=r"it is 0.5 and StepDecay\(0.1, 2.0\)"):
        program_of(network, groups, rules).run(1)


def test_spec_of_the_control_block() -> None:
    program = program_of(line(), Adam(), UpdateRules(clip_norm=2.0, average=0.5))
    assert program._step.numbers == ("control.clip_norm", "control.average")
    inputs = {v.name: v.spec for v in program._step.graph.inputs}
    assert all(inputs[name] == Spec((), "float64") for name in program._step.numbers)
