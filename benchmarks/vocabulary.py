"""The time of every registered thing beside PyTorch eager: `python benchmarks/vocabulary.py`.

One pinned core, one thread, both sides in one process in turns, medians. With `--write` the tables
become docs/vocabulary.md. A thing that is registered and has no row here ends it with its name.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import ranvier as rv
import torch

from machine import describe
from peers import torch_vocabulary as peer
from run import environment
from vocabulary_things import KINDS, Data, Size, registered, without_row

PAGE = Path(__file__).resolve().parents[1] / "docs" / "vocabulary.md"
#: An iteration of L-BFGS changes with its number, so that all rounds have the same ones.
FIXED = ("optimizer", "lbfgs")
#: Headings of the tables.
TITLES = {
    "layer": "Layers",
    "activation": "Activations",
    "loss": "Losses",
    "optimizer": "Optimizers",
    "schedule": "Schedules",
    "regularizer": "Regularizers",
    "constraint": "Constraints",
    "metric": "Metrics",
}


@dataclass
class Row:
    """What was measured of one thing.

    Attributes:
        kind: what it is.
        name: its name.
        others: its other names.
        written: how it is written in PyTorch.
        own: whether PyTorch has it as it is.
        ours: microseconds a step of each round.
        theirs: the same in PyTorch.
    """

    kind: str
    name: str
    others: tuple[str, ...]
    written: str
    own: bool
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Our median over PyTorch's; below 1 is quicker."""
        return statistics.median(self.ours) / statistics.median(self.theirs)


def missing() -> list[str]:
    """Registered things that lack a row, or lack PyTorch's side of it."""
    lacking = [
        f"{kind} {name} (PyTorch's side)"
        for kind, (_, known) in peer.KINDS.items()
        for name in registered(kind)
        if name not in known
    ]
    return without_row() + lacking


def measure(kind: str, name: str, data: Data, rounds: int, seconds: float) -> Row:
    """Prepare both sides of a thing, and let them take turns."""
    theirs = peer.KINDS[kind][0](name, data)
    ours = KINDS[kind][0](name, data)
    row = Row(kind, name, registered(kind)[name], theirs.written, theirs.own)
    lengths = []
    for run in (ours, theirs.run):
        run(data.size.steps)
        needed = 1 if (kind, name) == FIXED else seconds / run(data.size.steps)
        lengths.append(data.size.steps * max(1, round(needed)))
    for _ in range(rounds):
        for run, steps, times in zip(
            (ours, theirs.run), lengths, (row.ours, row.theirs), strict=True
        ):
            times.append(run(steps) / steps * 1e6)
    return row


def tables(rows: Sequence[Row]) -> str:
    """A table for each kind, in Markdown."""
    parts = []
    for kind, title in TITLES.items():
        some = [row for row in rows if row.kind == kind]
        if not some:
            continue
        what = (KINDS[kind][0].__doc__ or "").splitlines()[0]
        parts += [
            f"## {title}",
            "",
            f"{what}",
            "",
            f"| {kind} | in PyTorch | Ranvier, us | PyTorch, us | ratio |",
            "|---|---|--:|--:|--:|",
            *map(_line, some),
            "",
        ]
    return "\n".join(parts)


def _line(row: Row) -> str:
    names = ", ".join(f"`{name}`" for name in (row.name, *row.others))
    written = row.written if row.own else f"{row.written} *"
    ours, theirs = statistics.median(row.ours), statistics.median(row.theirs)
    return f"| {names} | {written} | {_digits(ours)} | {_digits(theirs)} | {row.ratio:.2f} |"


def _digits(microseconds: float) -> str:
    return f"{microseconds:,.{0 if microseconds >= 100 else 1}f}"


def slower(rows: Sequence[Row]) -> str:
    """A sentence on the rows in which PyTorch is quicker."""
    names = [f"{row.name} ({row.ratio:.2f})" for row in rows if row.ratio > 1.0]
    if not names:
        return f"Of {len(rows)} rows none is slower than PyTorch."
    return f"Of {len(rows)} rows {len(names)} are slower than PyTorch: {', '.join(names)}."


def page(rows: Sequence[Row], size: Size, rounds: int) -> str:
    """The whole page docs/vocabulary.md."""
    machine, today = describe(), time.strftime("%d %B %Y", time.gmtime())
    return f"""# The vocabulary, measured

Every registered layer, activation, loss, optimizer, schedule, regularizer, constraint and metric,
and the time of a step with it beside PyTorch eager. `python benchmarks/vocabulary.py --write` made
this page; a thing that is registered without a row here makes it fail, and a test too.

**Machine**: {machine.processor} ({machine.llvm_name} to LLVM), {machine.instruction_set};
{machine.system}; {today}. Ranvier {rv.__version__}, torch {torch.__version__}
({torch.backends.cpu.get_cpu_capability()}). One pinned core and one thread for both. A ratio
without the processor's name means nothing.

**A row** is a whole training step in float32: {size.batch} rows in a shuffled order, gathered from
{size.rows:,}, forward pass, loss, gradients, update with SGD; {size.units} features, {size.units}
units, 10 classes and cross-entropy where nothing else is said. Ranvier runs natively for many
epochs. PyTorch runs a loop of eager steps on plain tensors, with the form of its optimizer (fused,
foreach) that a trial finds quickest. The products of the dense layers are in it: read a row beside
`linear`. Times are medians of {rounds} rounds in which both take turns. The ratio is Ranvier's time
by PyTorch's, below 1 is quicker; trust no difference under 5 %. A star: PyTorch has no such thing,
and the operations that make it were put together.

{slower(rows)}

{tables(rows)}"""


def _one_core() -> None:
    """Start again on one core, with every pool of threads of size one: NumPy's too."""
    if hasattr(os, "sched_setaffinity"):
        # The last core: the first one serves the machine's own interrupts more often.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    if any(os.environ.get(name) != value for name, value in environment(1).items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], environment(1))


def main() -> None:
    """Measure what is asked for, print the tables, and write the page."""
    options = _options()
    lacking = missing()
    if lacking:
        places = "benchmarks/vocabulary_things.py and benchmarks/peers/torch_twins.py"
        sys.exit(f"No row yet for: {', '.join(lacking)}. Add it to {places}.")
    _one_core()
    torch.set_num_threads(1)
    data = Data(Size(options.batch, options.units))
    rows, begin = [], time.perf_counter()
    for kind in KINDS:
        for name in registered(kind):
            if options.only and kind not in options.only and name not in options.only:
                continue
            row = measure(kind, name, data, options.rounds, options.seconds)
            rows.append(row)
            print(f"{kind} {_line(row)}", file=sys.stderr, flush=True)
    print(tables(rows))
    print(f"{slower(rows)} {time.perf_counter() - begin:.0f} s")
    if options.out is not None:
        options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if options.write:
        PAGE.write_text(page(rows, data.size, options.rounds), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","), help="kinds or names")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a round, about")
    parser.add_argument("--batch", type=int, default=Size.batch)
    parser.add_argument("--units", type=int, default=Size.units, help="a square number")
    parser.add_argument("--out", type=Path, help="where to write everything as JSON")
    parser.add_argument("--write", action="store_true", help="write docs/vocabulary.md")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write wants all rows: leave --only out.")
    return options


if __name__ == "__main__":
    main()
