"""`ranvier cache`: where compiled code lies, how much it is, and how to be rid of it."""

from __future__ import annotations

from typing import Any

from ranvier.backends.native.code_cache import LIMIT, CodeCache, find_code_cache
from ranvier.cli.report import Report
from ranvier.foundation.errors import FileError

NO_FOLDER = "RANVIER_CACHE is off, or the user has no folder for caches"


def cache(clear: bool, as_json: bool) -> None:
    """Print the folder, entries and bytes of the code cache.

    Args:
        clear: remove all entries first.
        as_json: one JSON document on stdout.

    Raises:
        FileError: if it is to be emptied and its folder may not be used.
    """
    report = Report(as_json)
    found = find_code_cache()
    content: dict[str, Any] = {}
    if clear and found is not None:
        content["removed"] = _clear(found)
        report.say(f"Removed {_amount(content['removed']['entries'], content['removed']['bytes'])}")
    content |= code_cache()
    if content["not used"] is not None:
        report.say(f"Compiled code is kept in memory only: {content['not used']}.")
    if content["folder"] is not None:
        report.table(
            ("", ""),
            [
                ("folder", str(content["folder"])),
                ("compiled code", _amount(content["entries"], content["bytes"])),
                ("at most", f"{content['limit'] / 1e6:.0f} MB"),
            ],
        )
    report.document(content)


def code_cache() -> dict[str, Any]:
    """The code cache in words and numbers: folder, why it is not used, entries, bytes, limit."""
    cache = find_code_cache()
    if cache is None:
        return {"folder": None, "not used": NO_FOLDER, "entries": 0, "bytes": 0, "limit": LIMIT}
    usage = cache.usage()
    return {
        "folder": str(cache.folder),
        "not used": cache.hindrance(),
        "entries": usage.entries,
        "bytes": usage.bytes,
        "limit": cache.limit,
    }


def _clear(cache: CodeCache) -> dict[str, int]:
    reason = cache.hindrance()
    if reason is not None:
        raise FileError(
            f"The code cache in {cache.folder} cannot be emptied.",
            happened=reason,
            needed="a folder of your own that nobody else may write to",
            fix="remove the folder yourself, or name another one in RANVIER_CACHE",
        )
    removed = cache.clear()
    return {"entries": removed.entries, "bytes": removed.bytes}


def _amount(entries: int, size: int) -> str:
    return f"{entries} {'entry' if entries == 1 else 'entries'}, {size / 1e6:.1f} MB"
