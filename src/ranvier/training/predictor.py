"""The forward pass with bound inputs and outputs, for control loops and servers.

Everything is allocated when a predictor is made: its arena, its inputs, its outputs, the tables
that native code reads. A call copies what it is given, runs, and gives the same arrays each time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.backends.native.bound import emit_bound
from ranvier.backends.native.expressions import ROWS_AHEAD
from ranvier.backends.native.module import ModuleWriter
from ranvier.backends.native.profile import Subject, profile
from ranvier.backends.native.profile_record import Profile
from ranvier.backends.native.shares import cost_of
from ranvier.backends.native.target import Target, find_target
from ranvier.compiler.pipeline import Planned
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.dtypes import DATA_DTYPES, canonical
from ranvier.foundation.errors import ArgumentError, DTypeError, ShapeError
from ranvier.foundation.shapes import Extent, known_shape, show_shape
from ranvier.networks.network import Network
from ranvier.training.graphs import DataSpec, forward_graph
from ranvier.training.prediction import Forward, plan_forward

#: Nanoseconds of a call up to which it keeps Python's lock. Another thread that took the lock would
#: give it back after a switch interval, 5 ms: a thousand times the call.
SHORT_CALL = 20_000


class Predictor:
    """A callable with input and output arrays of its own; see :meth:`ranvier.Model.predictor`.

    Args:
        network: built.
        batch: rows of every call.
        dtype: of the input arrays: one for all, one for each, or None for the network's.
        named: gives the arrays of the outputs as the model gives its predictions.

    Attributes:
        inputs: ``(batch, ...)``: write the rows here, then call; a tuple for several inputs.
        outputs: ``(batch, ...)``: what each call overwrites; a tuple or a dict as `predict` gives.
    """

    __slots__ = (
        "_arena", "_arrays", "_bound", "_forward", "_made_of", "_network", "_numbers", "_only",
        "_results", "_run", "_table", "_words", "inputs", "outputs",
    )  # fmt: skip

    def __init__(
        self,
        network: Network,
        batch: int,
        dtype: str | Sequence[str] | None,
        named: Callable[[Sequence[Any]], Any],
    ) -> None:
        dtypes = _input_dtypes(network, dtype)
        self._made_of = (network, batch, dtypes, named)
        self._network = network
        pairs = zip(network.input_shapes, dtypes, strict=True)
        specs = [DataSpec(shape, dtype) for shape, dtype in pairs]
        self._forward = _bound_forward(network, specs, batch)
        self._arrays = tuple(
            np.zeros((batch, *known_shape(spec.shape)), spec.dtype) for spec in specs
        )
        self._results = tuple(self._forward.results(batch))
        self._only = self._arrays[0] if len(self._arrays) == 1 else None
        self.inputs: Any = self._only if self._only is not None else self._arrays
        self.outputs: Any = named(self._results)
        self._arena = self._forward.new_arena()
        self._bind(batch)
        self.update()

    def _bind(self, batch: int) -> None:
        """Write down once where everything lies."""
        self._table = self._forward.table(self._arrays)
        self._numbers = np.zeros(batch + ROWS_AHEAD, np.int64)
        self._numbers[:batch] = np.arange(batch)
        addresses = [self._arena.address, self._table.ctypes.data, self._numbers.ctypes.data]
        addresses += [one.ctypes.data for one in self._results]
        self._words = np.array(addresses, np.int64)
        self._bound = ctypes.c_void_p(self._words.ctypes.data)
        short = _nanoseconds(self._forward.planned, batch) <= SHORT_CALL
        self._run = self._forward.code.function("predict_bound", ctypes.c_void_p, keeps_lock=short)

    def __call__(self, *x: Any) -> Any:
        """Outputs for what is in `inputs` now, or for rows that are copied there first.

        **Shapes**: ``x: (batch, ...)``, for a batch of 1 also ``(...)``, one example

        Args:
            x: nothing, or an array for each input in their order.

        Returns:
            The arrays of `outputs`, which the next call overwrites; copy what is to be kept.

        Raises:
            ArgumentError: another number of arrays than inputs.
            ShapeError, DTypeError: an array that does not fit.
        """
        if x:
            only = self._only
            if only is None or len(x) != 1:
                self._take(x)
            else:
                one = x[0]
                if type(one) is np.ndarray and one.dtype is only.dtype and one.shape == only.shape:
                    only[...] = one
                else:
                    self._take(x)
        self._run(self._bound)
        return self.outputs

    def update(self) -> None:
        """Take the parameters as they are now; a predictor keeps those it was made with.

        Raises:
            ShapeError: if the network was built anew with other shapes.
        """
        for name, buffer in self._forward.planned.fused.inputs.items():
            array = self._network.parameters.get(name)
            if array is None or buffer.role == "data":
                continue
            if array.shape != known_shape(buffer.shape):
                raise ShapeError(
                    "The predictor does not fit its network any more.",
                    happened=f"{name} has the shape {array.shape} now",
                    needed=f"{known_shape(buffer.shape)}, as when the predictor was made",
                    fix="make a new one with model.predictor()",
                )
            self._arena.write(buffer, array)

    def profile(self, seconds: float = 0.3) -> Profile:
        """Time each group of a call, on a copy of its arena.

        Args:
            seconds: about how long to measure.
        """
        forward = self._forward
        subject = Subject(
            "a prediction", forward.planned, forward.planned.memory, self._arena.bytes,
            self._table, self._numbers, forward.batch, 1, 1, forward.usual, forward.target,
        )  # fmt: skip
        return profile(subject, seconds)

    def memory(self) -> MemoryPlan:
        """Where every byte of the arena lies; inputs and outputs are arrays of their own."""
        return self._forward.planned.memory

    def assembly(self) -> str:
        """The machine code as text."""
        return self._forward.code.assembly()

    def source(self) -> str:
        """The LLVM text of the program."""
        return self._forward.code.text

    def __reduce__(self) -> Any:
        # Addresses belong to this process; a copy has arrays of its own.
        return Predictor, self._made_of

    def __repr__(self) -> str:
        shapes = ", ".join(f"{one.dtype}{show_shape(one.shape)}" for one in self._arrays)
        return f"Predictor({shapes})"

    def _take(self, x: Sequence[Any]) -> None:
        """Copy any arrays into the inputs, checked."""
        if len(x) != len(self._arrays):
            raise ArgumentError(
                "The predictor was given another number of arrays than it has inputs.",
                happened=f"it was given {len(x)}",
                needed=f"nothing, or {len(self._arrays)}, in this order: "
                + ", ".join(self._network.wiring.inputs),
                fix="give one array for each input",
            )
        names = self._network.wiring.inputs
        fitting = [_fitting(*each) for each in zip(names, self._arrays, x, strict=True)]
        for target, source in zip(self._arrays, fitting, strict=True):
            target[...] = source


def _input_dtypes(network: Network, dtype: str | Sequence[str] | None) -> tuple[str, ...]:
    """The dtype of each input array."""
    names = network.wiring.inputs
    asked = (dtype or network.dtype,) * len(names) if isinstance(dtype, str | None) else dtype
    found = tuple(canonical(one) for one in asked)
    if len(found) != len(names):
        raise ArgumentError(
            "predictor: the argument dtype does not fit the inputs.",
            happened=f"it has {len(found)} dtypes",
            needed=f"one, or one for each of {', '.join(names)}",
            fix="leave it out, or give one dtype for all inputs",
        )
    if any(one not in DATA_DTYPES for one in found):
        raise DTypeError(
            "predictor: the argument dtype is none that data can have.",
            happened=f"it is {dtype!r:.80}",
            needed="one of " + ", ".join(DATA_DTYPES),
            fix="leave it out, or write for example dtype='uint8'",
        )
    return found


def _fitting(name: str, target: NDArray[Any], given: Any) -> NDArray[Any]:
    """An array that can be copied into a bound input."""
    array = np.asarray(given)
    if len(target) == 1 and array.shape == target.shape[1:]:
        array = array[None]
    if array.shape != target.shape:
        one = f", or one example {target.shape[1:]}" if len(target) == 1 else ""
        raise ShapeError(
            f"The rows for {name!r} do not fit the predictor.",
            happened=f"their shape is {array.shape}",
            needed=f"{target.shape}{one}",
            fix="give as many rows as the predictor was made for, or make it with another batch",
        )
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        raise DTypeError(
            f"The rows for {name!r} do not fit the predictor.",
            happened=f"they are {array.dtype}",
            needed=f"numbers that fit into {target.dtype}",
            fix=f"convert them, or make the predictor with dtype={array.dtype.name!r}",
        )
    return array


class _BoundForward(Forward):
    """The forward pass for one fixed number of rows."""

    kind = "bound"

    def __init__(self, planned: Planned, target: Target, rows: int) -> None:
        self.usual = {"N": rows}
        super().__init__(planned, target, rows)

    def _entry(self, writer: ModuleWriter) -> None:
        text = emit_bound(writer.declarations, self.target, self.places, self.batch)
        writer.function("predict_bound", text)


def _bound_forward(network: Network, specs: Sequence[DataSpec], batch: int) -> _BoundForward:
    """The forward pass for a fixed number of rows: tiles as wide as so few rows ask for."""
    graph, target = forward_graph(network, specs), find_target()
    # One more than there are: a tile is chosen for the usual batch, one row below the longest.
    planned = plan_forward(graph, batch + 1, target)
    if _few_rows_everywhere(planned):
        narrow = target.for_few_rows(batch)
        if narrow != target:
            target, planned = narrow, plan_forward(graph, batch + 1, narrow)

    return _BoundForward(planned, target, batch)


def _few_rows_everywhere(planned: Planned) -> bool:
    """Whether every product has the batch as its rows, and nothing else."""
    products = [group for group in planned.groups if group.kind == "product"]
    return all(len(g.domain) == 2 and isinstance(g.domain[0], Extent) for g in products)


def _nanoseconds(planned: Planned, batch: int) -> float:
    return sum(cost_of(group, {"N": batch}) for group in planned.groups)
