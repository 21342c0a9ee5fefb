"""Arrays in files: NumPy archives (.npz), and IDX files alone or in a folder like MNIST's."""

from __future__ import annotations

import lzma
import math
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.idx import read_idx
from ranvier.data.inputs import check_inputs
from ranvier.data.raw import RawData
from ranvier.data.targets import (
    Targets,
    check_target_numbers,
    encode_targets,
    understand_targets,
)
from ranvier.foundation.errors import DataError, FileError

#: Names in an archive, by role; the first that is there is taken.
_ROLES = {
    "x": ("x", "x_train", "train_x", "data", "features", "inputs", "images", "train_images"),
    "y": ("y", "y_train", "train_y", "labels", "label", "targets", "target", "train_labels"),
    "val_x": ("x_val", "val_x", "val_images", "x_valid", "valid_x", "x_validation", "validation_x"),
    "val_y": ("y_val", "val_y", "val_labels", "y_valid", "valid_y", "y_validation", "validation_y"),
    "test_x": ("x_test", "test_x", "test_images"),
    "test_y": ("y_test", "test_y", "test_labels"),
}
_IDX_NAME = re.compile(r"^(?P<stem>.+)[-.](?P<role>images|labels)[-.]idx\d-ubyte(\.gz)?$")
_TEST_STEMS = ("t10k", "test")
#: DEFLATE cannot expand a byte to more than this many.
_EXPANSION = 1032


def open_npz(path: Path, kind: str | None) -> RawData:
    """The arrays of a NumPy archive.

    Raises:
        FileError: damaged, no array of examples under a known name, or arrays of objects.
        DataError: arrays that cannot be trained on.
    """
    arrays, unused = _read_npz(path)
    if "x" not in arrays:
        raise FileError(
            f"{path} holds no examples under a name that is known.",
            happened="its arrays are: " + (", ".join(unused[:20]) or "(none)"),
            needed="examples as one of " + ", ".join(_ROLES["x"]),
            fix="numpy.savez(path, x=X, y=y) writes such a file",
        )
    notes = (f"Arrays not used: {', '.join(unused[:20])}.",) if unused else ()
    return _assemble(path, arrays, kind, notes)


