"""The documentation site: Sphinx with MyST, the theme furo.

``pip install ".[all,docs]"``, then ``python -m sphinx -W --keep-going docs site``. Pages are those
of this folder as they are; the reference is made from the docstrings of all public names.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT / "src"))

import ranvier  # noqa: E402 (the path comes first)

project = "Ranvier"
author = "The Ranvier developers"
copyright = author
version = release = ranvier.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "index"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Ranvier {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False
napoleon_use_ivar = True
napoleon_use_rtype = False
toc_object_entries = False

#: Pages of the repository's root that the site shows under these names.
ROOT_PAGES = {
    "project/readme": "README.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/changelog": "CHANGELOG.md",
}
#: The order of the site, which on a code host is the index's text alone.
CHAPTERS = {
    "Learn": ["learn/index"],
    "Use": [
        "project/readme",
        "from_mlpclassifier",
        "defaults",
        "files",
        "own_things",
        "reference/index",
    ],
    "Understand": ["rooms", "compiler", "notation", "performance", "decisions/README"],
    "Change": ["adding", "project/contributing", "project/changelog"],
}
#: Pages that grow their list of pages from what lies in their folder.
FOLDERS = {"learn/index": "learn", "reference/index": "reference", "decisions/README": "decisions"}
#: A row of a folder's table.
TABLE_ROW = re.compile(r"^\|.*?\]\(([\w-]+)\.md\)", re.MULTILINE)

#: ``NDArray[...]`` as NumPy and autodoc write it.
LONG_ARRAY = re.compile(
    r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], "
    r"~?(?:numpy\.)?dtype\[~?(?:\w+\.)*(\w+)\]\]"
)


def toctree(entries: list[str], caption: str = "") -> str:
    """A list of pages that only the margin shows."""
    head = ["```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", *head, "", *entries, "```", ""])


def pages_of(folder: str, text: str) -> list[str]:
    """The other pages of a folder: in the order of its first page's table, then by name."""
    names = {path.stem for path in (DOCS / folder).glob("*.md")} - {"index", "README"}
    told = [name for name in TABLE_ROW.findall(text) if name in names]
    return [f"/{folder}/{name}" for name in [*told, *sorted(names - set(told))]]


def rest_of_docs() -> list[str]:
    """Pages right in this folder that no chapter names."""
    named = {page for pages in CHAPTERS.values() for page in pages} | {"index"}
    return sorted({path.stem for path in DOCS.glob("*.md")} - named)


def relinked(text: str, folder: Path) -> str:
    """Links to the root's pages lead to their place in the site; others out of it become text."""
    places = {ROOT / name: page for page, name in ROOT_PAGES.items()}

    def replaced(found: re.Match[str]) -> str:
        words, target, anchor = found.groups()
        if target.startswith(("http://", "https://", "mailto:")) or not target:
            return found.group()
        path = (folder / target).resolve()
        if path in places:
            return f"[{words}](/{places[path]}.md{anchor or ''})"
        if path.is_relative_to(DOCS) and path.suffix == ".md":
            return f"[{words}](/{path.relative_to(DOCS)}{anchor or ''})"
        if path.is_relative_to(DOCS) and path.is_file():
            return f"[{words}](/{path.relative_to(DOCS)})"
        if path == DOCS / "decisions":
            return f"[{words}](/decisions/README.md)"
        return words

    return re.sub(r"(?<!!)\[([^]]+)\]\(([^)#\s]*)(#[^)\s]*)?\)", replaced, text)


def read_source(_app: Sphinx, page: str, source: list[str]) -> None:
    """What the site adds to a page: links that hold here, and the lists of the margin."""
    path = DOCS / f"{page}.md"
    if page in ROOT_PAGES:
        path = ROOT / ROOT_PAGES[page]
        source[0] = path.read_text(encoding="utf-8")
    text = source[0]
    source[0] = relinked(text, path.parent)
    if page in FOLDERS:
        source[0] += toctree(pages_of(FOLDERS[page], text))
    if page == root_doc:
        for caption, pages in CHAPTERS.items():
            more = rest_of_docs() if caption == "Understand" else []
            source[0] += toctree([f"/{name}" for name in [*pages, *more]], caption)


