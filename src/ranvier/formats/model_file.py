"""One model, one file: a safetensors file with its architecture, preparation and classes inside.

Loading executes nothing. Shapes are recomputed from the architecture and compared with the tensors
before anything is allocated; a checksum finds what was altered.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.strict_json import Fields, odd
from ranvier.formats.atomic import write_atomically
from ranvier.formats.container import Container, damaged, to_bytes
from ranvier.formats.description import (
    FORMAT_VERSION,
    LONGEST_NOTE,
    MOST_NOTES,
    check_bounds,
    checked_fields,
    class_list,
    optional_classes,
    optional_object,
    read_content,
    read_versions,
    to_json,
    versions,
)
from ranvier.formats.reference_rows import ROWS, check_reference, reference_of
from ranvier.formats.reference_rows import declared as declared_reference
from ranvier.foundation.errors import (
    ArgumentError,
    ModelFileError,
    NotBuiltError,
    RanvierError,
)
from ranvier.foundation.shapes import show_shape
from ranvier.layers import LAYERS
from ranvier.networks import Network

#: First part of the names of tensors that belong to a run and not to the model.
CHECKPOINT = "checkpoint."


@dataclass(frozen=True)
class LoadedModel:
    """What a model file holds.

    Attributes:
        network: built, with its parameters.
        preparation: what was done to the data before the network, or None.
        classes: the labels in the order of their indices, or None.
        settings: how it was trained, or None.
        versions: of ranvier, numpy and llvmlite that wrote the file.
        notes: plain sentences about the model.
        reference_rows: how many rows with their outputs the file holds; they were checked.
        checkpoint: whether a run could go on from the file.
    """

    network: Network
    preparation: dict[str, Any] | None
    classes: list[Any] | None
    settings: dict[str, Any] | None
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    reference_rows: int = 0
    checkpoint: bool = False


def save_model(
    path: str | os.PathLike[str],
    network: Network,
    *,
    preparation: Mapping[str, Any] | None = None,
    classes: Sequence[Any] | NDArray[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write a network and all that belongs to it into one file, atomically.

    Args:
        path: of the file; what is there already is replaced once the new file is complete.
        network: built.
        preparation: what is done to data before the network, ready for JSON.
        classes: the labels (texts, integers, booleans, floats) in the order of their indices.
        settings: how the network was trained, ready for JSON.
        notes: plain sentences about the model.

    Returns:
        The path.

    Raises:
        NotBuiltError: if the network has no parameters yet.
        ArgumentError: if something cannot be written as JSON, or a layer is not registered.
        FileError: if the file cannot be written; what was there before is kept.

    Example:
        >>> import tempfile
        >>> from ranvier.layers import Dense
        >>> network = Network([Dense(2)])
        >>> network.build((3,))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_model(folder + "/model.safetensors", network, classes=["no", "yes"])
        ...     load_model(path).classes
        ['no', 'yes']
    """
    place = Path(path)
    if not network.built:
        raise NotBuiltError(
            f"The network cannot be saved to {place}: it has no parameters yet.",
            happened="it was neither built nor trained",
            needed="a built network",
            fix="call build((features,)) or fit first",
        )
    _check_registered(network)
    labels = class_list(classes)
    check_bounds(labels, notes)
    content: dict[str, Any] = {
        "ranvier": FORMAT_VERSION,
        "versions": versions(),
        "architecture": network.architecture(),
        "preparation": None if preparation is None else dict(preparation),
        "classes": labels,
        "settings": None if settings is None else dict(settings),
        "notes": list(notes),
    }
    reference = reference_of(network)
    content["reference"] = None if reference is None else dict(reference.description)
    content["checkpoint"] = None
    tensors = {**network.parameters, **(reference.tensors if reference is not None else {})}
    write_atomically(place, to_bytes(tensors, sealed(content, tensors, place)))
    return place


def load_model(path: str | os.PathLike[str]) -> LoadedModel:
    """Read a model file; nothing in it is executed, nothing in it is believed unchecked.

    Args:
        path: of a file that :func:`save_model` wrote.

    Returns:
        The network with its parameters, and what was saved beside it.

    Raises:
        FileError: if the file cannot be read.
        ModelFileError: if it is damaged, altered, not ours, or written by a newer version.
    """
    place = Path(path)
    try:
        return _load(place)
    except ModelFileError as error:
        if str(place) in error.headline:
            raise
        headline = error.headline.replace("The model file", f"The model file {place}", 1)
        raise ModelFileError(
            headline, happened=error.happened, needed=error.needed, fix=error.fix
        ) from error


def _load(place: Path) -> LoadedModel:
    container = Container(place)
    content = read_content(container.text, place)
    fields = checked_fields(content)
    network = _read_network(content["architecture"], place)
    reference = content.get("reference")
    _compare(container, network, reference is not None, content.get("checkpoint") is not None)
    tensors = read_tensors(container, content, fields)
    network.fill({name: tensors[name] for name in network.declared})
    if reference is not None:
        check_reference(place, network, reference, tensors)
    return LoadedModel(
        network,
        optional_object(content, "preparation"),
        optional_classes(fields, content),
        optional_object(content, "settings"),
        read_versions(content["versions"]),
        fields.texts("notes", MOST_NOTES, LONGEST_NOTE),
        0 if reference is None else ROWS,
        content.get("checkpoint") is not None,
    )


