"""The safetensors container, opened with suspicion: sizes first, contents last.

The header's length is compared with the file's size before anything is read, and every tensor's
dtype and shape with what is expected before its bytes are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ranvier.foundation.errors import FileError, ModelFileError

#: The container's own bound on its header.
MOST_HEADER_BYTES = 100_000_000
LENGTH_BYTES = 8
#: Our one entry in the container's metadata.
ENTRY = "ranvier"
DTYPES = {"F32": "float32", "F64": "float64"}

SPECIFICATION = "a model file written by Ranvier, complete and unchanged"
REMEDY = "copy the file again from where it was made, or train and save the model again"


def damaged(path: Path, happened: str) -> ModelFileError:
    """The error for a file that is not what was once written."""
    return ModelFileError(
        f"The model file {path} is damaged.",
        happened=happened,
        needed=SPECIFICATION,
        fix=REMEDY,
    )


def not_ours(path: Path, happened: str) -> ModelFileError:
    """The error for a file that no Ranvier wrote."""
    return ModelFileError(
        f"The file {path} is not a model file of Ranvier.",
        happened=happened,
        needed=SPECIFICATION,
        fix="give the path that was given to model.save",
    )


def to_bytes(arrays: Mapping[str, NDArray[Any]], text: str) -> bytes:
    """All bytes of a container with these tensors and our one entry of metadata."""
    content: bytes = save(dict(arrays), {ENTRY: text})
    return content


class Container:
    """A safetensors file of which the sizes are known to be sane.

    Args:
        path: the file.

    Raises:
        FileError: if it cannot be read.
        ModelFileError: if it is no safetensors file, or holds no entry of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_sizes(path)
        self._file = _opened(path)
        metadata = self._file.metadata() or {}
        if ENTRY not in metadata:
            raise not_ours(path, "it is a safetensors file, but carries no description by Ranvier")
        self.text: str = metadata[ENTRY]

    def tensors(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """The dtype and shape of every tensor, without reading it; foreign dtypes by their name."""
        found = {}
        for name in sorted(self._file.keys()):
            part = self._file.get_slice(name)
            dtype = str(part.get_dtype())
            found[name] = (DTYPES.get(dtype, dtype), tuple(int(d) for d in part.get_shape()))
        return found

    def read(self, name: str) -> NDArray[Any]:
        """One tensor as an array of its own: writeable and C-contiguous."""
        try:
            return np.array(self._file.get_tensor(name), order="C")
        except (SafetensorError, OSError, ValueError) as error:
            raise damaged(self.path, f"the tensor {name!r:.80} cannot be read: {error}") from error


def _opened(path: Path) -> Any:
    try:
        return safe_open(os.fspath(path), framework="numpy")
    except SafetensorError as error:
        raise damaged(path, f"its header does not describe its contents: {error}") from error
    except (OSError, UnicodeError) as error:
        raise _cannot_read(path, error) from error


def _check_sizes(path: Path) -> None:
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            regular, size = stat.S_ISREG(status.st_mode), status.st_size
            first = file.read(LENGTH_BYTES) if regular else b""
    except (OSError, ValueError) as error:
        raise _cannot_read(path, error) from error
    if not regular:
        raise not_ours(path, "it is no regular file")
    if len(first) < LENGTH_BYTES:
        raise damaged(path, f"it ends after {size} bytes: it is empty or was cut off")
    length = int.from_bytes(first, "little")
    if length > MOST_HEADER_BYTES:
        raise not_ours(path, "it does not start as a safetensors file does")
    if LENGTH_BYTES + length > size:
        raise damaged(
            path,
            f"its header should take {length} bytes, but the file has only {size}: it was cut off",
        )


def _open_without_waiting(name: str, flags: int) -> int:
    """Open so that a pipe without a writer does not block."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _cannot_read(path: Path, error: Exception) -> FileError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return FileError(
        f"The file {path} cannot be read.",
        happened=reason,
        needed="a model file that exists and may be read",
        fix="check the path, and your permission to read it",
    )
