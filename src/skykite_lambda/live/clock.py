"""Time as the stub sees it, and as a server tells it in its headers. Reads the clocks; no other I/O."""

from __future__ import annotations

import time
from typing import Optional

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = 86400


class Clock:
    """Of a process that may be frozen for any length of time between two of its steps.

    A frozen container misses time on the monotonic clock, or on the wall clock until somebody puts that right. What
    went by is what either of them saw: the monotonic clock, and the most that the wall clock ever got ahead of it.
    """

    def __init__(self) -> None:
        self._start = self.time() - self.monotonic()
        self._ahead = 0.0

    def elapsed(self) -> float:
        """Seconds since some moment, frozen ones included. Never goes back. All deadlines here are of this clock."""
        monotonic = self.monotonic()
        ahead = self.time() - monotonic - self._start
        if ahead > self._ahead:
            self._ahead = ahead
        return monotonic + self._ahead

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970, as far as this machine knows."""
        return time.time()


def parse_http_date(text: Optional[str]) -> Optional[float]:
    """`Fri, 27 Nov 2026 22:16:00 GMT` as seconds since 1970; None for anything else.

    `email.utils` does the same, but its import takes longer than everything else here together.
    """
    words = (text or "").split()
    if len(words) != 6 or words[5] != "GMT" or words[2] not in _MONTHS:
        return None
    clock = words[4].split(":")
    if len(clock) != 3 or not all(part.isdigit() and part.isascii() for part in (words[1], words[3], *clock)):
        return None
    hours, minutes, seconds = map(int, clock)
    days = _days_since_1970(int(words[3]), _MONTHS.index(words[2]) + 1, int(words[1]))
    return float(days * _DAY + hours * 3600 + minutes * 60 + seconds)


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Of the Gregorian calendar. The year is taken to begin in March, so that a leap day is its last."""
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
