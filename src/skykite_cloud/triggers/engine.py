"""What all triggers share: one wake-up, one timer, threads for functions, state that is saved, a word with the owner.

Each part is asked to `look` whenever something may have happened, and says when it wants to be asked again. Looking is
cheap and happens on the event loop only, so parts need no locks. I/O: threads; nothing else by itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ministack.core import concurrency
from ministack.core.responses import request_scope

Tell = Callable[[str, str, "str | None"], None]
Result = TypeVar("Result")

logger = logging.getLogger("skykite.triggers")

_LONGEST_TIMER_S = 60.0  # timers stand still while the machine sleeps, the time of day does not


class Part(Protocol):
    """One kind of trigger. All of it is called on the event loop."""

    name: str

    def look(self, now: float) -> float | None:
        """Do what is due. When to look again, as a time of day, if nothing happens before; `None` for never."""

    def state(self) -> Any:
        """What must survive a restart; `None` for nothing. Picklable."""

    def restore(self, state: Any) -> None: ...


class Engine:
    """Made on the event loop, before any service is imported. `changed` is called, on any thread, when something was
    done that has to be saved; `tell` says a notice to the owner: its code, message and hint."""

    def __init__(self, *, changed: Callable[[], None], tell: Tell) -> None:
        self.changed = changed
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._context = contextvars.copy_context()  # nobody's request
        self._parts: list[Part] = []
        self._woken = False
        self._started = False
        self._timer: asyncio.TimerHandle | None = None
        self._told: set[str] = set()

    def add(self, part: Part) -> None:
        self._parts.append(part)

    def install(self) -> None:
        """Every producer of MiniStack's sets this event when it has put something somewhere."""
        concurrency.esm_wake.set = self.wake

    def start(self) -> None:
        """Begin to look. After the state was restored."""
        self._started = True
        self.wake()

    def wake(self) -> None:
        """Something happened. On any thread; many at once cost one look."""
        if not self._woken and self._started:
            self._woken = True
            self._loop.call_soon_threadsafe(self._look, context=self._context)

    def _look(self) -> None:
        self._woken = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.time()
        due: float | None = None
        for part in self._parts:
            try:
                wanted = part.look(now)
            except Exception:
                # One mapping's surprise must not stop the others.
                logger.exception("%s", part.name)
                wanted = now + 1.0
            if wanted is not None and (due is None or wanted < due):
                due = wanted
        if due is not None:
            delay = min(_LONGEST_TIMER_S, max(0.0, due - time.time()))
            self._timer = self._loop.call_later(delay, self._look, context=self._context)

    def on_loop(self, call: Callable[[], None]) -> None:
        """Do this on the event loop: now if this is it, else soon. In the caller's account and region."""
        if threading.get_ident() == self._loop_thread:
            call()
        else:
            self._loop.call_soon_threadsafe(_logged, call)

    def on_thread(
        self, scope: tuple[str, str], work: Callable[[], Result], done: Callable[[Result | BaseException], None]
    ) -> None:
        """Run `work` on a thread of its own, for an account and a region; `done` gets its result, or what it raised,
        on the event loop."""

        def run() -> None:
            outcome: Result | BaseException
            try:
                with request_scope(*scope):
                    outcome = work()
            except Exception as error:  # noqa: BLE001 - whoever asked has to know
                outcome = error
            self._loop.call_soon_threadsafe(finish, outcome, context=self._context)

        def finish(outcome: Result | BaseException) -> None:
            try:
                done(outcome)
            except Exception:
                logger.exception("after a function ran")
            self.wake()

        thread = threading.Thread(target=self._context.copy().run, args=(run,), daemon=True, name="skykite-trigger")
        try:
            thread.start()
        except RuntimeError as error:  # there can be no more threads
            self._loop.call_soon(finish, error, context=self._context)

    def tell(self, notice: str, message: str, hint: str | None = None, *, once: str | None = None) -> None:
        """Say it to whoever watches; only the first time for each `once`."""
        if once is not None:
            if once in self._told:
                return
            self._told.add(once)
        self._tell(notice, message, hint)

    # State

    def state(self) -> dict[str, Any]:
        found = {part.name: part.state() for part in self._parts}
        return {name: value for name, value in found.items() if value}

    def restore(self, state: dict[str, Any]) -> None:
        for part in self._parts:
            if part.name in state:
                part.restore(state[part.name])


def _logged(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:
        logger.exception("a delivery")
