"""The IDX reader: every dtype, and every way in which a file can be damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from ranvier.data.idx import looks_like_idx, read_idx
from ranvier.foundation.errors import FileError

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx_bytes(array: np.ndarray, dtype: str = "u1") -> bytes:
    head = struct.pack(f">2x2B{array.ndim}I", CODES[dtype], array.ndim, *array.shape)
    return head + array.astype(dtype).tobytes()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("packed", [False, True])
def test_every_dtype_is_read(tmp_path: Path, dtype: str, packed: bool) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    path = tmp_path / "a.idx"
    data = idx_bytes(array, dtype)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert looks_like_idx(path)
    read = read_idx(path)
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.dtype(dtype).newbyteorder("=")
    assert read.dtype.isnative
    assert read.flags.writeable


def test_no_rows_are_read_as_none(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(idx_bytes(np.zeros((0, 3))))
    assert read_idx(path).shape == (0, 3)


GOOD = idx_bytes(np.arange(1000).reshape(10, 100) % 7)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "(none)"),
        (b"\0\0", "00 00"),
        (b"PK\3\4" + GOOD[4:], "50 4b"),
        (b"\0\0\x0a\1" + GOOD[4:], "00 00 0a"),
        (b"\0\0\x08\0", "0 axes"),
        (b"\0\0\x08\xff", "255 axes"),
        (GOOD[:9], "within the lengths"),
        (GOOD[:-1], "ends after 999 of 1000 bytes"),
        (GOOD[:12], "more than it can hold"),
        (GOOD + b"\0", "after the last"),
        (b"\0\0\x0e\4" + b"\xff" * 16, "more than it can hold"),
        (gzip.compress(GOOD[:-1]), "truncated"),
        (gzip.compress(GOOD + b"\0"), "after the last"),
        (gzip.compress(GOOD)[:-12], "ended before"),
        (gzip.compress(GOOD)[:-8] + bytes(4) + gzip.compress(GOOD)[-4:], "CRC check failed"),
        (gzip.compress(GOOD)[:10] + b"\xff" * 20, "cannot be read"),
        (gzip.compress(b"\0\0\x0e\4" + b"\xff" * 16), "more than it can hold"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, data: bytes, part: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(FileError, match="train-images-idx3-ubyte cannot be read") as caught:
        read_idx(path)
    assert part in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nothing cannot be read"):
        read_idx(tmp_path / "nothing")
    assert not looks_like_idx(tmp_path / "nothing")
