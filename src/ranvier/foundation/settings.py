"""Settings from the environment. This is the one file that reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ranvier.foundation.errors import ArgumentError


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        features: ``RANVIER_CPU``: "native" (default), "avx2" or "baseline": the widest vectors.
        data: ``RANVIER_DATA``: folder with real data for tests and examples, or None.
        check: ``RANVIER_CHECK``: run the law of the graph after every pass (default off; tests on).
    """

    features: str
    data: Path | None
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
        check=os.environ.get("RANVIER_CHECK", "0") == "1",
    )
