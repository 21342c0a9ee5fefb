"""Read a model file back into a model."""

from __future__ import annotations

from pathlib import Path

from ranvier.models.model import Model
from ranvier.models.sequential import Sequential
from ranvier.models.stored import restore


def load(path: str | Path) -> Model:
    """The model in a file that ``model.save`` or ``ranvier train`` wrote.

    Loading executes nothing that is in the file, and checks everything.

    Args:
        path: of the file.

    Returns:
        The model, ready to predict or to be trained further.

    Raises:
        FileError: a file that cannot be read.
        ModelFileError: one that is damaged, altered, not a Ranvier model, or newer than this
            version.

    Example:
        >>> import tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.Sequential(rv.Dense(2)).build((3,)).save(folder + "/small.safetensors")
        ...     rv.load(folder + "/small.safetensors")
        Sequential(Dense(2))
    """
    found = restore(path)
    network = found.loaded.network
    kind = Sequential if network.wiring.is_chain else Model
    return kind.from_network(network, found.preparations, found.losses)
