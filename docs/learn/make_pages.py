"""Runs the Python of the pages in this folder, fills in what it prints, and draws the pictures.

``python docs/learn/make_pages.py`` does all pages, ``... make_pages.py neuron xor`` two of them.
A page's blocks of Python share their names, as in one long session. What a block prints stands
right after it; ``tests/test_learn.py`` runs the pages and compares.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import matplotlib.pyplot as plt

FOLDER = Path(__file__).resolve().parent
#: In the order of reading.
PAGES = (
    "neuron",
    "layers",
    "activations",
    "loss",
    "gradient_descent",
    "backpropagation",
    "xor",
    "history",
    "digits",
    "trouble",
)
#: The same picture from the same numbers, to the byte.
STYLE: Any = {
    "svg.hashsalt": "ranvier",
    "figure.dpi": 100,
    "savefig.bbox": "tight",
    "font.size": 10,
}
#: Numbers agree to so many units of the last digit shown, or to this share.
UNITS, SHARE = 2.0, 1e-6

_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])([-+]?)(\d+)(?:\.(\d*))?(?:e([-+]?\d+))?")


class Block(NamedTuple):
    """A block of Python in a page.

    Attributes:
        code: its lines.
        shown: what the page says that it prints.
        span: its place in the page, output included.
    """

    code: str
    shown: str
    span: tuple[int, int]


def page_path(name: str) -> Path:
    """The file of a page."""
    return FOLDER / f"{name}.md"


def blocks_of(page: str) -> list[Block]:
    """The Python of a page with the output beside it."""
    return [
        Block(found.group(1), found.group(2) or "", found.span()) for found in _BLOCK.finditer(page)
    ]


def pictures_of(page: str) -> list[str]:
    """The files of the pictures that a page shows."""
    return re.findall(r"!\[[^]]*\]\(pictures/([^)]+)\)", page)


def run_page(name: str) -> list[str]:
    """What each block prints. Pictures are written into ``pictures`` of the current folder."""
    page = page_path(name).read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "__main__"}
    printed = []
    matplotlib.use("Agg")
    with plt.rc_context(STYLE):
        for number, block in enumerate(blocks_of(page)):
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(block.code, f"{name}.md, block {number}", "exec"), names)
            printed.append("".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines()))
    plt.close("all")
    return printed


def agree(shown: str, printed: str) -> bool:
    """Whether two texts are equal, numbers with a decimal point up to rounding."""
    if _words(shown) != _words(printed):
        return False
    pairs = zip(_NUMBER.finditer(shown), _NUMBER.finditer(printed), strict=True)
    return all(_close(one, other) for one, other in pairs)


def _words(text: str) -> list[str]:
    # Without white space in a line: columns move when a number gets a sign or loses one.
    return ["".join(line.split()) for line in _NUMBER.sub("#", text).splitlines()]


def _close(one: re.Match[str], other: re.Match[str]) -> bool:
    if one.group(3) is None and one.group(4) is None:
        return one.group() == other.group()
    digits, power = one.group(3) or "", int(one.group(4) or 0)
    unit = 10.0 ** (power - len(digits))
    first, second = float(one.group()), float(other.group())
    return abs(first - second) <= max(UNITS * unit, SHARE * abs(first))


def filled(page: str, printed: list[str]) -> str:
    """The page with what its blocks print now. Numbers that agree stay as they are."""
    for block, output in reversed(list(zip(blocks_of(page), printed, strict=True))):
        shown = block.shown if agree(block.shown, output) else output
        text = f"\n```text\n{shown}```\n" if shown else ""
        start, end = block.span
        page = page[:start] + f"```python\n{block.code}```\n{text}" + page[end:]
    return page


def main() -> None:
    """Make the pages that are named, or all."""
    os.chdir(FOLDER)
    for name in sys.argv[1:] or PAGES:
        path = page_path(name)
        path.write_text(filled(path.read_text(encoding="utf-8"), run_page(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
