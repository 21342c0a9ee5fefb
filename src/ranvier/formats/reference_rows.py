"""A few rows with their outputs inside a model file: at loading the network must give them again.

Where the same machine code runs as when the file was written, every bit must be equal; elsewhere
outputs may differ by `TOLERANCES` of the largest one (or of 1, if that is more).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.native.target import find_target
from ranvier.data.strict_json import Fields, odd
from ranvier.formats.container import damaged
from ranvier.foundation.errors import RanvierError, UnsupportedOperationError
from ranvier.foundation.random import host_generator
from ranvier.networks import Network
from ranvier.networks.nested import Nested
from ranvier.networks.shapes import infer_shapes
from ranvier.training.prediction import PredictionProgram

#: First part of the names of the tensors.
PREFIX = "reference."
ROWS = 3
#: What outputs may differ by on another kind of machine.
TOLERANCES = {"float32": 1e-3, "float64": 1e-9}
#: Numbers of all layers' outputs for one row: a network with more has no reference rows, unless
#: its file is large as well.
MOST_NUMBERS = 1 << 16
#: Numbers for one row of a network that computes 256 rows at a time here.
FEW_NUMBERS = 1 << 12
#: Calls of layers: compiling more than these takes longer than anybody wants to wait for a file.
MOST_CALLS = 500
#: Errors of a layer of somebody's own, about rows that it was not made for.
REFUSALS = (RanvierError, ArithmeticError, ValueError, TypeError, LookupError)
KEYS = ("code", "comparable", "integers")


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference rows as a file keeps them.

    Attributes:
        tensors: rows and outputs by name.
        description: which code computed them, whether other code can be compared with it, and
            which inputs hold integers.
    """

    tensors: Mapping[str, NDArray[Any]]
    description: Mapping[str, Any]


def reference_of(network: Network) -> Reference | None:
    """Rows for a network and what it gives for them; None where no rows fit it."""
    if not _affordable(network):
        return None
    found = _rows(network)
    if found is None:
        return None
    rows, integers = found
    try:
        outputs, code = _outputs(network, rows)
        again = _several(_evaluated(network, rows))
    except REFUSALS:
        return None
    comparable = all(_close(a, b, 0.1) for a, b in zip(outputs, again, strict=True))
    tensors = {
        f"{PREFIX}input.{place}": np.asarray(one, network.dtype) for place, one in enumerate(rows)
    }
    tensors |= {f"{PREFIX}output.{place}": one for place, one in enumerate(outputs)}
    return Reference(tensors, {"code": code, "comparable": comparable, "integers": integers})


