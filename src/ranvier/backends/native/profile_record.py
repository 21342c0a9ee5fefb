"""What a profile says: a record for each group, and a table of them."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds below which the time of a group says nothing: a look at the clock takes as long.
ROUGH = 10e-9


@dataclass(frozen=True)
class GroupProfile:
    """One group of a program.

    Attributes:
        name: as in ``program.passes()``.
        kind: "product", "rows", "columns" or "scatter".
        computes: what, in a line.
        seconds: of one step.
        share: of the step's time.
        operations: floating-point operations of one step.
        bytes: that it must read and write in one step.
        most_operations: a second, that one processor was measured to do.
        most_bytes: a second, that one processor was measured to read and write in a copy.
        copied: bytes of that copy, which is about as large as what the group touches.
        workers: how many share it.
        reasons: why its loops are as they are.
    """

    name: str
    kind: str
    computes: str
    seconds: float
    share: float
    operations: int
    bytes: int
    most_operations: float
    most_bytes: float
    copied: int
    workers: int
    reasons: tuple[str, ...]

    @property
    def share_of_operations(self) -> float:
        """Its operations a second, as a share of the multiply-add ceiling."""
        return self._share(self.operations, self.most_operations)

    @property
    def share_of_bandwidth(self) -> float:
        """Its bytes a second, as a share of copying; above 1 where it mostly reads."""
        return self._share(self.bytes, self.most_bytes)

    @property
    def limit(self) -> str:
        """The ceiling that it is nearer to: "multiply-adds", or "copying 512 KiB"."""
        if self.share_of_operations >= self.share_of_bandwidth:
            return "multiply-adds"
        mebibytes = self.copied >> 20
        return f"copying {mebibytes} MiB" if mebibytes else f"copying {self.copied >> 10} KiB"

    @property
    def share_of_ceiling(self) -> float:
        """Its share of that ceiling."""
        return max(self.share_of_operations, self.share_of_bandwidth)

    def _share(self, work: int, most: float) -> float:
        return work / (self.seconds * most * self.workers) if self.seconds > 0.0 else 0.0


@dataclass(frozen=True)
class Profile:
    """Where the time of a program goes; ``print`` it.

    Times of less than some ten nanoseconds are rough: a processor begins a group before the one
    before it has ended, and a look at the clock takes about as long.

    Attributes:
        what: what the program does once, "a step of training".
        groups: in the order in which they run.
        seconds: of one step: all groups, and the first worker's waiting.
        meetings: seconds of a step in which the first worker waits for the others.
        workers: how many ran it.
        rows: of a step; 0 where there is no batch.
        steps: how many were timed.
    """

    what: str
    groups: tuple[GroupProfile, ...]
    seconds: float
    meetings: float
    workers: int
    rows: int
    steps: int

    @property
    def operations(self) -> int:
        """Floating-point operations of one step."""
        return sum(group.operations for group in self.groups)

    @property
    def share_of_operations(self) -> float:
        """Operations a second of the whole step, as a share of what all workers can."""
        if not self.groups or self.seconds <= 0.0:
            return 0.0
        most = max(group.most_operations for group in self.groups)
        return self.operations / (self.seconds * most * self.workers)

    def table(self, reasons: bool = True) -> str:
        """The profile as text: a line for each group, the longest first, and why it is so.

        Args:
            reasons: whether the lines about schedules are in it.
        """
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        rows = {0: "", 1: " of 1 row"}.get(self.rows, f" of {self.rows} rows")
        lines = [
            f"{self.what}{rows}: {_time(self.seconds)}, {workers}, "
            f"{self.share_of_operations:.0%} of the multiply-add ceiling; {self.steps} steps timed",
            f"{'group':<9} {'kind':<8} {'time':>9} {'share':>6} {'GFLOP/s':>8} {'GB/s':>7}  "
            "of the nearer ceiling",
        ]
        for group in sorted(self.groups, key=lambda one: -one.seconds):
            lines += _lines(group, reasons)
        if self.workers > 1:
            share = self.meetings / self.seconds if self.seconds > 0.0 else 0.0
            lines.append(f"{'waiting for others':<18} {_time(self.meetings):>9} {share:>6.1%}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()


def _lines(group: GroupProfile, reasons: bool) -> list[str]:
    head = f"{group.name:<9} {group.kind:<8}"
    if group.seconds < ROUGH:
        found = [f"{head} {'< 10 ns':>9}", f"    {group.computes}"]
    else:
        rates = [work / group.seconds / 1e9 for work in (group.operations, group.bytes)]
        numbers = f"{_time(group.seconds):>9} {group.share:>6.1%} {rates[0]:>8.1f} {rates[1]:>7.1f}"
        limit = f"{group.share_of_ceiling:.0%} of {group.limit}"
        found = [f"{head} {numbers}  {limit}", f"    {group.computes}"]
    return [*found, f"    {'; '.join(group.reasons)}"] if reasons else found


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
