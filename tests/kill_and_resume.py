"""Trainings killed at random moments and resumed: do they end in the bits of one never stopped?

    python tests/kill_and_resume.py --times 300
    python tests/kill_and_resume.py --times 20 --threads 1 2

A training runs in a process of its own and writes checkpoints nearly without a pause, so that many
kills hit a write. Where ``fork`` is not there, or with ``--fresh``, each is a new interpreter.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ranvier as rv

#: Rows and units: with more than one thread a step must be worth two workers.
SIZES = {1: (600, 24), 2: (2048, 256)}


@dataclass
class Found:
    """What a series of kills showed.

    Attributes:
        kills: how many there were.
        in_write: how many left an unfinished file behind.
        runs: trainings that came to their end.
        wrong: ends with other bits.
    """

    kills: int = 0
    in_write: int = 0
    runs: int = 0
    wrong: int = 0


def train(folder: Path | None, epochs: int, size: int, threads: int | None = None) -> str:
    """Train, with a checkpoint in a folder if there is one; the hash of parameters and history."""
    rows, units = SIZES[size]
    numbers = np.random.default_rng(7)
    x = numbers.normal(size=(rows, 12)).astype("f4")
    y = (x[:, :3].sum(axis=1) + 0.3 * numbers.normal(size=rows) > 0).astype(int)
    model = rv.Sequential(
        rv.Dense(units, activation="relu"), rv.BatchNorm(), rv.Dropout(0.2), rv.Dense(2)
    )
    callbacks: list[object] = [
        rv.EarlyStopping(patience=10**6),
        rv.ReduceLearningRateOnPlateau(patience=7, factor=0.9),
    ]
    path = None if folder is None else folder / "run.safetensors"
    if path is not None:
        callbacks.insert(0, rv.Checkpoint(path, every=("0.01 seconds", "17 epochs")))
    history = model.fit(
        x, y, epochs=epochs, batch_size=rows // 6, validation=0.2, callbacks=callbacks,
        optimizer=rv.Adam(rv.CosineDecay(0.003)), average=0.99, accumulate=4, metrics=["f1"],
        verbose=False, threads=threads,
        resume=path if path is not None and path.exists() else None,
    )  # fmt: skip
    program = model.training_program(x, y)
    told = repr((sorted(history.items()), history.best_epoch))
    return program.hash() + hashlib.sha256(told.encode()).hexdigest()


def _child(folder: Path, epochs: int, size: int, threads: int, fresh: bool) -> int:
    """Start a training that writes its hash into a file at its end; its process number."""
    if fresh:
        command = [sys.executable, __file__, "--child", str(folder), str(epochs), str(size)]
        return subprocess.Popen([*command, str(threads)]).pid
    with warnings.catch_warnings():
        # Python warns of forks beside threads; here none is at work.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        try:
            _end(folder, train(folder, epochs, size, threads))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return process


def _wait(process: int, options: int = 0) -> bool:
    """Whether a training has ended by itself; its own errors end this program too."""
    ended, status = os.waitpid(process, options)
    if ended and status != 0:
        raise SystemExit(f"a training failed: {os.waitstatus_to_exitcode(status)}")
    return bool(ended)


def _end(folder: Path, found: str) -> None:
    part = folder / "hash.part"
    part.write_text(found, encoding="utf-8")
    part.replace(folder / "hash")


def kill_and_resume(
    times: int,
    seed: int = 0,
    epochs: int = 2_000,
    threads: Sequence[int] = (1,),
    fresh: bool = False,
    say: bool = False,
) -> Found:
    """Kill trainings until there were so many kills; each training goes on until its end.

    Args:
        times: kills at least.
        seed: of the moments.
        epochs: of a training.
        threads: each process takes one of these at random.
        fresh: a new interpreter for each process instead of a fork of this one.
        say: print how far it is.
    """
    choose, found, size = random.Random(seed), Found(), max(1, min(2, max(threads)))
    begin = time.perf_counter()
    expected = train(None, epochs, size, threads[0])
    longest = time.perf_counter() - begin
    while found.kills < times:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            while not (folder / "hash").exists():
                process = _child(folder, epochs, size, choose.choice(list(threads)), fresh)
                if found.kills < times:
                    _kill(process, folder, choose.uniform(0.0, 0.6 * longest), fresh, found)
                else:
                    _wait(process)
            found.runs += 1
            found.wrong += (folder / "hash").read_text(encoding="utf-8") != expected
        if say:
            sys.stdout.write(f"{found}\n")
            sys.stdout.flush()
    return found


def _kill(process: int, folder: Path, seconds: float, fresh: bool, found: Found) -> None:
    """Let a training run for some time, from its first checkpoint on; then kill it."""
    checkpoint, begin = folder / "run.safetensors", time.perf_counter()
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    until = begin + seconds
    while time.perf_counter() < until:
        if _wait(process, os.WNOHANG):
            return
        changed = checkpoint.exists() and checkpoint.stat().st_mtime_ns != before
        if fresh and not changed:
            until = time.perf_counter() + seconds  # an interpreter needs its time to start
        time.sleep(0.0005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    found.kills += 1
    found.in_write += any(one.name.endswith(".tmp") for one in folder.iterdir())


def main() -> None:
    """The long version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        folder, epochs, size, threads = given.child
        _end(Path(folder), train(Path(folder), int(epochs), int(size), int(threads)))
        return
    found = kill_and_resume(
        given.times, given.seed, given.epochs, given.threads, given.fresh, say=True
    )
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
