"""What it costs to begin: import, the first step of a new process, megabytes on the disk.

`python benchmarks/startup.py [--tools ranvier,torch] [--rounds 7] [--disk] [--out startup.json]`.
Every figure is the wall time of a whole new process on one core, files already in memory. "cold"
means an empty folder for compiled code, "warm" the folder that the process before has filled.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np

from contender import Arrays
from machine import describe
from run import FOLDER, environment
from worker import TOOLS
from workloads import WORKLOADS

IMPORTS = ("ranvier", "torch", "jax", "sklearn")
CACHES = ("RANVIER_CACHE", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")
KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}  # JAX else keeps slow ones only
BATCH = 128


def main() -> None:
    """Print the figures; with `--child TOOL`, be the process that is timed."""
    arguments = _arguments()
    if arguments.child is not None:
        first_step(arguments.child)
        return
    report: dict[str, object] = {"processor": describe().processor}
    print(report["processor"])
    for name in ("python alone", *IMPORTS):
        command = "pass" if name == "python alone" else f"import {name}"
        _figure(
            report,
            f"process, {name if command == 'pass' else command}",
            _imports(command, arguments.rounds),
        )
    for tool in arguments.tools:
        for cache, times in _first_steps(tool, arguments.rounds).items():
            _figure(report, f"process to first MNIST step, {tool}, {cache}", times)
    if arguments.disk:
        for name, size in _sizes().items():
            report[f"disk, {name}"] = size
            print(f"{f'disk, {name}':58} {size:8.0f} MB")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")


def first_step(tool: str) -> None:
    """Take the first step of the MNIST network on 128 rows of random bytes."""
    importlib.import_module(TOOLS[tool]).first_step(
        replace(WORKLOADS["mnist_mlp"], load=_one_batch, batch=BATCH)
    )


def _one_batch() -> Arrays:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (BATCH, 784), np.uint8), random.integers(0, 10, BATCH)


def _imports(command: str, rounds: int) -> list[float] | str:
    return _times([sys.executable, "-c", command], environment(1), rounds)


def _first_steps(tool: str, rounds: int) -> dict[str, list[float] | str]:
    command = [sys.executable, str(FOLDER / "startup.py"), "--child", tool]
    with tempfile.TemporaryDirectory() as folder:
        # HOME too: a tool may keep its compiled code somewhere below it.
        caches = environment(1) | KEEP_ALL | dict.fromkeys((*CACHES, "HOME"), folder)
        path = Path(folder)
        cold = _times(command, caches, rounds, before=lambda: _empty(path))
        return {"cold": cold, "warm": _times(command, caches, rounds)}


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _times(
    command: list[str],
    variables: dict[str, str],
    rounds: int,
    before: Callable[[], None] = lambda: None,
) -> list[float] | str:
    """Return the seconds of each round, the first left out, or what the process complained of."""
    times = []
    for _ in range(rounds + 1):
        before()
        begin = time.perf_counter()
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - begin)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["failed"])[-1]
    return times[1:]


def _figure(report: dict[str, object], name: str, times: list[float] | str) -> None:
    report[name] = times
    if isinstance(times, str):
        print(f"{name:58} not available: {times}")
        return
    print(f"{name:58} min {min(times):6.3f} s, median {statistics.median(times):6.3f} s")


def _sizes() -> dict[str, float]:
    """Return megabytes: Ranvier installed with what it needs into a new folder; peers as here."""
    with tempfile.TemporaryDirectory() as folder:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder]
        subprocess.run([*install, str(FOLDER.parent)], check=True)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        sizes = {"ranvier": sum(path.stat().st_size for path in files) / 1e6}
    for name in ("torch", "jax"):
        try:
            sizes[name] = sum(_size(package) for package in _needs(name)) / 1e6
        except metadata.PackageNotFoundError:
            continue
    return sizes


def _needs(name: str) -> set[str]:
    """Return the distribution and all it requires, as far as they are installed here."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        try:
            requirements = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            if package == name:
                raise
            continue
        found.add(package)
        for requirement in requirements:
            text, _, condition = requirement.partition(";")
            if "extra" not in condition:
                waiting.append(_bare_name(text))
    return found


def _bare_name(requirement: str) -> str:
    for end, character in enumerate(requirement):
        if not (character.isalnum() or character in "-_."):
            return requirement[:end].lower()
    return requirement.lower()


def _size(package: str) -> int:
    paths = (Path(str(file.locate())) for file in metadata.files(package) or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=lambda text: text.split(","), default=list(TOOLS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--disk", action="store_true", help="also install into a new folder")
    parser.add_argument("--out", type=Path, default=None, help="where to write JSON")
    parser.add_argument("--child", choices=list(TOOLS), default=None, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])  # inherited by what it starts
    main()
