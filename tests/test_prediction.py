"""Predictions: a row's answer is its own, whatever it comes with, to the bit."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from ranvier.layers import Dense, Dropout, Flatten, Layer, Rescaling
from ranvier.networks.network import Network
from ranvier.training.program import PredictionProgram

Array = np.ndarray
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def network_of(layers: list[Layer], shape: tuple[int, ...], dtype: str = "float32") -> Network:
    network = Network(layers, dtype)
    network.build(shape, seed=1)
    rng = np.random.default_rng(2)
    for name, array in network.parameters.items():
        if name.endswith("bias"):
            array[...] = rng.normal(size=array.shape)
    return network


def deep(dtype: str = "float32", outputs: int = 10) -> Network:
    return network_of(
        [
            Dense(65, activation="gelu"), Dropout(0.5), Dense(31, activation="tanh"),
            Dense(outputs, activation="softmax"),
        ],
        (33,), dtype,
    )  # fmt: skip


def rows(count: int, features: int = 33, dtype: str = "float32") -> Array:
    return np.random.default_rng(count).normal(size=(count, features)).astype(dtype)


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "deep": (lambda: [Dense(65, activation="relu"), Dense(17, activation="sigmoid")], (33,)),
    "one unit": (lambda: [Dense(1)], (5,)),
    "one unit of one feature": (lambda: [Dense(1, activation="sigmoid")], (1,)),
    "softmax inside": (lambda: [Dense(7, activation="softmax"), Dense(3)], (16,)),
    "wide": (lambda: [Dense(130, activation="gelu"), Dense(64)], (15,)),
    "pictures": (lambda: [Rescaling(0.5, 0.1), Flatten(), Dense(4)], (3, 5)),
    "no parameters": (lambda: [Rescaling(2.0)], (2, 3)),
    "only shapes": (lambda: [Flatten()], (2, 3)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_native_is_the_reference(name: str, dtype: str) -> None:
    make, shape = NETWORKS[name]
    network = network_of(make(), shape, dtype)
    native, reference = (
        PredictionProgram(network, batch=16),
        PredictionProgram(network, "reference"),
    )
    for count in (0, 1, 2, 15, 16, 17, 100):
        x = np.random.default_rng(count).normal(size=(count, *shape)).astype(dtype)
        found, wanted = native(x), reference(x)
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        assert found.shape == (count, *network.output_shape)
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_allclose(found, wanted, TOLERANCE[dtype], TOLERANCE[dtype])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_does_not_depend_on_its_batch(name: str, dtype: str) -> None:
    make, shape = NETWORKS[name]
    network = network_of(make(), shape, dtype)
    x = np.random.default_rng(0).normal(size=(67, *shape)).astype(dtype)
    program = PredictionProgram(network)
    whole = program(x)
    for size in (1, 2, 3, 7, 15, 16, 17, 33, 66):
        parts = [program(x[start : start + size]) for start in range(0, len(x), size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes(), size
    assert program(x[::-1])[::-1].tobytes() == whole.tobytes()
    for batch in (1, 5, 16, 67, 1000):
        other = PredictionProgram(network, batch=batch)
        assert other(x).tobytes() == whole.tobytes(), batch


def test_a_thousand_rows() -> None:
    network, x = deep(), rows(1000)
    found = PredictionProgram(network)(x)
    assert found.shape == (1000, 10)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, 1e-5)
    assert found[999].tobytes() == PredictionProgram(network)(x[999:])[0].tobytes()


def test_dropout_does_nothing_at_prediction() -> None:
    network, x = deep(), rows(5)
    program = PredictionProgram(network)
    assert program(x).tobytes() == program(x).tobytes()


def test_several_threads_at_once() -> None:
    network = deep()
    program = PredictionProgram(network, batch=16)
    inputs = [rows(20 + k) for k in range(8)]
    expected = [PredictionProgram(network)(x).tobytes() for x in inputs]
    wrong: list[int] = []
    barrier = threading.Barrier(8)

    def work(own: int) -> None:
        barrier.wait()
        for turn in range(60):
            k = (own + turn) % len(inputs)
            if program(inputs[k]).tobytes() != expected[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_parameters_are_read_at_each_call() -> None:
    network = network_of([Dense(3)], (4,))
    program = PredictionProgram(network)
    x = rows(6, 4)
    before = program(x)
    network.parameters["layers.0.bias"][...] += 1.0
    np.testing.assert_allclose(program(x), before + 1.0, 1e-5, 1e-5)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float64", "bool"]
)
def test_inputs_of_other_dtypes(dtype: str) -> None:
    network = network_of([Rescaling(0.1), Dense(3, activation="tanh")], (17,))
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (9, 17)).astype(dtype)
    program = PredictionProgram(network)
    found = program(x)
    assert found.dtype == np.float32
    assert found.tobytes() == program(x.astype("float32")).tobytes()
    np.testing.assert_allclose(found, PredictionProgram(network, "reference")(x), 1e-5, 1e-6)


def test_inputs_may_lie_anywhere_in_memory() -> None:
    network = network_of([Dense(3)], (8,))
    program = PredictionProgram(network)
    whole = rows(40, 20)
    whole.setflags(write=False)
    for x in (
        whole[::3, :8], whole[::-1, 5:13], whole[:, ::-2][:, :8], np.asfortranarray(whole[:, :8]),
        np.broadcast_to(whole[0, :8], (7, 8)), whole[:1, :8], whole[:, 1:9],
    ):  # fmt: skip
        assert program(x).tobytes() == program(np.ascontiguousarray(x)).tobytes()


def test_answers_are_the_callers_own() -> None:
    network = network_of([Dense(3)], (4,))
    program = PredictionProgram(network)
    first = program(rows(5, 4))
    kept = first.copy()
    program(rows(6, 4))
    assert (first == kept).all()
    first[...] = 0.0
    assert (program(rows(5, 4)) == kept).all()


def test_a_nan_stays_in_its_row() -> None:
    network, x = deep(), rows(40)
    clean = PredictionProgram(network)(x)
    x[17, 3] = np.nan
    found = PredictionProgram(network)(x)
    assert np.isnan(found[17]).all()
    others = np.arange(40) != 17
    assert found[others].tobytes() == clean[others].tobytes()


def test_memory_is_planned_for_the_batch_and_not_the_rows() -> None:
    network = deep()
    small, large = (PredictionProgram(network, batch=batch) for batch in (16, 256))
    assert small.memory().bytes < large.memory().bytes
    assert large.memory().capacity == {"N": 256}
    before = large.memory().bytes
    large(rows(1000))
    assert large.memory().bytes == before
