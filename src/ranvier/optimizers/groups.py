"""Optimizers by layer: each parameter goes to the group with the longest path in front of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from ranvier.foundation.errors import ArgumentError, UnknownNameError, did_you_mean
from ranvier.layers.arguments import needs_call
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.schedules import Schedule

#: The group of everything that no other group has.
REST = "*"


class ParameterGroups:
    """Several optimizers, each for the layers under its path.

    A path is the beginning of parameters' names, whole words of it: ``"layers.0"`` is layer 0,
    ``"layers.0.bias"`` its bias alone, ``"*"`` whatever is left. The longest path that fits wins.
    Each group has its own rate, decay, schedule and state.

    Args:
        groups: from a path to an optimizer or its name.

    Attributes:
        paths: in the order given.
        optimizers: in the same order.

    Raises:
        ArgumentError: no groups, or something that is no path or no optimizer.
        UnknownNameError: an optimizer that does not exist.

    Example:
        >>> from ranvier.optimizers import SGD
        >>> groups = ParameterGroups({"layers.0": SGD(0.1), "*": "adam"})
        >>> groups.paths[groups.of("layers.0.weight")], groups.paths[groups.of("layers.01.weight")]
        ('layers.0', '*')
    """

    def __init__(self, groups: Mapping[str, str | Optimizer]) -> None:
        if not groups or not all(isinstance(path, str) and path for path in groups):
            raise ArgumentError(
                "The argument optimizer is not understood.",
                happened=f"it is a dict of {[*groups]!r:.80}",
                needed='paths of layers such as "layers.0", or "*" for all others',
                fix='write for example optimizer={"layers.0": Adam(1e-4), "*": Adam(1e-3)}',
            )
        self.paths = tuple(groups)
        self.optimizers = tuple(_single(optimizer) for optimizer in groups.values())

    def __repr__(self) -> str:
        pairs = zip(self.paths, self.optimizers, strict=True)
        inner = ", ".join(f"{path!r}: {optimizer.describe()}" for path, optimizer in pairs)
        return f"ParameterGroups({{{inner}}})"

    def of(self, name: str) -> int:
        """The number of the group that a parameter belongs to.

        Raises:
            ArgumentError: if no group has it.
        """
        fitting = [path for path in self.paths if _begins(name, path)]
        if not fitting:
            raise _uncovered([name])
        return self.paths.index(max(fitting, key=lambda path: 0 if path == REST else len(path)))

    def check(self, declared: Iterable[str], trained: Iterable[str]) -> None:
        """Every path must mean something, and every trained parameter must have a group.

        Args:
            declared: names of all parameters.
            trained: names of those that are trained.

        Raises:
            UnknownNameError: a path that no parameter begins with.
            ArgumentError: parameters without a group.
        """
        names = list(declared)
        for path in self.paths:
            if path != REST and not any(_begins(name, path) for name in names):
                layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
                raise UnknownNameError(
                    f"There are no parameters under {path!r:.80}.",
                    happened=f"optimizer has a group {path!r:.80}; no parameter begins with it",
                    needed="the path of a layer with parameters",
                    fix=did_you_mean(path[:80], layers),
                )
        left = [n for n in trained if not any(_begins(n, path) for path in self.paths)]
        if left:
            raise _uncovered(left)


#: What a user may give as an optimizer.
OptimizerLike: TypeAlias = str | Optimizer | ParameterGroups | Mapping[str, str | Optimizer]


def resolve(spec: OptimizerLike) -> Optimizer | ParameterGroups:
    """The optimizer that is meant by a name, or is one already; groups for a dict.

    Raises:
        UnknownNameError: for a name that is not registered.
        ArgumentError: for something else.

    Example:
        >>> resolve("adam").learning_rate
        0.001
    """
    if isinstance(spec, ParameterGroups):
        return spec
    return ParameterGroups(spec) if isinstance(spec, Mapping) else _single(spec)


def optimizers_of(optimizer: Optimizer | ParameterGroups) -> tuple[Optimizer, ...]:
    """The optimizers of all groups, or the only one."""
    return optimizer.optimizers if isinstance(optimizer, ParameterGroups) else (optimizer,)


def _single(spec: object) -> Optimizer:
    if isinstance(spec, Optimizer):
        return spec
    if isinstance(spec, str):
        return OPTIMIZERS[spec]()
    if isinstance(spec, type):
        raise needs_call("optimizer", spec)
    if isinstance(spec, Schedule):
        own = "rv." if type(spec).__module__.startswith("ranvier.") else ""
        raise ArgumentError(
            "The argument optimizer is a schedule of learning rates.",
            happened=f"optimizer is {spec.describe()}",
            needed="an optimizer, with the schedule in the place of its learning rate",
            fix=f"write optimizer=rv.Adam({own}{spec.describe()})",
        )
    raise ArgumentError(
        "The argument optimizer is not understood.",
        happened=f"optimizer is {spec!r:.80}",
        needed="a name, or an optimizer such as Adam(1e-3)",
        fix='write for example optimizer="adam"',
    )


def _begins(name: str, path: str) -> bool:
    return path == REST or name == path or name.startswith(path + ".")


def _uncovered(names: list[str]) -> ArgumentError:
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    return ArgumentError(
        "Some layers have no optimizer.",
        happened=f"no group of the optimizer has {', '.join(layers)}",
        needed="a group for every trained parameter",
        fix='add a group "*" for all others',
    )
