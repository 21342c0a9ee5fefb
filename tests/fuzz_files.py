"""Altered files by the thousand: each is refused with a reason, or loaded unchanged in meaning.

    python tests/fuzz_files.py --models 200000 --data 50000

Model files and checkpoints: bits flipped, pieces cut, moved and doubled, numbers in the header
changed, tensors swapped; also with checksums made to fit again, as an attacker would. Data: CSV,
IDX and NumPy archives. Nothing may crash, hang, or take more memory than the file justifies: the
process limits its own memory and counts seconds.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import os
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import ranvier as rv
from ranvier.formats import load_checkpoint, model_file
from ranvier.formats.inspection import look
from ranvier.foundation.errors import RanvierError

#: Memory beyond what the process has at the start; no file here is larger than some kilobytes.
MEMORY = 400 << 20
#: Addresses for tables: the library that reads them reserves many more than it fills, and ends the
#: process where it gets none.
ADDRESSES = 8 << 30
#: After these seconds a file counts as one that hangs.
SECONDS = 60
#: Numbers that headers do not expect.
ODD = (-1, 0, 1, 2, 3, 7, 255, 2**15, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63,
       2**64, -(2**63), 10**30, 0.5, -0.0, 1e308, 1e-320)  # fmt: skip
#: Values of other types.
STRANGE = (None, True, False, "", "x", [], {}, [[]], {"a": 1}, "\ud7ff", "relu", [1, 2, 3])
#: Fields of a table that are not what they seem.
FIELDS = ("nan", "inf", "1e999", "-1e-400", '"', '""', '"a,b"', "\x00", "\ufeff", "é", "9" * 400,
          "", "1,5", "0x10", "True", "?", "'", "\r", "\n", "\t", ";", "1_000", "\uff11", "\u202e",
          " ")  # fmt: skip

Damage = Callable[[random.Random, bytes], bytes]


class HangingError(Exception):
    """A file that takes too long."""


# --- files to alter


def model_files(folder: Path) -> list[Path]:
    """Small files of every kind: a stack, graphs, networks in networks, checkpoints."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(40, 4)).astype("f4")
    y = np.where(x[:, 0] > 0, "yes", "no")
    stack = rv.Sequential(
        rv.Dense(4, activation="relu", kernel_regularizer=rv.L2(1e-3)), rv.BatchNorm(), rv.Dense(2)
    )
    stack.fit(x, y, epochs=1, verbose=False)
    stack.save(folder / "stack")
    entry, words = rv.Input((4,)), rv.Input((3,))
    inner = rv.Sequential(rv.Dense(3, activation="tanh"), rv.Dense(2))
    text = rv.Flatten()(rv.Embedding(7, 2)(words))
    joined = rv.Concatenate()([inner(entry), text, rv.Dense(2)(entry)])
    graph = rv.Model((entry, words), {"a": rv.Dense(1)(joined), "b": rv.Dense(2)(joined)})
    graph.build().save(folder / "graph")
    deep = rv.Sequential(rv.Sequential(rv.Sequential(rv.Dense(2)), rv.Dense(3)), rv.Dense(1))
    deep.build((4,)).save(folder / "nested")
    wide = rv.Sequential(
        rv.Flatten(), rv.LayerNorm(), rv.PReLU(), rv.Dense(2, activation="softmax")
    )
    wide.build((2, 2)).save(folder / "wide")
    run = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dropout(0.1), rv.Dense(2))
    run.fit(
        x, y, epochs=3, batch_size=7, validation=0.2, average=0.9, verbose=False,
        callbacks=[rv.Checkpoint(folder / "run"), rv.EarlyStopping(patience=2),
                   rv.ReduceLearningRateOnPlateau(patience=1)],
    )  # fmt: skip
    driven = rv.Sequential(rv.Dense(2))
    driven.fit(
        x,
        y,
        epochs=3,
        optimizer="lbfgs",
        verbose=False,
        callbacks=[rv.Checkpoint(folder / "driven")],
    )
    return sorted(folder.iterdir())


