"""Predictors: bound arrays, the numbers of predict to the bit, nothing allocated; and threads."""

from __future__ import annotations

import copy
import pickle
import threading
import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.backends.native import workers
from ranvier.foundation.errors import ArgumentError, DTypeError, NotBuiltError, ShapeError
from ranvier.training import prediction
from ranvier.training.prediction import NativeForward, PredictionProgram, parts_of

Array = np.ndarray


class EachRow(rv.Layer):
    """One product for all rows of all examples."""

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, rv.Parameter]:
        return {"weight": rv.Parameter((input_shape[-1], 37), "glorot_uniform")}

    def forward(self, x: Any, parameters: Any, context: rv.Context) -> Any:
        return x @ parameters["weight"]


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "tiny": (lambda: [rv.Dense(4, activation="tanh"), rv.Dense(1, activation="sigmoid")], (2,)),
    "wide": (lambda: [rv.Dense(300, activation="relu"), rv.Dense(129), rv.Dense(10)], (77,)),
    "softmax": (lambda: [rv.Dense(17, activation="gelu"), rv.Dense(5, activation="softmax")], (3,)),
    "pictures": (lambda: [rv.Rescaling(1 / 255), rv.Flatten(), rv.Dense(33)], (5, 4)),
    "rows of rows": (lambda: [rv.LayerNorm(), EachRow(), rv.Flatten(), rv.Dense(3)], (6, 7)),
    "one number": (lambda: [rv.Dense(1)], (1,)),
    "no parameters": (lambda: [rv.Flatten()], (2, 3)),
}


def model_of(name: str, dtype: str = "float32") -> rv.Sequential:
    make, shape = NETWORKS[name]
    model = rv.Sequential(*make(), dtype=dtype).build(shape, seed=3)
    rng = np.random.default_rng(4)
    for array in model.network.parameters.values():
        array[...] = rng.normal(size=array.shape)
    return model


def rows(count: int, shape: tuple[int, ...], dtype: str = "float32") -> Array:
    return np.random.default_rng(count).normal(size=(count, *shape)).astype(dtype)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 17])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_numbers_are_those_of_predict(name: str, dtype: str, batch: int) -> None:
    model = model_of(name, dtype)
    x = rows(batch, NETWORKS[name][1], dtype)
    predict = model.predictor(batch)
    assert (predict(x) == model.predict(x)).all()
    predict.inputs[...] = x[::-1]
    assert (predict() == model.predict(x[::-1])).all()


