"""The members of an ensemble: made when they are looked at, drawn from seeds, heard together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ranvier.data.preparation import Preparation
from ranvier.models.model import Model
from ranvier.networks.initial import draw
from ranvier.networks.network import Network

Array = NDArray[Any]


class Members(Sequence[Model]):
    """The members of an ensemble as models, each made when it is first looked at."""

    def __init__(self, count: int, make: Callable[[int], Model]) -> None:
        self._count, self._make = count, make
        self.made: dict[int, Model] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Model: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Model]: ...
    def __getitem__(self, place: int | slice) -> Model | Sequence[Model]:
        if isinstance(place, slice):
            return tuple(self[k] for k in range(*place.indices(self._count)))
        number = range(self._count)[place]
        if number not in self.made:
            self.made[number] = self._make(number)
        return self.made[number]

    def __iter__(self) -> Iterator[Model]:
        return (self[k] for k in range(self._count))


def first_weights(network: Network, seed: int) -> dict[str, Array]:
    """The first weights that a network like this one has if it is built from a seed."""
    return {
        name: draw(name, one, seed, network.dtype, f"a member's {name}")
        for name, one in network.declared.items()
    }


def over_members(answers: Sequence[Any], how: Callable[..., Any]) -> Any:
    """Mean or deviation over members' answers: arrays, or tuples or dicts of them."""
    first = answers[0]
    if isinstance(first, dict):
        return {name: over_members([one[name] for one in answers], how) for name in first}
    if isinstance(first, tuple):
        return tuple(over_members(parts, how) for parts in zip(*answers, strict=True))
    return how(np.stack(answers), axis=0)


def classes_of(mean: Array, learnt: Preparation | None) -> Array:
    """The most probable class of each row."""
    indices = np.argmax(mean, axis=1)
    named = learnt is not None and learnt.class_values
    return np.asarray(learnt.class_array[indices] if learnt and named else indices)
