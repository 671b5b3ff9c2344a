"""Many deadlines, the next one first.

In: keys with times. Out: the earliest time, and the keys that are due. No I/O, no clock of its own.
"""

from __future__ import annotations

import heapq
from typing import Any, Dict, List, Optional, Tuple

Key = Tuple[Any, ...]


class Timers:
    """One time per key. Moving one later is free: its old place in the heap is looked at when its turn comes."""

    def __init__(self) -> None:
        self._times: Dict[Key, float] = {}
        self._heap: List[Tuple[float, int, Key]] = []
        self._count = 0  # ties are broken by age; keys need not be comparable

    def __len__(self) -> int:
        return len(self._times)

    @property
    def retained(self) -> int:
        """Entries in memory, stale ones included."""
        return len(self._heap)

    def set(self, key: Key, at: float) -> None:
        known = self._times.get(key)
        self._times[key] = at
        if known is None or at < known:
            self._push(key, at)

    def soonest(self, key: Key, at: float) -> None:
        """Set it unless it is due before that anyway."""
        known = self._times.get(key)
        if known is None or at < known:
            self._times[key] = at
            self._push(key, at)

    def cancel(self, key: Key) -> None:
        self._times.pop(key, None)

    def next(self) -> Optional[float]:
        heap = self._heap
        while heap:
            at, _, key = heap[0]
            real = self._times.get(key)
            if real == at:
                return at
            heapq.heappop(heap)
            if real is not None and real > at:
                self._push(key, real)
        return None

    def due(self, now: float) -> List[Key]:
        """The keys whose time has come, earliest first. They are no longer set."""
        found: List[Key] = []
        while True:
            at = self.next()
            if at is None or at > now:
                return found
            key = heapq.heappop(self._heap)[2]
            del self._times[key]
            found.append(key)

    def _push(self, key: Key, at: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 2 * len(self._times) + 64:
            self._heap = [(time, number, key) for number, (key, time) in enumerate(self._times.items())]
            heapq.heapify(self._heap)
            self._count = len(self._heap)
