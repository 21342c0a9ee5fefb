"""Training programs: what a run means, to the bit where it should, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from ranvier import losses
from ranvier.foundation import errors
from ranvier.foundation.random import permuted_rows
from ranvier.layers import L2, Context, Dense, Dropout, Flatten, Layer, Rescaling
from ranvier.layers.base import Parameter
from ranvier.layers.initializers import INITIALIZERS
from ranvier.metrics import resolve as metric
from ranvier.networks.network import Network
from ranvier.optimizers import SGD, Adam, Optimizer
from ranvier.training.program import (
    History,
    Monitor,
    PredictionProgram,
    Progress,
    TrainingProgram,
)

Array = np.ndarray
ENGINES = ("native", "reference")


def numbers(rows: int, features: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).normal(size=(rows, features)).astype(dtype)


def classes(rows: int, count: int = 3, seed: int = 1) -> Array:
    return np.random.default_rng(seed).integers(0, count, rows).astype("int32")


def built(layers: list[Layer], shape: tuple[int, ...], dtype: str = "float32") -> Network:
    network = Network(layers, dtype)
    network.build(shape, seed=5)
    return network


def program_of(
    network: Network, x: Array, y: Array, optimizer: Optimizer | None = None, **arguments: Any
) -> TrainingProgram:
    """A program with the loss that fits the targets."""
    kind = "classes" if y.dtype.kind == "i" else "numbers"
    count = max(2, *network.output_shape) if kind == "classes" else None
    loss = losses.resolve(None, network.output_shape, kind, count, network.last_activation)
    names = arguments.pop("metrics", ["accuracy"] if kind == "classes" else [])
    return TrainingProgram(
        network, loss, optimizer or SGD(0.1), [metric(n) for n in names], x, y, **arguments
    )


def classifier(dtype: str = "float32", dropout: float = 0.0) -> Network:
    layers: list[Layer] = [Dense(17, activation="tanh"), Dense(3)]
    if dropout:
        layers.insert(1, Dropout(dropout))
    return built(layers, (5,), dtype)


def bits(network: Network) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in network.parameters.items()}


# --- what a run means


def batches_of(rows: int, size: int, order: Array) -> list[Array]:
    """By the words of the definition: a last batch of one row joins the one before."""
    parts = [order[start : start + size] for start in range(0, rows, size)]
    if len(parts) > 1 and len(parts[-1]) == 1 and size > 1:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("rows", "size"),
    [(1, 32), (5, None), (8, 1), (17, 16), (33, 16), (33, 32), (20, 7), (22, 7), (6, 50), (2, 2)],
)
def test_a_run_by_hand(rows: int, size: int | None, shuffle: bool, engine: str) -> None:
    """One linear layer, in NumPy: order of rows, batches, losses before updates, momentum."""
    x, y, seed, rate, momentum = numbers(rows, 4), numbers(rows, 2, 9), 2**33 + 7, 0.05, 0.9
    network = built([Dense(2)], (4,), "float64")
    w, b = network.parameters["layers.0.weight"].copy(), np.zeros(2)
    w_buffer, b_buffer = np.zeros_like(w), np.zeros_like(b)
    program = program_of(
        network, x, y, SGD(rate, momentum=momentum), batch_size=size, shuffle=shuffle, seed=seed,
        engine=engine,
    )  # fmt: skip
    history = program.run(3)
    expected = []
    for epoch in range(3):
        order = permuted_rows(seed, epoch, rows) if shuffle else np.arange(rows)
        seen = []
        for batch in batches_of(rows, size or rows, order):
            difference = x[batch] @ w + b - y[batch]
            seen.append(np.mean(difference**2))
            d_outputs = difference / len(batch)
            w_buffer = momentum * w_buffer + x[batch].T @ d_outputs
            b_buffer = momentum * b_buffer + d_outputs.sum(axis=0)
            w, b = w - rate * w_buffer, b - rate * b_buffer
        expected.append(np.mean(seen))
    np.testing.assert_allclose(history["loss"], expected, 1e-11)
    np.testing.assert_allclose(network.parameters["layers.0.weight"], w, 1e-10, 1e-13)
    np.testing.assert_allclose(network.parameters["layers.0.bias"], b, 1e-10, 1e-13)
    assert history.epochs == 3


def test_shuffled_epochs_differ_and_hold_every_row() -> None:
    orders = [permuted_rows(3, epoch, 100) for epoch in range(3)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert (orders[0] != orders[1]).any()
    assert (orders[0] != permuted_rows(4, 0, 100)).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_penalty_belongs_to_the_loss(engine: str) -> None:
    x, y = numbers(6, 3), numbers(6, 1, 2)
    network = built([Dense(1, kernel_regularizer=L2(0.5))], (3,), "float64")
    weight = network.parameters["layers.0.weight"].copy()
    plain = float(np.mean((x @ weight - y) ** 2))
    gradient = 2 * x.T @ (x @ weight - y) / 6 + weight
    history = program_of(network, x, y, batch_size=None, engine=engine, validation=(x, y)).run(1)
    assert history["loss"][0] == pytest.approx(plain + 0.5 * np.sum(weight**2), rel=1e-12)
    moved = weight - 0.1 * gradient
    np.testing.assert_allclose(network.parameters["layers.0.weight"], moved, 1e-12)
    bias = network.parameters["layers.0.bias"]
    assert history["val_loss"][0] == pytest.approx(np.mean((x @ moved + bias - y) ** 2), rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_streaming_metrics_are_those_of_the_whole_set(engine: str) -> None:
    """At a rate of 0 nothing moves: every batch is answered by the same network."""
    x, y = numbers(45, 5, dtype="float32"), classes(45)
    network = classifier()
    history = program_of(network, x, y, SGD(0.0), batch_size=7, engine=engine).run(2)
    answers = PredictionProgram(network, "reference")(x).argmax(axis=1)
    assert history["accuracy"] == pytest.approx([float(np.mean(answers == y))] * 2, abs=1e-12)
    assert list(history) == ["loss", "accuracy"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_metric_of_numbers(engine: str) -> None:
    x, y = numbers(10, 3), numbers(10, 2, 1)
    network = built([Dense(2)], (3,), "float64")
    history = program_of(
        network, x, y, SGD(0.0), batch_size=4, metrics=["mse"], engine=engine, validation=(x, y)
    ).run(1)
    expected = np.mean((x @ network.parameters["layers.0.weight"] - y) ** 2)
    for name in ("mse", "val_mse", "val_loss"):
        assert history[name] == pytest.approx([expected], rel=1e-12)


@pytest.mark.parametrize("held", [1, 7, 255, 256, 257, 600])
def test_validation_is_what_evaluation_gives(held: int) -> None:
    x, y = numbers(40, 5, dtype="float32"), classes(40)
    check_x, check_y = numbers(held, 5, 8, "float32"), classes(held, seed=9)
    network = classifier(dropout=0.5)
    history = program_of(network, x, y, validation=(check_x, check_y)).run(2)
    logits = PredictionProgram(network)(check_x).astype("float64")
    expected = np.mean(ops.categorical_cross_entropy(logits, check_y))
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)
    assert history["val_accuracy"][-1] == pytest.approx(np.mean(logits.argmax(1) == check_y))
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]


def test_validation_does_not_touch_the_training() -> None:
    x, y = numbers(40, 5, dtype="float32"), classes(40)
    plain, watched = classifier(dropout=0.3), classifier(dropout=0.3)
    first = program_of(plain, x, y, Adam(0.01)).run(3)
    second = program_of(watched, x, y, Adam(0.01), validation=(x[:9], y[:9])).run(3)
    assert bits(plain) == bits(watched)
    assert first["loss"] == second["loss"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_of_weight_two_counts_twice(engine: str) -> None:
    x, y = numbers(6, 5), classes(6)
    weights = np.array([2.0, 1.0, 1.0, 2.0, 1.0, 1.0])
    twice = np.repeat(np.arange(6), weights.astype(int))
    weighted, repeated = classifier("float64"), classifier("float64")
    first = program_of(
        weighted, x, y, weights=weights / weights.mean(), batch_size=None, engine=engine
    ).run(4)
    second = program_of(repeated, x[twice], y[twice], batch_size=None, engine=engine).run(4)
    np.testing.assert_allclose(first["loss"], second["loss"], 1e-11)
    np.testing.assert_allclose(first["accuracy"], second["accuracy"], 1e-12)
    for name, array in weighted.parameters.items():
        np.testing.assert_allclose(array, repeated.parameters[name], 1e-9, 1e-12)


# --- the same bits


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.01)], ids=repr)
def test_three_epochs_and_two_are_five(optimizer: Optimizer) -> None:
    x, y = numbers(50, 5, dtype="float32"), classes(50)
    once, twice = classifier(dropout=0.3), classifier(dropout=0.3)
    whole = program_of(once, x, y, optimizer, batch_size=16, validation=(x[:20], y[:20])).run(5)
    parts = program_of(twice, x, y, optimizer, batch_size=16, validation=(x[:20], y[:20]))
    first, second = parts.run(3), parts.run(2)
    assert bits(once) == bits(twice)
    for name in whole:
        assert whole[name] == first[name] + second[name]
    assert (first.epochs, second.epochs) == (3, 2)


def test_a_seed_decides_everything() -> None:
    x, y = numbers(50, 5, dtype="float32"), classes(50)

    def run(seed: int) -> tuple[dict[str, bytes], str]:
        network = classifier(dropout=0.5)
        program = program_of(network, x, y, Adam(0.01), seed=seed)
        program.run(2)
        return bits(network), program.hash()

    assert run(1) == run(1)
    assert run(1)[1] != run(2)[1]
    assert run(2**40)[1] != run(0)[1]


def test_dropout_draws_anew_at_each_step() -> None:
    """One step a run, at a rate of 0: the loss changes only by what dropout leaves out."""
    x, y = numbers(30, 5, dtype="float32"), classes(30)
    history = program_of(classifier(dropout=0.5), x, y, SGD(0.0), batch_size=None).run(6)
    assert len(set(history["loss"])) == 6


HASH = """
import numpy as np
from ranvier import losses
from ranvier.layers import Dense, Dropout
from ranvier.networks.network import Network
from ranvier.optimizers import Adam
from ranvier.training.program import TrainingProgram
rng = np.random.default_rng(0)
x = rng.normal(size=(70, 33)).astype("float32")
y = rng.integers(0, 10, 70).astype("int32")
network = Network(
    [Dense(65, activation="gelu"), Dropout(0.2), Dense(31, activation="tanh"), Dense(10)]
)
network.build((33,))
loss = losses.resolve(None, (10,), "classes", 10, None)
program = TrainingProgram(network, loss, Adam(0.01), [], x, y, batch_size=16)
program.run(3)
print(program.hash())
"""


def _run(text: str, **environment: str) -> str:
    """What a program in a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hash_is_the_same_in_every_process_and_on_every_processor() -> None:
    found = [_run(HASH, PYTHONHASHSEED=str(k)) for k in (1, 2)]
    found += [_run(HASH, RANVIER_CPU=name) for name in ("avx2", "baseline")]
    assert len(set(found)) == 1, found
    assert len(found[0]) == 16


