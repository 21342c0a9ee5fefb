"""What explanations read: a model, and rows in the form in which training reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.data.preparation import Preparation
from ranvier.foundation.errors import ArgumentError, NotBuiltError
from ranvier.foundation.random import host_generator
from ranvier.losses import Loss, resolve
from ranvier.networks.network import Network

Array: TypeAlias = NDArray[Any]


class ModelLike(Protocol):
    """A model as far as explanations know it; :class:`ranvier.Model` is one."""

    network: Network
    preparations: tuple[Preparation | None, ...]

    @property
    def losses(self) -> tuple[Loss | None, ...]:
        """The loss of each output; None before the first fit."""

    def input_arrays(self, x: object) -> tuple[Array, ...]:
        """Examples as training reads them, one array for each input."""

    def training_arrays(self, x: object, y: object) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Examples and targets as training reads them, one array for each input and output."""

    def predict_proba(self, x: object, *, engine: str = "native") -> Any:
        """The probability of each class."""

    def predict(self, x: object, *, engine: str = "native") -> Any:
        """What the last layer gives."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and rows.

    Attributes:
        model: whose network is looked at.
        x: ``(N, ...)`` of each input.
        targets: of each output: class indices ``(N,)`` or numbers ``(N, ...)``.
        losses: of each output.
    """

    model: ModelLike
    x: tuple[Array, ...]
    targets: tuple[Array, ...]
    losses: tuple[Loss, ...]

    @property
    def network(self) -> Network:
        """The model's network."""
        return self.model.network

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.x[0])

    @property
    def single(self) -> bool:
        """Whether the network has one input and one output."""
        return len(self.x) == len(self.targets) == 1

    @property
    def for_classes(self) -> bool:
        """Whether the targets of the first output are class indices."""
        return bool(self.targets[0].dtype.kind in "iub")

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes of the first output are called."""
        learnt = self.model.preparations[0]
        if learnt is not None and learnt.class_names:
            return learnt.class_names
        width = self.network.output_shape[-1]
        return tuple(str(k) for k in range(2 if width == 1 else width))

    def column(self, number: int) -> str:
        """How a column of the first input is called: its number, and its name in a table."""
        learnt = self.model.preparations[0]
        names = () if learnt is None else learnt.prepared_names
        return f"column {number}" + (f", {names[number]!r}" if number < len(names) else "")

    def sample(self, most: int, seed: int) -> Subject:
        """At most so many rows, chosen by a seed, in their order."""
        if self.rows <= most:
            return self
        generator = host_generator(seed, "explain.sample")
        return self.take(np.sort(generator.choice(self.rows, most, replace=False)))

    def take(self, rows: Array) -> Subject:
        """The same with some rows only."""
        x = tuple(one[rows] for one in self.x)
        return replace(self, x=x, targets=tuple(one[rows] for one in self.targets))


def subject_of(place: str, model: ModelLike, x: object, y: object) -> Subject:
    """Check a model and rows, and bring them into one form.

    Args:
        place: who asks, for the errors.
        model: built.
        x, y: as for ``model.evaluate``.

    Raises:
        ArgumentError: something that is no model.
        NotBuiltError: a model without parameters.
        RanvierError: rows that do not fit the model.
    """
    check_model(place, model)
    arrays, targets = model.training_arrays(x, y)
    return Subject(model, arrays, targets, losses_of(model, targets))


def one_example(network: Network, x: Any) -> Any:
    """An example with a batch axis, where it was left out; for several inputs each of them."""
    names, shapes = network.wiring.inputs, network.input_shapes

    def in_row(one: Any, axes: int) -> Any:
        array = np.asarray(one)
        return array[None] if array.ndim <= axes else array

    if isinstance(x, Mapping):
        known = dict(zip(names, shapes, strict=True))
        return {name: in_row(one, len(known.get(name, ()))) for name, one in x.items()}
    if len(names) == 1:
        return in_row(x, len(shapes[0]))
    if isinstance(x, tuple | list) and len(x) == len(names):
        return tuple(in_row(one, len(shape)) for one, shape in zip(x, shapes, strict=True))
    return x


def check_model(place: str, model: object) -> None:
    """Refuse what has no network, or one without parameters.

    Raises:
        ArgumentError, NotBuiltError: saying what is needed.
    """
    network = getattr(model, "network", None)
    if not isinstance(network, Network):
        raise ArgumentError(
            f"{place} needs a model.",
            happened=f"it got a {type(model).__name__}",
            needed="an rv.Sequential or an rv.Model",
            fix="give the model first, then the examples and the targets",
        )
    if not network.built:
        raise NotBuiltError(
            f"{place} needs a model with parameters.",
            happened="neither fit nor build was called yet, so no shape is known",
            needed="the shape of one example",
            fix="call model.fit(X, y), or model.build((features,)) with the shape of a row",
        )


def losses_of(model: ModelLike, targets: Sequence[Array]) -> tuple[Loss, ...]:
    """The losses that the model was trained with, or those that fit would choose."""
    network = model.network
    found = []
    for loss, target, shape, last in zip(
        model.losses, targets, network.output_shapes, network.last_activations, strict=True
    ):
        kind = "numbers" if target.dtype.kind == "f" else "classes"
        chosen = resolve(loss, shape, kind, None, last)
        chosen.check(shape, target.shape[1:], kind, None)
        found.append(chosen)
    return tuple(found)
