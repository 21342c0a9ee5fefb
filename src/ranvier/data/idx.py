"""IDX, the file format of MNIST: a magic number, the lengths of the axes, then big-endian values.

The reader is strict: a wrong magic number, lengths beyond the file's size, a truncated or damaged
file and trailing bytes are errors that name the file. Plain and gzip-compressed files are read.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import FileError

#: The third byte of the magic number.
_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
#: DEFLATE cannot expand a byte to more than this many.
_LARGEST_EXPANSION = 1032
_MOST_AXES = 8


def is_gzip(path: Path) -> bool:
    """Whether a file starts like a gzip file."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def looks_like_idx(path: Path) -> bool:
    """Whether a file starts with the magic number of an IDX file."""
    try:
        with _open(path) as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _DTYPES and head[3] > 0


def read_idx(path: str | Path) -> NDArray[Any]:
    """The array in an IDX file, in the byte order of this machine.

    **Shapes** as the file says, for MNIST's pictures ``(N, 28, 28)``.

    Args:
        path: the file, plain or compressed with gzip.

    Raises:
        FileError: no such file, not IDX, lengths that do not fit the file, a damaged file.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        expansion = _LARGEST_EXPANSION if is_gzip(path) else 1
        with _open(path) as file:
            array = _read(file, path, size * expansion)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileError):
            raise
        raise _damaged(path, str(error) or type(error).__name__) from error
    return array


def _open(path: Path) -> IO[bytes]:
    if is_gzip(path):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _read(file: IO[bytes], path: Path, largest: int) -> NDArray[Any]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _DTYPES:
        raise _damaged(path, f"it starts with the bytes {head.hex(' ') or '(none)'}")
    dtype, axes = _DTYPES[head[2]], head[3]
    if not 1 <= axes <= _MOST_AXES:
        raise _damaged(path, f"it says that it has {axes} axes")
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise _damaged(path, "it ends within the lengths of its axes")
    shape = tuple(int(length) for length in np.frombuffer(lengths, ">u4"))
    # Python's integers: a product that wraps around must not pass the check.
    needed = dtype.itemsize
    for length in shape:
        needed *= length
    if needed > largest:
        raise _damaged(path, f"its axes {shape} need {needed} bytes, more than it can hold")
    try:
        array = np.empty(shape, dtype)
    except (ValueError, MemoryError) as error:  # an axis of length 0 hides how long others are
        raise _damaged(path, f"its axes {shape} cannot be: {error}") from error
    filled = _fill(file, array)
    if filled < needed:
        raise _damaged(path, f"it ends after {filled} of {needed} bytes: it is truncated")
    if file.read(1):
        raise _damaged(path, f"there are bytes after the last of its {needed}")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _fill(file: IO[bytes], array: NDArray[Any]) -> int:
    """Read straight into the array; how many bytes there were."""
    if array.size == 0:
        return 0
    view: memoryview = array.reshape(-1).view(np.uint8).data
    filled = 0
    while filled < len(view):
        count = file.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            break
        filled += count
    return filled


def _damaged(path: Path, happened: str) -> FileError:
    return FileError(
        f"{path} cannot be read as an IDX file.",
        happened=happened,
        needed="two zero bytes, the dtype, the number of axes, their lengths, then exactly the "
        "values; plain or compressed with gzip",
        fix="download or copy the file again, and compare its checksum",
    )
