"""The table of all registered things is complete, and its rows run; no time is asserted."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from ranvier.layers import ACTIVATIONS

ROOT = Path(__file__).resolve().parents[1]

#: One of each kind, and those that are made in a way of their own.
ROWS = (
    ("layer", "BatchNorm"),
    ("layer", "Concatenate"),
    ("layer", "Embedding"),
    ("layer", "Rescaling"),
    ("activation", "softmax"),
    ("loss", "triplet"),
    ("optimizer", "adam"),
    ("optimizer", "lbfgs"),
    ("schedule", "OneCycle"),
    ("regularizer", "L1L2"),
    ("constraint", "MaxNorm"),
    ("metric", "roc_auc"),
    ("metric", "f1"),
)


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("vocabulary_things")


@pytest.fixture
def vocabulary(things: ModuleType) -> ModuleType:
    pytest.importorskip("torch")
    return importlib.import_module("vocabulary")


def test_every_registered_thing_has_a_row(things: ModuleType) -> None:
    assert things.without_row() == []


def test_every_registered_thing_has_its_twin(vocabulary: ModuleType) -> None:
    assert vocabulary.missing() == []


def test_every_registered_thing_is_on_the_page(things: ModuleType) -> None:
    lines = (ROOT / "docs" / "vocabulary.md").read_text(encoding="utf-8").splitlines()
    measured = [line.split("|")[1] for line in lines if line.startswith("| `")]
    for kind in things.REGISTRIES:
        for name, others in things.registered(kind).items():
            for one in (name, *others):
                assert any(f"`{one}`" in cell for cell in measured), (
                    f"{kind} {one} is not in docs/vocabulary.md: "
                    "run python benchmarks/vocabulary.py --write"
                )


def test_a_new_thing_without_a_row_is_named(
    things: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh(x: object) -> object:
        return x

    fresh.__module__ = "ranvier.layers.activations"
    monkeypatch.setitem(ACTIVATIONS._things, "fresh", fresh)
    assert things.without_row() == ["activation fresh"]


def test_other_names_share_a_row(things: ModuleType) -> None:
    assert things.registered("loss")["mean_squared_error"] == ("mse",)
    assert "mse" not in things.registered("loss")


def test_what_a_user_registers_needs_no_row(
    things: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIVATIONS._things, "own", lambda x: x)
    assert things.without_row() == []


@pytest.mark.parametrize(("kind", "name"), ROWS)
def test_rows_run_on_both_sides(vocabulary: ModuleType, kind: str, name: str) -> None:
    size = vocabulary.Size(batch=16, units=16, steps=2, scored=32)
    row = vocabulary.measure(kind, name, vocabulary.Data(size), rounds=1, seconds=0.0)
    assert row.ours[0] > 0.0
    assert row.theirs[0] > 0.0
    page = vocabulary.page([row], size, 1)
    assert f"| `{name}" in page
    assert row.written in page