FORK = """
import os
import numpy as np
from ranvier import losses
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.optimizers import SGD
from ranvier.training.program import TrainingProgram
x, y = np.ones((20, 3), "float32"), np.ones((20, 1), "float32")
network = Network([Dense(1)])
network.build((3,))
make = lambda: TrainingProgram(
    network, losses.resolve("mse", (1,), "numbers"), SGD(0.01), [], x, y, batch_size=4
)
program = make()
program.run(1)
read, write = os.pipe()
child = os.fork()
program.run(1)
if child == 0:
    make().run(1)
    os.write(write, program.hash().encode())
    os._exit(0)
make().run(1)
os.waitpid(child, 0)
print(os.read(read, 16).decode() == program.hash())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_training_goes_on_after_a_fork() -> None:
    assert _run(FORK, PYTHONWARNINGS="ignore") == "True"


# --- monitors


def overfitting(**arguments: Any) -> TrainingProgram:
    """Random classes, learned by heart: the validation loss falls, then rises."""
    x, y = numbers(24, 5, dtype="float32"), classes(24)
    held = (numbers(20, 5, 8, "float32"), classes(20, seed=9))
    return program_of(classifier(), x, y, Adam(0.02), batch_size=8, validation=held, **arguments)


def watched(values: list[float], sign: int, tolerance: float, patience: int) -> tuple[int, int]:
    """The best epoch, and how many run, by the words of the definition."""
    best, best_epoch, waited = np.inf, -1, 0
    for epoch, value in enumerate(values):
        if sign * value < best - tolerance:
            best, best_epoch, waited = sign * value, epoch, 0
        else:
            waited += 1
        if waited >= patience:
            return best_epoch, epoch + 1
    return best_epoch, len(values)


MONITORS = [
    Monitor("val_loss", patience=3),
    Monitor("val_loss", patience=1, keep_best=False),
    Monitor("val_loss", patience=4, tolerance=0.02),
    Monitor("val_loss", mode="max", patience=2),
    Monitor("val_accuracy", patience=5),
    Monitor("val_accuracy", mode="min", patience=2),
    Monitor("accuracy", mode="max", patience=3, keep_best=False),
    Monitor("loss"),
    Monitor("val_loss"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("monitor", MONITORS, ids=str)
def test_monitors(monitor: Monitor, engine: str) -> None:
    plain = overfitting(engine=engine).run(30)
    rising = monitor.mode == "max" or (monitor.mode == "auto" and "accuracy" in monitor.metric)
    patience = 10**9 if monitor.patience is None else monitor.patience
    best, epochs = watched(plain[monitor.metric], -1 if rising else 1, monitor.tolerance, patience)
    program = overfitting(monitor=monitor, engine=engine)
    history = program.run(30)
    assert (history.best_epoch, history.epochs) == (best, epochs)
    assert history.stopped_early == (epochs < 30)
    for name in plain:
        assert history[name] == plain[name][:epochs]
    again = overfitting(engine=engine)
    again.run(best + 1 if monitor.keep_best else epochs)
    assert program.hash() == again.hash()


def test_the_monitored_case_gets_worse_and_stops() -> None:
    """Without this the cases above might all run to their end."""
    values = overfitting().run(30)["val_loss"]
    best, epochs = watched(values, 1, 0.0, 3)
    assert 0 < best < epochs - 1 < 29


def test_a_monitor_of_nothing_that_exists() -> None:
    with pytest.raises(errors.UnknownNameError, match="'val_los'") as caught:
        overfitting(monitor=Monitor("val_los"))
    assert "did you mean 'val_loss'" in str(caught.value)


# --- how a run is watched, and ends


def test_progress_is_told_in_order_and_at_the_end() -> None:
    told: list[Progress] = []
    program = overfitting()
    history = program.run(400, on_progress=told.append)
    last = told[-1]
    assert (last.epoch, last.epochs, last.steps) == (400, 400, 3)
    assert [p.epoch for p in told] == sorted(p.epoch for p in told)
    assert last.metrics["val_loss"] == history["val_loss"][-1]
    assert last.loss == pytest.approx(history["loss"][-1])
    assert last.seconds_left == pytest.approx(0.0, abs=1e-9)
    assert last.examples_per_second > 0.0


def test_a_listener_that_fails_ends_the_run() -> None:
    def listen(progress: Progress) -> None:
        raise LookupError("the listener's own")

    program = overfitting()
    with pytest.raises(LookupError, match="the listener's own"):
        program.run(10**5, on_progress=listen)
    assert program._engine.control["epoch"] < 10**5
    assert program.run(1).epochs == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_time_limit_ends_the_run_cleanly(engine: str) -> None:
    x, y = numbers(3000, 5, dtype="float32"), classes(3000)
    network = classifier()
    program = program_of(network, x, y, engine=engine)
    history = program.run(10**5, time_limit=0.1)
    assert 0 <= history.epochs < 10**5
    assert len(history["loss"]) == history.epochs
    assert not history.interrupted
    assert not history.stopped_early
    assert np.isfinite(network.parameters["layers.0.weight"]).all()


INTERRUPTED = """
import sys
import numpy as np
from ranvier import losses
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.optimizers import Adam
from ranvier.training.program import Monitor, PredictionProgram, TrainingProgram
rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 5)), rng.normal(size=(200, 1))
network = Network([Dense(16, activation="tanh"), Dense(1)], "float64")
network.build((5,))
program = TrainingProgram(
    network, losses.resolve("mse", (1,), "numbers"), Adam(0.01), [], x, y, validation=(x, y),
    monitor=Monitor("val_loss"),
)
told = []
def listen(progress):
    if progress.epoch >= 1 and not told:
        told.append(progress)
        print("ready", flush=True)
