"""The pages that teach run, print what stands beside their code, and draw their pictures."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

import ranvier as rv

pytest.importorskip("matplotlib")

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "learn"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pages", FOLDER / "make_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pages = loaded()


def text_of(name: str) -> str:
    return str(pages.page_path(name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_prints_what_it_shows_and_draws_its_picture(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    printed = pages.run_page(name)
    blocks = pages.blocks_of(text_of(name))
    for block, output in zip(blocks, printed, strict=True):
        assert pages.agree(block.shown, output), (
            f"{name}.md shows\n{block.shown}\nbut it prints\n{output}\n"
            f"run python docs/learn/make_pages.py {name}"
        )
    drawn = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert drawn == sorted(pages.pictures_of(text_of(name)))
    assert drawn


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_has_numbers_pictures_sources_and_a_way_on(name: str) -> None:
    text = text_of(name)
    assert sum(bool(block.shown) for block in pages.blocks_of(text)) >= 5
    assert "\n## Sources\n" in text
    assert text.count("<details>") == text.count("</details>") == 1
    place = pages.PAGES.index(name)
    for other in (*pages.PAGES[max(0, place - 1) : place], *pages.PAGES[place + 1 : place + 2]):
        assert f"]({other}.md)" in text[text.index("## Sources") :]
    for picture in pages.pictures_of(text):
        ElementTree.parse(FOLDER / "pictures" / picture)


def test_the_list_of_pages_is_complete_and_in_order() -> None:
    index = text_of("index")
    assert tuple(re.findall(r"^\| \[.*\]\((\w+)\.md\)", index, re.MULTILINE)) == pages.PAGES
    assert {path.stem for path in FOLDER.glob("*.md")} == {*pages.PAGES, "index"}
    shown = {picture for name in pages.PAGES for picture in pages.pictures_of(text_of(name))}
    assert {path.name for path in (FOLDER / "pictures").iterdir()} == shown


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("loss 0.123", "loss 0.123", True),
        ("loss 0.123", "loss 0.124", True),
        ("loss 0.123", "loss 0.126", False),
        ("rows [ 1.5 -2. ]", "rows [1.5  -2. ]", True),
        ("1.25e-07", "1.26e-07", True),
        ("1.25e-07", "1.25e-06", False),
        ("538 right", "539 right", False),
        ("0.3333333333333333", "0.3333333333333393", True),
        ("three 1.0", "four 1.0", False),
        ("1.0", "1.0 2.0", False),
        ("one two", "one\ntwo", False),
    ],
)
def test_numbers_agree_up_to_rounding(shown: str, printed: str, same: bool) -> None:
    assert pages.agree(shown, printed) is same


def test_a_page_is_filled_with_what_its_code_prints() -> None:
    page = "# A\n\n```python\nprint(1)\n```\n\n```text\n2\n```\n\nb\n\n```python\nx = 1\n```\n\nc\n"
    filled = (
        "# A\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nb\n\n```python\nx = 1\n```\n\nc\n"
    )
    assert pages.filled(page, ["1\n", ""]) == filled
    assert pages.filled(filled, ["1\n", ""]) == filled
    assert pages.filled(page, ["2\n", ""]) == page


def test_every_room_with_public_names_has_a_page_of_reference() -> None:
    rooms = {place.partition(":")[0].split(".")[1] for place in rv._NAMES.values()}
    folder = FOLDER.parent / "reference"
    listed = []
    for path in sorted(folder.glob("*.md")):
        found = re.findall(r"^\.\. public-names:: (\w+)$", path.read_text("utf-8"), re.MULTILINE)
        assert found == ([] if path.stem == "index" else [path.stem])
        listed += found
    assert sorted(listed) == sorted(rooms)
    index = (folder / "index.md").read_text(encoding="utf-8")
    assert all(f"]({room}.md)" in index for room in rooms)
