"""Where things lie: indices and addresses at the present place of a loop nest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ranvier.backends.native.emitter import Emitter, Operand
from ranvier.compiler.groups import LANES, Buffer
from ranvier.compiler.index import Axis, Clamped, Index, Quotient, quotient, remainder


@dataclass(frozen=True)
class Arguments:
    """Names of a group function's arguments.

    Attributes:
        pointers: of buffers.
        strides: elements from row to row of data sources, found at run time.
        counts: of symbolic extents, by name; or how long they are, where that is known.
        rows: the batch's row numbers, for data sources.
        totals: extents as numbers, where loops walk only a block of them.
        sums: where a group's sums are kept from block to block.
    """

    pointers: Mapping[Buffer, str]
    strides: Mapping[Buffer, str]
    counts: Mapping[str, Operand]
    rows: str
    totals: Mapping[str, str] | None = None
    sums: str | None = None


@dataclass(frozen=True)
class TileColumns:
    """Where the vector axis stands in a product's panel: first column, offset, panel's width."""

    start: Operand
    inside: int
    width: int


class Places:
    """The loops that are open, and addresses at the place they have reached.

    Args:
        f: where instructions go.
        arguments: of the group's function.
        vector_axis: the axis walked in vectors, or None.
    """

    def __init__(self, f: Emitter, arguments: Arguments, vector_axis: Axis | None) -> None:
        self.f = f
        self.arguments = arguments
        self.vector_axis = vector_axis
        self.positions: dict[Axis, Operand] = {}
        #: The lowest and highest place of open loops that walk less than their axis.
        self.spans: dict[Axis, tuple[int, int]] = {}
        #: Where the vector axis ends, if a vector may pass it.
        self.end: Operand | None = None
        #: In a product's epilogue: where its panel stands.
        self.tile: TileColumns | None = None

    def place(self, index: Index) -> Operand:
        """An index at the present place (of the first lane)."""
        index = index.settled(self.spans)
        total: Operand = index.constant
        for atom, coefficient in index.terms:
            if isinstance(atom, Axis):
                part: Operand = self.positions[atom]
            elif isinstance(atom, Clamped):
                part = self._held(self.place(atom.index), atom)
            else:
                inner = self.place(atom.index)
                how = "sdiv" if isinstance(atom, Quotient) else "srem"
                part = self.f.op(f"{how} i64 {inner}, {atom.divisor}")
            total = self.f.add(total, self.f.mul(coefficient, part))
        return total

    def _held(self, place: Operand, between: Clamped) -> Operand:
        low = between.low
        if isinstance(place, int):
            return min(max(place, low), between.high)
        above = self.f.icmp("sgt", place, low)
        place = self.f.op(f"select i1 {above}, i64 {place}, i64 {low}")
        return self.f.minimum_int(place, between.high)

    def from_first(self, indices: tuple[Index, ...]) -> tuple[int, tuple[Index, ...]]:
        """Indices that a whole vector may be read at: how many lanes late, and the indices.

        Where a part of a joined value begins inside a vector, the lanes before it lie outside of
        the part. Lanes behind its end are read and not believed, like all padding.
        """
        late, out = 0, []
        axis = self.vector_axis
        for index in indices:
            settled = index.settled(self.spans)
            total = Index((), settled.constant)
            for atom, coefficient in settled.terms:
                part = Index(((atom, 1),))
                if isinstance(atom, Clamped) and axis is not None:
                    ends = atom.index.limits(self.spans)
                    if ends is not None and ends[0] >= atom.low and ends[1] - atom.high < LANES:
                        part = atom.index
                    elif atom.index.terms == ((axis, 1),) and isinstance(self.positions[axis], int):
                        first = atom.low - atom.index.constant - int(self.positions[axis])
                        if 0 < first < LANES and late in (0, first):
                            late, part = first, atom.index
                total = total.plus(part, coefficient)
            out.append(total)
        return late, tuple(out)

    def at_lane(self, index: Index, lane: int) -> Operand:
        """An index at one lane's place, held inside the axis."""
        axis = self.vector_axis
        if axis is None:
            return self.place(index)
        base = self.positions[axis]
        position = self.f.add(base, lane)
        if self.end is not None:
            position = self.f.minimum_int(position, self.f.add(self.end, -1))
        self.positions[axis] = position
        found = self.place(index)
        self.positions[axis] = base
        return found

    def address(self, buffer: Buffer, indices: tuple[Index, ...], lane: int | None = None) -> str:
        """The address of an element of a buffer in the arena."""
        if buffer.panel and lane is None:
            place = self._panel_place(buffer, indices)
        else:
            index = linear(buffer, indices)
            place = self.place(index) if lane is None else self.at_lane(index, lane)
        return self.f.at(self.arguments.pointers[buffer], place, buffer.dtype)

    def _panel_place(self, buffer: Buffer, indices: tuple[Index, ...]) -> Operand:
        """The place of an element of a matrix in panels; vectors never cross a panel's edge."""
        f, rows = self.f, buffer.shape[0]
        row = f.mul(buffer.panel, self.place(indices[0]))
        start: Operand
        inside: Operand
        if self.tile is not None and self.tile.width == buffer.panel:
            start, inside = self.tile.start, self.tile.inside
        else:
            column = self.place(indices[1])
            if isinstance(column, int):
                inside = column % buffer.panel
            else:
                inside = f.op(f"and i64 {column}, {buffer.panel - 1}")
            start = f.sub(column, inside)
        length = rows if isinstance(rows, int) else self.arguments.counts[rows.name]
        return f.add(f.add(f.mul(length, start), inside), row)

    def pace(self, buffer: Buffer, indices: tuple[Index, ...]) -> int | None:
        """Elements from lane to lane; None if uneven."""
        if self.vector_axis is None:
            return 0
        if not buffer.panel:
            return linear(buffer, indices).coefficient(self.vector_axis)
        across = indices[1].coefficient(self.vector_axis)
        down = indices[0].coefficient(self.vector_axis)
        aligned = indices[1] == Index.of(self.vector_axis)
        return across if down == 0 and (across == 0 or aligned) else None


def linear(buffer: Buffer, indices: tuple[Index, ...]) -> Index:
    """Elements from the start of a buffer."""
    total = Index()
    if buffer.panel:
        rows = buffer.shape[0]
        size = buffer.panel * (rows if isinstance(rows, int) else 1)
        total = total.plus(quotient(indices[1], buffer.panel), size)
        total = total.plus(remainder(indices[1], buffer.panel))
        return total.plus(indices[0], buffer.panel)
    for index, stride in zip(indices, buffer.strides(), strict=True):
        total = total.plus(index, stride)
    return total