history = program.run(10**6, on_progress=listen)
print(history.interrupted, history.epochs < 10**6, history.stopped_early)
outputs = PredictionProgram(network)(x)
print(np.isclose(np.mean((outputs - y) ** 2), min(history["val_loss"]), rtol=1e-12))
print(history["val_loss"].index(min(history["val_loss"])) == history.best_epoch)
print(program.run(2).epochs)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to one process")
def test_an_interrupted_run_keeps_the_best_and_can_go_on() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.split() == ["True", "True", "False", "True", "True", "2"]


def test_the_learning_rate_is_read_at_each_run() -> None:
    x, y = numbers(40, 5, dtype="float32"), classes(40)
    network, optimizer = classifier(), SGD(0.1)
    program = program_of(network, x, y, optimizer)
    program.run(1)
    before = bits(network)
    optimizer.learning_rate = 0.0
    program.run(1)
    assert bits(network) == before
    optimizer.learning_rate = 0.1
    program.run(1)
    assert bits(network) != before


def test_no_epochs() -> None:
    network = classifier()
    before = bits(network)
    history = program_of(network, numbers(9, 5, dtype="float32"), classes(9)).run(0)
    assert (history.epochs, dict(history)) == (0, {"loss": [], "accuracy": []})
    assert bits(network) == before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"engine": "cuda"}, ("'cuda'", "'native' or 'reference'")),
        ({"batch_size": 0}, ("batches of 0", "at least one")),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(errors.ArgumentError) as caught:
        program_of(classifier(), numbers(9, 5), classes(9), **arguments)
    for part in parts:
        assert part in str(caught.value)


