"""Loops in pieces: written once for each stretch between the borders of joined values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ranvier.backends.native.emitter import Emitter, Operand
from ranvier.backends.native.shares import Span
from ranvier.compiler.index import Axis
from ranvier.compiler.joins import stretches


def in_stretches(
    f: Emitter,
    borders: Mapping[Axis, Sequence[int]],
    axis: Axis,
    count: Operand,
    body: Callable[[Operand, tuple[int, int] | None], None],
    step: int = 1,
    span: Span | None = None,
) -> None:
    """A loop written once for each stretch between borders: ``body(position, stretch)``.

    Args:
        span: the places that are to be visited, of an axis without borders; None: all.
    """
    if span is not None:
        f.loop(span.last, lambda position, _: body(position, None), step=step, start=span.first)
        return
    if axis not in borders or not isinstance(count, int):
        f.loop(count, lambda position, _: body(position, None), step=step)
        return

    def stretch(start: int, stop: int) -> None:
        span = (start, stop - 1)
        f.loop(stop, lambda position, _: body(position, span), step=step, start=start)

    for start, stop in stretches(borders[axis], count, step):
        stretch(start, stop)
