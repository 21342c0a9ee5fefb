"""A network as a table of text: layers, shapes, parameters, operations, planned memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ranvier.foundation.shapes import N, show_shape
from ranvier.networks.network import Network
from ranvier.networks.table import LayerRow

HEADINGS = ("", "layer", "reads", "gives", "parameters", "FLOPs an example")


class Planned(Protocol):
    """A plan of memory: what `program.memory()` gives."""

    @property
    def bytes(self) -> int:
        """Bytes of the one arena."""


def show_bytes(size: int) -> str:
    """A size in exact bytes and, when large, in a unit one can picture.

    Example:
        >>> show_bytes(3_500_000)
        '3,500,000 bytes (3.3 MiB)'
    """
    exact = f"{size:,} byte{'' if size == 1 else 's'}"
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << power:
            return f"{exact} ({size / (1 << power):.1f} {unit})"
    return exact


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    """Columns of text under their headings; those in `right` are aligned to the right."""
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    shown = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rule = "-" * max(len(line) for line in shown)
    return "\n".join([shown[0], rule, *shown[1:], rule])


def summary_text(network: Network, memory: Planned | None, program: str = "") -> str:
    """The summary of a built network.

    Args:
        network: built.
        memory: the plan of its last program, or None if there is none yet.
        program: what that program is for.
    """
    rows = network.layer_table()
    body = table(*_columns(rows, network.wiring.is_chain))
    parameters = sum(row.parameters for row in rows)
    trained = sum(row.trained for row in rows)
    size = sum(array.nbytes for array in network.parameters.values())
    lines = [
        f"reads {' and '.join(show_shape((N, *one)) for one in network.input_shapes)} "
        f"in {network.dtype}",
        body,
        f"{parameters:,} parameters, {trained:,} of them trained: {show_bytes(size)}",
        f"{sum(row.flops for row in rows):,} floating-point operations an example, forward",
    ]
    if memory is not None:
        lines.append(f"planned memory of the {program} program: {show_bytes(memory.bytes)}, exact")
    return "\n".join(lines)


def _columns(
    rows: Sequence[LayerRow], is_stack: bool
) -> tuple[Sequence[str], Sequence[Sequence[str]], Sequence[int]]:
    """Headings, lines and right-aligned columns; in a stack it is clear who reads whom."""
    lines = [
        (
            str(row.number),
            row.description + ("" if row.trainable else " (frozen)"),
            "; ".join(row.reads),
            row.output_shape,
            f"{row.parameters:,}",
            f"{row.flops:,}",
        )
        for row in rows
    ]
    if not is_stack:
        return HEADINGS, lines, (0, 4, 5)
    return (*HEADINGS[:2], *HEADINGS[3:]), [(*line[:2], *line[3:]) for line in lines], (0, 3, 4)
