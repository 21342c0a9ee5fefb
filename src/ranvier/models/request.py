"""What a user asks of a fit, as one record; and the program it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.data.preparation import Preparation
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import flag, one_of, whole_number
from ranvier.losses import Loss, kind_read_by
from ranvier.models.callbacks import EarlyStopping
from ranvier.models.fitting import Validation, check_input_shape, understand_fit
from ranvier.models.plan import FitPlan, Metrics, plan_fit
from ranvier.models.row_weights import ClassWeight
from ranvier.networks.network import Network
from ranvier.optimizers import Optimizer
from ranvier.training.program import TrainingProgram

ENGINES = ("native", "reference")


@dataclass(frozen=True, eq=False)
class FitRequest:
    """The arguments of `Sequential.fit` that shape its program; see there."""

    x: object
    y: object
    loss: str | Loss | None
    optimizer: str | Optimizer
    batch_size: int | None
    validation: Validation
    callbacks: Sequence[EarlyStopping]
    metrics: Metrics
    sample_weight: object
    class_weight: ClassWeight
    shuffle: bool
    seed: int
    engine: str


def understood(request: FitRequest, network: Network, known: Preparation | None) -> FitPlan:
    """Check a request, build the network if it was not, and choose what was left open.

    Raises:
        RanvierError: data or arguments that cannot be used.
    """
    whole_number("fit", "seed", request.seed, low=0, high=2**63 - 1)
    flag("fit", "shuffle", request.shuffle)
    one_of("fit", "engine", request.engine, ENGINES)
    if request.batch_size is not None:
        whole_number("fit", "batch_size", request.batch_size)
    if not isinstance(request.callbacks, EarlyStopping | Sequence):
        raise ArgumentError(
            "The argument callbacks is not understood.",
            happened=f"it is a {type(request.callbacks).__name__}",
            needed="a list",
            fix="write callbacks=[rv.EarlyStopping(patience=3)]",
        )
    data = understand_fit(
        request.x,
        request.y,
        validation=request.validation,
        sample_weight=request.sample_weight,
        class_weight=request.class_weight,
        seed=request.seed,
        kind=kind_read_by(request.loss),
        known=known,
    )
    shape = tuple(data.x.shape[1:])
    if network.input_shape is not None and network.built:
        check_input_shape("X", shape, network.input_shape)
    else:
        # Shapes only: if a later check fails, the next fit may bring other rows.
        network.set_input_shape(shape)
    plan = plan_fit(
        network,
        data,
        request.loss,
        request.optimizer,
        request.metrics,
        request.callbacks,
        known,
    )
    if not network.built:
        network.build(shape, seed=request.seed)
    return plan


def training_program(request: FitRequest, plan: FitPlan, network: Network) -> TrainingProgram:
    """The program that does what was planned."""
    data = plan.data
    rows = len(data.x)
    return TrainingProgram(
        network,
        plan.loss,
        plan.optimizer,
        plan.metrics,
        data.x,
        data.targets.values,
        weights=data.weights,
        validation=data.validation,
        batch_size=rows if request.batch_size is None else min(request.batch_size, rows),
        shuffle=request.shuffle,
        seed=request.seed,
        monitor=plan.monitor,
        engine=request.engine,
    )
