"""How often is not too often: a token bucket for publishing, and waits that grow for what fails. Pure."""

from __future__ import annotations

from typing import Callable


class TokenBucket:
    """So many at once, so many a second. AppSync Events allows 25 publishes a second on a WebSocket."""

    def __init__(self, burst: int, rate: float, now: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more may go now."""
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def ready_at(self, now: float) -> float:
        """When the next one may go."""
        self._fill(now)
        return self._at if self._tokens >= 1 else self._at + (1 - self._tokens) / self._rate

    def pause(self, now: float, seconds: float) -> None:
        """The other side finds it too much: nothing more for a while, and then one by one."""
        self._fill(now)
        self._tokens = min(self._tokens, 1 - seconds * self._rate)

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._rate)
            self._at = now


class Backoff:
    """Waits that double up to a limit, each of them somewhere between its half and its whole."""

    def __init__(self, first: float, most: float, random: Callable[[int], bytes]) -> None:
        self._first = first
        self._most = most
        self._random = random
        self._failures = 0

    @property
    def failures(self) -> int:
        """In a row."""
        return self._failures

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        whole = min(self._most, self._first * (1 << min(self._failures, 16)))
        self._failures += 1
        return whole * (0.5 + int.from_bytes(self._random(2), "big") / 131072)

    def reset(self) -> None:
        self._failures = 0
