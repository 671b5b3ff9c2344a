"""Many deadlines on one timer. I/O: the loop's timers.

Nearly every request is answered long before its time is up; a timer for each would cost more than routing it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Expire = Callable[[], None]


class Deadlines:
    """Deadlines that are all equally far away when they are set, and so come due in the order they were set."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float) -> None:
        self._loop = loop
        self._after_s = after_s
        self._due: dict[Expire, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, expire: Expire) -> None:
        """Call `expire` when the time is up, unless `clear` comes first."""
        due = self._loop.time() + self._after_s
        self._due[expire] = due
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._on_timer)

    def clear(self, expire: Expire) -> None:
        self._due.pop(expire, None)

    def stop(self) -> None:
        """Forget all of them."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        """Expire what is due, and wait for the oldest of the others; those set since then are younger still."""
        self._timer = None
        now = self._loop.time()
        expired = []
        for expire, due in self._due.items():
            if due > now:
                self._timer = self._loop.call_at(due, self._on_timer)
                break
            expired.append(expire)
        for expire in expired:
            del self._due[expire]
        for expire in expired:
            expire()
