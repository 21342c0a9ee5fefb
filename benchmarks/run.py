"""Measure Ranvier beside PyTorch and JAX: `python benchmarks/run.py [--rows xor,iris]`.

One fresh process for each number of threads (and each launch); in it, all contenders of a row take
turns, round by round, so that a slow minute of the machine is slow for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import bandwidth_by_size, describe
from table import render
from worker import TOOLS, Task
from workloads import WORKLOADS

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Read the command line, run the workers, print the tables, write the JSON."""
    arguments = _arguments()
    report: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "machine": asdict(describe()),
        "copy_gigabytes_per_second": bandwidth_by_size(),
        "rounds": arguments.rounds,
        "launches": arguments.launches,
        "versions": {},
        "entries": [],
    }
    for threads in arguments.threads:
        for _ in range(arguments.launches):
            task = Task(
                arguments.rows, arguments.tools, threads, arguments.rounds, arguments.seconds
            )
            result = _launch(task)
            report["versions"] |= result["versions"]
            report["entries"] += result["entries"]
    print(_heading(report))
    for threads in arguments.threads:
        for row in arguments.rows:
            print("\n" + render(report["entries"], WORKLOADS[row], threads))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")


def _launch(task: Task) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "entries.json"
        command = [sys.executable, str(FOLDER / "worker.py"), json.dumps(asdict(task)), str(out)]
        subprocess.run(command, env=environment(task.threads), check=True)
        result: dict[str, Any] = json.loads(out.read_text())
    return result


def environment(threads: int) -> dict[str, str]:
    """Return the environment in which every tool keeps to `threads` threads.

    >>> environment(1)["OMP_NUM_THREADS"]
    '1'
    """
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    many = "true" if threads > 1 else "false"
    flags = f"--xla_cpu_multi_thread_eigen={many} intra_op_parallelism_threads={threads}"
    return (
        dict(os.environ)
        | {name: str(threads) for name in pools}
        | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    )


def _heading(report: dict[str, Any]) -> str:
    machine = report["machine"]
    bandwidths = ", ".join(f"{k} {v}" for k, v in report["copy_gigabytes_per_second"].items())
    versions = "; ".join(
        ", ".join(f"{name} {value}" for name, value in tool.items())
        for tool in report["versions"].values()
    )
    return "\n".join(
        [
            f"{report['time']}: {machine['processor']}, LLVM calls it {machine['llvm_name']}, "
            f"{machine['instruction_set']}, {machine['cores']} cores; {machine['system']}",
            f"copying, GB/s by working set: {bandwidths}",
            f"{versions}; {report['rounds']} rounds in each of {report['launches']} launch(es)",
        ]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=_names(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--tools", type=_names(TOOLS), default=list(TOOLS))
    parser.add_argument("--threads", type=_numbers, default=[1], help="for example 1,2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--launches", type=int, default=1, help="fresh processes a thread count")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a round, about")
    parser.add_argument("--out", type=Path, default=None, help="where to write everything as JSON")
    return parser.parse_args()


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown} unknown; there are {', '.join(known)}")
        return names

    return parse


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
