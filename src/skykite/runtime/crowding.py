"""Tells, once in a session, that invocations wait because as many run as there may be.

In: the pool. Out: a notice. No I/O; a timer of the event loop, while somebody waits.
"""

from __future__ import annotations

import asyncio
from typing import Final

from skykite.model.events import Notice
from skykite.ports import Clock, EventSink
from skykite.runtime.pool import Pool

CROWDED_AFTER: Final = 3.0  # seconds that invocations wait for a free worker before that is told


class Crowding:
    """`most` workers there may be."""

    def __init__(self, pool: Pool, *, most: int, events: EventSink, clock: Clock) -> None:
        self._pool = pool
        self._most = most
        self._events = events
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._told = False

    def watch(self) -> None:
        """Somebody may have begun to wait."""
        if self._pool.waiting and self._timer is None and not self._told:
            self._timer = asyncio.get_running_loop().call_later(CROWDED_AFTER, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        waiting = self._pool.held_up(self._clock.monotonic() - CROWDED_AFTER)
        if not waiting:
            self.watch()
            return
        self._told = True
        self._events.emit(
            Notice(
                notice="workers-busy",
                message=f"no more than {self._most} invocations run here at once: {waiting} wait for their turn",
                hint="a function that calls itself, or others in a circle, may wait for one of those",
            )
        )