def _read_npz(path: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays by role, and the names that have none."""
    try:
        # Opened here: NumPy would leave a damaged file open.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise _damaged(path, "it holds a single array, not an archive")
            by_name = {name.lower(): name for name in archive.files}
            chosen = {
                role: by_name[found[0]]
                for role, names in _ROLES.items()
                if (found := [name for name in names if name in by_name])
            }
            for name in chosen.values():
                _check_member(path, archive, name)
            arrays = {role: archive[name] for role, name in chosen.items()}
            unused = [name for name in archive.files if name not in chosen.values()]
    except FileError:
        raise
    except _UNREADABLE as error:
        happened = str(error) or type(error).__name__
        if "allow_pickle" in happened:
            happened = "it holds Python objects, which could run code when they are read"
        raise _damaged(path, happened) from error
    return arrays, unused


#: What damaged archives make NumPy and the standard library raise; the last for ways of packing
#: and encryption that they do not know.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    MemoryError,
    RuntimeError,
)


def _check_member(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> None:
    """An array's header must not ask for more than the archive can hold: it is believed later."""
    container = archive.zip
    if container is None:  # only of a closed archive
        return
    entry = container.getinfo(name if name in container.namelist() else f"{name}.npy")
    with container.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
    # Python's integers: a product that wraps around must not pass the check.
    needed = math.prod(int(length) for length in shape) * dtype.itemsize
    most = entry.compress_size * (1 if entry.compress_type == zipfile.ZIP_STORED else _EXPANSION)
    if needed > min(entry.file_size, most):
        raise _damaged(path, f"its array {name!r} of shape {shape} is larger than it can hold")


def _damaged(path: Path, happened: str) -> FileError:
    return FileError(
        f"{path} cannot be read as a NumPy archive.",
        happened=happened,
        needed="an .npz file with arrays of numbers, labels as integers or fixed-length texts",
        fix="write it again with numpy.savez(path, x=X, y=y) from plain arrays",
    )


def _assemble(
    path: Path, arrays: dict[str, NDArray[Any]], kind: str | None, notes: tuple[str, ...]
) -> RawData:
    x = check_inputs(arrays["x"], f"x of {path.name}")
    targets = understand_targets(arrays["y"], len(x), kind=kind) if "y" in arrays else None
    test_x, test_y = _part(path, arrays, "test", x, targets)
    val_x, val_y = _part(path, arrays, "val", x, targets)
    if val_x is not None and val_y is None:
        notes = (*notes, "The validation part is not used: it has no targets.")
        val_x = None
    return RawData(
        path.name,
        x,
        targets=targets,
        test_x=test_x,
        test_y=test_y,
        val_x=val_x,
        val_y=val_y,
        notes=notes,
    )


def _part(
    path: Path, arrays: dict[str, NDArray[Any]], role: str, x: NDArray[Any], targets: Targets | None
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """The examples and targets of the test or the validation part, None where there are none."""
    if f"{role}_x" not in arrays:
        return None, None
    part = "test part" if role == "test" else "validation part"
    own = check_inputs(arrays[f"{role}_x"], f"the {part} of {path.name}")
    if own.shape[1:] != x.shape[1:]:
        raise DataError(
            f"The {part} of {path.name} has examples of another shape.",
            happened=f"{own.shape[1:]}, and {x.shape[1:]} in the training part",
            needed="one shape of an example",
            fix="write both parts in the same way",
        )
    if targets is None or f"{role}_y" not in arrays:
        return own, None
    return own, encode_like(targets, arrays[f"{role}_y"], len(own), part)


def encode_like(targets: Targets, y: object, rows: int, part: str = "test part") -> NDArray[Any]:
    """Targets of a test or validation part in the form of the training's."""
    if targets.kind == "numbers":
        return check_target_numbers(y, rows, f"y of the {part}")
    return encode_targets(y, targets.class_values, rows, f"y of the {part}")


def open_idx_folder(folder: Path, kind: str | None) -> RawData:
    """A folder with MNIST-style pairs of files; the pair called t10k or test is the test part.

    Raises:
        FileError: no such pair, several training pairs, or a damaged file.
    """
    pairs = _pairs(folder)
    tests = [stem for stem in pairs if stem.lower().endswith(_TEST_STEMS)]
    trains = [stem for stem in pairs if stem not in tests]
    if len(trains) != 1 or len(tests) > 1:
        raise FileError(
            f"{folder} is no folder of one data set.",
            happened="pairs of files found: " + (", ".join(sorted(pairs)) or "(none)"),
            needed="train-images-idx3-ubyte and train-labels-idx1-ubyte, each maybe with .gz; "
            "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte for the test part",
            fix="give the folder that holds these files, or one file",
        )
    x, targets = _open_pair(pairs[trains[0]], kind)
    test_x, test_y = None, None
    if tests and targets is not None:
        images, labels = pairs[tests[0]]
        test_x = check_inputs(read_idx(images), images.name)
        if labels is not None:
            test_y = encode_like(targets, _labels_of(labels, images, len(test_x)), len(test_x))
    return RawData(folder.name, x, targets=targets, test_x=test_x, test_y=test_y)


def open_idx_file(path: Path, kind: str | None) -> RawData:
    """An IDX file of examples; its labels are looked for beside it."""
    match = _IDX_NAME.match(path.name)
    labels = None
    if match is not None and match["role"] == "labels":
        raise FileError(
            f"{path} holds labels, not examples.",
            happened="its name says labels",
            needed="the file of the pictures",
            fix=f"give {path.name.replace('labels', 'images')}, or the folder",
        )
    if match is not None:
        labels = _pairs(path.parent).get(match["stem"], (path, None))[1]
    x, targets = _open_pair((path, labels), kind)
    note = "No file of labels was found beside it." if labels is None else f"Labels: {labels.name}."
    return RawData(path.name, x, targets=targets, notes=(note,))


def _pairs(folder: Path) -> dict[str, tuple[Path, Path | None]]:
    """Files of pictures and of labels by their common stem; plain files before compressed ones."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.iterdir()):
        match = _IDX_NAME.match(path.name)
        if match is not None and path.is_file():
            found.setdefault((match["stem"], match["role"]), path)
    return {
        stem: (path, found.get((stem, "labels")))
        for (stem, role), path in found.items()
        if role == "images"
    }


def _open_pair(
    pair: tuple[Path, Path | None], kind: str | None
) -> tuple[NDArray[Any], Targets | None]:
    images, labels = pair
    x = check_inputs(read_idx(images), images.name)
    if labels is None:
        return x, None
    return x, understand_targets(_labels_of(labels, images, len(x)), len(x), kind=kind)


def _labels_of(path: Path, images: Path, rows: int) -> NDArray[Any]:
    labels = read_idx(path)
    if len(labels) != rows:
        raise DataError(
            f"{path} has another number of rows than {images.name}.",
            happened=f"{len(labels)} labels and {rows} examples",
            needed="one label an example",
            fix="take both files from the same download",
        )
    return labels
