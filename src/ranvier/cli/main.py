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
        print("\nInterrupted. Nothing was written.", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