def test_no_rows() -> None:
    with pytest.raises(errors.ArgumentError, match="needs rows to train on"):
        program_of(classifier(), numbers(0, 5), classes(0))


def test_the_reference_has_no_program() -> None:
    program = program_of(classifier(), numbers(9, 5), classes(9), engine="reference")
    for look in (program.passes, program.source, program.memory):
        with pytest.raises(errors.ArgumentError, match="no program to look at"):
            look()


class RunningSum(Layer):
    """A layer that only the reference can run."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        start = ops.sum(x, axis=1) * 0.0
        sums = ops.scan(lambda s, t: ((s + t,), (s,)), [start], [ops.transpose(x)])[1]
        return ops.transpose(sums[0])


def test_an_operation_that_only_the_reference_runs() -> None:
    x, y = numbers(9, 5), classes(9)
    network = built([RunningSum(), Dense(3)], (5,), "float64")
    with pytest.raises(errors.UnsupportedOperationError, match="'scan'"):
        program_of(network, x, y)
    assert program_of(network, x, y, engine="reference").run(1).epochs == 1


class Centred(Layer):
    """A layer that would keep values with the rows as their second axis."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        turned = ops.tanh(ops.transpose(x))
        return ops.transpose(turned - ops.mean(turned, axis=0, keepdims=True))


