"""The README's commands are the real ones, its Python runs, and so do the examples and docs."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranvier.backends.native.elementwise import OPERATIONS
from ranvier.layers import LAYERS
from ranvier.layers.activations import ACTIVATIONS
from ranvier.losses import LOSSES
from ranvier.metrics import METRICS
from ranvier.ops.composites import COMPOSITES
from ranvier.ops.value import PRIMITIVES
from ranvier.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in (SOURCE / "ranvier").rglob("*.py")
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_first_command_is_the_promise() -> None:
    first, second = blocks(README, "sh")
    assert first.strip() == (
        'python3 -m venv .venv && .venv/bin/pip install ".[all]" && .venv/bin/ranvier train digits'
    )
    assert second.strip() == (
        'python3 -m venv .venv && .venv/bin/pip install ".[all,test]" && .venv/bin/python -m pytest'
    )


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = blocks(README, "python")
    assert len(found) >= 2
    names: dict[str, object] = {}
    for block in found:
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    accuracy = re.search(r"accuracy (\d\.\d+) after", printed)
    assert accuracy is not None
    assert float(accuracy.group(1)) > 0.95
    assert "[ 3. 12.]" in printed


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), f"{path.name} points to {target}"


@pytest.fixture
def registries() -> Iterator[None]:
    """What a page registers is forgotten after it: other tests count what is there."""
    kinds = (ACTIVATIONS, COMPOSITES, LAYERS, LOSSES, METRICS, OPTIMIZERS, PRIMITIVES)
    tables: list[dict[str, Any]] = [OPERATIONS, *(kind._things for kind in kinds)]
    before = [dict(table) for table in tables]
    yield
    for table, was in zip(tables, before, strict=True):
        table.clear()
        table.update(was)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    "path",
    # tests/test_learn.py runs those of docs/learn.
    sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "learn"),
    ids=lambda path: path.name,
)
def test_the_python_of_the_docs_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(path.read_text(encoding="utf-8"), "python"):
        exec(compile(block, path.name, "exec"), names)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path: Path, request: pytest.FixtureRequest) -> None:
    arguments = ["--quick"]
    if path.stem == "mnist":
        arguments.append(str(request.getfixturevalue("real_data") / "handwriting" / "mnist"))
    result = subprocess.run(
        [sys.executable, "-W", "error", str(path), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_xor_shows_what_a_single_neuron_cannot() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "xor.py"), "--quick"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        check=True,
    )
    assert "2-4-1 network         [0, 1, 1, 0]" in result.stdout
    assert "3 of 4 right" in result.stdout


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_the_extra_all_is_the_others_and_never_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    parts = re.fullmatch(r"ranvier\[(.*)\]", extras["all"][0])
    assert parts is not None
    assert set(parts.group(1).split(",")) == set(extras) - {"all", "test", "lint", "bench", "docs"}
    assert not any("torch" in need for need in [*project["dependencies"], *extras["test"]])
    packages = {re.split(r"[<>=\[]", need)[0] for need in project["dependencies"]}
    assert packages == {"numpy", "llvmlite", "safetensors", "rich", "typer"}


def test_the_compiler_page_shows_what_the_compiler_prints() -> None:
    spec = importlib.util.spec_from_file_location("page", ROOT / "docs" / "make_compiler_page.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = maker.PAGE.read_text(encoding="utf-8")
    found = maker.fixed_excerpts(maker.example())
    assert set(found) == set(maker.FIXED)
    for name, lines in found.items():
        now = "\n".join(lines) + "\n"
        assert maker.excerpt(page, name) == now, "run python docs/make_compiler_page.py"
    marks = re.findall(r"^<!-- ([\w-]+) -->$", page, re.MULTILINE)
    assert set(maker.FIXED) < set(marks)
    assert all(maker.excerpt(page, mark).strip() for mark in marks)