def table_files(folder: Path) -> list[Path]:
    """Small tables."""
    rows = [f'{k * 0.5},{"red" if k % 3 else "green"},{k % 2},"a, {k}"' for k in range(12)]
    table = "\n".join(["size,colour,count,target", *rows]) + "\n"
    (folder / "table.csv").write_text(table, encoding="utf-8")
    (folder / "numbers.csv").write_text(
        "\n".join(f"{k},{k * k},{k / 7:.6f}" for k in range(12)), encoding="utf-8"
    )
    (folder / "tabs.tsv").write_text(table.replace('"a, ', '"a ').replace(",", "\t"), "utf-8")
    (folder / "packed.csv.gz").write_bytes(gzip.compress(table.encode(), mtime=0))
    return sorted(folder.iterdir())


def array_files(folder: Path) -> list[Path]:
    """Small IDX files and archives."""
    pictures = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
    idx = b"\0\0\x08\x03" + struct.pack(">III", 6, 4, 4) + pictures.tobytes()
    (folder / "pictures-images-idx3-ubyte").write_bytes(idx)
    (folder / "packed-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx, mtime=0))
    floats = b"\0\0\x0d\x02" + struct.pack(">II", 6, 3) + np.arange(18, dtype=">f4").tobytes()
    (folder / "floats-images-idx2-ubyte").write_bytes(floats)
    x, y = np.arange(24.0).reshape(8, 3), np.arange(8) % 2
    np.savez(folder / "plain.npz", x=x, y=y, x_test=x[:2], y_test=y[:2])
    np.savez_compressed(folder / "small.npz", x=x.astype("f4"), y=np.array(list("abababab")))
    return sorted(folder.iterdir())


# --- damage to bytes


def _flip(choose: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(choose.choice((1, 1, 1, 2, 8, 64))):
        changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
    return bytes(changed)


def _cut(choose: random.Random, content: bytes) -> bytes:
    place = choose.randrange(len(content))
    return content[:place] if choose.random() < 0.7 else content[place:]


def _piece(choose: random.Random, content: bytes) -> bytes:
    """A piece doubled, removed, moved, or replaced."""
    low = choose.randrange(len(content))
    piece = content[low : low + choose.choice((1, 2, 4, 8, 16, 100))]
    rest = content[:low] + content[low + len(piece) :]
    place = choose.randrange(len(rest) + 1)
    kind = choose.randrange(4)
    if kind == 0:
        return content[:low] + piece + content[low:]
    if kind == 1:
        return rest
    if kind == 2:
        return rest[:place] + piece + rest[place:]
    odd = choose.choice((b"\0", b"\xff", choose.randbytes(1)))
    return content[:low] + odd * len(piece) + content[low + len(piece) :]


def _number(choose: random.Random, content: bytes) -> bytes:
    """A number that is written in digits becomes another."""
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return _flip(choose, content)
    spot = choose.choice(found)
    text = str(choose.choice(ODD)).encode()
    if choose.random() < 0.5:
        text = str(choose.randrange(10 ** len(spot[0]))).encode()
    return content[: spot.start()] + text + content[spot.end() :]


BYTES: tuple[Damage, ...] = (_flip, _cut, _piece, _number)


# --- damage to the parts of a model file


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file."""
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def whole(header: dict[str, Any], data: bytes) -> bytes:
    """A safetensors file of these parts, with the length of the header that it has."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def alter(choose: random.Random, value: Any) -> Any:
    """A JSON value with something changed somewhere inside."""
    if isinstance(value, dict) and value and choose.random() < 0.95:
        changed, key = dict(value), choose.choice(list(value))
        kind = choose.random()
        if kind < 0.05:
            del changed[key]
        elif kind < 0.1:
            changed[choose.choice(("", "x", key + "x", "layers.0.weight"))] = changed.pop(key)
        elif kind < 0.15:
            other = choose.choice(list(value))
            changed[key], changed[other] = changed[other], changed[key]
        else:
            changed[key] = alter(choose, changed[key])
        return changed
    if isinstance(value, list) and value and choose.random() < 0.95:
        changed_list, place = list(value), choose.randrange(len(value))
        kind = choose.random()
        if kind < 0.05:
            del changed_list[place]
        elif kind < 0.1:
            changed_list.insert(place, changed_list[choose.randrange(len(value))])
        elif kind < 0.12:
            changed_list *= choose.choice((2, 50))
        else:
            changed_list[place] = alter(choose, changed_list[place])
        return changed_list
    if type(value) is int and choose.random() < 0.5:
        return value + choose.choice((-1, 1, 2, 100))
    if isinstance(value, str) and value and choose.random() < 0.3:
        return value[:-1]
    return choose.choice((*ODD, *STRANGE))


def _header(choose: random.Random, content: bytes) -> bytes:
    """The header with an entry changed, such as shapes and offsets."""
    header, data = parts(content)
    return whole(alter(choose, header), data)


def _swap(choose: random.Random, content: bytes) -> bytes:
    """Two tensors of one shape exchanged, or numbers of one."""
    header, data = parts(content)
    names = [name for name in header if name != "__metadata__"]
    first, second = choose.choice(names), choose.choice(names)
    header[first], header[second] = header[second], header[first]
    return whole(header, data)


def _description(choose: random.Random, content: bytes) -> bytes:
    """The description changed, without a checksum that fits."""
    header, data = parts(content)
    description = json.loads(header["__metadata__"]["ranvier"])
    header["__metadata__"]["ranvier"] = json.dumps(alter(choose, description))
    return whole(header, data)


def _resealed(choose: random.Random, content: bytes) -> bytes:
    """Description or tensors changed, with checksums that fit: what an attacker writes."""
    header, _ = parts(content)
    description = json.loads(header["__metadata__"]["ranvier"])
    tensors = safetensors.numpy.load(content)
    for _ in range(choose.choice((1, 1, 2, 5))):
        if choose.random() < 0.15:
            _alter_tensor(choose, tensors)
        else:
            key = choose.choice(("architecture", "preparation", "checkpoint", "reference", "any"))
            if description.get(key):
                description[key] = alter(choose, description[key])
            else:
                description = alter(choose, description)
        if not isinstance(description, dict):
            return _description(choose, content)
    try:
        text = model_file.sealed(
            {k: v for k, v in description.items() if k not in ("tensors", "sha256")},
            tensors,
            Path(),
        )
    except (RanvierError, RecursionError, UnicodeError):
        return _description(choose, content)
    try:
        return bytes(safetensors.numpy.save(tensors, {"ranvier": text}))
    except (ValueError, UnicodeError):
        return _flip(choose, content)


def _alter_tensor(choose: random.Random, tensors: dict[str, Any]) -> None:
    name = choose.choice(list(tensors))
    one = tensors[name]
    kind = choose.randrange(6)
    if kind == 0:
        tensors[name] = one.T.copy()
    elif kind == 1:
        tensors[name] = one.astype(choose.choice(("f8", "f4", "i4", "f2")))
    elif kind == 2:
        tensors[choose.choice(("x", "checkpoint.x", "reference.output.9"))] = tensors.pop(name)
    elif kind == 3 and one.size and one.dtype.kind == "f":
        one.reshape(-1)[choose.randrange(one.size)] = choose.choice(
            (np.nan, np.inf, 0.0, 1e30, -1.0)
        )
    elif kind == 4:
        tensors[name] = one.reshape(-1)[:-1].copy()
    else:
        tensors[name] = np.zeros((0, 3), one.dtype)


MODELS: tuple[Damage, ...] = (*BYTES, _header, _header, _swap, _description, _resealed, _resealed)


def _field(choose: random.Random, content: bytes) -> bytes:
    """A field of a table becomes another, or one more stands before it."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(_field(choose, gzip.decompress(content)), mtime=0)
    found = list(re.finditer(rb"[^,\t\n]+", content))
    spot = choose.choice(found)
    text = choose.choice(FIELDS).encode()
    return content[: spot.start()] + text + content[choose.choice((spot.start(), spot.end())) :]


def _inside(choose: random.Random, content: bytes) -> bytes:
    """Damage inside a gzip file, which then fits its own checksum."""
    if content[:2] != b"\x1f\x8b":
        return choose.choice(BYTES)(choose, content)
    return gzip.compress(choose.choice(BYTES)(choose, gzip.decompress(content)), mtime=0)


# --- the verdict


def meaning(path: Path) -> str:
    """Everything that a model file says, as text."""
    model = rv.load(path)
    network = model.network
    arrays = {name: one.tobytes() for name, one in network.parameters.items()}
    known = [None if one is None else one.to_json() for one in model.preparations]
    text = repr((network.architecture(), arrays, known, model.loss))
    try:
        state = load_checkpoint(path).state
    except RanvierError:
        return text
    run = {name: one.tobytes() for name, one in state.arrays.items()}
    return text + repr(
        (run, state.counts, state.reals, state.history, state.callbacks, state.reason)
    )


def judge_model(path: Path, kind: Damage, before: str) -> str:
    """ "refused", "unchanged" or "another model"; anything else is an exception."""
    look(path)
    outcome = "refused"
    try:
        found = meaning(path)
        outcome = "unchanged" if found == before else "another model"
    except RanvierError as error:
        _check_reason(error)
    try:
        load_checkpoint(path)
    except RanvierError as error:
        _check_reason(error)
    if outcome == "another model" and kind is not _resealed:
        raise AssertionError("loaded as another model, although its checksum cannot fit")
    return outcome


def judge_data(path: Path, kind: Damage, before: str) -> str:
    """ "refused" or "read"."""
    try:
        found = rv.open_dataset(path)
    except RanvierError as error:
        _check_reason(error)
        return "refused"
    if not np.isfinite(found.inputs).all() or len(found.inputs) != len(
        found.y if found.y is not None else found.inputs
    ):
        raise AssertionError("numbers that are not finite, or rows without targets, were read")
    return "read"


def _check_reason(error: RanvierError) -> None:
    if not (error.headline and error.happened and error.fix):
        raise AssertionError(f"no reason is given: {error!r}")


def fuzz(
    kind: str, count: int, seed: int, folder: Path, keep: Path | None = None
) -> dict[str, int]:
    """Alter files and judge each; how many ended how.

    Args:
        kind: "models", "tables" or "arrays".
        count: of altered files.
        seed: of all choices; the same seed makes the same files.
        folder: for the files.
        keep: where files that fail are kept.
    """
    sources, work = folder / f"{kind}-whole", folder / f"{kind}-altered"
    sources.mkdir()
    work.mkdir()
    is_model = kind == "models"
    makers = {"models": model_files, "tables": table_files, "arrays": array_files}
    originals = makers[kind](sources)
    contents = [path.read_bytes() for path in originals]
    _limit_memory(None)
    # All of them are read once: what libraries set up for themselves is no file's doing.
    before = [meaning(path) if is_model else _read(path) for path in originals]
    judge = judge_model if is_model else judge_data
    found: dict[str, int] = collections.Counter()
    _limit_memory(ADDRESSES if kind == "tables" else MEMORY)
    for number in range(count):
        choose = random.Random(f"{seed} {number}")
        place = choose.randrange(len(originals))
        table = originals[place].name.endswith(("csv", "tsv", "csv.gz"))
        kinds = MODELS if is_model else (*BYTES, _inside, *((_field,) * 4 if table else ()))
        damage = choose.choice(kinds)
        altered = work / originals[place].name
        altered.write_bytes(damage(choose, contents[place]))
        signal.alarm(SECONDS)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error")
                outcome = judge(altered, damage, before[place])
        except Exception:
            outcome = "FAILED"
            say(f"seed {seed}, file {number}, {altered.name}, {damage.__name__}:")
            traceback.print_exc(file=sys.stdout)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{number}-{altered.name}").write_bytes(altered.read_bytes())
        finally:
            signal.alarm(0)
        found[outcome] += 1
    return dict(found)


def _read(path: Path) -> str:
    return repr(rv.open_dataset(path).notes)


def say(text: str) -> None:
    """One line of output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _limit_memory(more: int | None) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = hard if more is None else pages * os.sysconf("SC_PAGE_SIZE") + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _hang(*_: Any) -> None:
    raise HangingError(f"it takes more than {SECONDS} seconds")


def main() -> None:
    """Alter files, say how many ended how; the exit code is 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=0)
    parser.add_argument("--data", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files that fail")
    given = parser.parse_args()
    signal.signal(signal.SIGALRM, _hang)
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        half = given.data // 2
        asked = {"models": given.models, "arrays": half, "tables": given.data - half}
        for kind, count in asked.items():
            if count:
                found = fuzz(kind, count, given.seed, Path(name), given.keep)
                failed += found.get("FAILED", 0)
                say(f"{count} {kind}: {found}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
