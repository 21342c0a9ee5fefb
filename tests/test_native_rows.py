"""Random functions of the rows of a batch in native code: counts below the plan, shuffled data."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from random_graphs import make
from ranvier.backends.native.arena import Arena
from ranvier.backends.native.emitter import Emitter
from ranvier.backends.native.jit import compile_text
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.target import find_target
from ranvier.backends.reference.groups import run_groups
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.foundation import errors
from ranvier.foundation.shapes import Extent, N
from ranvier.layers import INITIALIZERS, Context, Dense, Layer, Parameter
from ranvier.ops.graph import Graph, evaluate, trace
from ranvier.ops.value import Spec

Array = np.ndarray
#: Row numbers are read that far past a batch.
AHEAD = 16


def has_rows(shape: tuple[Any, ...]) -> bool:
    return bool(shape) and isinstance(shape[0], Extent)


def plan(graph: Graph, capacity: int) -> Planned:
    data = frozenset(v.name for v in graph.inputs if has_rows(v.shape))
    return compile_plan(Request(graph, data, {}, {"N": capacity}, find_target().panels()))


def run(planned: Planned, arrays: dict[str, Array], order: Array) -> list[Array]:
    """A planned program, natively, on the rows of its data that ``order`` names."""
    target = find_target()
    writer = ModuleWriter(target)
    writer.add_program("body", planned)
    f = Emitter("define void @call(ptr %arena, ptr %data, ptr %rows, i64 %n)", writer.declarations)
    f.do("call void @body(ptr %arena, ptr %data, ptr %rows, i64 %n)")
    f.do("ret void")
    writer.function("call", f.text())
    code = compile_text(writer.text(), target)
    arena = Arena(planned.memory)
    fused, places = planned.fused, []
    for buffer, node in fused.constants.values():
        arena.view(buffer)[...] = node.attributes["value"]
    for value in planned.graph.inputs:
        array = arrays[value.name]
        if value.name in planned.request.data:
            places += [array.ctypes.data, int(np.prod(array.shape[1:]))]
        else:
            arena.write(fused.inputs[value.name], array)
    data = np.array(places, np.int64)
    rows = np.concatenate([order, np.full(AHEAD, order[0])]).astype(np.int64)
    call = code.function("call", *[ctypes.c_void_p] * 3, ctypes.c_int64)
    call(arena.address, data.ctypes.data, rows.ctypes.data, len(order))
    count = {"N": len(order)}
    return [arena.view(buffer, count).copy() for buffer in fused.outputs]


def shuffled(planned: Planned, arrays: dict[str, Array], order: Array) -> dict[str, Array]:
    data = planned.request.data
    return {name: a[order] if name in data else a for name, a in arrays.items()}


@pytest.mark.parametrize("first", range(0, 160, 40))
def test_random_functions_of_rows(first: int) -> None:
    refused = 0
    for seed in range(first, first + 40):
        dtype = ("float32", "float64")[seed % 2]
        case = make(seed, dtype, symbolic=True)
        count = case.counts["N"]
        try:
            planned = plan(case.graph, count + 3)
        except errors.UnsupportedOperationError:
            refused += 1  # N would have to come behind another axis
            continue
        order = np.random.default_rng(seed).permutation(count)
        arrays = shuffled(planned, case.arrays, order)
        wanted = evaluate(case.graph, [arrays[v.name] for v in case.graph.inputs], case.counts)
        allowed = 2e-4 if dtype == "float32" else 1e-10
        for found, expected in zip(run(planned, case.arrays, order), wanted, strict=True):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            np.testing.assert_allclose(found, expected, allowed, allowed, err_msg=f"seed {seed}")
    assert refused <= 10


# --- products of sequences: (N, T, F) by (F, U), and the sums over N and T of its gradient


def sequence_loss(x: Any, w: Any, v: Any, b: Any) -> Any:
    hidden = ops.tanh(ops.matmul(x, w) + b)
    outputs = ops.matmul(hidden, v)
    return ops.sum(outputs * outputs) / 10.0


def sequence_graph(length: int, features: int, units: int, last: int, dtype: str) -> Graph:
    def both(x: Any, w: Any, v: Any, b: Any) -> Any:
        loss, gradients = rv.value_and_gradient(sequence_loss, (0, 1, 2, 3))(x, w, v, b)
        return (loss, *gradients, ops.matmul(x, w))

    shapes = ((N, length, features), (features, units), (units, last), (units,))
    return trace(both, [Spec(shape, dtype) for shape in shapes])[0]


SIZES = (
    (5, 7, 9, 11), (2, 16, 16, 16), (3, 1, 1, 4), (1, 5, 3, 2), (20, 33, 40, 1), (16, 64, 64, 32),
    (7, 4, 70, 35),
)  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_products_of_sequences(sizes: tuple[int, int, int, int], dtype: str) -> None:
    graph = sequence_graph(*sizes, dtype)
    length, features, units, last = sizes
    rng = np.random.default_rng(1)
    planned = plan(graph, 9)
    for count in (1, 2, 9):
        shapes = ((count, length, features), (features, units), (units, last), (units,))
        named = zip(graph.inputs, shapes, strict=True)
        arrays = {v.name: rng.uniform(-1, 1, shape).astype(dtype) for v, shape in named}
        order = rng.permutation(count)
        same = shuffled(planned, arrays, order)
        wanted = evaluate(graph, [same[v.name] for v in graph.inputs], {"N": count})
        native = run(planned, arrays, order)
        groups = list(run_groups(planned, same, {"N": count}).values())
        allowed = 2e-4 if dtype == "float32" else 1e-11
        for found, by_groups, expected in zip(native, groups, wanted, strict=True):
            np.testing.assert_allclose(found, expected, allowed, allowed)
            np.testing.assert_allclose(by_groups, expected, allowed, allowed)
    # Forward and backward: two, and two for each of them.
    assert [group.kind for group in planned.groups].count("product") == 6


def test_the_sum_over_rows_and_steps_prints() -> None:
    planned = plan(sequence_graph(5, 7, 9, 11, "float64"), 9)
    assert "over k<N*5" in planned.show_passes()


@pytest.mark.parametrize("reader", ["turned", "sliced", "flat", "four axes", "other order"])
def test_sequences_that_lie_in_another_way(reader: str) -> None:
    """Views whose rows do not follow each other are laid out anew first."""

    def f(x: Any, w: Any) -> Any:
        if reader == "turned":
            x = ops.transpose(x, (0, 2, 1))
        elif reader == "sliced":
            x = ops.slice_axis(ops.tanh(x), 1, 1, 4)
        elif reader == "flat":
            x = ops.reshape(ops.tanh(ops.reshape(x, (N, 30))), (N, 5, 6))
        elif reader == "four axes":
            x = ops.reshape(x, (N, 5, 2, 3))
        if reader == "other order":
            return ops.contract(x, w, ((1,), (0,)))
        return ops.tanh(ops.matmul(x, w))

    depth = {"turned": 5, "four axes": 3, "other order": 5}.get(reader, 6)

    def both(x: Any, w: Any) -> Any:
        return (f(x, w), *rv.gradient(lambda x, w: ops.sum(f(x, w) * f(x, w)), (0, 1))(x, w))

    graph = trace(both, [Spec((N, 5, 6), "float64"), Spec((depth, 17), "float64")])[0]
    planned = plan(graph, 8)
    rng = np.random.default_rng(0)
    arrays = {
        v.name: rng.normal(size=tuple(7 if isinstance(d, Extent) else d for d in v.shape))
        for v in graph.inputs
    }
    wanted = evaluate(graph, [arrays[v.name] for v in graph.inputs], {"N": 7})
    for found, expected in zip(run(planned, arrays, np.arange(7)), wanted, strict=True):
        np.testing.assert_allclose(found, expected, 1e-11, 1e-11)


# --- in training


class Steps(Layer):
    """The same weights at every step of a sequence."""

    def __init__(self, units: int) -> None:
        self.units = units

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        shapes = {"weight": (input_shape[-1], self.units), "bias": (self.units,)}
        return {k: Parameter(s, INITIALIZERS["glorot_uniform"]) for k, s in shapes.items()}

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return ops.relu(ops.matmul(x, parameters["weight"]) + parameters["bias"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_shared_by_all_steps_train_natively(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(33, 35)).astype(dtype), rng.integers(0, 3, 33)
    found = {}
    for engine in ("native", "reference"):
        layers = [rv.Reshape((5, 7)), Steps(40), rv.LayerNorm(), Steps(9), rv.Flatten(), Dense(3)]
        model = rv.Sequential(*layers, dtype=dtype)
        history = model.fit(x, y, epochs=3, batch_size=16, engine=engine, verbose=False)
        weights = [v for layer in model.layers for v in layer.values.values()]
        found[engine] = [history["loss"], model.predict(x), *weights]
        pieces = [model.predict(x[k : k + 4]) for k in range(0, 33, 4)]
        np.testing.assert_array_equal(np.concatenate(pieces), model.predict(x))
    allowed = 3e-4 if dtype == "float32" else 1e-9
    for native, reference in zip(found["native"], found["reference"], strict=True):
        np.testing.assert_allclose(native, reference, allowed, allowed)
    assert found["native"][0][-1] < found["native"][0][0]