def public_names(room: str) -> list[str]:
    """The public names that live in a room, by full name, each thing once."""
    homes: dict[int, str] = {}
    rooms: dict[str, str] = {}
    # What has a name of its own comes before what is found in a public module.
    for name, place in sorted(ranvier._NAMES.items(), key=lambda item: item[1].endswith(":")):
        module, whole, _ = place.partition(":")
        inside = [f"{name}.{own}" for own in names_of(getattr(ranvier, name))] if whole else [name]
        for one in inside:
            full = f"ranvier.{one}"
            if homes.setdefault(id(value_of(full)), full) == full:
                rooms[full] = module.split(".")[1]
    return [name for name, found in rooms.items() if found == room]


def names_of(module: ModuleType) -> list[str]:
    """What a module offers: what it says, or what is defined in it."""
    if hasattr(module, "__all__"):
        names = list(module.__all__)
    else:
        own = vars(module).items()
        names = [n for n, v in own if getattr(v, "__module__", None) == module.__name__]
    return [name for name in names if not name.startswith("_")]


def value_of(name: str) -> Any:
    """What a full name stands for."""
    value: Any = ranvier
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value


def directive(name: str, value: Any) -> list[str]:
    """What autodoc shall do with a name."""
    if inspect.isclass(value):
        # scikit-learn puts these into every estimator.
        left_out = [member for member in dir(value) if re.fullmatch(r"set_\w+_request", member)]
        options = [":members:"]
        options += [":show-inheritance:"] if value.__bases__ != (object,) else []
        options += [f":exclude-members: {', '.join(left_out)}"] if left_out else []
        return [f".. autoclass:: {name}", *(f"   {option}" for option in options), ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {name}", ""]
    if inspect.ismodule(value):
        return []
    return [f".. py:data:: {name}", f"   :type: {type(value).__name__}", "", *comment(name), ""]


def comment(name: str) -> list[str]:
    """The lines that stand with ``#:`` above a constant."""
    place = ("", name.rpartition(".")[2])
    for module in sorted(sys.modules):
        if module.startswith("ranvier."):
            found = ModuleAnalyzer.for_module(module).find_attr_docs()
            if place in found:
                return [f"   {line}" for line in found[place]]
    return []


class PublicNames(SphinxDirective):
    """``.. public-names:: layers``: the reference of all public names of a room."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write autodoc's directives and have them read."""
        lines: list[str] = []
        names = public_names(self.arguments[0])
        if not names:
            raise self.error(f"the room {self.arguments[0]!r} has no public names")
        for name in names:
            lines += directive(name, value_of(name))
        node = nodes.section()
        node.document = self.state.document
        self.state.nested_parse(StringList(lines, source=f"public-names {names[0]}"), 0, node)
        return node.children


def joined_names(
    _app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Several names in one line, ``x, y: rows``: Sphinx would take the first for a type."""
    for place, line in enumerate(lines):
        found = re.match(r":(param|ivar) ([^:]*, [^:]*):", line)
        if found:
            names = found.group(2).replace(", ", ",")
            lines[place] = f":{found.group(1)} {names}:{line[found.end() :]}"


def short_arrays(
    _app: Sphinx,
    _what: str,
    _name: str,
    _obj: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """``NDArray[float64]`` instead of the long name that NumPy gives it."""
    texts = [text and LONG_ARRAY.sub(r"NDArray[\1]", text) for text in (signature, returns)]
    return texts[0], texts[1]


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry."""
    app.add_directive("public-names", PublicNames)
    app.connect("source-read", read_source)
    app.connect("autodoc-process-signature", short_arrays)
    app.connect("autodoc-process-docstring", joined_names, priority=900)  # after napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
