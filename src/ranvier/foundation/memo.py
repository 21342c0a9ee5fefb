"""A bounded memory of things that cost time to make: the longest unused one is forgotten first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Memo(Generic[T]):
    """From keys to what was made for them.

    Several threads may ask at once; two that ask for the same new thing may both make it, and
    both get the first one. What is found must not be changed.

    Args:
        size: how many things are kept.

    Example:
        >>> squares = Memo(2)
        >>> [squares.find(n, lambda: n * n) for n in (3, 4, 3, 5)]
        [9, 16, 9, 25]
        >>> len(squares), squares.hits
        (2, 1)
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.hits = 0
        self._things: dict[Hashable, T] = {}
        self._lock = threading.Lock()
        _memos.add(self)

    def __len__(self) -> int:
        return len(self._things)

    def find(self, key: Hashable | None, make: Callable[[], T]) -> T:
        """What was made for a key; made now if there is nothing. A key of None is never kept."""
        if key is None:
            return make()
        with self._lock:
            if key in self._things:
                self.hits += 1
                self._things[key] = found = self._things.pop(key)
                return found
        # Outside the lock: making may take long, and may look up other things here.
        made = make()
        with self._lock:
            kept = self._things.setdefault(key, made)
            while len(self._things) > self.size:
                self._things.pop(next(iter(self._things)))
            return kept

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._things.clear()

    def _renew(self) -> None:
        self._lock = threading.Lock()


_memos: WeakSet[Memo[Any]] = WeakSet()


def _renew_locks() -> None:
    """After a fork another thread may have held a lock; the child starts with fresh ones."""
    for memo in _memos:
        memo._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