@pytest.mark.parametrize("features", ["avx2", "baseline"])
def test_the_numbers_are_those_of_predict_on_other_processors(
    features: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANVIER_CPU", features)
    model, x = model_of("wide"), rows(1, (77,))
    assert (model.predictor()(x) == model.predict(x)).all()


def test_one_row_has_wider_tiles_than_many() -> None:
    model = rv.Sequential(rv.Dense(256)).build((8,))
    few, many = model.predictor(), model.predictor(64)
    assert "_1x8_" in few.source() or "_1x4_" in few.source() or "_1x2_" in few.source()
    assert "_1x" not in many.source()


def test_inputs_and_outputs_are_the_same_arrays_each_time() -> None:
    predict = model_of("tiny").predictor()
    inputs, outputs = predict.inputs, predict.outputs
    first = predict([[0.5, 1.0]]).copy()
    assert predict([0.0, -1.0]) is outputs is predict.outputs
    assert predict.inputs is inputs
    assert (outputs != first).any()
    assert inputs.tolist() == [[0.0, -1.0]]


def test_a_call_allocates_nothing() -> None:
    predict = model_of("wide").predictor()
    x = rows(1, (77,))
    predict(x)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            predict(x)
            predict()
        assert tracemalloc.get_traced_memory()[1] - before < 1_000  # arguments of calls, freed
    finally:
        tracemalloc.stop()


def test_parameters_are_those_of_its_making_until_update() -> None:
    model, x = model_of("tiny"), rows(1, (2,))
    predict = model.predictor()
    before = predict(x).copy()
    model.layers[0].weight[...] *= 2.0
    assert (predict(x) == before).all()
    predict.update()
    assert (predict(x) != before).any()
    assert (predict(x) == model.predict(x)).all()


def test_update_refuses_another_network() -> None:
    model = model_of("tiny")
    predict = model.predictor()
    model.network.parameters["layers.0.weight"] = np.zeros((3, 4), np.float32)
    with pytest.raises(ShapeError, match=r"layers\.0\.weight has the shape \(3, 4\) now"):
        predict.update()


def test_several_inputs_and_outputs() -> None:
    a, b = rv.Input((3,), name="left"), rv.Input((2,), name="right")
    h = rv.Concatenate()([rv.Dense(4)(a), b])
    model = rv.Model((a, b), {"sum": rv.Dense(1)(h), "kind": rv.Dense(3)(h)}).build()
    x = (rows(1, (3,)), rows(1, (2,)))
    predict = model.predictor()
    found, expected = predict(*x), model.predict(x)
    assert sorted(found) == ["kind", "sum"]
    assert all((found[name] == expected[name]).all() for name in expected)
    assert [one.shape for one in predict.inputs] == [(1, 3), (1, 2)]
    with pytest.raises(ArgumentError, match="left, right"):
        predict(x[0])


def test_inputs_of_other_dtypes() -> None:
    model, pixels = model_of("pictures"), np.arange(20, dtype=np.uint8).reshape(1, 5, 4)
    predict = model.predictor(dtype="uint8")
    assert predict.inputs.dtype == np.uint8
    assert (predict(pixels) == model.predict(pixels)).all()
    words = rv.Sequential(rv.Embedding(50, 3), rv.Flatten(), rv.Dense(2)).build((4,))
    numbers = np.array([[7, 0, 49, 7]])
    assert (words.predictor(dtype="int64")(numbers) == words.predict(numbers)).all()


def test_float64_rows_are_converted() -> None:
    model, x = model_of("tiny"), rows(1, (2,), "float64")
    assert (model.predictor()(x) == model.predict(x.astype(np.float32))).all()


def test_a_column_of_another_length_is_never_broadcast() -> None:
    predict = model_of("tiny").predictor()
    for wrong in ([[1.0]], [1.0], 1.0, [[1.0, 2.0], [3.0, 4.0]], np.zeros((1, 2, 1))):
        with pytest.raises(ShapeError, match="The rows for 'input' do not fit"):
            predict(wrong)
    with pytest.raises(ShapeError):
        model_of("tiny").predictor(3)([1.0, 2.0])  # an example is no batch of three


def test_what_is_no_number_is_refused() -> None:
    model = model_of("tiny")
    with pytest.raises(DTypeError, match="they are complex128"):
        model.predictor()(np.zeros((1, 2), complex))
    with pytest.raises(DTypeError, match="make the predictor with dtype='float64'"):
        model.predictor(dtype="int64")(np.zeros((1, 2)))


def test_errors_of_making_one() -> None:
    with pytest.raises(NotBuiltError):
        rv.Sequential(rv.Dense(2)).predictor()
    model = model_of("tiny")
    with pytest.raises(ArgumentError, match="batch"):
        model.predictor(0)
    with pytest.raises(DTypeError, match="complex64"):
        model.predictor(dtype="complex64")
    with pytest.raises(ArgumentError, match="it has 2 dtypes"):
        model.predictor(dtype=("float32", "uint8"))


def test_a_copy_has_arrays_of_its_own() -> None:
    predict, x = model_of("tiny").predictor(), rows(1, (2,))
    expected = predict(x).copy()
    for other in (copy.deepcopy(predict), pickle.loads(pickle.dumps(predict))):
        assert other.outputs is not predict.outputs
        assert (other(x) == expected).all()
    assert repr(predict) == "Predictor(float32(1, 2))"


def test_one_predictor_for_each_thread() -> None:
    model = model_of("wide")
    x = rows(40, (77,))
    expected, wrong = model.predict(x), []

    def serve() -> None:
        predict = model.predictor()
        for row, right in zip(x, expected, strict=True):
            if not (predict(row)[0] == right).all():
                wrong.append(row)

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- many rows, several threads


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bits_do_not_depend_on_the_number_of_threads(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "START_OF_PART", 1)
    monkeypatch.setattr(prediction, "NANOSECONDS_A_BYTE", 0.0)
    model = model_of("wide", dtype)
    for count in (1, 255, 256, 257, 1000, 2050):
        x = rows(count, (77,), dtype)
        expected = model.predict(x, threads=1)
        for threads in (2, 3, 8):
            assert (model.predict(x, threads=threads) == expected).all()


def test_work_is_shared_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("wide")
    program = PredictionProgram(model.network)
    entered: list[str] = []
    run = NativeForward._run

    def watched(self: NativeForward, *arguments: Any) -> None:
        entered.append(threading.current_thread().name)
        run(self, *arguments)

    monkeypatch.setattr(NativeForward, "_run", watched)
    program(rows(300, (77,)), threads=2)
    assert len(entered) == 1  # two batches of some tens of microseconds
    entered.clear()
    program(rows(100_000, (77,)), threads=2)
    assert len(entered) == 2
    assert "ranvier" in entered
    entered.clear()
    program(rows(100_000, (77,)), threads=1)
    assert len(entered) == 1


def test_without_threads_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "START_OF_PART", 1)
    model, x = model_of("tiny"), rows(2000, (2,))
    expected = model.predict(x, threads=1)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert (model.predict(x, threads=4) == expected).all()


def test_parts_are_whole_batches_and_cover_all_rows() -> None:
    for count in (1, 255, 256, 257, 10_000):
        for workers_ in (1, 2, 3, 7, 100):
            parts = parts_of(count, 256, workers_)
            assert parts[0][0] == 0
            assert parts[-1][1] == count
            assert all(low < high for low, high in parts)
            assert all(a[1] == b[0] and a[1] % 256 == 0 for a, b in pairwise(parts))


def test_threads_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    worth = NativeForward.worth_threads
    monkeypatch.setattr(
        NativeForward,
        "worth_threads",
        lambda self, rows, most: asked.append(most) or worth(self, rows, most),
    )
    model, x = model_of("tiny"), rows(4, (2,))
    monkeypatch.setenv("RANVIER_THREADS", "3")
    model.predict(x)
    monkeypatch.delenv("RANVIER_THREADS")
    model.predict(x)
    assert asked == [3, workers.available_workers()]


def test_a_number_of_threads_that_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="threads is 0"):
        model_of("tiny").predict([[0.0, 1.0]], threads=0)