def declared(network: Network) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of each tensor of reference rows."""
    shapes = {f"{PREFIX}input.{k}": s for k, s in enumerate(network.input_shapes)}
    shapes |= {f"{PREFIX}output.{k}": s for k, s in enumerate(network.output_shapes)}
    return {name: (network.dtype, (ROWS, *shape)) for name, shape in shapes.items()}


def check_reference(
    path: Path, network: Network, description: object, tensors: Mapping[str, NDArray[Any]]
) -> None:
    """Compute the outputs of the reference rows again.

    Args:
        path: for the error.
        network: with the parameters of the file.
        description, tensors: as :class:`Reference` has them.

    Raises:
        ModelFileError: other outputs, or a description that is odd.
    """
    fields = Fields(description, "reference", KEYS)
    code, comparable = fields.text("code", 100), fields.flag("comparable")
    integers = fields.items("integers", len(network.input_shapes))
    if len(integers) != len(network.input_shapes) or not all(type(i) is bool for i in integers):
        raise odd("reference.integers", "it does not fit the inputs", "true or false for each")
    if not _affordable(network):
        return
    rows = [_as_integers(tensors[f"{PREFIX}input.{k}"], whole) for k, whole in enumerate(integers)]
    try:
        network.check_rows(rows)
        outputs, present = _outputs(network, rows)
    except REFUSALS as error:
        raise damaged(path, f"its network refuses the rows stored with it: {error}") from error
    for place, one in enumerate(outputs):
        stored = tensors[f"{PREFIX}output.{place}"]
        same = one.tobytes() == stored.tobytes()
        exact = bool(code) and code == present
        if not same and (exact or (comparable and not _close(stored, one, 1.0))):
            raise damaged(path, _difference(place, stored, one))


def _as_integers(rows: NDArray[Any], whole: object) -> NDArray[Any]:
    """Rows of integers, as the inputs of an embedding; odd numbers become ones out of range."""
    if not whole:
        return rows
    fits = np.isfinite(rows) & (np.abs(rows) < 2**31)
    return np.where(fits, rows, -1).astype(np.int64)


def _difference(place: int, stored: NDArray[Any], found: NDArray[Any]) -> str:
    differs = ~((stored == found) | (np.isnan(stored) & np.isnan(found)))
    if not differs.any():
        differs = np.signbit(stored) != np.signbit(found)
    spot = tuple(int(k) for k in np.argwhere(differs)[0]) if differs.any() else (0,)
    return (
        f"its network gives {found[spot]!s:.60} where {stored[spot]!s:.60} is stored: "
        f"reference row {spot[0]}, output {place}, at {spot[1:]}"
    )


def _affordable(network: Network) -> bool:
    """Whether checking takes no more memory and time than such a file is worth."""
    stored = sum(math.prod(one.shape) for one in network.declared.values())
    stored += sum(math.prod(shape) for shape in network.input_shapes)
    calls, numbers = _size(network)
    return calls <= MOST_CALLS and numbers <= max(MOST_NUMBERS, 2 * stored)


def _size(network: Network) -> tuple[int, int]:
    """Calls of layers, and numbers that they give for one row; nested networks included."""
    shapes = infer_shapes(network.layers, network.wiring, network.input_shapes, network.dtype)
    calls = numbers = 0
    for call, one in zip(network.wiring.calls, shapes, strict=True):
        numbers += sum(math.prod(shape) for shape in one.output_shapes)
        layer = network.layers[call.layer]
        inner = _size(layer.network) if isinstance(layer, Nested) else (1, 0)
        calls, numbers = calls + inner[0], numbers + inner[1]
    return calls, numbers


def _rows(network: Network) -> tuple[list[NDArray[Any]], list[bool]] | None:
    """Rows that the network accepts: normal numbers, or 0 and 1 for inputs that need integers."""
    numbers, found, integers = [], [], []
    for place, shape in enumerate(network.input_shapes):
        generator = host_generator(0, f"reference.{place}")
        numbers.append(generator.normal(size=(ROWS, *shape)).astype(network.dtype))
    for place, one in enumerate(numbers):
        zeros = [np.zeros(other.shape, np.int64) for other in numbers]
        whole = np.resize(np.arange(2, dtype=np.int64), one.shape)
        for candidate in (one, whole, zeros[place]):
            try:
                network.check_rows([*zeros[:place], candidate, *zeros[place + 1 :]])
            except REFUSALS:
                continue
            found.append(candidate)
            integers.append(candidate is not one)
            break
        else:
            return None
    return found, integers


def _outputs(
    network: Network, rows: Sequence[NDArray[Any]]
) -> tuple[tuple[NDArray[Any], ...], str]:
    """Outputs, and a hash of the code that computed them; no hash where NumPy did."""
    # Where that is little, in the batches of every prediction: it finds the same code then.
    _, numbers = _size(network)
    program = PredictionProgram(network, batch=256 if numbers <= FEW_NUMBERS else ROWS)
    try:
        found, text = program(*rows), program.source(*rows)
    except UnsupportedOperationError:
        return _several(_evaluated(network, rows)), ""
    known = f"{find_target()} {importlib.metadata.version('llvmlite')} {text}"
    return _several(found), hashlib.sha256(known.encode()).hexdigest()


def _evaluated(network: Network, rows: Sequence[NDArray[Any]]) -> Any:
    with np.errstate(all="ignore"):
        return PredictionProgram(network, engine="reference")(*rows)


def _several(found: Any) -> tuple[NDArray[Any], ...]:
    given = found if isinstance(found, tuple) else (found,)
    return tuple(np.ascontiguousarray(one) for one in given)


def _close(stored: NDArray[Any], found: NDArray[Any], share: float) -> bool:
    """Whether two arrays differ by no more than a share of what is tolerated."""
    finite = np.abs(stored[np.isfinite(stored)])
    allowed = share * TOLERANCES[stored.dtype.name] * max(1.0, float(finite.max(initial=0.0)))
    return bool(np.allclose(stored, found, rtol=0.0, atol=allowed, equal_nan=True))
