"""Objects on disk: the next process finds them, and whatever is wrong with them only costs time."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ranvier.backends.native import code_cache, jit
from ranvier.backends.native.code_cache import CodeCache, Usage, find_code_cache, object_key
from ranvier.backends.native.target import find_target
from ranvier.cli import machine
from ranvier.cli.commands import app
from ranvier.foundation.settings import read_settings

SOURCE = Path(__file__).resolve().parents[1] / "src"
KEY, OTHER = "0" * 64, "f" * 64
POSIX = pytest.mark.skipif(not hasattr(os, "getuid"), reason="there are no owners and modes here")
TEXT = "define void @go() {\n  ret void\n}\n"
#: Calls a function of the system, as programs with several workers do.
YIELD = """
from ranvier.backends.native import jit
from ranvier.backends.native.target import find_target
text = "declare i32 @sched_yield()\\n"
text += "define void @go() {\\n  %done = call i32 @sched_yield()\\n  ret void\\n}\\n"
jit.compile_text(text, find_target()).function("go")()
print(1, "called")
"""
#: Trains, and says how many objects LLVM made and what came out.
TRAIN = """
import numpy as np
import ranvier as rv
from ranvier.backends.native import jit
make, made = jit._made, []
jit._made = lambda *given: made.append(given[0]) or make(*given)
X = np.random.default_rng(0).normal(size=(90, 6))
y = (np.arange(90) % 3).astype("int32")
model = rv.Sequential(rv.Dense(17, activation="tanh"), rv.Dense(3))
program = model.training_program(X, y, batch_size=30)
program.run(2)
print(len(made), program.hash())
"""


def process(folder: Path | str, text: str = TRAIN) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "RANVIER_CACHE": str(folder)},
    )  # fmt: skip


def outcome(running: subprocess.Popen[str]) -> tuple[int, str]:
    """How many objects a process made, and the hash of its parameters."""
    output, complaints = running.communicate(timeout=120)
    assert running.returncode == 0, complaints
    made, found = output.split()
    return int(made), found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "code").iterdir()}


@pytest.fixture
def cache(tmp_path: Path) -> CodeCache:
    return CodeCache(tmp_path / "cache" / "code")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that LLVM was given; this process keeps objects in `tmp_path`."""
    texts: list[str] = []
    make = jit._made

    def counted(piece: str, *rest: Any) -> bytes:
        texts.append(piece)
        return make(piece, *rest)

    monkeypatch.setattr(jit, "_made", counted)
    monkeypatch.setenv("RANVIER_CACHE", str(tmp_path))
    return texts


def compiled_anew(text: str = TEXT) -> None:
    """Compile and call a text as a process does that has it not in memory."""
    jit.CODES.clear()
    jit._OBJECTS.clear()
    jit.compile_text(text, find_target()).function("go")()


# --- a new process


def test_a_new_process_finds_what_an_earlier_one_made(tmp_path: Path) -> None:
    made, first = outcome(process(tmp_path))
    assert made > 0
    assert outcome(process(tmp_path)) == (0, first)
    assert outcome(process("off")) == (made, first)


def test_objects_hold_nothing_of_their_process(tmp_path: Path) -> None:
    # Addresses differ from process to process.
    one, two = tmp_path / "one", tmp_path / "two"
    assert outcome(process(one)) == outcome(process(two))
    assert contents(one) == contents(two)


@POSIX
def test_functions_of_the_system_are_found_by_name_in_each_process(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two, one):
        assert outcome(process(folder, YIELD)) == (1, "called")
    found = contents(one)
    assert found == contents(two)
    assert [b"sched_yield" in value for value in found.values()] == [True]


def test_processes_that_begin_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    outcomes = [outcome(one) for one in [process(tmp_path) for _ in range(3)]]
    assert len({found for _, found in outcomes}) == 1
    assert all(name.endswith(".object") for name in contents(tmp_path))
    assert outcome(process(tmp_path)) == (0, outcomes[0][1])


