"""What can still be said of a file that is damaged: its tensors, its description, what is wrong.

Nothing here is believed or computed with: the file is only looked at, within its own size.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.data.strict_json import read_object
from ranvier.formats.container import DTYPES, ENTRY, LENGTH_BYTES, MOST_HEADER_BYTES
from ranvier.formats.description import MOST_CHARACTERS
from ranvier.formats.model_file import digest_of
from ranvier.foundation.errors import ModelFileError

#: A tensor's entry in a header that is no JSON any more.
_ENTRY = re.compile(
    r'"([^"\\]{1,200})":\{"dtype":"([A-Z0-9_]{1,10})","shape":\[([0-9,]{0,200})\],'
    r'"data_offsets":\[(\d{1,18}),(\d{1,18})\]\}'
)
_LAYER = re.compile(r'\\*"layer\\*":\\*"(\w{1,200})')
_VERSION = re.compile(r'\\*"(ranvier|numpy|llvmlite)\\*":\\*"([^"\\]{1,100})')
MOST_TENSORS = 100_000
MOST_LAYERS_SHOWN = 1_000


@dataclass(frozen=True)
class TensorLeft:
    """One tensor of a damaged file.

    Attributes:
        name, dtype, shape: as the header says.
        state: "whole", "altered", "cut off", or "not checked".
        smallest, largest: of its finite numbers, or None.
        not_finite: how many of its numbers are NaN or infinite.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    state: str
    smallest: float | None = None
    largest: float | None = None
    not_finite: int = 0


@dataclass(frozen=True)
class Remains:
    """What is left of a file.

    Attributes:
        size: bytes.
        problems: what is wrong, in sentences.
        versions: of the packages that wrote it.
        layers: names of the layers.
        tensors: all that the header names.
        description: the whole description, if it can be read.
    """

    size: int
    problems: tuple[str, ...]
    versions: dict[str, str]
    layers: tuple[str, ...]
    tensors: tuple[TensorLeft, ...]
    description: dict[str, Any] | None


def look(path: str | os.PathLike[str]) -> Remains | None:
    """Look at a file that `load_model` refuses.

    Returns:
        What is left of it; None if there is nothing to be read at all.
    """
    place = Path(path)
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            return None
        with place.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(LENGTH_BYTES)
            length = int.from_bytes(head, "little")
            text = file.read(min(length, MOST_HEADER_BYTES)).decode("utf-8", "replace")
            problems = _of_sizes(size, length)
            header, description = _parsed(text, problems)
            first = LENGTH_BYTES + length
            digests = (description or {}).get("tensors")
            known = digests if isinstance(digests, dict) else {}
            entries = _entries(header, text)[:MOST_TENSORS]
            tensors = [_tensor(file, first, size, entry, known) for entry in entries]
    except OSError:
        return None
    return _remains(size, text, problems, description, tensors)


def _of_sizes(size: int, length: int) -> list[str]:
    if size < LENGTH_BYTES:
        return [f"The file ends after {size} bytes."]
    if length > size - LENGTH_BYTES:
        return [
            f"The header should take {length:,} bytes, but the file has only {size:,}: it was cut "
            "off, or these first 8 bytes were altered."
        ]
    return []


def _parsed(text: str, problems: list[str]) -> tuple[Any, dict[str, Any] | None]:
    """The header and the description, as far as they are JSON."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        problems.append("The header is no JSON any more; what is shown was picked out of it.")
        return None, None
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    written = metadata.get(ENTRY) if isinstance(metadata, dict) else None
    if not isinstance(written, str):
        problems.append("The header holds no description by Ranvier.")
        return header, None
    try:
        description = read_object(written, "the description", MOST_CHARACTERS)
    except ModelFileError as error:
        problems.append(f"The description cannot be read: {error.happened}.")
        return header, None
    return header, description if isinstance(description, dict) else None


Entry = tuple[str, str, tuple[int, ...], int, int]


def _entries(header: Any, text: str) -> list[Entry]:
    """Name, dtype, shape, begin and end of each tensor."""
    if not isinstance(header, dict):
        found = []
        for name, dtype, shape, begin, end in _ENTRY.findall(text):
            lengths = tuple(int(d) for d in shape.split(",") if d)
            found.append((name, dtype, lengths, int(begin), int(end)))
        return found
    entries = []
    for name, one in header.items():
        if name == "__metadata__" or not isinstance(one, dict):
            continue
        shape, offsets = _whole(one.get("shape")), _whole(one.get("data_offsets"))
        if shape is not None and offsets is not None and len(offsets) == 2:
            entries.append((str(name), str(one.get("dtype")), shape, offsets[0], offsets[1]))
    return entries


def _whole(value: Any) -> tuple[int, ...] | None:
    """A list of lengths or places, if it is one."""
    fits = isinstance(value, list) and all(type(d) is int and 0 <= d < 2**62 for d in value)
    return tuple(value) if fits else None


def _tensor(file: Any, first: int, size: int, entry: Entry, digests: dict[str, Any]) -> TensorLeft:
    name, dtype, shape, begin, end = entry
    known = DTYPES.get(dtype)
    count = math.prod(shape)
    if known is None or end - begin != count * np.dtype(known).itemsize:
        return TensorLeft(name, DTYPES.get(dtype, dtype), shape, "not checked")
    if first + end > size:
        return TensorLeft(name, known, shape, "cut off")
    file.seek(first + begin)
    numbers = np.frombuffer(file.read(end - begin), known)
    finite = numbers[np.isfinite(numbers)]
    state = "not checked"
    if name in digests:
        whole = digests[name] == digest_of(name, numbers.reshape(shape))
        state = "whole" if whole else "altered"
    return TensorLeft(
        name,
        known,
        shape,
        state,
        float(finite.min()) if len(finite) else None,
        float(finite.max()) if len(finite) else None,
        len(numbers) - len(finite),
    )


def _listed(description: dict[str, Any]) -> list[str]:
    digests = description.get("tensors")
    return list(digests) if isinstance(digests, dict) else []


def _sealed(description: dict[str, Any]) -> bool:
    """Whether a description is as it was written; those of format 1 cannot say so alone."""
    if "tensors" not in description:
        return True
    rest = {key: value for key, value in description.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return description.get("sha256") == hashlib.sha256(text.encode()).hexdigest()


def _remains(
    size: int,
    text: str,
    problems: list[str],
    description: dict[str, Any] | None,
    tensors: list[TensorLeft],
) -> Remains:
    written = description or {}
    versions = written.get("versions")
    if not isinstance(versions, dict):
        versions = dict(_VERSION.findall(text))
    missing = set(_listed(written)) - {one.name for one in tensors}
    problems += [f"The tensor {name!r} is missing." for name in sorted(missing)]
    problems += [
        f"The tensor {one.name!r} {'was' if one.state == 'altered' else 'is'} {one.state}."
        for one in tensors
        if one.state in ("altered", "cut off")
    ]
    if description is not None and not _sealed(description):
        problems.append("The description was altered: its checksum does not fit it.")
    problems += [
        f"The tensor {one.name!r} holds {one.not_finite} numbers that are not finite."
        for one in tensors
        if one.not_finite
    ]
    return Remains(
        size,
        tuple(problems),
        {str(key): str(value) for key, value in versions.items()},
        tuple(_LAYER.findall(text)[:MOST_LAYERS_SHOWN]),
        tuple(tensors),
        description,
    )
