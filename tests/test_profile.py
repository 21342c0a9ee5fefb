"""Profiles: every group is timed, the work is counted right, the training does not notice."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

import ranvier as rv
from ranvier.backends.native import clock
from ranvier.backends.native.ceilings import COPIED, Ceilings, find_ceilings
from ranvier.backends.native.clock import Clock
from ranvier.backends.native.emitter import Emitter
from ranvier.backends.native.profile_record import GroupProfile, Profile
from ranvier.backends.native.target import find_target
from ranvier.backends.native.work import bytes_of, describe, operations_of
from ranvier.cli import machine
from ranvier.foundation.errors import ArgumentError

SHORT = 0.01  # seconds of measuring: no test looks at how long anything takes


def data(rows: int = 320, features: int = 20) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, features)).astype(np.float32), rng.integers(0, 3, rows)


def classifier() -> rv.Sequential:
    return rv.Sequential(rv.Dense(48, activation="relu"), rv.Dense(3))


def test_every_group_is_timed() -> None:
    program = classifier().training_program(*data(), batch_size=32, threads=1)
    profile = program.profile(SHORT)
    names = [line.split()[0] for line in program.passes().splitlines() if line.startswith("group")]
    assert {group.name for group in profile.groups} == set(names)
    assert profile.seconds > 0.0
    assert profile.rows == 32
    assert sum(group.share for group in profile.groups) == pytest.approx(1.0)
    assert all(
        group.seconds >= 0.0 and group.reasons and group.computes for group in profile.groups
    )
    products = [group for group in profile.groups if group.kind == "product"]
    assert all("tiles of" in group.reasons[0] for group in products)
    assert all(group.share_of_ceiling > 0.0 for group in products if group.seconds > 0.0)


def test_the_work_is_counted() -> None:
    program = classifier().training_program(*data(), batch_size=32, threads=1)
    groups = program._native().step.groups
    first = next(g for g in groups if g.kind == "product" and "layers.0.weight" in describe(g))
    # 32 x 48 sums over 20, then a bias, a comparison and a choice for each.
    assert operations_of(first, {"N": 32}) == 2 * 32 * 48 * 20 + 3 * 32 * 48
    # The batch, weights and bias, and what the layer gives.
    assert bytes_of(first, {"N": 32}) == 4 * (32 * 20 + 20 * 48 + 48 + 32 * 48)
    assert describe(first).startswith("N x 48 over 20: ")
    assert "then " in describe(first)


def test_of_a_table_only_the_rows_that_are_looked_up_count() -> None:
    model = rv.Sequential(rv.Embedding(100_000, 8), rv.Flatten(), rv.Dense(1)).build((4,))
    x, y = np.arange(160).reshape(40, 4), np.zeros((40, 1), np.float32)
    program = model.training_program(x, y, batch_size=10, optimizer="sgd", loss="mse", threads=1)
    sizes = [bytes_of(group, {"N": 10}) for group in program._native().step.groups]
    assert max(sizes) < 100_000 * 8 * 4
    assert program.profile(SHORT).groups


def test_the_training_does_not_notice() -> None:
    hashes = []
    for looked_at in (False, True):
        program = classifier().training_program(*data(), batch_size=32, metrics=["accuracy"])
        program.run(2)
        if looked_at:
            before = program.state(), program.hash()
            program.profile(SHORT)
            assert program.hash() == before[1]
            assert all((program.state()[k] == v).all() for k, v in before[0].items())
        history = program.run(2)
        hashes.append((program.hash(), tuple(history["loss"])))
    assert hashes[0] == hashes[1]


def test_a_program_that_has_not_run_yet() -> None:
    schedule = rv.CosineDecay(0.1)
    program = classifier().training_program(
        *data(), batch_size=32, optimizer=rv.SGD(schedule), clip_norm=1.0
    )
    assert program.profile(SHORT).steps >= 1


def test_several_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = rv.Sequential(rv.Dense(256, activation="relu"), rv.Dense(3))
    program = model.training_program(*data(1024, 200), batch_size=256, threads=3)
    profile = program.profile(SHORT)
    assert profile.workers == 3
    cut = [group for group in profile.groups if group.workers == 3]
    assert cut
    assert all(any("cut along" in reason for reason in group.reasons) for group in cut)
    alone = [group for group in profile.groups if group.workers == 1]
    assert all(any("not cut" in reason for reason in group.reasons) for group in alone)
    assert "waiting for others" in profile.table()


def test_long_batches_of_small_networks() -> None:
    x, _ = data(10_000, 4)
    model = rv.Sequential(rv.Dense(32, activation="tanh"), rv.Dense(2))
    program = model.training_program(x, x[:, :2], batch_size=None, threads=1)
    profile = program.profile(SHORT)
    assert profile.rows == 10_000
    assert sum(group.share for group in profile.groups) == pytest.approx(1.0)


def test_short_programs_and_predictors() -> None:
    model = rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dense(1)).build((2,))
    x = np.zeros((4, 2), np.float32)
    program = model.training_program(x, x[:, :1], batch_size=1, optimizer="sgd", loss="mse")
    assert any("in line" in " ".join(group.reasons) for group in program.profile(SHORT).groups)
    predict = model.predictor()
    before = predict([1.0, 2.0]).copy()
    assert "a prediction of 1 row:" in predict.profile(SHORT).table()
    assert (predict() == before).all()


def test_compiled_functions() -> None:
    square = rv.compile(lambda a: rv.ops.tanh(a @ a))
    matrix = np.eye(40, dtype=np.float32)
    square(matrix)
    profile = square.program(matrix).profile(SHORT)
    assert str(profile).startswith("a call: ")
    assert [group.kind for group in profile.groups] == ["product"]


def test_the_reference_has_no_profile() -> None:
    program = classifier().training_program(*data(), engine="reference")
    with pytest.raises(ArgumentError, match="no program to look at"):
        program.profile()


def test_lbfgs_has_one() -> None:
    program = classifier().training_program(*data(), optimizer=rv.LBFGS())
    assert program.profile(SHORT).rows == 320


# --- the record


def group(**changes: Any) -> GroupProfile:
    fields: dict[str, Any] = {
        "name": "group1", "kind": "product", "computes": "2 x 2 over 2: a by b; gives c",
        "seconds": 1e-3, "share": 0.5, "operations": 500_000, "bytes": 1_000,
        "most_operations": 1e9, "most_bytes": 1e9, "copied": 16 << 10, "workers": 1,
        "reasons": ("tiles of 2 x 16", "not packed"),
    }  # fmt: skip
    return GroupProfile(**{**fields, **changes})


def test_shares_are_of_the_nearer_ceiling() -> None:
    assert (group().share_of_ceiling, group().limit) == (0.5, "multiply-adds")
    copying = group(bytes=800_000)
    assert (copying.share_of_ceiling, copying.limit) == (0.8, "copying 16 KiB")
    assert group(bytes=800_000, copied=4 << 20).limit == "copying 4 MiB"
    assert group(workers=2).share_of_ceiling == 0.25
    assert group(seconds=0.0).share_of_ceiling == 0.0


def test_the_table() -> None:
    quick = group(name="group2", seconds=5e-9)
    profile = Profile("a step of training", (quick, group()), 2e-3, 5e-4, 2, 64, 100)
    assert profile.share_of_operations == pytest.approx(0.25)
    lines = profile.table().splitlines()
    assert lines[0] == (
        "a step of training of 64 rows: 2 ms, 2 workers, 25% of the multiply-add ceiling; "
        "100 steps timed"
    )
    assert lines[2].split() == (
        ["group1", "product", "1", "ms", "50.0%", "0.5", "0.0", "50%", "of", "multiply-adds"]
    )
    assert lines[3:5] == ["    2 x 2 over 2: a by b; gives c", "    tiles of 2 x 16; not packed"]
    assert lines[5].split() == ["group2", "product", "<", "10", "ns"]
    assert lines[8].split() == ["waiting", "for", "others", "500", "us", "25.0%"]
    assert len(profile.table(reasons=False).splitlines()) == 7
    nothing = Profile("a call", (), 0.0, 0.0, 1, 0, 1)
    assert nothing.share_of_operations == 0.0
    assert len(str(nothing).splitlines()) == 2


# --- ceilings and the clock


@pytest.mark.parametrize("features", ["native", "avx2", "baseline"])
def test_ceilings(features: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_CPU", features)
    found = find_ceilings(find_target())
    assert found is find_ceilings(find_target())  # measured once
    assert set(found.operations) == {"float32", "float64"}
    assert tuple(found.copies) == COPIED
    assert min([*found.operations.values(), *found.copies.values(), found.ticks, found.lap]) > 0.0


def test_the_copy_that_is_compared_with() -> None:
    ceilings = Ceilings({}, {16: 4.0, 512: 2.0}, 1.0, 1.0)
    assert ceilings.bandwidth(10) == (16, 4.0)
    assert ceilings.bandwidth(33) == (512, 2.0)
    assert ceilings.bandwidth(10_000) == (512, 2.0)


def test_the_clock_of_other_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    monkeypatch.setattr(clock.llvm, "get_process_triple", lambda: "aarch64-unknown-linux-gnu")
    declarations: set[str] = set()
    f = Emitter("define void @laps(ptr %arena)", declarations)
    Clock(64, 1).lap(f, 1)
    f.do("ret void")
    module = llvm.parse_assembly("\n".join([*declarations, f.text()]))
    machine_ = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine()
    assert "CNTVCT_EL0" in machine_.emit_assembly(module).upper()


# --- what doctor says of the machine


def test_caches_are_read(tmp_path: Path) -> None:
    for index, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K")]
    ):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    (tmp_path / "index9").mkdir()
    assert machine.caches(tmp_path) == "L1 48K, L2 2048K"
    assert machine.caches(tmp_path / "none") == "unknown"


def test_threads_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_THREADS", "1")
    assert machine.threads() == "1 (RANVIER_THREADS)"
    monkeypatch.delenv("RANVIER_THREADS")
    monkeypatch.setattr(machine, "chosen_workers", lambda asked: 4)
    assert machine.threads() == "4 (all that this process may use)"


def test_what_lies_idle_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(machine, "available_workers", lambda: 6)
    monkeypatch.setenv("RANVIER_THREADS", "5")
    monkeypatch.setenv("RANVIER_CPU", "baseline")
    monkeypatch.setattr(
        machine.llvm, "get_host_cpu_features", lambda: {"amx-int8": True, "avx512f": True}
    )
    found = machine.idle()
    assert found["2 processors"].startswith("the affinity")
    assert found["1 processor more"] == "RANVIER_THREADS"
    assert found["wider vectors"] == "RANVIER_CPU is baseline"
    assert found["AMX tiles"] == "programs compute in float32 and float64"
    if platform.machine() in ("x86_64", "AMD64"):
        assert "fused multiply-adds" in found


def test_speed_is_said_in_words() -> None:
    found = machine.speed()
    assert found["multiply-adds, float32"].endswith(" GFLOP/s")
    assert "copying 512 KiB" in found
    assert "copying 4 MiB" in found
