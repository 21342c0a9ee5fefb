"""The contract of a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError, RanvierError, ShapeError
from ranvier.foundation.shapes import N, show_shape
from ranvier.graph.transforms import gradient
from ranvier.layers import Dense
from ranvier.losses import Loss
from ranvier.networks.network import Network
from ranvier.optimizers import SGD
from ranvier.testing.contracts import (
    FLOATS,
    broken,
    check_array,
    check_configuration,
    check_engines,
    check_gradient,
    difference,
    numbers,
)
from ranvier.training.program import TrainingProgram

Array = NDArray[Any]
ROWS = 5


def kind_of(targets: Array) -> str:
    """Whether targets are "numbers" or "classes"."""
    return "numbers" if targets.dtype.kind == "f" else "classes"


def examples_for(accepts: Callable[[Array, Array], bool]) -> list[tuple[Array, Array]]:
    """Outputs with targets of the usual forms, those that are accepted.

    Numbers of several shapes, classes for several outputs and for one, labels, probabilities.
    """
    rng = np.random.default_rng(7)
    chances = rng.dirichlet(np.ones(3), ROWS)
    tried = [
        (numbers((ROWS, 3)), numbers((ROWS, 3), seed=1)),
        (numbers((1, 1)), numbers((1, 1), seed=1)),
        (numbers((ROWS, 7)), rng.integers(0, 7, ROWS).astype("int32")),
        (numbers((ROWS, 1)), rng.integers(0, 2, ROWS).astype("int32")),
        (numbers((ROWS, 3)), rng.integers(0, 2, (ROWS, 3)).astype("float64")),
        (np.log(rng.dirichlet(np.ones(3), ROWS)), chances),
    ]
    return [pair for pair in tried if accepts(*pair)]


def check_loss(
    loss: Loss,
    outputs: Array | None = None,
    targets: Array | None = None,
    *,
    differentiable: bool = True,
) -> None:
    """Hold a loss to the contract of losses.

    Its configuration makes it again; it gives one number a row, of the outputs' dtype, that does
    not depend on the other rows; its gradient is its slope (finite differences in float64); the
    native engine gives what the reference gives, in float32 and float64, alone and in training;
    a row of weight 2 counts like the row twice; outputs (N, 1) are never compared with targets (N,)
    silently.

    Args:
        loss: the loss.
        outputs: of a network, float64 with at least two rows; left out, with the targets, the
            usual forms are tried, and those that ``loss.check`` refuses are left out.
        targets: that fit the outputs: floats are numbers, integers are classes.
        differentiable: False if the gradient is not the slope on purpose.

    Raises:
        ContractError: naming the loss and the contract that is broken.
        ArgumentError: for one of outputs and targets without the other, or no loss.

    Example:
        >>> import ranvier as rv
        >>> from ranvier import ops
        >>> class Cubed(rv.Loss):
        ...     def __call__(self, outputs, targets):
        ...         return ops.mean(ops.absolute(outputs - targets) ** 3, axis=1)
        >>> check_loss(Cubed())
    """
    if not isinstance(loss, Loss) or (outputs is None) != (targets is None):
        raise ArgumentError(
            "check_loss needs a loss, and outputs with targets or neither.",
            happened=f"the loss is {loss!r:.80}; outputs given: {outputs is not None}, "
            f"targets given: {targets is not None}",
            needed="a loss such as MeanSquaredError()",
            fix="write check_loss(loss), or check_loss(loss, outputs, targets)",
        )
    check_configuration(loss)
    if outputs is None or targets is None:
        pairs = examples_for(lambda o, t: _accepts(loss, o, t))
    else:
        pairs = [(np.asarray(outputs, "float64"), np.asarray(targets))]
        _check(loss, *pairs[0])
    if not pairs:
        raise broken(
            loss.describe(), "no outputs and targets are known that it reads.",
            "its check refuses numbers, classes, labels and probabilities of the usual shapes",
            "an example of each", "give them: check_loss(loss, outputs, targets)",
        )  # fmt: skip
    for z, t in pairs:
        _check_rows(loss, z, t)
        for dtype in FLOATS:
            _check_both(loss, z.astype(dtype), _as(t, dtype))
        if differentiable:
            check_gradient(
                loss.describe(), lambda z, t=t: ops.mean(loss(z, t)), [z], ["the outputs"]
            )
    _check_broadcast(loss, {kind_of(t) for _, t in pairs})
    for z, t in pairs:
        if z.ndim == 2 and len(z) > 1:
            _check_training(loss, z, t)


def _as(targets: Array, dtype: str) -> Array:
    return targets.astype(dtype) if targets.dtype.kind == "f" else targets


def _check(loss: Loss, outputs: Array, targets: Array) -> None:
    classes = None
    if kind_of(targets) == "classes":
        classes = max(2, outputs.shape[-1])
    loss.check(outputs.shape[1:], targets.shape[1:], kind_of(targets), classes)


def _accepts(loss: Loss, outputs: Array, targets: Array) -> bool:
    """Whether it reads them, and they are in its domain."""
    try:
        _check(loss, outputs, targets)
        return bool(np.isfinite(loss(outputs, targets)).all())
    except RanvierError:
        return False


def _check_rows(loss: Loss, z: Array, t: Array) -> None:
    """One number a row, whatever the other rows are."""
    thing = loss.describe()
    whole = np.asarray(loss(z, t))
    check_array(thing, "its result", whole, (len(z),), "float64")
    alone = np.concatenate([np.asarray(loss(z[i : i + 1], t[i : i + 1])) for i in range(len(z))])
    apart = difference(alone, whole, 1e-12)
    if apart is not None:
        raise broken(
            thing, "a row's loss depends on the other rows of its batch.",
            f"alone, {apart}", "the same number in every batch",
            "reduce over other axes than axis 0: the training takes the mean over rows",
        )  # fmt: skip


def _check_both(loss: Loss, z: Array, t: Array) -> None:
    def both(z: Any, t: Any) -> Any:
        return loss(z, t), gradient(lambda z: ops.sum(loss(z, t)))(z)

    check_array(loss.describe(), "its result", loss(z, t), (len(z),), z.dtype.name)
    rows, slope = check_engines(loss.describe(), both, [z, t])
    check_array(loss.describe(), "its result", rows, (len(z),), z.dtype.name)
    check_array(loss.describe(), "its gradient", slope, z.shape, z.dtype.name)


def _check_broadcast(loss: Loss, kinds: set[str]) -> None:
    """Numbers (N, 1) and (N,) must be refused before training, not stretched to (N, N)."""
    if "numbers" not in kinds:
        return
    for outputs, targets in (((1,), ()), ((), (1,)), ((3,), (1,))):
        try:
            loss.check(outputs, targets, "numbers")
        except ShapeError:
            continue
        raise broken(
            loss.describe(), "it takes outputs and targets that only broadcasting would fit.",
            f"its check accepts outputs {show_shape((N, *outputs))} with targets "
            f"{show_shape((N, *targets))}",
            "a ShapeError from check, before training",
            "leave check to rv.Loss, or call losses.base.check_same_axes in it",
        )  # fmt: skip


def _program(
    loss: Loss, z: Array, t: Array, rows: list[int], weights: Array | None, engine: str
) -> tuple[Network, list[float]]:
    network = Network([Dense(z.shape[1], kernel_initializer="orthogonal")], "float64")
    network.build((z.shape[1],), seed=3)
    program = TrainingProgram(
        network, loss, SGD(0.05), [], z[rows], t[rows], weights, batch_size=None, engine=engine
    )
    return network, program.run(3)["loss"]


def _check_training(loss: Loss, z: Array, t: Array) -> None:
    """Weight 2 is the row twice, and both engines train alike."""
    thing, rows = loss.describe(), list(range(len(z)))
    weights = np.ones(len(z))
    weights[1] = 2.0
    runs = {
        "weighted": _program(loss, z, t, rows, weights / weights.mean(), "native"),
        "reference": _program(loss, z, t, rows, weights / weights.mean(), "reference"),
        "twice": _program(loss, z, t, [*rows, 1], None, "native"),
    }
    contracts = {
        "reference": "native training does not give what the reference gives.",
        "twice": "a row of weight 2 does not count like the row twice.",
    }
    found = {name: [np.array(history), *net.parameters.values()] for name, (net, history) in
             runs.items()}  # fmt: skip
    for other, contract in contracts.items():
        for first, second in zip(found["weighted"], found[other], strict=True):
            apart = difference(first, second, 1e-9)
            if apart is not None:
                raise broken(
                    thing, contract, f"after 3 steps {apart}", "equal up to rounding",
                    "give each row's loss by itself, whatever the number of rows",
                )  # fmt: skip
