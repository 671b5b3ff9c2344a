"""How many requests may be under way: all there is room for while they are answered well, one now and then while not.

Time is an argument. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skykite.live.network import Trouble
from skykite.live.transport import Reason
from skykite_lambda.live.pace import Backoff

PATIENCE_S: Final = 5.0
"""How long requests may fail before that is worth telling; a refusal for want of permission is at once."""
_PAUSES: Final[dict[Reason, tuple[float, float]]] = {
    "denied": (1.0, 30.0),
    "throttled": (0.5, 20.0),
    "refused": (0.5, 20.0),
}
_OTHER_PAUSES: Final = (0.25, 10.0)


class Circuit:
    """`started` is when the request that failed or succeeded was begun: what began before things changed proves
    nothing, so that 60 requests that fail together are one failure."""

    def __init__(self, most: int, random: Callable[[int], bytes]) -> None:
        self._most = most
        self._random = random
        self._backoff: Backoff | None = None
        self._reason: Reason | None = None
        self._since = 0.0
        self._changed = float("-inf")
        self.trouble: Trouble | None = None
        self.retry_at = 0.0

    def room(self, now: float, under_way: int) -> bool:
        """Whether one more may be begun."""
        if self.trouble is None:
            return under_way < self._most
        return under_way == 0 and now >= self.retry_at

    def failed(self, trouble: Trouble, *, started: float, now: float) -> None:
        if started < self._changed:
            return
        if self.trouble is None:
            self._since = now
        if self._backoff is None or trouble.reason != self._reason:
            first, most = _PAUSES.get(trouble.reason, _OTHER_PAUSES)
            self._backoff, self._reason = Backoff(first, most, self._random), trouble.reason
        self.trouble, self._changed = trouble, now
        self.retry_at = now + self._backoff.next()

    def succeeded(self, *, started: float, now: float) -> bool:
        """Whether that ends a time of failures."""
        if self.trouble is None or started < self._changed:
            return False
        self.trouble, self._backoff, self._changed = None, None, now
        return True

    def hurry(self, now: float) -> None:
        """Something is different now: try again at once."""
        self.retry_at = min(self.retry_at, now)

    def worth_telling(self, now: float) -> bool:
        return self.trouble is not None and (self.trouble.reason == "denied" or now - self._since >= PATIENCE_S)
