"""Workers: the same bits for any number, short steps alone, and all ways in which a run ends."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from ranvier.backends.native import shares
from ranvier.backends.native import workers as native_workers
from ranvier.backends.native.workers import available_workers, chosen_workers, run_together
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.settings import read_settings

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 200)).astype(np.float32)
Y = RNG.integers(0, 10, 300)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers for steps that are too short to gain by them, so that tests are quick."""
    monkeypatch.setattr(shares, "WORTH_WORKERS", 1_000)


def network(dtype: str = "float32") -> rv.Sequential:
    """Long enough for workers: wide, with a narrow end, norms and random numbers."""
    return rv.Sequential(
        rv.Dense(96, activation="relu"),
        rv.BatchNorm(),
        rv.Dropout(0.2),
        rv.Dense(200, activation="gelu"),
        rv.LayerNorm(),
        rv.Dense(10),
        dtype=dtype,
    )


def trained(threads: int, dtype: str = "float32", **arguments: object) -> tuple[str, int]:
    """The training hash, and how many workers there were."""
    model = network(dtype).build((200,))
    program = model.training_program(X, Y, batch_size=100, threads=threads, **arguments)  # type: ignore[arg-type]
    program.run(2)
    return program.hash(), program._engine.workers  # type: ignore[attr-defined]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bits_do_not_depend_on_the_number_of_workers(dtype: str) -> None:
    found = [trained(threads, dtype) for threads in (1, 2, 3, 8)]
    assert [workers for _, workers in found] == [1, 2, 3, 8]
    assert len({bits for bits, _ in found}) == 1


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "arguments",
    [
        {"clip_norm": 1.0},
        {"validation": 0.2, "metrics": ["accuracy", "balanced_accuracy"]},
        {"average": 0.99, "optimizer": "sgd"},
        {"optimizer": rv.Adam(1e-3), "sample_weight": np.linspace(0.5, 2.0, 300)},
        {"accumulate": 2},
    ],
)
def test_the_bits_hold_for_every_kind_of_update(arguments: dict[str, object]) -> None:
    assert trained(1, **arguments)[0] == trained(3, **arguments)[0]


@pytest.mark.usefixtures("eager")
def test_a_last_batch_of_another_size() -> None:
    def run(threads: int) -> str:
        model = network().build((200,))
        program = model.training_program(X[:293], Y[:293], batch_size=64, threads=threads)
        program.run(2)
        return program.hash()

    assert len({run(threads) for threads in (1, 2, 5)}) == 1


@pytest.mark.usefixtures("eager")
def test_more_workers_than_there_is_work() -> None:
    def run(threads: int) -> str:
        model = rv.Sequential(rv.Dense(700, activation="tanh"), rv.Dense(3)).build((200,))
        program = model.training_program(X, Y % 3, batch_size=None, threads=threads)
        program.run(2)
        return program.hash()

    assert run(1) == run(40)


def test_short_steps_have_one_worker() -> None:
    model = rv.Sequential(rv.Dense(4)).build((200,))
    assert model.training_program(X, Y % 4, threads=8)._engine.workers == 1  # type: ignore[attr-defined]


@pytest.mark.usefixtures("eager")
def test_a_run_goes_on_where_it_stopped() -> None:
    whole, parts = network().build((200,)), network().build((200,))
    program = whole.training_program(X, Y, threads=1)
    program.run(4)
    other = parts.training_program(X, Y, threads=3)
    for _ in range(4):
        other.run(1)
    assert program.hash() == other.hash()


@pytest.mark.usefixtures("eager")
def test_a_loss_that_is_not_finite_ends_the_run_for_all() -> None:
    bad = X.copy()
    bad[150] = 3e38
    model = network().build((200,))
    with pytest.raises(rv.errors.TrainingError, match="not a finite number"):
        model.fit(bad, Y, optimizer=rv.SGD(1e30), epochs=50, threads=3, verbose=False)
    model.build((200,))  # nobody waits for anybody: the next run goes through
    assert model.fit(X, Y, epochs=1, threads=3, verbose=False).epochs == 1


@pytest.mark.usefixtures("eager")
def test_a_run_is_stopped_from_outside() -> None:
    model = network().build((200,))
    history = model.fit(X, Y, epochs=10_000_000, threads=3, time_limit=0.3, verbose=False)
    assert 0 < history.epochs < 10_000_000
    assert threading.active_count() < 20


@pytest.mark.usefixtures("eager")
def test_two_trainings_at_once() -> None:
    found: list[str] = []

    def one() -> None:
        found.append(trained(3)[0])

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {trained(1)[0]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_training_in_a_forked_process_after_training_in_its_parent() -> None:
    code = textwrap.dedent(
        """
        import os, sys
        import numpy as np, ranvier as rv
        x = np.random.default_rng(0).normal(size=(600, 500)).astype("float32")
        y = np.arange(600) % 5
        def run():
            model = rv.Sequential(rv.Dense(700, activation="relu"), rv.Dense(5)).build((500,))
            program = model.training_program(x, y, batch_size=None, threads=2)
            program.run(3)
            assert program._engine.workers == 2
            return program.hash()
        first = run()
        child = os.fork()
        if child == 0:
            os._exit(0 if run() == first else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert run() == first
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(rv.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr


# --- how many


def test_the_number_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_THREADS", "3")
    assert read_settings().threads == 3
    assert chosen_workers(None) == 3
    assert chosen_workers(5) == 5
    monkeypatch.delenv("RANVIER_THREADS")
    assert chosen_workers(None) == available_workers() >= 1


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "99999"])
def test_a_setting_that_is_no_number_of_threads(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RANVIER_THREADS", text)
    with pytest.raises(ArgumentError, match="RANVIER_THREADS is not understood"):
        read_settings()


@pytest.mark.parametrize("threads", [0, -1, 2.0, True, "2", 10_000])
def test_an_argument_that_is_no_number_of_threads(threads: object) -> None:
    with pytest.raises(ArgumentError, match="threads is not understood"):
        network().fit(X, Y, threads=threads, verbose=False)  # type: ignore[arg-type]


def test_a_containers_quota_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(native_workers, "QUOTA", quota)
    monkeypatch.setattr(native_workers, "OLD_QUOTA", tmp_path / "none")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for text, expected in (("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("?", 8)):
        quota.write_text(text)
        assert available_workers() == expected
    quota.unlink()
    old = tmp_path / "none"
    monkeypatch.setattr(native_workers, "OLD_PERIOD", tmp_path / "period")
    (tmp_path / "period").write_text("100000")
    for text, expected in (("-1", 8), ("300000", 3)):
        old.write_text(text)
        assert available_workers() == expected


def test_fewer_come_when_the_system_has_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scarce(threading.Thread):
        made = 0

        def start(self) -> None:
            Scarce.made += 1
            if Scarce.made > 2:
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(native_workers.threading, "Thread", Scarce)
    came: list[int] = []
    counts: list[int] = []
    run_together(lambda: came.append(0), came.append, counts.append, most=6)
    assert counts == [3]
    assert sorted(came) == [0, 1, 2]