def test_damaged_entries_are_made_again_and_replaced(tmp_path: Path) -> None:
    made, first = outcome(process(tmp_path))
    sound = contents(tmp_path)
    for number, (name, value) in enumerate(sorted(sound.items())):
        broken = (b"", value[:-1], value[:40], value[:-9] + b"\0" * 9, value + b"\0")[number % 5]
        assert broken != value
        (tmp_path / "code" / name).write_bytes(broken)
    assert outcome(process(tmp_path)) == (made, first)
    assert contents(tmp_path) == sound


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_reads_and_writes(made: list[str]) -> None:
    other = TEXT.replace("ret void", "%a = add i64 1, 2\n  ret void")
    compiled_anew()
    child = os.fork()
    if child == 0:
        compiled_anew()
        compiled_anew(other)
        os._exit(0 if made == [TEXT, other] else 1)
    assert os.waitpid(child, 0)[1] == 0
    compiled_anew(other)
    assert made == [TEXT]


# --- entries


def test_the_key_is_all_that_decides_the_object() -> None:
    target = find_target()
    others = [
        object_key(TEXT + " ", target),
        object_key(TEXT, dataclasses.replace(target, cpu="another")),
        object_key(TEXT, dataclasses.replace(target, features="+another")),
        # The same characters in other places.
        object_key(TEXT[1:], dataclasses.replace(target, features=target.features + TEXT[:1])),
    ]
    assert len({object_key(TEXT, target), *others}) == 5
    assert object_key(TEXT, dataclasses.replace(target, few_rows=1)) == object_key(TEXT, target)


@pytest.mark.parametrize("name", ["__version__", "llvm_version_info"])
def test_another_llvm_has_other_keys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = object_key(TEXT, find_target())
    if name == "__version__":
        monkeypatch.setattr(code_cache.llvmlite, name, "0.0")
    else:
        monkeypatch.setattr(code_cache.llvm, name, (1, 2, 3))
    assert object_key(TEXT, find_target()) != before


def test_what_is_kept_is_found_and_nothing_else(cache: CodeCache) -> None:
    assert cache.find(KEY) is None
    assert cache.usage() == Usage(0, 0)
    cache.keep(KEY, b"object")
    assert cache.find(KEY) == b"object"
    assert cache.find(OTHER) is None
    cache.keep(KEY, b"newer")
    assert cache.find(KEY) == b"newer"
    size = (cache.folder / f"{KEY}.object").stat().st_size
    assert cache.usage() == Usage(1, size)