def test_rows_as_a_second_axis_are_refused() -> None:
    x, y = numbers(40, 5), classes(40)
    network = built([Dense(4), Centred(), Dense(3)], (5,), "float64")
    with pytest.raises(errors.UnsupportedOperationError, match="symbolic axis after the first"):
        program_of(network, x, y)
    assert program_of(network, x, y, engine="reference").run(1).epochs == 1


# --- when a number goes bad


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam(0.01)], ids=repr)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_row_stops_before_its_step(bad: float, optimizer: Optimizer, engine: str) -> None:
    x, y = numbers(40, 5, dtype="float32"), classes(40)
    x[21, 3] = bad
    network = built([Dense(9, activation="relu"), Dense(3)], (5,))
    program = program_of(network, x, y, optimizer, batch_size=8, shuffle=False, engine=engine)
    with pytest.raises(errors.TrainingError) as caught:
        program.run(3)
    message = str(caught.value)
    assert "step 3" in message
    assert "row 21" in message
    assert "contract" in message
    clean = built([Dense(9, activation="relu"), Dense(3)], (5,))
    program_of(clean, x[:16], y[:16], optimizer, batch_size=8, shuffle=False, engine=engine).run(1)
    assert bits(network) == bits(clean)
    with pytest.raises(errors.TrainingError, match="step 3"):
        program.run(1)
    assert bits(network) == bits(clean)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_bad_row_is_found_behind_the_shuffle(engine: str) -> None:
    x, y = numbers(40, 5, dtype="float32"), classes(40)
    x[13] = np.nan
    program = program_of(classifier(), x, y, batch_size=8, seed=3, engine=engine)
    with pytest.raises(errors.TrainingError, match="row 13 of the data") as caught:
        program.run(1)
    place = int(np.flatnonzero(permuted_rows(3, 0, 40) == 13)[0])
    assert f"step {place // 8 + 1}:" in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bad_target_is_found_too(engine: str) -> None:
    x, y = numbers(20, 5), numbers(20, 1, 2)
    y[11] = np.nan
    network = built([Dense(1)], (5,))
    program = program_of(network, x, y, batch_size=5, shuffle=False, engine=engine)
    with pytest.raises(errors.TrainingError, match="row 11 of the data") as caught:
        program.run(1)
    assert "step 3:" in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bad_number_in_validation_is_never_the_best(engine: str) -> None:
    x, y = numbers(20, 5, dtype="float32"), classes(20)
    held = x.copy()
    held[3] = np.nan
    network, monitor = classifier(), Monitor("val_loss", patience=2)
    program = program_of(network, x, y, validation=(held, y), monitor=monitor, engine=engine)
    history = program.run(9)
    assert np.isnan(history["val_loss"]).all()
    assert (history.best_epoch, history.epochs, history.stopped_early) == (None, 2, True)
    assert np.isfinite(network.parameters["layers.0.weight"]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rate_that_is_too_large(engine: str) -> None:
    x, y = 100 * numbers(40, 5, dtype="float32"), numbers(40, 1, 2, "float32")
    network = built([Dense(16), Dense(1)], (5,))
    program = program_of(network, x, y, SGD(10.0), engine=engine)
    with pytest.raises(errors.TrainingError, match="smaller learning rate") as caught:
        program.run(100)
    assert "it is 10" in str(caught.value)


@pytest.mark.parametrize("activation", ["relu", "gelu", "sigmoid", "tanh", "softmax", "step"])
def test_no_activation_hides_a_nan(activation: str) -> None:
    x, y = numbers(8, 5, dtype="float32"), classes(8)
    x[5, 0] = np.nan
    network = built([Dense(4, activation=activation), Dense(3)], (5,))
    before = bits(network)
    with pytest.raises(errors.TrainingError, match="step 1"):
        program_of(network, x, y).run(1)
    assert bits(network) == before


# --- frozen layers


@pytest.mark.parametrize("engine", ENGINES)
def test_frozen_layers_stay_and_cost_nothing(engine: str) -> None:
    def network() -> Network:
        return built(
            [Dense(9, activation="tanh", kernel_regularizer=L2(0.1)), Dense(7), Dense(3)], (5,)
        )

    x, y = numbers(40, 5, dtype="float32"), classes(40)
    frozen, free = network(), network()
    frozen.layers[0].trainable = False
    frozen.layers[2].trainable = False
    before = {name: array.copy() for name, array in frozen.parameters.items()}
    program = program_of(frozen, x, y, Adam(0.01), engine=engine)
    history = program.run(2)
    for name, array in frozen.parameters.items():
        assert (array == before[name]).all() == (not name.startswith("layers.1"))
    whole = program_of(free, x, y, Adam(0.01), engine=engine)
    assert history["loss"][0] < whole.run(1)["loss"][0]  # no penalty of what is frozen
    if engine == "native":
        assert "state.layers.0" not in program.passes()
        assert program.memory().state_bytes < whole.memory().state_bytes


def test_nothing_to_train() -> None:
    network = classifier()
    for layer in network.layers:
        layer.trainable = False
    before = bits(network)
    history = program_of(network, numbers(9, 5, dtype="float32"), classes(9)).run(2)
    assert history["loss"][0] == pytest.approx(history["loss"][1], rel=1e-6)
    assert bits(network) == before


def test_a_network_without_parameters() -> None:
    network = built([Rescaling(0.5)], (3,))
    x = numbers(9, 3, dtype="float32")
    history = program_of(network, x, np.zeros_like(x), validation=(x, np.zeros_like(x))).run(1)
    assert history["loss"][0] == pytest.approx(np.mean(x**2) / 4, rel=1e-6)
    assert history["val_loss"] == pytest.approx(history["loss"], rel=1e-6)


class Tied(Layer):
    """One weight used twice: its gradient has two contributions."""

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        shape = (input_shape[0], input_shape[0])
        return {"weight": Parameter(shape, INITIALIZERS["glorot_uniform"])}

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        hidden = ops.tanh(ops.matmul(x, parameters["weight"]))
        return ops.matmul(hidden, ops.transpose(parameters["weight"]))


class Squared(Tied):
    """A weight that meets itself: it is both sides of a product."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        weight = parameters["weight"]
        return ops.tanh(ops.matmul(x, ops.contract(weight, weight, ((0,), (0,)))))


class LeftSide(Tied):
    """A weight that is the left side of a product."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return ops.tanh(ops.matmul(x, ops.matmul(parameters["weight"], np.ones((40, 40)) / 40)))


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.01)], ids=repr)
@pytest.mark.parametrize("layer", [Tied, Squared, LeftSide])
def test_parameters_in_other_places_of_products(layer: type[Layer], optimizer: Optimizer) -> None:
    x, y = numbers(40, 40), classes(40)
    found = []
    for engine in ENGINES:
        network = built([layer(), Dense(3)], (40,), "float64")
        program_of(network, x, y, optimizer, batch_size=9, engine=engine).run(3)
        found.append(network.parameters)
    for name, array in found[0].items():
        np.testing.assert_allclose(array, found[1][name], 1e-8, 1e-11)


