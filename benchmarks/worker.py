"""Measure the contenders of some rows in this process, interleaved round by round.

`run.py` starts one such process for each number of threads, with its environment already set.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType

from contender import Contender, Workload
from machine import fma_samples
from workloads import WORKLOADS

TOOLS = {"ranvier": "ranvier_contender", "torch": "peers.torch_peer", "jax": "peers.jax_peer"}
CEILING_SECONDS = 0.01


@dataclass
class Entry:
    """What was measured of one contender on one workload in one process.

    Attributes:
        row: name of the workload.
        contender: name of the contender, with the form it chose.
        tool: the tool it belongs to.
        threads: threads it was allowed.
        prepare_seconds: loading, compiling, choosing: everything before the first timed round.
        epochs: epochs of a timed round.
        microseconds: time per step of each round.
        ceilings: GFLOP/s of multiply-adds, measured right before each round.
        target_seconds: training time, from the first weights, until an epoch's loss was as low as
            the workload's `target_loss`; None if it never was.
        loss: after the workload's `epochs`, from the first weights.
        error: why it has no figures, if it has none.
    """

    row: str
    contender: str
    tool: str
    threads: int
    prepare_seconds: float = 0.0
    epochs: int = 0
    microseconds: list[float] = field(default_factory=list)
    ceilings: list[float] = field(default_factory=list)
    target_seconds: float | None = None
    loss: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Task:
    """What `run.py` asks a worker to do.

    Attributes:
        rows: names of the workloads.
        tools: names of the tools.
        threads: threads of every contender, and cores of this process.
        rounds: timed rounds of every contender.
        seconds: length of a timed round, about.
    """

    rows: list[str]
    tools: list[str]
    threads: int
    rounds: int
    seconds: float


def main(task: Task, out: Path) -> None:
    """Measure everything in `task` and write the entries and versions to `out` as JSON."""
    modules, versions, missing = _load_tools(task.tools)
    entries: list[Entry] = []
    for row in task.rows:
        for tool, problem in missing.items():
            entries.append(Entry(row, tool, tool, task.threads, error=f"not available: {problem}"))
        entries += _measure_row(WORKLOADS[row], modules, task)
    out.write_text(json.dumps({"versions": versions, "entries": [asdict(e) for e in entries]}))


def _load_tools(
    tools: list[str],
) -> tuple[list[ModuleType], dict[str, dict[str, str]], dict[str, str]]:
    modules, versions, missing = [], {}, {}
    for tool in tools:
        try:
            module = importlib.import_module(TOOLS[tool])
            versions[tool] = module.versions()
        except (ImportError, AttributeError) as problem:
            missing[tool] = f"{type(problem).__name__}: {problem}"
            _say(f"{tool}: not available: {problem}")
            continue
        modules.append(module)
    return modules, versions, missing


def _measure_row(workload: Workload, modules: list[ModuleType], task: Task) -> list[Entry]:
    steps_an_epoch = len(workload.load()[0]) // workload.batch
    ready: list[tuple[Contender, Entry]] = []
    entries = []
    for module in modules:
        for contender in module.contenders(workload, task.threads):
            entry = Entry(workload.name, contender.name, contender.tool, task.threads)
            entries.append(entry)
            try:
                _prepare(contender, entry, workload, steps_an_epoch, task.seconds)
            except Exception as problem:  # a tool that fails must not end the others' measurement
                entry.error = f"failed: {type(problem).__name__}: {_first_line(problem)}"
                _say(f"{workload.name}: {contender.name} {entry.error}")
                continue
            ready.append((contender, entry))
    for number in range(task.rounds):
        _say(f"{workload.name}, {task.threads} thread(s), round {number + 1}/{task.rounds}")
        for contender, entry in ready:
            _one_round(contender, entry, workload, steps_an_epoch)
    for contender, entry in ready:
        entry.target_seconds = _seconds_to_loss(contender, workload, steps_an_epoch)
    return entries


def _seconds_to_loss(contender: Contender, workload: Workload, steps_an_epoch: int) -> float | None:
    """Train `warm_epochs` at a time until the loss is low enough, four times `epochs` at most."""
    contender.reset()
    seconds = 0.0
    for _ in range(4 * workload.epochs // workload.warm_epochs):
        trained = contender.run(workload.warm_epochs * steps_an_epoch)
        seconds += trained.seconds
        if trained.loss <= workload.target_loss:
            return seconds
    return None


def _prepare(
    contender: Contender, entry: Entry, workload: Workload, steps_an_epoch: int, seconds: float
) -> None:
    """Compile, learn once for the loss, and choose how long a round is."""
    begin = time.perf_counter()
    contender.prepare()
    entry.prepare_seconds = time.perf_counter() - begin
    entry.contender = contender.name
    contender.reset()
    contender.run(workload.epochs * steps_an_epoch)  # so that nothing is compiled in what follows
    contender.reset()
    trained = contender.run(workload.epochs * steps_an_epoch)
    entry.loss = trained.loss
    epochs = math.ceil(seconds / (trained.seconds / workload.epochs))
    entry.epochs = max(1, min(workload.most_epochs, epochs))
    contender.reset()
    for length in (workload.warm_epochs, entry.epochs):
        contender.run(length * steps_an_epoch)
    _say(f"{workload.name}: {contender.name} is ready, {trained.seconds:.2f} s")


def _one_round(contender: Contender, entry: Entry, workload: Workload, steps_an_epoch: int) -> None:
    contender.reset()
    samples = fma_samples(entry.threads, seconds=CEILING_SECONDS, repeats=3)
    entry.ceilings.append(statistics.median(samples))
    contender.run(workload.warm_epochs * steps_an_epoch)
    steps = entry.epochs * steps_an_epoch
    entry.microseconds.append(contender.run(steps).seconds / steps * 1e6)


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [""])[0]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    order = Task(**json.loads(sys.argv[1]))
    if hasattr(os, "sched_setaffinity"):
        # The last cores: the first ones serve the machine's own interrupts more often.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-order.threads :])
    main(order, Path(sys.argv[2]))
