"""The house rules that an AST can see: the order of the rooms, sizes, errors, imports."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ranvier
from ranvier.foundation import errors

SOURCE = Path(__file__).resolve().parents[1] / "src" / "ranvier"
#: In the order in which data flows; a room imports only from rooms above it, and from itself.
ROOMS = (
    "foundation",
    "data",
    "ops",
    "layers",
    "losses",
    "optimizers",
    "metrics",
    "networks",
    "graph",
    "compiler",
    "backends",
    "training",
    "explain",
    "formats",
    "models",
    "estimators",
    "cli",
    "testing",
)
#: Optional packages: each in one file only, and imported lazily there.
OPTIONAL = (
    "polars",
    "narwhals",
    "sklearn",
    "PIL",
    "soundfile",
    "tokenizers",
    "matplotlib",
    "optuna",
)
#: Required packages, and the rooms that may know them.
REQUIRED = {
    "numpy": ROOMS,
    "llvmlite": ("compiler", "backends", "cli"),  # cli: its doctor names the version of LLVM
    "safetensors": ("formats",),
    "rich": ("cli",),
    "typer": ("cli",),
}
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
#: Files that may be longer, with their limit. Keep it at five at most.
LONG_FILES: dict[str, int] = {}
#: Exceptions of Python's own protocols, which other code relies on.
PROTOCOL_RAISES = {("__init__.py", "AttributeError"), ("layers/base.py", "AttributeError")}
#: Where keyword arguments are the attributes of a graph's node, checked by its primitive.
ATTRIBUTES_OF_A_NODE = {("ops/value.py", "apply")}

FILES = sorted(SOURCE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _room(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else ""


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _module(path: Path) -> str:
    parts = ("ranvier", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported module with its line, deferred imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module == "ranvier" and not node.level:
            for alias in node.names:
                yield node.lineno, f"ranvier.{alias.name}"
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, ("." * node.level) + (node.module or "")


def _deferred(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports(node)


def test_every_folder_is_a_room() -> None:
    folders = {_room(path) for path in FILES} - {""}
    assert folders <= set(ROOMS)


def test_rooms_import_only_from_rooms_above() -> None:
    wrong = []
    for path in FILES:
        for line, module in _imports(_tree(path)):
            if module.startswith("."):
                wrong.append(f"{_name(path)}:{line} imports by relative path {module}")
            parts = module.split(".")
            if parts[0] != "ranvier" or _room(path) == "" or module == "ranvier.__version__":
                continue
            other = parts[1] if len(parts) > 1 else ""
            if other == "" or ROOMS.index(other) > ROOMS.index(_room(path)):
                wrong.append(f"{_name(path)}:{line} imports {module}")
    assert wrong == []


def test_no_module_imports_itself_by_a_detour() -> None:
    known = {_module(path) for path in FILES}
    edges: dict[str, set[str]] = {}
    for path in FILES:
        for node in ast.walk(_tree(path)):
            targets: list[str] = []
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [name if name in known else node.module for name in inner]
            edges.setdefault(_module(path), set()).update(known.intersection(targets))
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "a cycle: " + " -> ".join((*trail, module))
        if module not in done:
            for other in sorted(edges.get(module, ())):
                visit(other, (*trail, module))
            done.add(module)

    for module in sorted(known):
        visit(module, ())


def test_deferred_imports_are_optional_packages_only() -> None:
    wrong = [
        f"{_name(path)}:{line} imports {module} inside a function"
        for path in FILES
        for line, module in _deferred(_tree(path))
        if module.split(".")[0] not in OPTIONAL
    ]
    assert wrong == []


@pytest.mark.parametrize("package", OPTIONAL)
def test_optional_packages_live_in_one_file(package: str) -> None:
    users = {
        _name(path)
        for path in FILES
        for _, module in _imports(_tree(path))
        if module.split(".")[0] == package
    }
    assert len(users) <= 1
    for path in FILES:
        if _name(path) in users:
            deferred = [m for _, m in _deferred(_tree(path)) if m.split(".")[0] == package]
            every = [m for _, m in _imports(_tree(path)) if m.split(".")[0] == package]
            assert deferred == every, f"{_name(path)} imports {package} when it is loaded"


def test_packages_stay_in_their_rooms() -> None:
    standard = sys.stdlib_module_names
    wrong = []
    for path in FILES:
        for line, module in _imports(_tree(path)):
            package = module.split(".")[0]
            if package in standard or package in OPTIONAL or package == "ranvier":
                continue
            if _room(path) not in REQUIRED.get(package, ()):
                wrong.append(f"{_name(path)}:{line} imports {package}")
    assert wrong == []


def test_files_are_short() -> None:
    assert len(LONG_FILES) <= 5
    lengths = {_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {
        name: length
        for name, length in lengths.items()
        if length > LONG_FILES.get(name, LONGEST_FILE)
    }
    assert long == {}


def test_functions_are_short() -> None:
    wrong = []
    for path in FILES:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                first = node.body[0]
                # A docstring explains; it does not count.
                has_text = ast.get_docstring(node) is not None
                start = (first.end_lineno or first.lineno) if has_text else node.lineno
                if node.end_lineno - start > LONGEST_FUNCTION:
                    wrong.append(f"{_name(path)}:{node.lineno} {node.name}")
    assert wrong == []


def test_the_environment_is_read_in_one_file() -> None:
    readers = {
        _name(path)
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "environb", "getenv", "putenv")
    }
    assert readers <= {"foundation/settings.py"}


def _raised(node: ast.Raise) -> str:
    """The name of what is raised: the class of a call, or a variable."""
    what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    if isinstance(what, ast.Attribute):
        return what.attr
    return what.id if isinstance(what, ast.Name) else ""


def _makers(tree: ast.Module) -> set[str]:
    """Functions of a file that are annotated to return one of our errors."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            returned = ast.unparse(node.returns).strip("'\"").split(".")[-1]
            if returned in OUR_ERRORS:
                found.add(node.name)
    return found


