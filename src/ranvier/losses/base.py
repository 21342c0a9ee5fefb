"""What a loss is: a function of outputs and targets, and what it can read."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError, DataError, DTypeError, ShapeError
from ranvier.foundation.registry import Registry
from ranvier.foundation.shapes import N, Shape, show_shape
from ranvier.layers.configured import Configured, name_from_class
from ranvier.ops import Tensor
from ranvier.ops.graph import trace
from ranvier.ops.value import Spec, shape_of

LOSSES: Registry[type[Loss]] = Registry("loss")


class Loss(Configured):
    """Base of all losses; one of one's own needs :meth:`__call__` alone.

    Attributes:
        name: how it is asked for by name; left out, it is made from the class's.
        reads: ``"classes"``, ``"numbers"``, or None for both.
        logits_of: the activation whose input the loss reads, such as ``"softmax"``; a network that
            ends in this activation is trained on what comes before it. None: it reads outputs.
        own_units: whether the loss means targets as they are, such as counts or probabilities:
            then nobody may bring them to mean 0 and deviation 1 first.
        output_per_class: whether the network has one output for each class.
    """

    name: ClassVar[str] = ""
    # Not a ClassVar: for some losses an argument decides what they read.
    reads: str | None = None
    logits_of: ClassVar[str | None] = None
    own_units: ClassVar[bool] = False
    output_per_class: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            cls.name = name_from_class(cls.__name__)

    @abstractmethod
    def __call__(self, outputs: Tensor, targets: Tensor) -> Any:
        """The loss of each row. **Shapes**: ``outputs: (N, ...), targets: (N, ...) -> (N,)``"""

    def check(
        self,
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_kind: str,
        classes: int | None = None,
    ) -> None:
        """Check once, before training, that a network's outputs fit the targets.

        A loss that says nothing else reads numbers of the outputs' shape, or with
        ``reads = "classes"`` classes, and gives one number a row.

        Args:
            output_shape: of the network, without the batch axis.
            target_shape: of the targets, without the batch axis; ``()`` for classes.
            target_kind: ``"classes"`` or ``"numbers"``.
            classes: how many classes there are.

        Raises:
            ShapeError: if the shapes do not fit; nothing is broadcast silently.
            DTypeError: if the loss does not read such targets.
        """
        self._check_kind(target_kind, self.reads or "numbers")
        if target_kind == "numbers":
            check_same_axes(self.name, output_shape, target_shape)
        dtype = "float32" if target_kind == "numbers" else "int32"
        specs = [Spec((N, *output_shape), "float32"), Spec((N, *target_shape), dtype)]
        graph, _ = trace(lambda outputs, targets: (self(outputs, targets),), specs)
        found = graph.outputs[0].shape
        if found != (N,):
            raise ShapeError(
                f"The loss {self.name} does not give one number a row.",
                happened=f"for outputs {show_shape(specs[0].shape)} and targets "
                f"{show_shape(specs[1].shape)} it gives {show_shape(found)}",
                needed="(N,)",
                fix="end it with a mean over all axes but the first, as ops.mean(x, axis=1)",
            )

    def check_values(self, targets: NDArray[Any], name: str = "y") -> None:
        """Check once, before training, that the targets are values that the loss can mean.

        By default all finite numbers are; :func:`check_range` is of use here.

        **Shapes** ``targets: (N,)`` class indices or ``(N, ...)`` numbers

        Args:
            targets: as training reads them.
            name: what they are called, for error messages.

        Raises:
            DataError: naming the first row at fault.
        """

    def estimates(self, outputs: Tensor) -> Any:
        """What outputs say of the targets, in the targets' units: probabilities of logits, rates of
        logarithms. **Shapes**: ``outputs: (N, ...) -> (N, ...)``

        Args:
            outputs: as the loss reads them.
        """
        if self.logits_of is None:
            return outputs
        return ops.sigmoid(outputs) if self.logits_of == "sigmoid" else ops.softmax(outputs)

    def takes_logits(self, last_activation: str | None) -> bool:
        """Whether a network ending in this activation is trained on the activation's input.

        Raises:
            ArgumentError: if the loss includes another activation than the network ends in.
        """
        if self.logits_of is None or last_activation not in ("softmax", "sigmoid"):
            return False
        if last_activation == self.logits_of:
            return True
        raise ArgumentError(
            f"The loss {self.name} does not fit a network that ends in {last_activation}.",
            happened=f"the last layer's activation is {last_activation}",
            needed=f"{self.logits_of}, or no activation: the loss includes {self.logits_of}",
            fix="leave the last layer's activation out, or choose the loss mean_squared_error",
        )

    def _check_kind(self, target_kind: str, reads: str | None = None) -> None:
        reads = reads or self.reads
        if reads is None or target_kind == reads:
            return
        remedy = (
            "give y as floats, for example y.astype('float32'), or use the loss cross_entropy"
            if reads == "numbers"
            else "give y as integers or texts, or use the loss mean_squared_error"
        )
        raise DTypeError(
            f"The loss {self.name} cannot read the targets.",
            happened=f"y holds {target_kind}",
            needed=reads,
            fix=remedy,
        )


def check_range(
    loss: str, name: str, targets: NDArray[Any], wrong: NDArray[Any], needed: str, fix: str
) -> None:
    """Refuse targets of which some values are wrong for a loss.

    Args:
        loss: the loss's name.
        name: what the targets are called.
        targets: ``(N, ...)``.
        wrong: of the same shape: True where a value cannot be read.
        needed, fix: of the error.

    Raises:
        DataError: naming the first row at fault.

    Example:
        >>> import numpy as np
        >>> counts = np.array([3.0, 0.0])
        >>> check_range("poisson", "y", counts, counts < 0, "counts", "count again")
    """
    if not wrong.any():
        return
    index = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
    place = f"row {index[0]}"
    if wrong.ndim == 2 and wrong.shape[1] > 1:
        place += f", column {index[1]}"
    raise DataError(
        f"{name} has {targets[index]:g} in {place}, which the loss {loss} cannot read.",
        happened=f"{int(wrong.sum())} of {wrong.size} values cannot be read, the first in {place} "
        "(counted from 0)",
        needed=needed,
        fix=fix,
    )


def check_same_shape(name: str, outputs: Tensor, targets: Tensor) -> None:
    """Refuse outputs and targets of different shapes.

    Raises:
        ShapeError: rather than broadcasting (N, 1) against (N,).
    """
    if shape_of(outputs) != shape_of(targets):
        raise does_not_fit(name, shape_of(outputs), shape_of(targets), "the same shape for both")


def check_same_axes(
    name: str, output_shape: tuple[int, ...], target_shape: tuple[int, ...]
) -> None:
    """The same check before training, on shapes without the batch axis.

    Raises:
        ShapeError: if they differ.
    """
    if output_shape != target_shape:
        raise does_not_fit(name, (N, *output_shape), (N, *target_shape), "the same shape for both")


def does_not_fit(name: str, outputs: Shape, targets: Shape, needed: str) -> ShapeError:
    """The error for outputs and targets whose shapes do not fit a loss or metric."""
    fix = "give the last layer as many units as a row of y has numbers"
    if len(outputs) == 2 and len(targets) == 1:
        fix = "give y one column for each output: y.reshape(-1, 1) for one"
    return ShapeError(
        f"{name} cannot compare outputs {show_shape(outputs)} with targets {show_shape(targets)}.",
        happened=f"outputs have shape {show_shape(outputs)}, targets {show_shape(targets)}",
        needed=needed,
        fix=fix,
    )
