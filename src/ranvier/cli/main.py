"""The entry of the command line.

The commands are loaded inside `run`, not when this file is: so Ctrl-C gives a sentence and not a
traceback from the first moment on, while NumPy and the rest are still being read.
"""

from __future__ import annotations

import importlib
import sys

INTERRUPTED = 130


def run() -> None:
    """Run the command line; always ends by SystemExit."""
    try:
        commands = importlib.import_module("ranvier.cli.commands")
        commands.app(prog_name="ranvier")
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        # Typer turns Ctrl-C into an exit code and says nothing.
        if _was_interrupted(end):
            _say_interrupted()
        raise


def _say_interrupted() -> None:
    print("\nInterrupted. Nothing was written.", file=sys.stderr)


def _was_interrupted(end: BaseException) -> bool:
    """Whether an exit came from Ctrl-C that nobody answered."""
    cause: BaseException | None = end
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


if __name__ == "__main__":
    run()
