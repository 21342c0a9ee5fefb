"""How many workers there are, and how they enter and leave native code together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.settings import MOST_THREADS, read_settings

#: Where Linux says how much of the processors a container may use, for both kinds of groups.
QUOTA = Path("/sys/fs/cgroup/cpu.max")
OLD_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
OLD_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def available_workers() -> int:
    """Processors that this process may use: its affinity, within its container's quota."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    quota = _quota()
    return max(1, count if quota is None else min(count, int(quota)))


def chosen_workers(asked: int | None) -> int:
    """The workers that a program may use.

    Args:
        asked: by the caller; None: what ``RANVIER_THREADS`` says, else all that are available.

    Raises:
        ArgumentError: for something else than an integer from 1 on.
    """
    if asked is None:
        return read_settings().threads or available_workers()
    if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= MOST_THREADS:
        raise ArgumentError(
            "The argument threads is not understood.",
            happened=f"threads is {asked!r:.80}",
            needed=f"an integer from 1 to {MOST_THREADS}, or None for all processors",
            fix="leave it out, or write threads=1",
        )
    return asked


def _quota() -> float | None:
    """Processors' worth of time that a container may use; None for no limit."""
    try:
        if QUOTA.exists():
            limit, period = QUOTA.read_text().split()[:2]
            return None if limit == "max" else max(1.0, int(limit) / int(period))
        if OLD_QUOTA.exists():
            limit, period = OLD_QUOTA.read_text(), OLD_PERIOD.read_text()
            return None if int(limit) <= 0 else max(1.0, int(limit) / int(period))
    except (OSError, ValueError):
        return None
    return None


def run_together(
    lead: Callable[[], None], follow: Callable[[int], None], ready: Callable[[int], None], most: int
) -> None:
    """Run a leader here and its followers in threads of their own, until all have come back.

    Args:
        lead: the first worker's call; it sends the others home before it returns.
        follow: called with the number of each other worker, from 1.
        ready: called with how many they are, before any of them begins.
        most: workers that are wanted; fewer come if the system has no more threads.
    """
    gate = threading.Event()

    def enter(worker: int) -> None:
        gate.wait()
        follow(worker)

    threads: list[threading.Thread] = []
    for worker in range(1, most):
        thread = threading.Thread(target=enter, args=(worker,), name="ranvier", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            break
        threads.append(thread)
    ready(1 + len(threads))
    gate.set()
    lead()
    for thread in threads:
        thread.join()
