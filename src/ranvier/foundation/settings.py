"""Settings from the environment. This is the one file that reads it."""

from __future__ import annotations

import os
import sys
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
        cache: ``RANVIER_CACHE``: folder for compiled code (default: ``ranvier`` in the folder for
            caches that the user has); None: "off", or there is none.
        check: ``RANVIER_CHECK``: run the law of the graph after every pass (default off; tests on).
    """

    features: str
    data: Path | None
    threads: int | None
    cache: Path | None
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
        cache=_cache(os.environ.get("RANVIER_CACHE")),
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


def _cache(text: str | None) -> Path | None:
    if text == "off":
        return None
    if text:
        return Path(text).absolute()
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            caches = Path(local) if local else Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            caches = Path.home() / "Library" / "Caches"
        else:
            # A relative folder is to be ignored: XDG base directory specification 0.8.
            named = Path(os.environ.get("XDG_CACHE_HOME", ""))
            caches = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # this user has no home
        return None
    return caches / "ranvier"
