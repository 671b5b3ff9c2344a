"""One message on its way out, and how long an acknowledgement takes. No I/O."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .compression import compress
from .envelope import OVERHEAD
from .items import SEGMENT, STAMP, Segment
from .limits import (
    BACK_OFF,
    FIRST_RETRY,
    LARGEST_DATAGRAM,
    LONGEST_FIRST_RETRY,
    LONGEST_RETRY,
    RETRY_PER_SEGMENT,
    SHORTEST_RETRY,
)

SEGMENT_DATA = LARGEST_DATAGRAM - OVERHEAD - STAMP.size - SEGMENT.size


class RoundTrip:
    """How long to wait for an acknowledgement: mean and deviation of those that came (RFC 6298)."""

    __slots__ = ("_deviation", "_mean")

    def __init__(self) -> None:
        self._mean: Optional[float] = None
        self._deviation = 0.0

    def measured(self, seconds: float) -> None:
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
        else:
            self._deviation += (abs(self._mean - seconds) - self._deviation) / 4
            self._mean += (seconds - self._mean) / 8

    def retry(self) -> float:
        if self._mean is None:
            return FIRST_RETRY
        return min(max(SHORTEST_RETRY, self._mean + 4 * self._deviation), LONGEST_FIRST_RETRY)


class Outbound:
    """A message that is sent until somebody has all of it, or until it is too late."""

    __slots__ = (
        "_acked",
        "_segments",
        "_wait",
        "created",
        "expires",
        "flags",
        "latest",
        "number",
        "sent",
        "size",
        "tag",
        "to",
        "waiting",
    )  # fmt: skip

    def __init__(self, number: int, to: bytes, message: bytes, tag: Any, *, now: float, expires: float) -> None:
        self.number = number
        self.to = to
        self.tag = tag
        self.created = now
        self.expires = expires
        self.flags, data = compress(message)
        self.size = len(data)
        self._segments = [data[at : at + SEGMENT_DATA] for at in range(0, len(data), SEGMENT_DATA)]
        self._acked: Dict[bytes, int] = {}  # by whom: which
        self.waiting = self._all  # segments to be sent with the next frame
        self.sent: Optional[float] = None  # for the first time
        self.latest = now  # time it was sent
        self._wait = 0.0

    @property
    def _all(self) -> int:
        return (1 << len(self._segments)) - 1

    @property
    def count(self) -> int:
        return len(self._segments)

    def take(self, now: float) -> List[Segment]:
        """The segments to be sent now."""
        if self.sent is None:
            self.sent = now
        self.latest = now
        waiting, self.waiting = self.waiting, 0
        age_ms = max(0, int((now - self.created) * 1000))
        return [
            Segment(self.number, index, len(self._segments), self.flags, self.size, age_ms, data)
            for index, data in enumerate(self._segments)
            if waiting >> index & 1
        ]

    def acknowledged(self, by: bytes, here: int) -> None:
        """Some are there. Said by several to whom it was shouted, the one who has most counts."""
        self._acked[by] = self._acked.get(by, 0) | here & self._all
        self.waiting &= self._missing()

    def again(self) -> None:
        """Send what is missing once more."""
        self.waiting = self._missing()

    def next_look(self, now: float, retry: float) -> float:
        """When to do so."""
        first = retry + RETRY_PER_SEGMENT * (len(self._segments) - 1)
        self._wait = min(self._wait * BACK_OFF, max(LONGEST_RETRY, first)) if self._wait else first
        return min(now + self._wait, self.expires)

    def _missing(self) -> int:
        most = max(self._acked.values(), key=lambda bits: bin(bits).count("1"), default=0)
        return self._all & ~most
