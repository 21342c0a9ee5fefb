"""What `ranvier inspect` shows of damaged files and of checkpoints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ranvier.cli.report import Report
from ranvier.formats import load_checkpoint
from ranvier.formats.inspection import Remains, TensorLeft, look
from ranvier.foundation.errors import ModelFileError
from ranvier.models.progress_line import show_seconds


def show_remains(report: Report, path: Path, error: ModelFileError) -> None:
    """Everything that a damaged file still says, and what is wrong with it."""
    found = look(path)
    report.heading(str(path))
    report.say("This file cannot be loaded. What can be read of it is shown; do not rely on it.")
    problems = [error.happened, *(() if found is None else found.problems)]
    if found is not None:
        _show(report, found)
    report.heading("What is wrong")
    report.say("\n".join(problems))
    report.document(
        {
            "model": str(path),
            "damaged": True,
            "problems": problems,
            "remains": None if found is None else asdict(found),
        }
    )


def _show(report: Report, found: Remains) -> None:
    report.say(f"{found.size:,} bytes")
    if found.versions:
        written = ", ".join(f"{name} {version}" for name, version in found.versions.items())
        report.say(f"written by {written}")
    if found.layers:
        report.heading("Layers")
        report.say("\n".join(f"{number}  {name}" for number, name in enumerate(found.layers)))
    if found.tensors:
        report.heading("Tensors")
        headings = ("name", "dtype", "shape", "state", "smallest", "largest")
        report.table(headings, [_row(one) for one in found.tensors])


def _row(one: TensorLeft) -> tuple[str, ...]:
    ends = ["" if value is None else f"{value:.4g}" for value in (one.smallest, one.largest)]
    return (one.name, one.dtype, str(list(one.shape)), one.state, *ends)


def show_run(report: Report, path: Path) -> dict[str, Any]:
    """Where the run in a checkpoint is; as a document too."""
    state = load_checkpoint(path).state
    counts = state.counts
    done, steps = counts["epoch"] - counts["first"], counts["step"] - counts["first_step"]
    report.heading("Run")
    report.say(f"{done} epochs and {steps} steps in {show_seconds(state.seconds)}, {state.reason}")
    if counts["batch"]:
        report.say(f"{counts['batch']} batches of the next epoch are done")
    last = {name: numbers[-1] for name, numbers in state.history.items() if numbers}
    if last:
        report.say("  ".join(f"{name} {number:.4g}" for name, number in last.items()))
    run = {name: text for name, text in state.run().items() if name != "architecture"}
    report.say("\n".join(f"{name}: {text}" for name, text in run.items()))
    return {
        "epochs": done,
        "steps": steps,
        "batch": counts["batch"],
        "seconds": state.seconds,
        "reason": state.reason,
        "history": dict(state.history),
        "run": dict(state.run()),
    }