OUR_ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.RanvierError)
}
MAKERS = {name for path in FILES for name in _makers(_tree(path))}


def _is_our_error(name: str) -> bool:
    return name in OUR_ERRORS or name in MAKERS


def test_every_raise_is_one_of_our_errors() -> None:
    wrong = []
    for path in FILES:
        tree = _tree(path)
        caught = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Raise) or node.exc is None:
                continue
            name = _raised(node)
            allowed = (
                _is_our_error(name)
                or name in caught
                or (_name(path), name) in PROTOCOL_RAISES
                or (_room(path) == "cli" and name == "Exit")
            )
            if not allowed:
                wrong.append(f"{_name(path)}:{node.lineno} raises {name or ast.unparse(node)}")
    assert wrong == []


def test_no_assert_in_the_package() -> None:
    wrong = [
        f"{_name(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Assert)
    ]
    assert wrong == []


def test_every_module_says_what_it_is_for() -> None:
    assert [_name(path) for path in FILES if not ast.get_docstring(_tree(path))] == []


def _signatures(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Functions and methods of a file; functions inside functions are nobody's business."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from (inner for inner in node.body if isinstance(inner, ast.FunctionDef))


def test_no_kwargs_in_public_signatures() -> None:
    wrong = [
        f"{_name(path)}:{node.lineno} {node.name}"
        for path in FILES
        for node in _signatures(_tree(path))
        if node.args.kwarg is not None
        and not node.name.startswith("_")
        and (_name(path), node.name) not in ATTRIBUTES_OF_A_NODE
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ranvier.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(ranvier, name) is not None
    assert name in dir(ranvier)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Danse'"):
        _ = ranvier.Danse


def test_the_version_is_the_one_of_the_package() -> None:
    text = (SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{ranvier.__version__}"\n' in text


def test_every_module_can_be_imported() -> None:
    for path in FILES:
        if path.name != "__main__.py":
            importlib.import_module(_module(path))


def test_import_is_light() -> None:
    program = (
        "import sys, ranvier; "
        "print(sorted(set(sys.modules) & {'rich', 'typer', 'llvmlite', 'numpy', 'safetensors'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
