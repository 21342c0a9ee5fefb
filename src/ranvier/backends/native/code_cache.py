"""Object files on disk, so that a new process need not compile what an earlier one has compiled.

Nothing here raises: a folder that cannot be used, a damaged file and a full disk only mean that
code is compiled. Machine code is read only from files that nobody else can have written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from ranvier.backends.native.target import Target
from ranvier.foundation.settings import read_settings

#: The most bytes of all entries together; beyond, the longest unused are removed.
LIMIT = 256 << 20
#: The share of the limit that remains after entries were removed, so that it is not done each time.
KEPT = 7 / 8
#: The share of the limit that is written, in the mean, between two counts of the folder.
SLACK = 1 / 64
#: Seconds after which a hit renews an entry's time, and an unfinished file counts as left behind.
STALE = 3600.0
#: The first line of an entry: its form. The number also stands for how objects are made of texts.
HEAD = b"ranvier object 1\n"

_ENTRY = re.compile(r"[0-9a-f]{64}\.object")
_UNFINISHED = re.compile(r"[0-9a-f]{64}\.object\.[0-9a-f]{16}\.tmp")
_BINARY = getattr(os, "O_BINARY", 0)
# Not blocking: to open a pipe would mean to wait for its writer.
_READ = os.O_RDONLY | _BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY


def object_key(text: str, target: Target) -> str:
    """The name of a text's object: all that decides its bytes, and nothing else.

    The text is in final form and no pass runs over it. So the version of Ranvier and the sources of
    its compiler need not be in the key: where they matter, the text is another.

    Args:
        text: LLVM's text of a piece.
        target: the processor it is compiled for.
    """
    versions = (llvmlite.__version__, *map(str, llvm.llvm_version_info))
    parts = (llvm.get_default_triple(), target.cpu, target.features, *versions, text)
    # Length before each part: no two lists of parts give the same bytes.
    whole = b"".join(b"%d:%s" % (len(part), part) for part in map(str.encode, parts))
    return hashlib.sha256(HEAD + whole).hexdigest()


@dataclass(frozen=True)
class Usage:
    """What lies in a folder of objects.

    Attributes:
        entries: how many objects.
        bytes: of all of them.
    """

    entries: int
    bytes: int


class CodeCache:
    """A folder of object files, private to its user.

    Args:
        folder: need not exist; made with the first entry.
        limit: bytes of all entries together; exceeded for a while by about `SLACK` of it.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit

    def hindrance(self) -> str | None:
        """Why the folder is not used; None if it is, or would be as soon as there is an entry."""
        try:
            found = os.lstat(self.folder)
        except FileNotFoundError:
            above = next(filter(os.path.exists, self.folder.parents), None)
            usable = above is not None and os.access(above, os.W_OK | os.X_OK)
            return None if usable else "it cannot be made"
        except OSError as error:
            return (error.strerror or str(error)).lower()
        if not stat.S_ISDIR(found.st_mode):
            return "it is no folder"
        return _exposed(found)

    def find(self, key: str) -> bytes | None:
        """The object of a key; None if there is none, or none that can be trusted."""
        if self.hindrance() is not None:
            return None
        path = self.folder / f"{key}.object"
        try:
            with open(path, "rb", opener=lambda name, _: os.open(name, _READ)) as file:
                found = os.fstat(file.fileno())
                # The file is asked too: the folder may be another by now, the open file may not.
                if not stat.S_ISREG(found.st_mode) or _exposed(found) is not None:
                    return None
                content = file.read()
        except OSError:
            return None
        value = content[len(HEAD) + hashlib.sha256().digest_size :]
        if content != _entry(key, value) or not value:
            return None
        if time.time() - found.st_mtime > STALE:
            with contextlib.suppress(OSError):
                os.utime(path)
        return value

    def keep(self, key: str, value: bytes) -> None:
        """Write an object, whole or not at all; nothing happens where that cannot be done."""
        content = _entry(key, value)
        if self.hindrance() is not None or len(content) > self.limit:
            return
        temporary = self.folder / f"{key}.object.{secrets.token_hex(8)}.tmp"
        try:
            _make_private(self.folder)
            # No fsync: a file that a crash of the machine cut short does not pass its checksum.
            with open(temporary, "wb", opener=lambda name, _: os.open(name, _WRITE, 0o600)) as file:
                file.write(content)
            os.replace(temporary, self.folder / f"{key}.object")
        except OSError:
            return
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # only there after a failure or an interrupt
        # To count a full folder takes long. The key is as good as random: entries that begin a
        # count come once in so many bytes, whichever processes write them.
        if int(key[:8], 16) < 2**32 * len(content) / (SLACK * self.limit):
            self._remove_oldest()

    def usage(self) -> Usage:
        """How much there is now."""
        sizes = [found.st_size for _, found in self._files(_ENTRY)]
        return Usage(len(sizes), sum(sizes))

    def clear(self) -> Usage:
        """Remove all entries; files that are not ours stay.

        Returns:
            What was removed.
        """
        removed = []
        for path, found in [*self._files(_ENTRY), *self._files(_UNFINISHED)]:
            with contextlib.suppress(OSError):
                os.unlink(path)
                removed.append((path, found.st_size))
        objects = [size for path, size in removed if _ENTRY.fullmatch(os.path.basename(path))]
        return Usage(len(objects), sum(objects))

    def _remove_oldest(self) -> None:
        now = time.time()
        for path, found in self._files(_UNFINISHED):
            if now - found.st_mtime > STALE:
                with contextlib.suppress(OSError):
                    os.unlink(path)
        entries = sorted(self._files(_ENTRY), key=lambda entry: entry[1].st_mtime)
        total = sum(found.st_size for _, found in entries)
        if total <= self.limit:
            return
        for path, found in entries:
            if total <= KEPT * self.limit:
                break
            # Removed by another process or here: it is gone either way.
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= found.st_size

    def _files(self, names: re.Pattern[str]) -> Iterator[tuple[str, os.stat_result]]:
        if self.hindrance() is not None:
            return
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if names.fullmatch(entry.name):
                        with contextlib.suppress(FileNotFoundError):  # another process was quicker
                            yield entry.path, entry.stat(follow_symlinks=False)
        except OSError:
            return


#: One of each folder in a process: it counts what it wrote.
_caches: dict[Path, CodeCache] = {}


def find_code_cache() -> CodeCache | None:
    """The cache that the settings name; None if it is off, or there is no place for it."""
    folder = read_settings().cache
    if folder is None:
        return None
    return _caches.setdefault(folder, CodeCache(folder / "code"))


def _entry(key: str, value: bytes) -> bytes:
    """An entry's bytes. The key is in the checksum: under another name it is not valid."""
    return HEAD + hashlib.sha256(key.encode() + value).digest() + value


def _exposed(found: os.stat_result) -> str | None:
    """Why others may have written a file or folder; None if they cannot have."""
    if not hasattr(os, "getuid"):  # Windows: a user's own folders are private by default
        return None
    if found.st_uid != os.getuid():
        return "it belongs to another user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write to it"
    return None


def _make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, each for its user alone."""
    if folder.is_dir():
        return
    for one in [*reversed(folder.parents), folder]:
        if not one.is_dir():
            with contextlib.suppress(FileExistsError):
                one.mkdir(mode=0o700)