def test_no_changed_byte_passes(cache: CodeCache) -> None:
    cache.keep(KEY, b"some object")
    path = cache.folder / f"{KEY}.object"
    sound = path.read_bytes()
    for place in range(len(sound)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        assert cache.find(KEY) is None
        path.write_bytes(sound[:place])
        assert cache.find(KEY) is None
    path.write_bytes(sound)
    assert cache.find(KEY) == b"some object"
    path.rename(cache.folder / f"{OTHER}.object")
    assert cache.find(OTHER) is None


def test_the_longest_unused_are_removed(tmp_path: Path) -> None:
    value = bytes(1000)
    one = len(code_cache._entry(KEY, value))
    cache = CodeCache(tmp_path / "code", limit=16 * one)
    (tmp_path / "code").mkdir(mode=0o700)
    mine = tmp_path / "code" / "notes.txt"
    mine.write_bytes(bytes(20 * one))
    keys = [f"{number:064x}" for number in range(17)]
    begin = time.time() - 10 * code_cache.STALE
    for number, key in enumerate(keys[:16]):
        cache.keep(key, value)
        os.utime(cache.folder / f"{key}.object", (begin + number, begin + number))
    assert cache.usage() == Usage(16, 16 * one)
    assert cache.find(keys[0]) == value  # now it is the one that was used last
    cache.keep(keys[16], value)
    assert [key for key in keys if cache.find(key) is None] == keys[1:4]
    assert cache.usage() == Usage(14, 14 * one)
    later = CodeCache(cache.folder, limit=14 * one)
    later.keep(keys[1], value)
    assert later.usage().bytes <= 14 * one
    assert later.find(keys[1]) == value
    assert mine.exists()


def test_the_folder_is_counted_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = bytes(500)
    one = len(code_cache._entry(KEY, value))
    cache = CodeCache(tmp_path / "code", limit=one * 256)  # four entries are the slack
    counts: list[int] = []
    remove = CodeCache._remove_oldest
    monkeypatch.setattr(CodeCache, "_remove_oldest", lambda c: counts.append(1) or remove(c))
    for number in range(600):
        cache.keep(hashlib.sha256(b"%d" % number).hexdigest(), value)
        assert cache.usage().bytes <= cache.limit * (1 + 10 * code_cache.SLACK)
    assert 100 < len(counts) < 200


def test_an_object_beyond_the_limit_is_not_kept(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path / "code", limit=100)
    cache.keep(KEY, bytes(101))
    assert not cache.folder.exists()


def test_files_left_behind_by_killed_writers_are_removed(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path / "code", limit=100)
    cache.keep(KEY, b"object")
    old, new = (cache.folder / f"{KEY}.object.{digit * 16}.tmp" for digit in "ab")
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.keep(OTHER, b"object")
    assert (old.exists(), new.exists()) == (False, True)
    cache.clear()
    assert not new.exists()


def test_threads_at_once(cache: CodeCache) -> None:
    values = [bytes([number]) * 50_000 for number in range(8)]
    wrong: list[bytes] = []

    def work(value: bytes) -> None:
        for _ in range(20):
            cache.keep(KEY, value)
            found = cache.find(KEY)
            if found not in values:
                wrong.append(found or b"")

    threads = [threading.Thread(target=work, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cache.usage().entries == 1


# --- folders that are not used


@POSIX
def test_what_is_made_is_for_the_user_alone(cache: CodeCache) -> None:
    before = os.umask(0)
    try:
        cache.keep(KEY, b"object")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode for path in (cache.folder.parent, cache.folder)]
    assert [stat.S_IMODE(mode) for mode in modes] == [0o700, 0o700]
    assert stat.S_IMODE((cache.folder / f"{KEY}.object").stat().st_mode) == 0o600


@POSIX
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(made: list[str], mode: int) -> None:
    found = find_code_cache()
    assert found is not None
    found.folder.mkdir()
    found.folder.chmod(mode)
    compiled_anew()
    compiled_anew()
    assert made == [TEXT, TEXT]
    assert list(found.folder.iterdir()) == []
    assert found.hindrance() == "others may write to it"


@POSIX
def test_a_folder_of_another_user_is_not_used(
    cache: CodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.keep(KEY, b"object")
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    assert cache.hindrance() == "it belongs to another user"
    assert cache.find(KEY) is None
    cache.keep(OTHER, b"object")
    assert cache.clear() == Usage(0, 0)
    monkeypatch.undo()
    assert cache.find(KEY) == b"object"
    assert cache.find(OTHER) is None


@POSIX
def test_a_file_that_others_may_have_written_is_not_used(cache: CodeCache, tmp_path: Path) -> None:
    cache.keep(KEY, b"object")
    path = cache.folder / f"{KEY}.object"
    path.chmod(0o620)
    assert cache.find(KEY) is None
    path.chmod(0o600)
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    assert cache.find(KEY) is None
    path.unlink()
    os.mkfifo(path)
    assert cache.find(KEY) is None


@POSIX
def test_a_link_is_not_used(cache: CodeCache, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    cache.folder.parent.mkdir()
    cache.folder.symlink_to(tmp_path / "real")
    cache.keep(KEY, b"object")
    assert cache.hindrance() == "it is no folder"
    assert list((tmp_path / "real").iterdir()) == []


def test_a_place_below_a_file_is_not_used(made: list[str], tmp_path: Path) -> None:
    (tmp_path / "code").write_text("a file")
    compiled_anew()
    assert find_code_cache().hindrance() == "it is no folder"  # type: ignore[union-attr]
    below = CodeCache(tmp_path / "code" / "below")
    below.keep(KEY, b"object")
    assert below.find(KEY) is None
    assert below.hindrance() is not None
    assert made == [TEXT]


def test_a_place_that_cannot_be_made_is_not_used(
    cache: CodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert cache.hindrance() == "it cannot be made"
    cache.keep(KEY, b"object")
    assert not cache.folder.exists()


def full_disk(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["replace", "open", "mkdir"])
def test_a_full_or_read_only_disk_disturbs_nothing(
    name: str, made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setattr(Path if name == "mkdir" else os, name, lambda *_, **__: full_disk())
        compiled_anew()
    assert made == [TEXT]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    compiled_anew()
    compiled_anew()
    assert made == [TEXT, TEXT]


def test_an_interrupt_leaves_no_half_file(
    cache: CodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.keep(KEY, b"object")
    assert list(cache.folder.iterdir()) == []


# --- the setting


def test_off_means_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_CACHE", "off")
    assert find_code_cache() is None
    compiled_anew()


def test_a_named_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RANVIER_CACHE", "here")
    assert read_settings().cache == tmp_path / "here"


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/ranvier"),
        ("linux", {"XDG_CACHE_HOME": "{}/caches"}, "caches/ranvier"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/ranvier"),
        ("darwin", {"XDG_CACHE_HOME": "{}/caches"}, "home/Library/Caches/ranvier"),
        ("win32", {"LOCALAPPDATA": "{}/local"}, "local/ranvier"),
        ("win32", {}, "home/AppData/Local/ranvier"),
    ],
)
def test_each_system_has_its_folder(
    platform: str,
    variables: dict[str, str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANVIER_CACHE", "")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert read_settings().cache == tmp_path / expected


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("RANVIER_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert find_code_cache() is None


# --- the command


def ranvier(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, list(arguments))


def shown(*arguments: str) -> dict[str, Any]:
    found = ranvier(*arguments, "--json")
    assert found.exit_code == 0
    document: dict[str, Any] = json.loads(found.stdout)
    return document


def test_the_command_shows_and_clears(made: list[str], tmp_path: Path) -> None:
    empty = {"folder": str(tmp_path / "code"), "not used": None, "entries": 0, "bytes": 0}
    assert shown("cache") == {**empty, "limit": code_cache.LIMIT}
    compiled_anew()
    (tmp_path / "code" / "notes.txt").write_text("not ours")
    size = next((tmp_path / "code").glob("*.object")).stat().st_size
    assert shown("cache") == {**empty, "limit": code_cache.LIMIT, "entries": 1, "bytes": size}
    text = ranvier("cache")
    assert text.exit_code == 0
    assert str(tmp_path / "code") in text.stdout
    assert "1 entry" in text.stdout
    cleared = shown("cache", "--clear")
    assert cleared["removed"] == {"entries": 1, "bytes": size}
    assert (cleared["entries"], cleared["bytes"]) == (0, 0)
    assert [path.name for path in (tmp_path / "code").iterdir()] == ["notes.txt"]
    compiled_anew()
    assert made == [TEXT, TEXT]


def test_the_command_says_that_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_CACHE", "off")
    for arguments in (["cache"], ["cache", "--clear"]):
        found = ranvier(*arguments)
        assert found.exit_code == 0
        assert "RANVIER_CACHE is off" in found.stdout


@POSIX
def test_a_folder_that_is_not_used_is_not_emptied(made: list[str], tmp_path: Path) -> None:
    compiled_anew()
    (tmp_path / "code").chmod(0o777)
    compiled_anew()
    assert made == [TEXT, TEXT]
    assert "others may write to it" in ranvier("cache").stdout
    found = ranvier("cache", "--clear")
    assert found.exit_code == 2
    assert "cannot be emptied" in found.stderr
    (tmp_path / "code").chmod(0o700)
    assert shown("cache")["entries"] == 1


def test_doctor_tells_the_folder(
    made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Callable[[], dict[str, str]] = dict
    monkeypatch.setattr(machine, "speed", nothing)
    assert shown("doctor")["code cache"]["folder"] == str(tmp_path / "code")
    assert "a folder for compiled code" not in machine.idle()
    monkeypatch.setenv("RANVIER_CACHE", "off")
    assert "RANVIER_CACHE is off" in machine.idle()["a folder for compiled code"]