# --- memory and data


@pytest.mark.parametrize("validated", [False, True])
def test_the_planned_bytes_are_the_allocated_bytes(validated: bool) -> None:
    x, y = numbers(70, 5, dtype="float32"), classes(70)
    program = program_of(classifier(), x, y, Adam(), validation=(x, y) if validated else None)
    plan, engine = program.memory(), program._engine
    assert len(engine.arena.bytes) == plan.bytes  # type: ignore[attr-defined]
    for buffer in plan.buffers:
        assert 0 <= buffer.offset <= plan.bytes - buffer.bytes(dict(plan.capacity))
        assert buffer.offset % 64 == 0
    assert f"{plan.bytes} bytes in all" in plan.table()
    program.run(2)
    assert program.memory() is plan


DATA_DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "float16", "float32", "float64")


@pytest.mark.parametrize("dtype", DATA_DTYPES)
def test_data_is_read_where_it_lies(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (37, 17)).astype(dtype)
    y = classes(37)

    def train(data: Array, engine: str = "native") -> tuple[TrainingProgram, Network]:
        network = built([Rescaling(0.01), Dense(6, activation="tanh"), Dense(3)], (17,))
        program = program_of(network, data, y, batch_size=8, engine=engine)
        program.run(2)
        return program, network

    program, network = train(x)
    assert np.shares_memory(program._sources[0][0], x)
    assert np.shares_memory(program._sources[0][1], y)
    assert bits(network) == bits(train(x.astype("float32"))[1])
    for name, array in train(x, "reference")[1].parameters.items():
        np.testing.assert_allclose(network.parameters[name], array, 1e-4, 1e-5)


