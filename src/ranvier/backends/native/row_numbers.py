"""Row numbers of batches: found for many small batches at once, and kept until they are used."""

from __future__ import annotations

from dataclasses import dataclass

from ranvier.backends.native.emitter import Emitter, Operand, Type
from ranvier.backends.native.expressions import ROWS_AHEAD
from ranvier.backends.native.random import (
    PIECE,
    SHORT_EPOCH,
    WIDE,
    emit_order,
    emit_order_epochs,
)

I64 = Type("int64")


def row_numbers_room(longest: int) -> int:
    """Row numbers that the loops need room for, if the longest batch has so many rows."""
    return max(longest, PIECE) + WIDE + ROWS_AHEAD


def emit_orders(declarations: set[str], short_epochs: bool) -> str:
    """The functions that find rows of shuffled epochs."""
    order = emit_order(declarations)
    return order + emit_order_epochs(declarations) if short_epochs else order


def emit_in_order(f: Emitter, out: str, first: Operand, count: Operand) -> None:
    """Row numbers that simply go up."""

    def one(i: Operand, _: list[str]) -> None:
        f.store(I64, str(f.add(first, i)), f.at(out, i, "int64"))

    f.loop(count, one)


@dataclass(frozen=True)
class Epochs:
    """What the order of rows depends on: rows of an epoch and a batch, seed, whether shuffled."""

    rows: str
    size: str
    seed: str
    shuffle: str


class RowNumbers:
    """Writes where a batch's row numbers come from.

    Rows are counted over all epochs, from the first row of the first one: those from one place to
    another are known.

    Args:
        f: the function being written.
        epochs: what the order depends on.
        numbers: where row numbers are kept, with room for ``row_numbers_room``.
        ahead: whether rows of later epochs may be found as well.
        short_epochs: whether ``@order_epochs`` is there.
    """

    def __init__(
        self, f: Emitter, epochs: Epochs, numbers: str, ahead: bool, short_epochs: bool
    ) -> None:
        self.f, self.epochs, self.numbers = f, epochs, numbers
        self.ahead, self.short_epochs = ahead, short_epochs
        # As many whole batches as a piece holds; a longer batch is found alone.
        self.block = f.mul(f.op(f"sdiv i64 {PIECE}, {epochs.size}"), epochs.size)
        self.known = [f.allocate(I64, 1), f.allocate(I64, 1)]
        f.store(I64, "0", self.known[0])
        self.forget()

    def forget(self) -> None:
        """No row is known any more."""
        self.f.store(I64, "0", self.known[1])

    def of_batch(self, epoch: str, first: str, count: str) -> str:
        """Where the row numbers of a batch lie, that begins at a place of an epoch."""
        f, rows = self.f, self.epochs.rows
        place = f.add(f.op(f"mul nsw i64 {epoch}, {rows}"), first)
        known = f.op(
            f"and i1 {f.icmp('sle', f.load(I64, self.known[0]), place)}, "
            f"{f.icmp('sle', f.add(place, count), f.load(I64, self.known[1]))}"
        )

        def find() -> None:
            left = f.minimum_int(f.sub(rows, first), self.block)
            length = f.op(f"select i1 {f.icmp('sgt', count, left)}, i64 {count}, i64 {left}")
            self._order(epoch, first, length, self.numbers)
            total: Operand = length
            if self.ahead:
                total = self._epochs_to_come(epoch, first, length)
            f.store(I64, str(place), self.known[0])
            f.store(I64, str(f.add(place, total)), self.known[1])

        f.when(f.op(f"xor i1 {known}, true"), find)
        return f.at(self.numbers, f.sub(place, f.load(I64, self.known[0])), "int64")

    def _epochs_to_come(self, epoch: str, first: str, length: str) -> Operand:
        """Short epochs: find the rows of those to come as well; how many rows are known then.

        One epoch's keys wait for each other, but not for those of the next.
        """
        f, rows = self.f, self.epochs.rows
        room = f.op(f"sdiv i64 {f.sub(PIECE, length)}, {rows}")
        ended = f.icmp("eq", f.add(first, length), rows)
        more = f.op(f"select i1 {ended}, i64 {room}, i64 0")
        out, following = f.at(self.numbers, length, "int64"), f.add(epoch, 1)
        one_by_one: Operand = more
        if self.short_epochs:
            few = f.icmp("sle", rows, SHORT_EPOCH)
            short = f.op(f"and i1 {self.epochs.shuffle}, {few}")
            call = (
                f"call void @order_epochs(ptr {out}, i64 {following}, i64 {more}, i64 {rows}, "
                f"i64 {self.epochs.seed})"
            )
            f.when(short, lambda: f.do(call))
            one_by_one = f.op(f"select i1 {short}, i64 0, i64 {more}")

        def later(i: Operand, _: list[str]) -> None:
            self._order(f.add(following, i), 0, rows, f.at(out, f.mul(rows, i), "int64"))

        f.loop(one_by_one, later)
        return f.add(length, f.mul(rows, more))

    def _order(self, epoch: Operand, first: Operand, count: str, out: str) -> None:
        """Find rows of an epoch's order."""
        f = self.f
        mixed, plain, end = (f.fresh_label(name) for name in ("mixed", "plain", "end"))
        f.do(f"br i1 {self.epochs.shuffle}, label %{mixed}, label %{plain}")
        f.label(mixed)
        f.do(
            f"call void @order(ptr {out}, i64 {first}, i64 {count}, i64 {self.epochs.rows}, "
            f"i64 {epoch}, i64 {self.epochs.seed})"
        )
        f.do(f"br label %{end}")
        f.label(plain)
        emit_in_order(f, out, first, count)
        f.do(f"br label %{end}")
        f.label(end)
