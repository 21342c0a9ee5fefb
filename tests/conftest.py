"""What all tests share: the law of the graph is checked, and peers are asked for by name only."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

os.environ.setdefault("RANVIER_CHECK", "1")
# No test writes into the folder of whoever runs it, nor depends on what lies there.
os.environ["RANVIER_CACHE"] = "off"

ROOT = Path(__file__).resolve().parents[1]

#: Comparisons with PyTorch and JAX need them; .ci/run installs both and runs this folder.
collect_ignore = [] if importlib.util.find_spec("torch") else ["parity"]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real data: RANVIER_DATA, or ../shared/data beside the project."""
    named = os.environ.get("RANVIER_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder} is no folder (set RANVIER_DATA)")
    return folder
