"""What AppSync Events allows, as its quotas and its user guide have it. Pure."""

from __future__ import annotations

EVENT_BYTES = 240 * 1024
EVENTS_A_PUBLISH = 5
PUBLISH_BYTES = int(1.2 * 1024 * 1024)
"""Of a whole request or message, with whatever JSON's escapes add to the events."""
SUBSCRIPTIONS_A_CONNECTION = 100
CONNECTION_S = 24 * 60 * 60.0
KEEP_ALIVE_S = 60.0
CONNECTION_TIMEOUT_MS = 300_000
CLOCK_SKEW_S = 5 * 60

_BUNCHED = 5


class Rate:
    """A token bucket: as many at once as there may be in a second, and a few more for what the network bunches up.

    `per_second` 0 allows everything.
    """

    __slots__ = ("_at", "_capacity", "_left", "_per_second")

    def __init__(self, per_second: int, now: float) -> None:
        self._per_second = per_second
        self._capacity = float(per_second + _BUNCHED)
        self._left = self._capacity
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is allowed at this time of a monotonic clock."""
        if not self._per_second:
            return True
        self._left = min(self._capacity, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