# --- writing


def _check_registered(network: Network) -> None:
    for number, layer in enumerate(network.layers):
        name = type(layer).__name__
        if name not in LAYERS or LAYERS[name] is not type(layer):
            raise ArgumentError(
                f"layer {number}, {layer.describe()}, cannot be saved.",
                happened=f"its class is not registered as {name!r}",
                needed="a class that a model file can name",
                fix=f'write @LAYERS.register("{name}") above the class',
            )
        _check_functions(f"layer {number}, {layer.describe()}", layer.config())


def _check_functions(place: str, config: Mapping[str, Any]) -> None:
    """A file can hold the name of a function, never the function.

    Raises:
        ArgumentError: for an argument that is a function.
    """
    for argument, value in config.items():
        if callable(value):
            name = getattr(value, "__name__", type(value).__name__)
            raise ArgumentError(
                f"{place}, cannot be saved.",
                happened=f"its argument {argument} is the function {name}, which has no name "
                "that a model file could hold",
                needed="a registered name",
                fix=f'write @ranvier.layers.ACTIVATIONS.register("{name}") above an activation, '
                "and make a layer class of another function",
            )


def sealed(content: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], path: Path) -> str:
    """The description as text, with a checksum of each tensor and one of all the text.

    Raises:
        ArgumentError: if something in it is not JSON, or there is too much of it.
    """
    whole = {**content, "tensors": {name: digest_of(name, one) for name, one in tensors.items()}}
    checksum = hashlib.sha256(to_json(whole, path).encode()).hexdigest()
    return to_json({**whole, "sha256": checksum}, path)


def digest_of(name: str, array: NDArray[Any]) -> str:
    """SHA-256 over a tensor and what it is called."""
    digest = hashlib.sha256()
    _hash(digest, name, array)
    return digest.hexdigest()


def _hash(digest: Any, name: str, array: NDArray[Any]) -> None:
    digest.update(f"{name}:{array.dtype.name}:{array.shape}:".encode())
    little = array.dtype.newbyteorder("<")
    digest.update(np.ascontiguousarray(array, dtype=little).tobytes())


# --- reading


def read_tensors(
    container: Container, content: Mapping[str, Any], fields: Fields
) -> dict[str, NDArray[Any]]:
    """All tensors of a file, if its checksum fits them and its description.

    Raises:
        ModelFileError: if something was altered.
    """
    path, checksum = container.path, fields.text("sha256", 64)
    text = _text_without_checksum(content, path)
    digest = hashlib.sha256(text.encode())
    tensors = {name: container.read(name) for name in container.tensors()}
    if content["ranvier"] == 1:
        # One checksum over everything.
        for name in sorted(tensors):
            _hash(digest, name, tensors[name])
    else:
        altered = _altered(content["tensors"], tensors)
        if altered:
            raise damaged(path, f"its tensor {altered[0]!r:.80} was altered")
    if checksum != digest.hexdigest():
        raise damaged(path, "its checksum does not fit its contents: something was altered")
    return tensors


def _altered(digests: object, tensors: Mapping[str, NDArray[Any]]) -> list[str]:
    """Names of the tensors that are not those a description was written with.

    Raises:
        ModelFileError: checksums of other tensors.
    """
    if not isinstance(digests, dict) or set(digests) != set(tensors):
        raise odd("tensors", "it does not hold a checksum for each tensor", "one for each")
    return [name for name, one in tensors.items() if digests[name] != digest_of(name, one)]


def _text_without_checksum(content: Mapping[str, Any], path: Path) -> str:
    without = {key: value for key, value in content.items() if key != "sha256"}
    try:
        return to_json(without, path)
    except ArgumentError as error:
        raise damaged(path, error.happened) from error


def _read_network(architecture: object, path: Path) -> Network:
    """The network without numbers; its shapes are recomputed, nothing is allocated."""
    try:
        network = Network.from_architecture(architecture)
    except ModelFileError:
        raise
    except RanvierError as error:
        raise damaged(path, f"its layers do not fit together: {error.headline}") from error
    if not network.input_shapes:
        raise damaged(path, "its architecture has no input shape")
    return network


def _compare(container: Container, network: Network, reference: bool, checkpoint: bool) -> None:
    """What the architecture asks for against the file's tensors, by names, shapes and dtypes."""
    path, present = container.path, container.tensors()
    asked = {name: (network.dtype, one.shape) for name, one in network.declared.items()}
    if reference:
        asked |= declared_reference(network)
    missing = [name for name in asked if name not in present]
    extra = [
        name
        for name in present
        if name not in asked and not (checkpoint and name.startswith(CHECKPOINT))
    ]
    if missing:
        raise damaged(path, f"the tensor {missing[0]!r} is missing")
    if extra:
        raise damaged(path, f"it holds the tensor {extra[0]!r:.80}, which no layer has")
    for name, expected in asked.items():
        if present[name] != expected:
            dtype, shape = present[name]
            raise damaged(
                path,
                f"the tensor {name!r} is {dtype}{show_shape(shape)}, "
                f"the architecture asks for {expected[0]}{show_shape(expected[1])}",
            )
