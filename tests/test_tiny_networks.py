"""Short steps in line, blocks of rows, row numbers in vectors: the bits of the plain form."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import ranvier as rv
from ranvier.backends.native import tiny
from ranvier.backends.native.emitter import Type
from ranvier.backends.native.jit import compile_text
from ranvier.backends.native.random import SHORT_EPOCH, WIDE, emit_order, emit_order_epochs
from ranvier.backends.native.target import find_target
from ranvier.backends.native.tiny import StraightEmitter
from ranvier.compiler import blocks, pipeline
from ranvier.foundation.memo import Memo
from ranvier.foundation.random import permuted_rows

# --- row numbers


def _order(calls: Sequence[str], emit: Callable[[set[str]], str]) -> Callable[..., None]:
    declarations: set[str] = set()
    text = emit(declarations)
    head = "define void @run(ptr %out, i64 %a, i64 %b, i64 %rows, i64 %epoch, i64 %seed) {\nentry:"
    body = "\n".join([head, *calls, "  ret void", "}"])
    code = compile_text("\n".join([*sorted(declarations), text, body]), find_target())
    return code.function("run", ctypes.c_void_p, *[ctypes.c_int64] * 5)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 16, 17, 100, 255, 256, 257, 1000, 4097])
def test_order_equals_permuted_rows(rows: int) -> None:
    call = "  call void @order(ptr %out, i64 %a, i64 %b, i64 %rows, i64 %epoch, i64 %seed)"
    run = _order([call], emit_order)
    for seed, epoch in ((0, 0), (3, 7), (2**40 + 5, 123_456)):
        expected = permuted_rows(seed, epoch, rows)
        for first, count in ((0, rows), (rows // 3, rows - rows // 3), (rows - 1, 1)):
            out = np.full(rows + WIDE, -1, np.int64)
            run(out.ctypes.data, first, count, rows, epoch, seed)
            np.testing.assert_array_equal(out[:count], expected[first : first + count])


@pytest.mark.parametrize("rows", range(1, SHORT_EPOCH + 1))
def test_orders_of_short_epochs_equal_permuted_rows(rows: int) -> None:
    call = "  call void @order_epochs(ptr %out, i64 %epoch, i64 %b, i64 %rows, i64 %seed)"
    run = _order([call], emit_order_epochs)
    for seed, epoch, epochs in ((0, 0, 1), (9, 4, 7), (2**33 + 1, 99, 40)):
        out = np.full(epochs * rows + WIDE, -1, np.int64)
        run(out.ctypes.data, 0, epochs, rows, epoch, seed)
        expected = [permuted_rows(seed, epoch + k, rows) for k in range(epochs)]
        np.testing.assert_array_equal(out[: epochs * rows], np.concatenate(expected))


# --- short steps in line


RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 5)).astype(np.float32)
CLASSES, NUMBERS = RNG.integers(0, 3, 300), RNG.normal(size=(300, 2)).astype(np.float32)


def _layers(name: str) -> list[rv.Layer]:
    if name == "tanh":
        return [rv.Dense(4, activation="tanh"), rv.Dense(2, activation="tanh")]
    if name == "one unit":
        return [rv.Dense(1, activation="sigmoid"), rv.Dense(17, activation="gelu"), rv.Dense(2)]
    if name == "norm":
        return [rv.Dense(9, activation="relu"), rv.LayerNorm(), rv.Dense(2)]
    if name == "dropout":
        return [rv.Dense(33, activation="relu"), rv.Dropout(0.3), rv.Dense(2)]
    return [rv.Dense(16, activation="relu"), rv.BatchNorm(), rv.Dense(3)]


def _trained(name: str, rows: int, batch: int, dtype: str = "float32", **more: object) -> str:
    model = rv.Sequential(*_layers(name), dtype=dtype).build((5,))
    x = X[:rows].astype(dtype)
    y = CLASSES[:rows] if name == "classes" else NUMBERS[:rows].astype(dtype)
    program = model.training_program(x, y, batch_size=batch, threads=1, **more)  # type: ignore[arg-type]
    program.run(3)
    return str(program.hash())


NAMES = ["tanh", "one unit", "norm", "dropout", "classes"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_in_line_gives_the_bits_of_the_calls(
    name: str, batch: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "classes" and batch == 1:
        pytest.skip("the spread of one row is not known")
    validation = (X[:7].astype(dtype), (CLASSES if name == "classes" else NUMBERS)[:7])
    arguments: dict[str, object] = {"dtype": dtype, "validation": validation}
    inline = _trained(name, 40, batch, **arguments)  # type: ignore[arg-type]
    monkeypatch.setattr(tiny, "MOST_NANOSECONDS", 0)
    assert _trained(name, 40, batch, **arguments) == inline  # type: ignore[arg-type]


def test_only_short_steps_are_in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_line(units: int) -> bool:
        model = rv.Sequential(rv.Dense(units), rv.Dense(2)).build((5,))
        program = model.training_program(X, NUMBERS, batch_size=4, threads=1)
        return "straight" in program.source()

    assert in_line(8)
    assert not in_line(4096)
    monkeypatch.setattr(tiny, "MOST_GROUPS", 0)
    assert not in_line(8)


def test_what_is_stored_is_taken_from_its_register() -> None:
    f = StraightEmitter("define void @f(ptr %arena)", set())
    scalar, four = Type("float32"), Type("float32", 4)
    place = f.at("%arena", 64)
    f.store(four, "%a", place)
    assert f.load(four, f.at("%arena", 64)) == "%a"
    lane = f.load(scalar, f.at(place, 2, "float32"))
    assert f"{lane} = extractelement <4 x float> %a, i32 2" in f.text()
    f.store(scalar, "%b", f.at("%arena", 68))  # a part of it is no longer what it was
    assert f.load(four, place) != "%a"
    assert f.load(scalar, f.at("%arena", 68)) == "%b"


@pytest.mark.parametrize("how", ["label", "call", "unknown place"])
def test_what_was_stored_is_forgotten_where_it_may_have_changed(how: str) -> None:
    f = StraightEmitter("define void @f(ptr %arena)", set())
    scalar, place = Type("float32"), f.at("%arena", 64)
    f.store(scalar, "%a", place)
    if how == "label":
        f.label("next")
    elif how == "call":
        f.do("call void @g(ptr %arena)")
    else:
        f.store(scalar, "%b", f.at("%arena", "%anywhere"))
    assert f.load(scalar, place) != "%a"


def test_numbers_stored_one_by_one_are_read_as_a_vector() -> None:
    f = StraightEmitter("define void @f(ptr %arena)", set())
    for lane in range(4):
        f.store(Type("float32"), f"%x{lane}", f.at("%arena", lane, "float32"))
    f.load(Type("float32", 4), "%arena")
    assert f.text().count("insertelement") == 4
    assert "load" not in f.text()


# --- blocks of rows


def _with_blocks(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    monkeypatch.setattr(pipeline, "PLANS", Memo(8))
    monkeypatch.setattr(blocks, "WORTH_BLOCKS", least)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1024)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [300, 257])
@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_rows_give_the_bits_of_whole_groups(
    name: str, rows: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = ["accuracy"] if name == "classes" else ["mean_absolute_error"]
    found = []
    for least in (1, 1 << 60):
        _with_blocks(monkeypatch, least)
        found.append(_trained(name, rows, rows, dtype, metrics=metrics))
    assert found[0] == found[1]


@pytest.mark.parametrize("batch", [300, 130])
def test_blocks_of_rows_are_right(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_blocks(monkeypatch, 1)
    weights = []
    for engine in ("native", "reference"):
        model = rv.Sequential(*_layers("tanh")).build((5,))
        program = model.training_program(
            X, NUMBERS, batch_size=batch, engine=engine, threads=1, sample_weight=X[:, 0] ** 2
        )
        program.run(3)
        weights.append(np.concatenate([layer.weight.ravel() for layer in model.layers]))
        if engine == "native":
            assert program._engine.step.blocks is not None  # type: ignore[attr-defined]
    np.testing.assert_allclose(weights[0], weights[1], rtol=2e-4, atol=2e-5)


def test_long_batches_of_small_networks_run_in_blocks() -> None:
    def planned(rows: int, units: int, threads: int = 1) -> bool:
        x, y = np.zeros((rows, 4), np.float32), np.zeros((rows, 2), np.float32)
        model = rv.Sequential(rv.Dense(units, activation="tanh"), rv.Dense(2)).build((4,))
        program = model.training_program(x, y, batch_size=None, threads=threads)
        return program._engine.step.blocks is not None  # type: ignore[attr-defined]

    assert planned(10_000, 32)
    assert not planned(100, 32)  # fits into the cache
    assert not planned(10_000, 4096)  # its sums do not
    assert planned(10_000, 32, threads=2)  # one worker, whatever is asked
