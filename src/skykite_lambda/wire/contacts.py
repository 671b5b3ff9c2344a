"""Which dev sessions a stub has heard, and when: whom the next invocation can be granted to with its INVOKE.

In: stamps, as they come, and time. Out: the session that serves the stage, if it was heard a moment ago. No I/O.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

from .items import Stamp
from .limits import CONTACT_FRESH, DOUBT, MOST_SESSIONS, OVERSLEPT


class Heard(NamedTuple):
    """A session's latest stamp, and when it came, at least."""

    epoch: int
    at: float
    session: bytes
    moment: int


class Contacts:
    def __init__(self, now: float) -> None:
        self.latest: Optional[float] = None  # when a valid frame of any session came
        self._parted: Optional[bytes] = None  # said BYE last: what it still repeats is no sign of life
        self._stamps: Dict[bytes, Tuple[int, int, float]] = {}  # session → epoch, moment, when it came
        self._now = self._paused_at = self._doubt_until = now

    def advance(self, now: float) -> None:
        """A frozen container, when it thaws, reads what may have come at any time: who sent it may be gone by now."""
        if now - self._now > OVERSLEPT:
            self._paused_at, self._doubt_until = self._now, now + DOUBT
        self._now = max(self._now, now)

    def heard(self, session: bytes, stamp: Optional[Stamp], now: float) -> None:
        """No stamp: it does not serve the stage any more."""
        if session == self._parted:
            return
        at = self._paused_at if now < self._doubt_until else now
        self.latest = at if self.latest is None else max(self.latest, at)
        known = self._stamps.pop(session, None)
        if stamp is not None:
            is_news = known is None or stamp.moment > known[1]
            self._stamps[session] = known if known and not is_news else (stamp.epoch, stamp.moment, at)
            if len(self._stamps) > MOST_SESSIONS:
                del self._stamps[next(iter(self._stamps))]

    def missed(self, session: bytes) -> None:
        """It was granted an invocation and said nothing. Until it is heard again, nothing more is granted to it."""
        self._stamps.pop(session, None)

    def ended(self, session: bytes) -> None:
        """It has said BYE."""
        self._parted = session
        self._stamps.pop(session, None)
        if not self._stamps:
            self.latest = None

    def serving(self, now: float) -> Optional[Heard]:
        """The one with the highest epoch among those heard lately."""
        fresh = [
            Heard(epoch, at, session, moment)
            for session, (epoch, moment, at) in self._stamps.items()
            if now - at <= CONTACT_FRESH
        ]
        return max(fresh, default=None)