VIEWS: dict[str, Callable[[Array], Array]] = {
    "every third row": lambda x: x[::3],
    "backwards": lambda x: x[::-1],
    "backwards in steps": lambda x: x[40:1:-4],
    "some columns": lambda x: x[:, 3:20],
    "both": lambda x: x[5:40:2, 1:],
    "one row repeated": lambda x: np.broadcast_to(x[3], (12, x.shape[1])),
    "one column": lambda x: x[:, 7:8],
}
COPIES: dict[str, Callable[[Array], Array]] = {
    "columns backwards": lambda x: x[:, ::-1],
    "every other column": lambda x: x[:, ::2],
    "Fortran's order": np.asfortranarray,
}


@pytest.mark.parametrize("name", [*VIEWS, *COPIES])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_strided_rows(name: str, dtype: str) -> None:
    whole = np.random.default_rng(0).integers(0, 50, (45, 24)).astype(dtype)
    whole.setflags(write=False)
    x = (VIEWS.get(name) or COPIES[name])(whole)
    table = np.random.default_rng(1).integers(0, 3, (len(x), 4)).astype("int32")

    def train(data: Array, y: Array) -> tuple[TrainingProgram, Network]:
        layers: list[Layer] = [Rescaling(0.02), Dense(5, activation="tanh"), Dense(3)]
        network = built(layers, (x.shape[1],))
        program = program_of(network, data, y, batch_size=7, validation=(data[:9], y[:9]))
        program.run(2)
        return program, network

    program, network = train(x, table[:, 2])
    if name in VIEWS:
        assert np.shares_memory(program._sources[0][0], whole)
    assert np.shares_memory(program._sources[0][1], table)
    assert bits(network) == bits(train(np.ascontiguousarray(x), table[:, 2].copy())[1])


