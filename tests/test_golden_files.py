"""Files of earlier releases load for ever, and mean what they meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.formats import load_checkpoint, load_model

FOLDER = Path(__file__).resolve().parent / "golden_files"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def test_every_file_has_its_expected_outputs() -> None:
    assert {path.stem for path in FOLDER.glob("*.safetensors")} == set(EXPECTED)
    assert len(EXPECTED) >= 13


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_golden_file_gives_what_it_gave(name: str, engine: str) -> None:
    model, expected = rv.load(FOLDER / f"{name}.safetensors"), EXPECTED[name]
    assert [layer.describe() for layer in model.layers] == expected["layers"]
    rows = tuple(np.array(one) for one in expected["inputs"])
    rows = tuple(one.astype("f4") if one.dtype.kind == "f" else one for one in rows)
    found: Any = model.predict(rows if len(rows) > 1 else rows[0], engine=engine)
    named = found if isinstance(found, dict) else {"output": found}
    assert set(named) == set(expected["outputs"])
    for key, outputs in expected["outputs"].items():
        assert np.allclose(named[key], outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_formats_are_those_of_their_time(name: str) -> None:
    loaded = load_model(FOLDER / f"{name}.safetensors")
    is_run = name.startswith("checkpoint")
    assert loaded.checkpoint == is_run
    old = name.endswith("format_1")
    assert loaded.reference_rows == (0 if old or is_run else 3)


def test_the_run_in_a_golden_checkpoint_is_still_understood() -> None:
    state = load_checkpoint(FOLDER / "checkpoint_0_1.safetensors").state
    assert state.counts["step"] == 9
    assert state.counts["batch"] == 9 - 4 * state.counts["epoch"]
    assert len(state.history["loss"]) == state.counts["epoch"] == 2
    assert state.reason == "stopped"
    assert [name for name, _ in state.callbacks] == ["ReduceLearningRateOnPlateau"]
    assert any(name.startswith("now.average") for name in state.arrays)
