"""What happens to gradients and weights around the optimizer: clipping, accumulation, averaging.

Which of it happens is compiled; the numbers are read at each step and may change between runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import number, whole_number
from ranvier.optimizers import Optimizer, ParameterGroups, Schedule, optimizers_of

CLIP_NORM, CLIP_VALUE = "control.clip_norm", "control.clip_value"
PENALTY = "control.penalty"
AVERAGE = "control.average"
EPOCH = "control.epoch"
TOTAL_STEPS, TOTAL_EPOCHS = "control.total_steps", "control.total_epochs"


@dataclass(frozen=True)
class UpdateRules:
    """What is done to gradients and weights beside the optimizer's own update.

    The order: gradients of ``accumulate`` batches are averaged, each number of the mean is clipped
    to ``clip_value``, the norm of all of them to ``clip_norm``; then the optimizer, constraints of
    parameters, and the average.

    Attributes:
        clip_norm: the largest norm of all gradients together, above 0; larger ones are scaled by
            ``clip_norm / (norm + 1e-6)``, as PyTorch's clip_grad_norm_. None: as they are.
        clip_value: the largest size of each number of a gradient, above 0, or None.
        accumulate: how many batches make one update, at least 1. The count goes on from epoch to
            epoch, as in Keras; a batch's loss is recorded as usual.
        average: what stays of the running average ``a = average * a + (1 - average) * w`` in each
            update, at least 0 and below 1, or None for no average. It starts from the initial
            weights (PyTorch and Keras start from the weights after the first update). Validation,
            the best parameters, and the network after a run have the average; training goes on
            from the weights themselves.
        penalty: what the sum of all penalties on weights is multiplied by, at least 0; None: by 1.

    Raises:
        ArgumentError: for a number outside its domain.

    Example:
        >>> UpdateRules(clip_norm=1.0, average=0.99).numbers()
        {'control.clip_norm': 1.0, 'control.average': 0.99}
    """

    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1
    average: float | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                number("fit", name, getattr(self, name), 0.0, above_low=True)
        whole_number("fit", "accumulate", self.accumulate)
        if self.average is not None:
            number("fit", "average", self.average, 0.0, 1.0, below_high=True)
        if self.penalty is not None:
            number("fit", "penalty", self.penalty, 0.0)

    def numbers(self) -> dict[str, float]:
        """The numbers that a step reads anew each time, by the name of its scalar."""
        given = {
            CLIP_NORM: self.clip_norm, CLIP_VALUE: self.clip_value, AVERAGE: self.average,
            PENALTY: self.penalty,
        }  # fmt: skip
        return {name: float(value) for name, value in given.items() if value is not None}


def rate_name(group: int) -> str:
    """The scalar with the rate of one group of parameters."""
    return f"control.rate.{group}"


def is_scheduled(optimizer: Optimizer | ParameterGroups) -> bool:
    """Whether some rate follows a schedule."""
    return any(isinstance(o.learning_rate, Schedule) for o in optimizers_of(optimizer))


def host_rate(optimizer: Optimizer | ParameterGroups) -> float:
    """The scalar that multiplies every rate: the only rate itself, or 1."""
    return optimizer.host_rate if isinstance(optimizer, Optimizer) else 1.0


def host_numbers(
    optimizer: Optimizer | ParameterGroups,
    rules: UpdateRules,
    steps: float = 0.0,
    epochs: float = 0.0,
) -> dict[str, float]:
    """Every number that the host gives a step beside :func:`host_rate`, by the scalar's name.

    Args:
        optimizer: of the parameters.
        rules: around it.
        steps: updates of the whole run, for schedules.
        epochs: of the whole run.
    """
    found: dict[str, float] = {}
    if isinstance(optimizer, ParameterGroups):
        found |= {rate_name(k): one.host_rate for k, one in enumerate(optimizer.optimizers)}
    if is_scheduled(optimizer):
        found |= {TOTAL_STEPS: float(steps), TOTAL_EPOCHS: float(epochs)}
    return found | rules.numbers()


def check_unchanged(
    optimizer: Optimizer | ParameterGroups,
    rules: UpdateRules,
    compiled: tuple[str, ...],
    every: int,
) -> None:
    """Numbers may change after compiling; what is done with them may not.

    Args:
        optimizer: of the parameters, as it is now.
        rules: as they are now.
        compiled: names of the numbers that the program reads.
        every: the batches of an update that the program was compiled for.

    Raises:
        ArgumentError: if something was switched on or off.
    """
    now = tuple(host_numbers(optimizer, rules))
    if now == compiled and rules.accumulate == every:
        return
    changed = sorted(name.removeprefix("control.") for name in set(now) ^ set(compiled))
    raise ArgumentError(
        "The program was compiled for other updates.",
        happened="since then " + (f"{', '.join(changed)} came or went" if changed else
                                  f"accumulate changed from {every} to {rules.accumulate}"),
        needed="other numbers only: switching something on or off is another program",
        fix="make a new program with model.training_program(...)",
    )  # fmt: skip
