"""Writing a file so that a crash leaves the old one or the new one, never half of each."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path

from ranvier.foundation.errors import FileError

#: How names of unfinished files end.
END = ".tmp"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in full beside its place, then move it there.

    The move is one operation of the file system. On any failure, an interrupt included, the
    unfinished file is removed and what stood at ``path`` before is left untouched.

    Args:
        path: where the file goes; a link is followed.
        content: all of its bytes.

    Raises:
        FileError: if the folder is missing or read-only, the disk is full, or the like.
    """
    target = path
    try:
        target = Path(os.path.realpath(path))
        # Moving a file over another asks the folder alone; a file marked read-only means it.
        if os.path.exists(target) and not os.access(target, os.W_OK):
            raise _cannot_write(path, target, "the file there is read-only")
        temporary = target.parent / f"{_begin(target)}{secrets.token_hex(8)}{END}"
        try:
            _write(temporary, content, _mode(target))
            os.replace(temporary, target)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # only there after a failure
    except FileError:
        raise
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise _cannot_write(path, target, reason) from error
    _sync_folder(target.parent)


def remove_leftovers(path: Path) -> None:
    """Remove the unfinished files of writers that were killed while they wrote this file.

    Args:
        path: that was to be written; nobody else may be writing it now.
    """
    target = Path(os.path.realpath(path))
    with contextlib.suppress(OSError):
        for name in os.listdir(target.parent):
            if name.startswith(_begin(target)) and name.endswith(END):
                os.unlink(target.parent / name)


def _begin(target: Path) -> str:
    """How names of unfinished files begin: short for any name, and of this file alone."""
    return f".ranvier-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, else those of any new file."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except OSError:
        return 0o666


def _write(temporary: Path, content: bytes, mode: int) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    with open(os.open(temporary, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the move itself durable, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cannot_write(path: Path, target: Path, reason: str) -> FileError:
    # The functions of os.path answer False, where those of a Path would raise once more.
    if os.path.isfile(target):
        kept = "the file that was there before is unchanged"
    else:
        kept = "nothing was left"
    if not os.path.isdir(target.parent):
        fix = f"make the folder first: mkdir -p {target.parent}"
    elif os.path.isdir(target):
        fix = "give the name of a file inside that folder"
    else:
        fix = "free some space, or choose a folder that you may write to"
    return FileError(
        f"The file {path} cannot be written.",
        happened=f"{reason}; {kept}",
        needed="a folder that exists, may be written to, and has space",
        fix=fix,
    )
