"""Where a model is wrong: the table of classes, and the rows with the largest losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ranvier.explain.fit_checks import answers
from ranvier.explain.passes import row_losses
from ranvier.explain.subject import ModelLike, Subject, subject_of
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import whole_number


@dataclass(frozen=True)
class WrongRow:
    """A row with a large loss: what the model says of it, and what it should.

    Attributes:
        row: its number.
        loss: of this row alone.
        target: what it should be, in words.
        answer: what the model says, in words.
        share: the probability that the model gives to its answer; None for numbers.
    """

    row: int
    loss: float
    target: str
    answer: str
    share: float | None

    def __str__(self) -> str:
        sure = "" if self.share is None else f" ({self.share:.1%})"
        return f"row {self.row}: {self.answer}{sure}{self.verdict}, loss {self.loss:.4g}"

    @property
    def verdict(self) -> str:
        """Whether that is right, in words."""
        return ", rightly" if self.answer == self.target else f" in place of {self.target}"


@dataclass(frozen=True, eq=False)
class Mistakes:
    """Where a model is wrong.

    Attributes:
        class_names: what the classes are called; empty for numbers.
        confusion: ``(C, C)``, how many rows of each class (down) were called what (to the right);
            None for numbers.
        worst: rows with the largest losses, the largest first.
        rows: how many were looked at.
        right: the share of rows with the right class; None for numbers.
    """

    class_names: tuple[str, ...]
    confusion: NDArray[np.int64] | None = field(repr=False)
    worst: tuple[WrongRow, ...]
    rows: int
    right: float | None

    def __str__(self) -> str:
        lines = []
        if self.confusion is not None and self.right is not None:
            lines.append(f"{self.right:.2%} of {self.rows} rows are right.")
            width = max(5, *(len(name) for name in self.class_names))
            lines.append(" ".join(name.rjust(width) for name in ("", *self.class_names)))
            for name, counts in zip(self.class_names, self.confusion, strict=True):
                cells = [str(count) if count else "." for count in counts]
                lines.append(" ".join(cell.rjust(width) for cell in (name, *cells)))
        return "\n".join([*lines, *(str(one) for one in self.worst)])


def mistakes(model: ModelLike, x: object, y: object, *, most: int = 12) -> Mistakes:
    """Which classes a model takes for which, and the rows with the largest losses.

    **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

    Args:
        model: built, with one input and one output.
        x, y: rows, as for `evaluate`.
        most: how many rows.

    Raises:
        NotBuiltError: before the first fit or build.
        ArgumentError: several inputs or outputs.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> model = rv.Sequential(rv.Dense(2)).build((1,))
        >>> model.layers[0].weight[:] = [[-1.0, 1.0]]
        >>> found = rv.explain.mistakes(model, [[-2.0], [1.0], [3.0]], [0, 1, 0])
        >>> found.confusion.tolist(), found.worst[0].row
        ([[1, 1], [0, 1]], 2)
    """
    whole_number("mistakes", "most", most, low=0)
    subject = subject_of("mistakes", model, x, y)
    if not subject.single:
        raise ArgumentError(
            "mistakes looks at one input and one output.",
            happened=f"the model has {len(subject.x)} and {len(subject.targets)}",
            needed="a model with one of each",
            fix="make an rv.Model of the output you ask about",
        )
    network = subject.network
    losses = row_losses(network, subject.x, subject.targets, subject.losses).astype(np.float64)
    order = np.argsort(-losses, kind="stable")[:most]
    if subject.for_classes:
        return _of_classes(subject, losses, order)
    found, targets = answers(subject), subject.targets[0].reshape(subject.rows, -1)
    worst = tuple(
        WrongRow(int(k), float(losses[k]), _numbers(targets[k]), _numbers(found[k]), None)
        for k in order
    )
    return Mistakes((), None, worst, subject.rows, None)


def _of_classes(
    subject: Subject, losses: NDArray[np.float64], order: NDArray[np.int64]
) -> Mistakes:
    names, shares = subject.class_names, answers(subject)
    labels, said = subject.targets[0].astype(np.int64), shares.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, said), 1)
    worst = tuple(
        WrongRow(
            int(k), float(losses[k]), names[labels[k]], names[said[k]], float(shares[k, said[k]])
        )
        for k in order
    )
    return Mistakes(names, confusion, worst, subject.rows, float((said == labels).mean()))


def _numbers(values: NDArray[np.floating]) -> str:
    shown = ", ".join(f"{float(value):.5g}" for value in values[:8])
    return shown + (", ..." if len(values) > 8 else "")
