"""How the command line speaks: sentences and tables for people, one JSON document for programs."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ranvier.foundation.errors import RanvierError, TrainingError

WRONG_INPUT = 2
TRAINING_FAILED = 1
INTERRUPTED = 130

Arguments = ParamSpec("Arguments")


def ends_cleanly(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Decorator of a command: errors become their text and an exit code, never a traceback."""

    @functools.wraps(command)
    def run(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        try:
            command(*arguments, **options)
        except RanvierError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            code = TRAINING_FAILED if isinstance(error, TrainingError) else WRONG_INPUT
            raise typer.Exit(code) from error
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(INTERRUPTED) from interrupt

    return run


class Report:
    """Where a command writes.

    Args:
        as_json: people's text goes to stderr, and stdout gets one JSON document.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.stream = sys.stderr if as_json else sys.stdout
        self._console = Console(file=self.stream, highlight=False, soft_wrap=True)

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._console.width

    def heading(self, text: str) -> None:
        """The title of a section."""
        self._console.print(f"\n[bold]{escape(text)}[/bold]")

    def say(self, text: str, style: str = "") -> None:
        """Lines of text, as they are."""
        self._console.print(escape(text), style=style or None)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; columns after the first are aligned to the right."""
        table = Table(box=None, pad_edge=False, header_style="dim", show_header=any(headings))
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if place else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._console.print(table)

    def document(self, content: dict[str, Any]) -> None:
        """The JSON document; nothing without ``--json``."""
        if self.as_json:
            print(json.dumps(_finite(content), ensure_ascii=False, indent=2))


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return None
    return value
