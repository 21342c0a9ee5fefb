"""What `ranvier inspect` says of damaged files, and quick fuzzing of all readers."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import ranvier as rv
from ranvier.cli.commands import app
from ranvier.formats.inspection import look

FUZZ = Path(__file__).resolve().parent / "fuzz_files.py"


def saved(folder: Path) -> Path:
    path = folder / "m.safetensors"
    rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(2)).build((4,)).save(path)
    return path


def flip(place: Callable[[bytes], int], bit: int = 1) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[place(content)] ^= bit
        return bytes(changed)

    return change


def last_of(name: str) -> Callable[[bytes], int]:
    """The place of the last byte of a tensor."""

    def find(content: bytes) -> int:
        length = int.from_bytes(content[:8], "little")
        return 8 + length + int(json.loads(content[8 : 8 + length])[name]["data_offsets"][1]) - 1

    return find


CASES: tuple[tuple[str, Callable[[bytes], bytes], str, int], ...] = (
    ("a weight", flip(last_of("layers.1.weight")), "'layers.1.weight' was altered", 6),
    ("a setting", lambda c: c.replace(b"relu", b"gelu"), "description was altered", 6),
    ("the end", lambda c: c[:-30], "is cut off", 6),
    ("the header", lambda c: c[:200], "it was cut off", 0),
    ("one brace", flip(lambda c: 8), "no JSON any more", 6),
    ("the length", flip(lambda c: 5), "first 8 bytes were altered", 6),
    ("nearly all", lambda c: c[:5], "ends after 5 bytes", 0),
    ("the entry", lambda c: c.replace(b'"ranvier":"{', b'"ranviex":"{'), "no description", 6),
    ("a key", lambda c: c.replace(b'{\\"architecture', b'[\\"architecture'), "cannot be read", 6),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_damaged_file_is_shown_with_its_damage(tmp_path: Path, case: Any) -> None:
    _, damage, part, tensors = case
    path = saved(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    found = look(path)
    assert found is not None
    assert any(part in problem for problem in found.problems)
    assert len(found.tensors) == tensors
    if tensors:
        assert found.layers[:2] == ("Dense", "Dense")
        assert "numpy" in found.versions
    shown = CliRunner().invoke(app, ["inspect", str(path)])
    assert shown.exit_code == 2
    assert part in shown.stdout
    assert "how to fix" in shown.stderr
    document = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    assert json.loads(document.stdout)["damaged"] is True


def test_only_the_damaged_tensor_is_called_so(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.write_bytes(flip(last_of("layers.0.bias"), 0x7F)(path.read_bytes()))
    found = look(path)
    assert found is not None
    states = {one.name: one.state for one in found.tensors}
    assert states.pop("layers.0.bias") == "altered"
    assert set(states.values()) == {"whole"}


def test_numbers_that_are_not_finite_are_said(tmp_path: Path) -> None:
    model = rv.Sequential(rv.Dense(2)).build((3,))
    model.layers[0].bias[:] = [np.nan, 2.0]
    model.save(tmp_path / "m")
    found = look(tmp_path / "m")
    assert found is not None
    bias = next(one for one in found.tensors if one.name == "layers.0.bias")
    assert (bias.not_finite, bias.smallest, bias.largest, bias.state) == (1, 2.0, 2.0, "whole")


def test_what_is_no_file_has_no_remains(tmp_path: Path) -> None:
    assert look(tmp_path) is None
    assert look(tmp_path / "nothing") is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited as in Linux")
@pytest.mark.parametrize("asked", [("--models", "1500"), ("--data", "2000")], ids="".join)
def test_altered_files_are_refused_or_unchanged(asked: tuple[str, str]) -> None:
    # In a process of its own: it limits its memory, and a crash would end it.
    found = subprocess.run(
        [sys.executable, str(FUZZ), *asked, "--seed", "1"], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]
    counts = [int(number) for number in re.findall(r"'(?:refused)': (\d+)", found.stdout)]
    assert counts
    assert all(count > 100 for count in counts)


# --- what fuzzing found


def archive(path: Path, header: bytes, numbers: bytes) -> Path:
    """An .npz with an array of any header."""
    text = header.ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + numbers
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", content)
    return path


@pytest.mark.parametrize("shape", ["(4611686018427387904,)", "(1000000, 1000)"])
def test_an_archive_must_hold_what_its_headers_say(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    with pytest.raises(rv.errors.FileError) as caught:
        rv.open_dataset(archive(tmp_path / "x.npz", header, b"\0" * 64))
    assert "larger than it can hold" in caught.value.happened


def test_an_archive_that_is_packed_in_an_unknown_way(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (8,), }"
    path = archive(tmp_path / "x.npz", header, b"\0" * 64)
    content = bytearray(path.read_bytes())
    for start, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(start) + place] = 77
    path.write_bytes(content)
    with pytest.raises(rv.errors.FileError, match="cannot be read as a NumPy archive"):
        rv.open_dataset(path)


def test_an_axis_of_length_0_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x0e\x03" + struct.pack(">III", 0, 2**32 - 1, 2**32 - 1))
    with pytest.raises(rv.errors.FileError, match="cannot be read as an IDX file") as caught:
        rv.open_dataset(path)
    assert "cannot be" in caught.value.happened