def test_pictures_are_read_where_they_lie() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 4, 5)).astype("uint8")
    y = classes(20)

    def train(x: Array, engine: str) -> Network:
        network = built([Rescaling(1 / 255), Flatten(), Dense(3)], (4, 5), "float64")
        program = program_of(network, x, y, batch_size=6, engine=engine)
        assert np.shares_memory(program._sources[0][0], pictures) == (x.base is pictures)
        program.run(2)
        return network

    view = pictures[1::2]
    expected = train(view.copy(), "reference")
    for name, array in train(view, "native").parameters.items():
        np.testing.assert_allclose(array, expected.parameters[name], 1e-10, 1e-12)


def test_numbers_as_targets_may_have_another_dtype() -> None:
    x = numbers(20, 5, dtype="float32")
    y = numbers(20, 2, 3)
    found = []
    for engine in ENGINES:
        network = built([Dense(2)], (5,))
        found.append((program_of(network, x, y, engine=engine).run(3), network.parameters))
    np.testing.assert_allclose(found[0][0]["loss"], found[1][0]["loss"], 1e-5)
    assert np.isfinite(found[0][0]["loss"]).all()


def test_a_history_is_a_dictionary() -> None:
    history = overfitting().run(2)
    assert isinstance(history, History)
    assert isinstance(history, dict)
    assert all(len(column) == 2 and isinstance(column[0], float) for column in history.values())
    assert history.seconds > 0.0
    assert history.best_epoch is None


LARGE = """
import numpy as np
from ranvier import losses
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.optimizers import SGD
from ranvier.training.program import TrainingProgram
x = np.random.default_rng(0).normal(size=(300_000, 4)).astype("float32")
network = Network([Dense(16), Dense(128), Dense(1)])
network.build((4,))
loss = losses.resolve("mse", (1,), "numbers")
program = TrainingProgram(network, loss, SGD(0.01), [], x, x[:, :1].copy(), batch_size=None)
first, second = program.run(2)["loss"]
print(second < first)
"""


def test_a_large_full_batch() -> None:
    """Working memory that grows with the batch must not lie on a thread's stack."""
    assert _run(LARGE) == "True"
