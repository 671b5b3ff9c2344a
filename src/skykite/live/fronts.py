"""Explains what happened when an API gave up on a function that still runs, as at a breakpoint.

In: invocations as they come and go. Out: a notice for each that outlives its API's patience, and its event in a file to
replay it with. I/O: timers; files, through `saved_events`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from skykite.live.front_limits import FrontLimit, front_limit
from skykite.live.queue import Waiting
from skykite.live.saved_events import SavedEvents
from skykite.model.events import Notice
from skykite.ports import EventSink


class Fronts:
    """`label` names an invocation by its event: `GET /notes`. Without `saved` no event is kept."""

    def __init__(self, *, events: EventSink, saved: SavedEvents | None, label: Callable[[bytes], str]) -> None:
        self._events = events
        self._saved = saved
        self._label = label
        self._loop = asyncio.get_running_loop()
        self._timers: dict[bytes, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def watch(self, waiting: Waiting) -> None:
        """From when it came, which was half of the bridge's share after its API had begun to wait."""
        limit = front_limit(waiting.read())
        if limit is not None:
            left = max(0.0, limit.seconds - waiting.bridge_ms / 2000)
            self._timers[waiting.id] = self._loop.call_later(left, self._gave_up, waiting, limit)

    def forget(self, id: bytes) -> None:
        """It is over."""
        handle = self._timers.pop(id, None)
        if handle is not None:
            handle.cancel()

    def close(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    def _gave_up(self, waiting: Waiting, limit: FrontLimit) -> None:
        del self._timers[waiting.id]
        payload = waiting.read()
        self._events.emit(
            Notice(
                notice="api-gave-up",
                message=f"the {limit.name} in front of `{self._label(payload) or waiting.function}` has answered "
                f"{limit.answer}, as it does after {limit.seconds:.0f} s; the function goes on, for nobody",
                hint=self._replay(waiting, payload),
            )
        )

    def _replay(self, waiting: Waiting, payload: bytes) -> str | None:
        if self._saved is None:
            return None
        try:
            file = self._saved.save(waiting.head.request_id, payload)
        except (OSError, ValueError) as error:
            return f"its event could not be saved for a replay: {error}"
        return f"replay it with: kite invoke '{waiting.function}' --event {file}"
