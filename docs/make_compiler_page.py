"""Fills the excerpts of ``compiler.md`` with what the compiler makes of its network now.

Run by hand after a change of the compiler, on a processor with AVX-512 so that the assembly is the
one that the text speaks of: ``python docs/make_compiler_page.py``. The tests compare the excerpts
in ``FIXED``, which are the same on every machine.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import ranvier as rv
from ranvier.training.program import TrainingProgram

PAGE = Path(__file__).resolve().parent / "compiler.md"
#: The weight that the page follows: its row (an input) and its column (a unit).
ROW, COLUMN = 3, 17
WEIGHT = "layers.0.weight"
#: Excerpts that depend neither on the processor nor on a clock.
FIXED = ("declared", "composite", "gradient", "simplified", "fused", "ordered")
CUT = "        ..."


def example() -> TrainingProgram:
    """The network of the page: 20 inputs, 48 hidden units, 3 classes, batches of 32, Adam."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((320, 20)).astype(np.float32)
    y = generator.integers(0, 3, 320)
    model = rv.Sequential(rv.Dense(48, activation="relu"), rv.Dense(3))
    model.build((20,), seed=0)
    program: TrainingProgram = model.training_program(x, y, batch_size=32, optimizer=rv.Adam(1e-3))
    return program


def passes(program: TrainingProgram) -> dict[str, list[str]]:
    """The lines that each pass left, by its name."""
    parts = re.split(r"^=== (\w+) \(.*\)\n", program.passes(), flags=re.MULTILINE)[1:]
    return {
        name: text.strip("\n").splitlines()
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def forward(lines: list[str]) -> list[str]:
    """The nodes before the second layer."""
    nodes = [line for line in lines if not line.startswith(("input", "output"))]
    end = next(k for k, line in enumerate(nodes) if "layers.1.weight" in line)
    return nodes[:end]


def adam(lines: list[str]) -> list[str]:
    """The weight's gradient and what makes the new weight of it, without broadcasts."""
    start = next(k for k, line in enumerate(lines) if "contracting=((0,), (0,))" in line)
    end = next(k for k, line in enumerate(lines) if f"subtract({WEIGHT}" in line)
    kept = [line for line in lines[start : end + 1] if "(20, 48) = " in line]
    kept = [line for line in kept if "broadcast_to" not in line]
    return [*kept, *(line for line in lines if line.startswith(f"output new {WEIGHT}"))]


def every_group(lines: list[str]) -> list[list[str]]:
    """The listing of a pass, group by group."""
    found: list[list[str]] = []
    for line in lines:
        if line.startswith("group"):
            found.append([])
        found[-1].append(line)
    return found


def groups(lines: list[str]) -> list[list[str]]:
    """The groups that touch the weight: its product, and its update."""
    return [g for g in every_group(lines) if any(f"{WEIGHT}[" in line for line in g)]


def stores(group: list[str], name: str) -> bool:
    """Whether a group stores a buffer."""
    return any(line.strip().startswith(f"store {name}:") for line in group)


def function_of(program: TrainingProgram, number: str) -> list[str]:
    """The text of a group's function: ``@step`` calls groups in the order of the pass."""
    order = [line.split()[0] for line in passes(program)["order"]]
    source = program.source()
    step = source[source.index("@step(ptr %arena") :]
    calls = re.findall(r"call void @(group_\w+)\(", step)
    return text_of(source, calls[order.index(number)])


def text_of(source: str, symbol: str) -> list[str]:
    """One function of the LLVM text, without the words that say little to a reader."""
    start = source.index(f"@{symbol}(", source.index("define"))
    start = source.rindex("define", 0, start)
    lines = source[start : source.index("\n}", start) + 2].splitlines()
    return [re.sub(r", align \d+", "", line) for line in lines]


def kernel_of(function: list[str]) -> str:
    """The name of the tile kernel that a group calls first."""
    return str(re.findall(r"@(tile_\w+)", "\n".join(function))[0])


def kernel_text(program: TrainingProgram, kernel: str) -> list[str]:
    """The head of a kernel and the first two rows of one step of its sum."""
    lines = text_of(program.source(), kernel)
    loop = next(k for k, line in enumerate(lines) if line.startswith("loop"))
    first = next(k for k, line in enumerate(lines) if "load <16 x" in line)
    sums = [k for k, line in enumerate(lines) if "@llvm.fma" in line]
    head = re.sub(r"ptr noalias nocapture( readonly)? ", "ptr ", lines[0])
    return [head, CUT, *lines[loop : loop + 5], CUT, *lines[first : sums[3] + 1], CUT]


def assembly_of(program: TrainingProgram, symbol: str) -> list[str]:
    """The machine instructions of one function."""
    text = program.assembly()
    start = text.index(f"\n{symbol}:") + 1
    end = text.index(".Lfunc_end", start)
    lines = [line.expandtabs(8).rstrip() for line in text[start:end].splitlines()]
    return [line for line in lines if not line.lstrip().startswith((".p2align", "#"))]


def kernel_assembly(program: TrainingProgram, kernel: str) -> list[str]:
    """The first two rows of one step of the sum."""
    lines = assembly_of(program, kernel)
    sums = [k for k, line in enumerate(lines) if "vfmadd" in line]
    start = max(k for k, line in enumerate(lines[: sums[0]]) if line.startswith(".L"))
    return [lines[0], CUT, *lines[start : sums[3] + 1], CUT]


def epilogue(lines: list[str], stores: int) -> list[str]:
    """From the call of the kernel to the stores of the first vector."""
    start = next(k for k, line in enumerate(lines) if "@tile_" in line)
    ends = [k for k, line in enumerate(lines) if k > start and "store <16 x" in line]
    return [*lines[start : ends[stores - 1] + 1], CUT]


def update_assembly(lines: list[str]) -> list[str]:
    """Adam on one vector of sixteen weights: up to its third store."""
    root = next(k for k, line in enumerate(lines) if "vsqrtps" in line)
    start = max(k for k, line in enumerate(lines[:root]) if line.startswith(".L"))
    stores = [k for k in range(root, len(lines)) if re.search(r"vmovups +%zmm\d+, ", lines[k])]
    return [*lines[start : stores[2] + 1], CUT]


def place(program: TrainingProgram) -> list[str]:
    """Where the weight lies in the arena."""
    listed = next(line for line in program.memory().table().splitlines() if f" {WEIGHT}:" in line)
    offset = int(listed.split()[0])
    panel = int(re.findall(r"panels of (\d+)", listed)[0])
    element = COLUMN // panel * 20 * panel + ROW * panel + COLUMN % panel
    return [
        f"{WEIGHT}[{ROW}, {COLUMN}]: panel {COLUMN // panel}, row {ROW}, column {COLUMN % panel}",
        f"element {element} of the buffer, bytes {offset + 4 * element} "
        f"to {offset + 4 * element + 3} of the arena",
    ]


def fixed_excerpts(program: TrainingProgram) -> dict[str, list[str]]:
    """What every machine prints."""
    made = passes(program)
    touched = groups(made["fuse"])
    numbers = {group[0].split()[0] for group in touched}
    arriving = re.findall(r"\* (t\d+)\[", touched[1][1])[0]  # the gradient that the update reads
    numbers.add(next(g[0].split()[0] for g in every_group(made["fuse"]) if stores(g, arriving)))
    inputs = [line for line in made["trace"] if re.match(rf"input (.*{WEIGHT}|data)", line)]
    return {
        "declared": inputs,
        "composite": forward(made["trace"]),
        "gradient": adam(made["trace"]),
        "simplified": forward(made["simplify"]),
        "fused": [line for group in touched for line in group],
        "ordered": [line for line in made["order"] if line.split()[0] in numbers],
    }


def machine_excerpts(program: TrainingProgram) -> dict[str, list[str]]:
    """What depends on the processor."""
    made = passes(program)
    forward_group, update_group = (group[0].split()[0] for group in groups(made["fuse"]))
    first, update = (function_of(program, number) for number in (forward_group, update_group))
    symbol = re.findall(r"@(group_\w+)", update[0])[0]
    table = program.memory().table().splitlines()
    kernel = kernel_of(first)
    return {
        "layout": made["layout"],
        "memory": [table[0], *(line for line in table[1:] if WEIGHT in line), CUT, table[-1]],
        "place": place(program),
        "kernel": kernel_text(program, kernel),
        "kernel-assembly": kernel_assembly(program, kernel),
        "epilogue": epilogue(first, 1),
        "update": epilogue(update, 3),
        "update-assembly": update_assembly(assembly_of(program, symbol)),
    }


def excerpt(page: str, name: str) -> str:
    """An excerpt as it stands in a page."""
    found = re.search(rf"<!-- {name} -->\n```text\n(.*?)```\n", page, re.DOTALL)
    return found.group(1) if found else ""


def replaced(page: str, name: str, lines: list[str]) -> str:
    """The page with an excerpt's place filled."""
    mark = f"<!-- {name} -->\n```text\n"
    start = page.index(mark) + len(mark)
    return page[:start] + "\n".join(lines) + "\n" + page[page.index("```", start) :]


def main() -> None:
    """Write the page anew."""
    program = example()
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in (fixed_excerpts(program) | machine_excerpts(program)).items():
        page = replaced(page, name, lines)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
