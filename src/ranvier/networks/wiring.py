"""How the layers of a network are wired: which values each call of a layer reads and gives.

Values are numbered: first the inputs, then what each call gives, in the order of the forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ranvier.foundation.errors import ArgumentError
from ranvier.layers import Layer
from ranvier.layers.symbolic import SymbolicCall, SymbolicTensor


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        layer: the layer's number.
        reads: numbers of the values it reads.
        gives: numbers of the values it gives; nearly always one.
    """

    layer: int
    reads: tuple[int, ...]
    gives: tuple[int, ...]


@dataclass(frozen=True)
class Wiring:
    """The graph of a network.

    Attributes:
        inputs: their names; they are the values 0, 1, ...
        calls: in an order in which each reads what is there already.
        outputs: numbers of the values that the network gives.
        output_names: their names, one each.
    """

    inputs: tuple[str, ...]
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]
    output_names: tuple[str, ...]

    @property
    def is_chain(self) -> bool:
        """Whether it is a plain stack: each layer reads what the one before gives."""
        return self == chain(len(self.calls))

    def source(self, value: int) -> int | None:
        """The place among the calls of the one that gives a value; None for an input."""
        for place, call in enumerate(self.calls):
            if value in call.gives:
                return place
        return None

    def readers(self, value: int) -> int:
        """How many places read a value inside the network."""
        return sum(call.reads.count(value) for call in self.calls)


def chain(layers: int) -> Wiring:
    """The wiring of a stack of layers."""
    calls = tuple(Call(number, (number,), (number + 1,)) for number in range(layers))
    return Wiring(("input",), calls, (layers,), ("output",))


@dataclass(frozen=True)
class Found:
    """A graph of layers as it was found behind symbolic tensors."""

    layers: tuple[Layer, ...]
    wiring: Wiring
    input_shapes: tuple[tuple[int, ...], ...]


def find_wiring(inputs: object, outputs: object) -> Found:
    """Number the layers and values between inputs and outputs.

    Args:
        inputs: one `Input`, or several.
        outputs: one symbolic tensor, several, or a dict from name to tensor.

    Raises:
        ArgumentError: for other things, an input that is not there, or one that nobody reads.
    """
    starts = _tensors("inputs", inputs)
    ends = _tensors("outputs", outputs)
    _check_inputs(starts)
    names = tuple(one.name or f"input_{k}" for k, one in enumerate(starts))
    _check_distinct("inputs", names)
    search = _Search(starts)
    outs = tuple(search.number(one) for one in ends)
    unread = [name for k, name in enumerate(names) if k not in search.read and k not in outs]
    if unread:
        raise ArgumentError(
            f"The model does not depend on its input {unread[0]!r:.80}.",
            happened="no layer between the inputs and the outputs reads it",
            needed="inputs that lead to an output",
            fix="leave the input out, or connect it",
        )
    wiring = Wiring(names, tuple(search.calls), outs, _output_names(outputs, len(ends)))
    _check_distinct("outputs", wiring.output_names)
    return Found(tuple(search.layers), wiring, tuple(one.row_shape for one in starts))


class _Search:
    """Walks from outputs back to inputs, numbering calls in the order of the forward pass."""

    def __init__(self, starts: Sequence[SymbolicTensor]) -> None:
        self.layers: list[Any] = []
        self.calls: list[Call] = []
        self.read: set[int] = set()
        self.values = len(starts)
        self._layer_numbers: dict[int, int] = {}
        self._numbers = {(id(one), 0): number for number, one in enumerate(starts)}

    def number(self, end: SymbolicTensor) -> int:
        """The number of a value; the calls that lead to it are numbered first."""
        stack = [end]
        while stack:
            tensor = stack[-1]
            if _key(tensor) in self._numbers:
                stack.pop()
                continue
            if tensor.call is None:
                raise ArgumentError(
                    "The model's outputs depend on an input that is not among its inputs.",
                    happened=f"they read {tensor!r}",
                    needed="every Input that leads to an output",
                    fix="give it to the Model: rv.Model((a, b), outputs)",
                )
            missing = [one for one in tensor.call.inputs if _key(one) not in self._numbers]
            if missing:
                stack.extend(reversed(missing))
            else:
                self._add(tensor.call)
        return self._numbers[_key(end)]

    def _add(self, call: SymbolicCall) -> None:
        number = self._layer_numbers.setdefault(id(call.layer), len(self.layers))
        if number == len(self.layers):
            self.layers.append(call.layer)
        reads = tuple(self._numbers[_key(one)] for one in call.inputs)
        self.read.update(reads)
        gives = tuple(range(self.values, self.values + call.outputs))
        self._numbers |= {(id(call), index): value for index, value in enumerate(gives)}
        self.values += len(gives)
        self.calls.append(Call(number, reads, gives))


def _key(tensor: SymbolicTensor) -> tuple[int, int]:
    """What tells values apart: an input itself, or a call and which of its outputs."""
    return (id(tensor), 0) if tensor.call is None else (id(tensor.call), tensor.index)


def _tensors(name: str, given: object) -> tuple[SymbolicTensor, ...]:
    found: tuple[Any, ...]
    if isinstance(given, Mapping):
        found = tuple(given.values())
    else:
        found = tuple(given) if isinstance(given, tuple | list) else (given,)
    odd = next((one for one in found if not isinstance(one, SymbolicTensor)), None)
    if odd is not None or not found:
        raise ArgumentError(
            f"Model: the argument {name} is not understood.",
            happened=f"it holds {odd!r:.80}" if found else "it is empty",
            needed="what rv.Input(...) or a layer's call gave; or a tuple or dict of these",
            fix="write x = rv.Input((4,)); y = rv.Dense(2)(x); rv.Model(x, y)",
        )
    return found


def _check_inputs(starts: Sequence[SymbolicTensor]) -> None:
    inner = next((one for one in starts if one.call is not None), None)
    if inner is not None:
        raise ArgumentError(
            "A model can only start at an Input.",
            happened=f"one of its inputs is {inner!r}",
            needed="what rv.Input(shape) gave",
            fix="build the part behind it on an Input of its own, and call that model as a layer",
        )
    if len({id(one) for one in starts}) < len(starts):
        raise ArgumentError(
            "The same Input was given to the model twice.",
            happened="two of its inputs are one object",
            needed="each Input once",
            fix="leave the second one out; several layers may read one Input",
        )


def _check_distinct(what: str, names: tuple[str, ...]) -> None:
    if len(set(names)) < len(names):
        raise ArgumentError(
            f"Two {what} of the model have one name.",
            happened=f"they are called {', '.join(names)}",
            needed="different names",
            fix='write for example rv.Input((4,), name="other")',
        )


def _output_names(outputs: object, count: int) -> tuple[str, ...]:
    if isinstance(outputs, Mapping):
        return tuple(str(name) for name in outputs)
    return ("output",) if count == 1 else tuple(f"output_{k}" for k in range(count))
