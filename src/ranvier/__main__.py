"""The command line, as ``python -m ranvier`` starts it."""

from __future__ import annotations

from ranvier.cli.main import run

if __name__ == "__main__":
    run()
