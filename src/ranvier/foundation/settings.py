"""Settings from the environment. This is the one file that reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ranvier.foundation.errors import ArgumentError

#: More than this is refused as a slip.
MOST_THREADS = 1_024


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        features: ``RANVIER_CPU``: "native" (default), "avx2" or "baseline": the widest vectors.
        data: ``RANVIER_DATA``: folder with real data for tests and examples, or None.
        threads: ``RANVIER_THREADS``: how many workers programs use at most; None: all processors.
        check: ``RANVIER_CHECK``: run the law of the graph after every pass (default off; tests on).
    """

    features: str
    data: Path | None
    threads: int | None
    check: bool


def read_settings() -> Settings:
    """Read the environment now; nothing is remembered between calls."""
    features = os.environ.get("RANVIER_CPU", "native")
    if features not in ("native", "avx2", "baseline"):
        raise ArgumentError(
            "The environment variable RANVIER_CPU is not understood.",
            happened=f"it is {features!r}",
            needed="'native', 'avx2' or 'baseline'",
            fix="unset RANVIER_CPU, or give it one of these values",
        )
    folder = os.environ.get("RANVIER_DATA")
    return Settings(
        features=features,
        data=Path(folder) if folder else None,
        threads=_threads(os.environ.get("RANVIER_THREADS")),
        check=os.environ.get("RANVIER_CHECK", "0") == "1",
    )


def _threads(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_THREADS:
        raise ArgumentError(
            "The environment variable RANVIER_THREADS is not understood.",
            happened=f"it is {text!r:.80}",
            needed=f"an integer from 1 to {MOST_THREADS}",
            fix="unset RANVIER_THREADS, or give it the number of threads to use",
        )
    return int(text)
