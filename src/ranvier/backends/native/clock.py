"""A clock inside a program: after each group, the time since the last look is added to its slot."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.binding as llvm

from ranvier.backends.native.emitter import Emitter, Operand, Type

I64 = Type("int64")
#: The first words of a worker's line: the last look; then the slots. Two of them are no groups.
LAST, SLOTS = 0, 1
BETWEEN, MEETINGS, FIRST_GROUP = range(3)
#: Words of a cache line.
LINE_WORDS = 8


@dataclass(frozen=True)
class Clock:
    """Where a program keeps its times.

    Attributes:
        offset: bytes from the start of the arena.
        groups: how many groups are timed.
        workers: how many workers have slots of their own.
    """

    offset: int
    groups: int
    workers: int = 1

    @property
    def words(self) -> int:
        """Words of one worker, in whole cache lines."""
        return -(-(SLOTS + FIRST_GROUP + self.groups) // LINE_WORDS) * LINE_WORDS

    @property
    def bytes(self) -> int:
        """Bytes of all workers."""
        return 8 * self.words * self.workers

    def lap(self, f: Emitter, slot: int, worker: Operand = 0) -> None:
        """Add the time since the last look to a slot; nothing at the very first look."""
        line = f.at("%arena", f.add(self.offset, f.mul(8 * self.words, worker)))
        now = emit_ticks(f)
        before = f.load(I64, f.at(line, LAST, "int64"))
        some = f.icmp("ne", before, 0)
        passed = f.op(f"select i1 {some}, i64 {f.sub(now, before)}, i64 0")
        place = f.at(line, SLOTS + slot, "int64")
        f.store(I64, str(f.add(f.load(I64, place), passed)), place)
        f.store(I64, now, f.at(line, LAST, "int64"))


def emit_ticks(f: Emitter) -> str:
    """A counter that runs evenly and that any process may read."""
    if llvm.get_process_triple().startswith(("aarch64", "arm64")):
        # The cycle counter of these is not for everybody; the timer is.
        f.declarations.add("declare i64 @llvm.read_volatile_register.i64(metadata)")
        register = 'metadata !{!"cntvct_el0"}'
        return f.op(f"call i64 @llvm.read_volatile_register.i64({register})")
    f.declarations.add("declare i64 @llvm.readcyclecounter()")
    return f.op("call i64 @llvm.readcyclecounter()")
