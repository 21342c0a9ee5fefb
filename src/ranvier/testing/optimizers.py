"""The contract of an optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import losses
from ranvier.foundation.errors import ArgumentError
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.optimizers import Optimizer
from ranvier.testing.contracts import (
    FLOATS,
    broken,
    check_array,
    check_configuration,
    check_engines,
    check_equal,
    difference,
    numbers,
)
from ranvier.training.program import TrainingProgram

#: Shapes of parameters that are tried.
SHAPES: tuple[tuple[int, ...], ...] = ((3, 5), (1,), ())
#: How far the engines may be apart after a few epochs, as a part of the largest number.
NEAR = {"float32": 2e-3, "float64": 1e-9}

Array = NDArray[Any]


def check_optimizer(optimizer: Optimizer) -> None:
    """Hold an optimizer to the contract of optimizers.

    Its configuration makes it again; an update keeps shape and dtype of the parameter and of every
    state, and the names of the states; the native engine gives what the reference gives, step by
    step and over epochs, in float32 and float64; the rate that is given is what counts, so that
    schedules work; the same seed gives the same bits; what is frozen keeps its numbers.

    Args:
        optimizer: the optimizer.

    Raises:
        ContractError: naming the optimizer and the contract that is broken.
        ArgumentError: for something that is no optimizer.

    Example:
        >>> import ranvier as rv
        >>> from ranvier import ops
        >>> class Descent(rv.Optimizer):
        ...     def __init__(self, learning_rate=0.01):
        ...         self.learning_rate = learning_rate
        ...     def update(self, w, g, state, step, rate):
        ...         return w - ops.cast(rate, w.dtype) * g, {}
        >>> check_optimizer(Descent())
    """
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            "check_optimizer needs an optimizer.",
            happened=f"it was given {optimizer!r:.80}",
            needed="an optimizer such as Adam(1e-3)",
            fix="call the class if its brackets are missing",
        )
    check_configuration(optimizer)
    for dtype in FLOATS:
        for shape in SHAPES:
            _check_steps(optimizer, shape, dtype)
    _check_rate(optimizer)
    for dtype in FLOATS:
        _check_training(optimizer, dtype)
    _check_frozen(optimizer)


def _first_state(optimizer: Optimizer, w: Array) -> dict[str, Array]:
    kept = optimizer.state(w.shape, w.dtype.name)
    return {name: np.full_like(w, number) for name, number in kept.items()}


def _check_steps(optimizer: Optimizer, shape: tuple[int, ...], dtype: str) -> None:
    """Three steps from the first state, each on both engines."""
    thing = optimizer.describe()
    w = numbers(shape, dtype)
    state = _first_state(optimizer, w)

    def update(w: Any, g: Any, state: Any, step: Any, rate: Any) -> Any:
        new, left = optimizer.update(w, g, state, step, rate)
        return [new, *(left.get(name) for name in state if name in left)]

    for step in (1, 2, 3):
        g = numbers(shape, dtype, seed=step)
        rate = np.float64(0.01)
        names = set(optimizer.update(w, g, state, np.float64(step), rate)[1])
        if names != set(state):
            raise broken(
                thing, "an update gives other states than it was given.",
                f"it gives {sorted(names)}", f"{sorted(state)}, as state() says",
                "give every state back, under its name",
            )  # fmt: skip
        results = check_engines(thing, update, [w, g, state, np.float64(step), rate])
        for name, result in zip(["the parameter", *state], results, strict=True):
            check_array(thing, f"after a step {name}", result, w.shape, dtype)
        w, state = results[0], dict(zip(state, results[1:], strict=True))


def _check_rate(optimizer: Optimizer) -> None:
    w, g = numbers((4,)), numbers((4,), seed=1)
    found = [
        optimizer.update(w, g, _first_state(optimizer, w), np.float64(1), np.float64(rate))[0]
        for rate in (0.01, 0.03)
    ]
    if (np.asarray(found[0]) == np.asarray(found[1])).all():
        raise broken(
            optimizer.describe(), "its step does not depend on the rate that it is given.",
            "rates 0.01 and 0.03 give the same step", "steps by the argument rate",
            "use rate in update, not self.learning_rate: a schedule changes it step by step",
        )  # fmt: skip


def _program(optimizer: Optimizer, dtype: str, engine: str) -> tuple[Network, TrainingProgram]:
    x = numbers((70, 6), dtype, seed=5)
    y = (x @ numbers((6, 3), dtype, seed=6)).argmax(axis=1).astype("int32")
    network = Network([Dense(9, activation="tanh"), Dense(3)], dtype)
    network.build((6,), seed=1)
    loss = losses.resolve(None, (3,), "classes", 3)
    return network, TrainingProgram(
        network, loss, optimizer, [], x, y, batch_size=16, engine=engine
    )


def _check_training(optimizer: Optimizer, dtype: str) -> None:
    thing, found = optimizer.describe(), []
    for engine in ("native", "native", "reference"):
        network, program = _program(optimizer, dtype, engine)
        history = program.run(3)["loss"]
        found.append({"loss": np.array(history), **network.parameters})
    pairs = {name: (array, found[1][name]) for name, array in found[0].items()}
    check_equal(
        thing, "two trainings with the same seed give other numbers.", pairs,
        "compute from what update is given, and keep nothing between calls",
    )  # fmt: skip
    for name, array in found[0].items():
        apart = difference(array, found[2][name], NEAR[dtype])
        if apart is not None:
            raise broken(
                thing, "native training does not give what the reference gives.",
                f"in {dtype}, after 15 steps, {name}: {apart}",
                f"numbers that differ by less than {NEAR[dtype]:g} of the largest",
                "look for sums that cancel, and for jumps where rounding decides; if there are "
                "none, report it: it is Ranvier's fault",
            )  # fmt: skip


def _check_frozen(optimizer: Optimizer) -> None:
    network, _ = _program(optimizer, "float32", "reference")
    network.layers[0].trainable = False
    before = {name: array.copy() for name, array in network.parameters.items()}
    x, y = numbers((16, 6), "float32"), np.arange(16, dtype="int32") % 3
    loss = losses.resolve(None, (3,), "classes", 3)
    TrainingProgram(network, loss, optimizer, [], x, y, batch_size=8).run(2)
    pairs = {
        name: (network.parameters[name], before[name])
        for name in before
        if name.startswith("layers.0.")
    }
    check_equal(
        optimizer.describe(), "it changes what is frozen.", pairs,
        "change nothing but what update gives back",
    )  # fmt: skip
    moved = any(
        (network.parameters[name] != before[name]).any() for name in before if name not in pairs
    )
    if not moved:
        raise broken(
            optimizer.describe(), "it changes nothing at all.",
            "after 4 steps every weight is what it was", "steps that move the weights",
            "give the new weight back from update",
        )  # fmt: skip
