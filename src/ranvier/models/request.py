"""What a user asks of a fit, as one record; and the program it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ranvier.data.preparation import Preparation
from ranvier.data.targets import Targets
from ranvier.layers.arguments import flag, one_of, whole_number
from ranvier.losses import gives_output_per_class, kind_read_by
from ranvier.models.callbacks import Callbacks
from ranvier.models.fitting import Ends, Validation, understand_fit
from ranvier.models.parts import wishes
from ranvier.models.plan import FitPlan, Losses, LossWeights, Metrics, chosen_loss, plan_fit
from ranvier.models.row_weights import ClassWeight
from ranvier.networks.network import Network
from ranvier.optimizers import OptimizerLike
from ranvier.training.program import TrainingProgram
from ranvier.training.rules import UpdateRules

ENGINES = ("native", "reference")


@dataclass(frozen=True, eq=False)
class FitRequest:
    """The arguments of `Sequential.fit` that shape its program; see there."""

    x: object
    y: object
    loss: Losses
    optimizer: OptimizerLike
    batch_size: int | None
    validation: Validation
    callbacks: Callbacks
    metrics: Metrics
    sample_weight: object
    class_weight: ClassWeight
    shuffle: bool
    seed: int
    engine: str
    rules: UpdateRules
    loss_weights: LossWeights = None
    threads: int | None = None


def understood(
    request: FitRequest, network: Network, known: Sequence[Preparation | None]
) -> FitPlan:
    """Check a request, build the network if it was not, and choose what was left open.

    Raises:
        RanvierError: data or arguments that cannot be used.
    """
    whole_number("fit", "seed", request.seed, low=0, high=2**63 - 1)
    flag("fit", "shuffle", request.shuffle)
    one_of("fit", "engine", request.engine, ENGINES)
    if request.batch_size is not None:
        whole_number("fit", "batch_size", request.batch_size)
    names = network.wiring.output_names
    data = understand_fit(
        request.x,
        request.y,
        ends=ends_of(network),
        validation=request.validation,
        sample_weight=request.sample_weight,
        class_weight=request.class_weight,
        seed=request.seed,
        kinds=[kind_read_by(one) for one in wishes(request.loss, names, "loss")],
        known=known,
        classes_of=lambda inputs: _classes_of(request, network, inputs),
        check=lambda targets: _check_targets(request, network, targets),
    )
    network.check_rows(data.x)
    if data.validation is not None:
        network.check_rows(data.validation[0])
    plan = plan_fit(
        network,
        data,
        request.loss,
        request.loss_weights,
        request.optimizer,
        request.metrics,
        request.callbacks,
        known,
    )
    if not network.built:
        network.build(seed=request.seed)
    return plan


def _classes_of(
    request: FitRequest, network: Network, inputs: Sequence[NDArray[Any]]
) -> list[int | None]:
    """How many classes each output has, where it has one unit for each; fixes all shapes."""
    if not network.built and network.wiring.is_chain:
        # Shapes only: if a later check fails, the next fit may bring other rows.
        network.set_input_shape(inputs[0].shape[1:])
    asked = wishes(request.loss, network.wiring.output_names, "loss")
    return [
        shape[0] if gives_output_per_class(one, shape) else None
        for one, shape in zip(asked, network.output_shapes, strict=True)
    ]


def _check_targets(request: FitRequest, network: Network, targets: Sequence[Targets]) -> None:
    """Let each loss look at all its targets."""
    asked = wishes(request.loss, network.wiring.output_names, "loss")
    for place, (one, own) in enumerate(zip(asked, targets, strict=True)):
        chosen_loss(network, place, one, own).check_values(own.values)


def ends_of(network: Network) -> Ends:
    """Where a network begins and ends; a stack that is not built takes rows of any shape."""
    wiring = network.wiring
    fixed = network.built or not wiring.is_chain
    return Ends(wiring.inputs, wiring.output_names, network.input_shapes if fixed else ())


def training_program(request: FitRequest, plan: FitPlan, network: Network) -> TrainingProgram:
    """The program that does what was planned."""
    data = plan.data
    rows = data.rows
    return TrainingProgram(
        network,
        plan.losses,
        plan.optimizer,
        plan.metrics if len(plan.metrics) > 1 else plan.metrics[0],
        data.x,
        tuple(one.values for one in data.targets),
        weights=data.weights,
        validation=data.validation,
        batch_size=rows if request.batch_size is None else min(request.batch_size, rows),
        shuffle=request.shuffle,
        seed=request.seed,
        monitor=plan.monitor,
        engine=request.engine,
        threads=request.threads,
        callbacks=plan.listeners,
        loss_weights=plan.loss_weights,
        rules=request.rules,
    )
