"""Programs of the same structure are compiled once: the memory of plans, texts and objects."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import ops
from ranvier.backends.native import jit
from ranvier.backends.native.pieces import LONG, pieces
from ranvier.backends.native.target import find_target
from ranvier.compiler import pipeline
from ranvier.compiler.key import attribute_key, graph_key
from ranvier.foundation.errors import InternalError
from ranvier.foundation.memo import Memo
from ranvier.ops.graph import trace
from ranvier.ops.value import Spec
from ranvier.training.engines import planned_rows

X = np.random.default_rng(0).normal(size=(120, 5))
Y = (np.arange(120) % 3).astype(np.int32)


def program(
    rows: int = 120, seed: int = 0, rate: float = 0.1, units: int = 7, momentum: float = 0.5
) -> Any:
    model = rv.Sequential(rv.Dense(units, activation="tanh"), rv.Dense(3), dtype="float64")
    return model.training_program(
        X[:rows], Y[:rows], batch_size=20, seed=seed, optimizer=rv.SGD(rate, momentum=momentum)
    )


# --- the memo


def test_the_longest_unused_is_forgotten_first() -> None:
    memo: Memo[int] = Memo(2)
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number

    for number in (1, 2, 1, 3, 1, 2):
        assert memo.find(number, lambda number=number: make(number)) == number  # type: ignore[misc]
    assert made == [1, 2, 3, 2]
    assert (len(memo), memo.hits) == (2, 2)
    memo.clear()
    assert len(memo) == 0


def test_what_has_no_key_is_made_each_time() -> None:
    memo: Memo[object] = Memo(2)
    assert memo.find(None, object) is not memo.find(None, object)
    assert len(memo) == 0


def test_threads_get_the_same_thing() -> None:
    memo: Memo[object] = Memo(4)
    gate, found = threading.Barrier(4), []

    def ask() -> None:
        gate.wait()
        found.append(memo.find("key", object))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_an_error_is_not_remembered() -> None:
    memo: Memo[int] = Memo(2)

    def fail() -> int:
        raise KeyError("no")

    with pytest.raises(KeyError):
        memo.find("key", fail)
    assert memo.find("key", lambda: 3) == 3


# --- keys


def _key(function: Any, *specs: Spec) -> Any:
    return graph_key(trace(function, specs or [Spec((3,), "float32")])[0])


def test_equal_graphs_have_equal_keys() -> None:
    def body(x: Any) -> Any:
        return ops.sum(ops.tanh(x) * 2.0)

    assert _key(body) == _key(body)
    assert hash(_key(body)) == hash(_key(body))


@pytest.mark.parametrize(
    "other",
    [
        lambda x: ops.sum(ops.tanh(x) * 2.5),
        lambda x: ops.sum(ops.exp(x) * 2.0),
        lambda x: ops.mean(ops.tanh(x) * 2.0),
        lambda x: ops.sum(2.0 * ops.tanh(x)) * 1.0,
        lambda x: ops.sum(ops.tanh(x) * np.array([2.0, 2.0, 3.0], "float32")),
    ],
)
def test_other_graphs_have_other_keys(other: Any) -> None:
    assert _key(other) != _key(lambda x: ops.sum(ops.tanh(x) * 2.0))


def test_shapes_dtypes_and_long_constants_are_in_the_key() -> None:
    def double(x: Any) -> Any:
        return x + x

    keys = [_key(double, Spec(s, d)) for s, d in (((3,), "float32"), ((4,), "float32"))]
    assert keys[0] != keys[1] != _key(double, Spec((3,), "float64"))
    table = np.arange(100.0)
    changed = table.copy()
    changed[99] = -1.0
    one, same, two = (
        _key(lambda x, t=t: x * t, Spec((100,), "float64")) for t in (table, table.copy(), changed)
    )
    assert one == same != two


def test_attributes_are_compared_by_value() -> None:
    assert attribute_key(0.0) != attribute_key(-0.0)
    assert attribute_key(float("nan")) == attribute_key(float("nan"))
    assert attribute_key(1) != attribute_key(True)
    assert attribute_key([1, (2.0,)]) == attribute_key([1, (2.0,)])
    assert attribute_key({"a": 1}) != attribute_key({"a": 2})
    with pytest.raises(TypeError):
        attribute_key({1, 2})


# --- programs


def test_other_rows_seeds_and_rates_are_no_other_program() -> None:
    first = program()
    again = program(rows=107, seed=9, rate=0.3)
    assert again._engine.code is first._engine.code
    assert again._engine.step is first._engine.step
    assert again._engine.arena is not first._engine.arena


def test_programs_that_share_code_do_not_share_numbers() -> None:
    alone = program(seed=4)
    alone.run(3)
    wanted = alone.hash()
    first, second = program(seed=4), program(seed=5)
    for _ in range(3):
        first.run(1)
        second.run(1)
    assert first.hash() == wanted != second.hash()


def test_other_layers_and_constants_are_another_program() -> None:
    codes = {id(p._engine.code) for p in (program(), program(units=8), program(momentum=0.6))}
    assert len(codes) == 3


def test_a_forgotten_program_gives_the_same_bits_when_it_is_made_anew() -> None:
    one = program()
    one.run(2)
    for memo in (pipeline.PLANS, jit.CODES, jit._WRITTEN, jit._OBJECTS):
        memo.clear()
    two = program()
    two.run(2)
    assert one.hash() == two.hash()
    assert two._engine.code is not one._engine.code


def test_data_sets_of_nearly_one_length_share_a_plan() -> None:
    assert [planned_rows(rows) for rows in range(1, 18)] == [*range(1, 17), 18]
    for rows in (100, 1000, 12345):
        assert rows <= planned_rows(rows) <= rows * 9 / 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_may_compile_though_another_thread_held_the_locks() -> None:
    with jit._lock, jit.CODES._lock, pipeline.PLANS._lock:
        child = os.fork()
        if child == 0:
            model = rv.Sequential(rv.Dense(2)).build((11,))
            found = model.predict(np.ones((1, 11)))
            os._exit(0 if found.shape == (1, 2) else 1)
    assert os.waitpid(child, 0)[1] == 0


# --- pieces


def _function(name: str, lines: int, head: str = "internal ", call: str = "") -> str:
    body = "\n".join(f"  %v{k} = add i64 %n, {k}" for k in range(lines))
    return f"define {head}void @{name}(i64 %n) {{\n{body}\n{call}  ret void\n}}\n"


def test_long_functions_are_pieces_and_declare_what_they_call() -> None:
    calls = "  call void @long(i64 %n)\n"
    text = "declare i64 @llvm.ctlz.i64(i64, i1)\n" + _function("long", LONG)
    text += _function("small", 2) + _function("go", 3, "", calls)
    first, second = pieces(text)
    assert first.startswith("define void @long")
    assert second.startswith("declare void @long(i64)\n")
    assert "@small" in second
    assert "ctlz" not in first + second
    jit.compile_text(text, find_target()).function("go")


def test_a_text_that_is_not_understood_stays_whole() -> None:
    text = "@number = global i64 3\n" + _function("long", LONG, "")
    assert pieces(text) == [text]
    assert pieces("") == []


def test_a_text_that_llvm_refuses_is_our_error() -> None:
    with pytest.raises(InternalError, match="LLVM does not accept"):
        jit.compile_text("define void @broken() {\n  ret i64 1\n}\n", find_target())


def test_programs_share_the_pieces_that_are_equal() -> None:
    program(units=21)
    before = len(jit._OBJECTS), jit._OBJECTS.hits
    program(units=22)
    assert jit._OBJECTS.hits > before[1]
