"""Turn the entries that workers measured into the table that people read."""

from __future__ import annotations

import statistics
from typing import Any

from contender import Workload

Entry = dict[str, Any]

HEAD = (
    "contender",
    "us/step min",
    "median",
    "times fastest peer",
    "GFLOP/s",
    "of the ceiling",
    "ceiling",
    "s to target loss",
    "prepare s",
    "loss",
)


def pooled(entries: list[Entry]) -> list[Entry]:
    """Put the rounds of several launches of the same contender together.

    >>> one = {"row": "xor", "tool": "jax", "contender": "jax scan", "threads": 1}
    >>> one |= {"microseconds": [1.0], "ceilings": [9.0], "loss": 0.5, "error": None}
    >>> pooled([one, one])[0]["microseconds"]
    [1.0, 1.0]
    """
    pool: dict[tuple[Any, ...], Entry] = {}
    for entry in entries:
        key = tuple(entry[name] for name in ("row", "threads", "contender", "error"))
        if key not in pool:
            pool[key] = dict(entry)
        else:
            for name in ("microseconds", "ceilings"):
                pool[key][name] = pool[key][name] + entry[name]
    return list(pool.values())


def render(entries: list[Entry], workload: Workload, threads: int) -> str:
    """Return the table of one workload at one number of threads, as Markdown."""
    chosen = [e for e in pooled(entries) if (e["row"], e["threads"]) == (workload.name, threads)]
    measured = [entry for entry in chosen if entry["microseconds"]]
    peers = [_median(entry) for entry in measured if entry["tool"] != "ranvier"]
    lines = [_line(entry, workload, min(peers, default=None)) for entry in measured]
    flops = workload.flops()
    title = (
        f"{workload.title}; {threads} thread{'s' if threads > 1 else ''}, {flops:,} FLOP a step, "
        f"{workload.parameter_count():,} parameters"
    )
    notes = [f"{e['contender']}: {e['error']}" for e in chosen if e["error"]]
    return "\n".join([title, "", *_aligned([HEAD, *lines]), *notes, *_learning(measured, workload)])


def _line(entry: Entry, workload: Workload, fastest: float | None) -> tuple[str, ...]:
    median, ceiling = _median(entry), statistics.median(entry["ceilings"])
    rate = workload.flops() / median / 1e3
    return (
        entry["contender"],
        _digits(min(entry["microseconds"])),
        _digits(median),
        "-" if fastest is None else f"{median / fastest:.2f}",
        f"{rate:.1f}",
        f"{rate / ceiling:.1%}",
        f"{ceiling:.0f}",
        "never" if entry["target_seconds"] is None else f"{entry['target_seconds']:.3g}",
        f"{entry['prepare_seconds']:.1f}",
        f"{entry['loss']:.4g}",
    )


def _learning(measured: list[Entry], workload: Workload) -> list[str]:
    """Say whether every contender learns the same; the order of the rows differs between them."""
    if len(measured) < 2:
        return []
    losses = [entry["loss"] for entry in measured]
    middle = statistics.median(losses)
    away = max(losses, key=lambda loss: abs(loss - middle))
    distance = abs(away - middle) / middle if middle else 0.0
    verdict = "the same" if distance <= workload.tolerance else "NOT THE SAME"
    return [
        f"learning: {verdict}: losses after {workload.epochs} epochs within {distance:.1%} of "
        f"{middle:.4g} (allowed {workload.tolerance:.0%}); target loss {workload.target_loss:g}"
    ]


def _median(entry: Entry) -> float:
    return float(statistics.median(entry["microseconds"]))


def _digits(microseconds: float) -> str:
    return f"{microseconds:,.{0 if microseconds >= 1000 else 1 if microseconds >= 100 else 3}f}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in rows
    ]
    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:])]) + "|"
    return [lines[0], rule, *lines[1:]]
