"""Short steps as one straight text: groups are written where they are called, numbers stay known.

A step of some hundred nanoseconds loses as much again to calls, to loops of one round, and to
memory between groups. So for the usual number of rows its groups are written into the step itself,
with that number known; short loops are written out; and what was stored at a known place is taken
from its register when it is read again. The operations and their order stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ranvier.backends.native.emitter import Emitter, Operand, Type, constant
from ranvier.backends.native.shares import cost_of
from ranvier.compiler.groups import Group
from ranvier.foundation.dtypes import itemsize

#: Nanoseconds of a step, as estimated, up to which its groups are written in line; and groups,
#: since each of them is machine code twice: the text for other numbers of rows is there as well.
MOST_NANOSECONDS, MOST_GROUPS = 2_000, 40
#: Rounds up to which a loop is written out, and rounds of loops within each other.
MOST_ROUNDS, MOST_NESTED_ROUNDS = 4, 16


def is_short(groups: Sequence[Group], counts: Mapping[str, int]) -> bool:
    """Whether a program is so short that its groups are worth writing in line."""
    cost = sum(cost_of(group, counts) for group in groups)
    return len(groups) <= MOST_GROUPS and cost <= MOST_NANOSECONDS


class StraightEmitter(Emitter):
    """A function whose stores are remembered until control flow or a call may have changed them.

    Only places at a known distance from the arena or from the function's own scratch are: no other
    pointer of a step reaches them.
    """

    def __init__(self, head: str, declarations: set[str], attributes: str = "nounwind") -> None:
        #: Pointers at a known distance from the start of a block of memory; None: at any place.
        self._places: dict[str, tuple[str, int | None]] = {"%arena": ("%arena", 0)}
        #: What lies where: (block, first byte) to the type and the name of the value.
        self._known: dict[tuple[str, int], tuple[Type, str]] = {}
        self._not_negative_zero: set[str] = set()
        self._rounds = 1
        super().__init__(head, declarations, attributes)

    # --- control flow

    def label(self, name: str) -> None:
        """Start a basic block: nothing is known in it."""
        self._known = {}
        super().label(name)

    def do(self, text: str) -> None:
        """Append an instruction; a call may store anything, but a prefetch does not."""
        if text.startswith("call") and "@llvm.prefetch" not in text:
            self._known = {}
        super().do(text)

    def when(self, condition: str, body: Callable[[], None], returns: bool = False) -> None:
        """Run the body only where an i1 holds; after one that leaves, all is as it was."""
        known = self._known
        super().when(condition, body, returns)
        if returns:
            self._known = known

    def loop(
        self,
        count: Operand,
        body: Callable[[Operand, list[str]], Sequence[str] | None],
        carried: Sequence[tuple[str, str]] = (),
        step: int = 1,
        start: Operand = 0,
        keep: bool = False,
    ) -> list[str]:
        """A loop, written out if it has few rounds, unless it is to be kept."""
        if isinstance(count, int) and isinstance(start, int) and not keep:
            places = range(start, count, step)
            nested = self._rounds * max(len(places), 1)
            if len(places) <= MOST_ROUNDS and nested <= MOST_NESTED_ROUNDS:
                values = [value for _, value in carried]
                outside, self._rounds = self._rounds, nested
                for place in places:
                    values = list(body(place, values) or [])
                self._rounds = outside
                return values
        return super().loop(count, body, carried, step, start, keep)

    # --- memory

    def allocate(self, type_: Type, count: int) -> str:
        """Scratch on the stack: a block of its own."""
        name = super().allocate(type_, count)
        self._places[name] = (name, 0)
        return name

    def at(self, pointer: str, offset: Operand, dtype: str = "uint8") -> str:
        """Address of element ``offset`` behind a pointer."""
        name = super().at(pointer, offset, dtype)
        if pointer in self._places:
            block, first = self._places[pointer]
            known = isinstance(offset, int) and first is not None
            distance = int(offset) * itemsize(dtype) if known else 0
            self._places[name] = (block, first + distance if known and first is not None else None)
        return name

    def load(self, type_: Type, pointer: str) -> str:
        """Load a value, or take it from the register that it lies in."""
        block, first = self._places.get(pointer, ("", None))
        if first is None or type_.dtype == "bool":
            return super().load(type_, pointer)
        found = self._find(type_, block, first)
        if found is None:
            found = super().load(type_, pointer)
            self._known[block, first] = (type_, found)
        return found

    def _find(self, type_: Type, block: str, first: int) -> str | None:
        known = self._known.get((block, first))
        if known is not None and known[0] == type_:
            return known[1]
        size = itemsize(type_.dtype)
        if type_.lanes > 1:
            return self._assemble(type_, [(block, first + k * size) for k in range(type_.lanes)])
        for (other, start), (kind, value) in self._known.items():
            lane, rest = divmod(first - start, size)
            inside = other == block and kind.dtype == type_.dtype and 0 <= lane < kind.lanes
            if inside and not rest and kind.lanes > 1:
                return self.op(f"extractelement {kind} {value}, i32 {lane}")
        return None

    def _assemble(self, type_: Type, places: Sequence[tuple[str, int]]) -> str | None:
        """A vector of numbers that were stored one by one, which memory gives back late."""
        scalar = Type(type_.dtype)
        if any(self._known.get(place, (None,))[0] != scalar for place in places):
            return None
        vector = "poison"
        for lane, place in enumerate(places):
            number = self._known[place][1]
            vector = self.op(f"insertelement {type_} {vector}, {scalar} {number}, i32 {lane}")
        return vector

    # --- values

    def binary(self, operation: str, type_: Type, a: str, b: str) -> str:
        """A two-operand instruction; nothing where zero is added to what is no negative zero."""
        zeros = (constant(type_, 0.0), "zeroinitializer")
        if operation != "fadd" or not (a in zeros or b in zeros):
            return super().binary(operation, type_, a, b)
        other = b if a in zeros else a
        if other in zeros or other in self._not_negative_zero:
            return other
        total = super().binary(operation, type_, a, b)
        self._not_negative_zero.add(total)
        return total

    def store(self, type_: Type, value: str, pointer: str) -> None:
        """Store a value and remember it."""
        super().store(type_, value, pointer)
        block, first = self._places.get(pointer, ("", None))
        if first is None:
            self._known = {}
            return
        end = first + type_.lanes * itemsize(type_.dtype)
        for other, start in list(self._known):
            kind = self._known[other, start][0]
            if other == block and start < end and first < start + kind.lanes * itemsize(kind.dtype):
                del self._known[other, start]
        if type_.dtype != "bool":
            self._known[block, first] = (type_, value)
