"""The two networks of examples/gan_ring.py find the ring, whatever the seed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_seven_of_eight_gaussians_are_covered(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "gan_ring.py"), "--quick", "--seed", "3"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"^(\d) of 8 Gaussians covered$", done.stdout, re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= 7, done.stdout
