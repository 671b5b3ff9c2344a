"""Carries events from any thread to the one thread that writes them, so that `emit` costs a queue's append.

In: events, stamped with their time. Out: calls of `write` with batches, in order, never two at once. I/O: a daemon
thread. Under load it wakes 50 times a second; with nothing to do it sleeps.

It is woken a moment after an event, not by it: a thread that wakes takes the interpreter's lock, which whatever has
just said that an invocation began needs to have it begun.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from skykite.model.events import Event
from skykite.ports import Clock

PAUSE_S: Final = 0.02  # between two batches: longer than a burst, shorter than an eye sees
LATER_S: Final = 0.01  # after an event of an event loop's; most invocations are over by then
TICK_S: Final = 0.1
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event and when it was emitted. `at` is monotonic."""

    event: Event
    at: float
    time: datetime


class Pump:
    """`write` gets each batch; `tick` is called ten times a second while it says that more ticks are wanted."""

    def __init__(
        self,
        *,
        write: Callable[[Sequence[Stamped]], None],
        tick: Callable[[float], bool],
        clock: Clock,
    ) -> None:
        self._write = write
        self._tick = tick
        self._clock = clock
        self._waiting: deque[Stamped] = deque()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._stopped_at: float | None = None
        self._alarm: asyncio.AbstractEventLoop | None = None  # which will wake the thread
        self._wants_ticks = False
        self._broken = False
        self._refused: OSError | None = None
        self._thread: threading.Thread | None = None

    def emit(self, event: Event) -> None:
        self._waiting.append(Stamped(event, self._clock.monotonic(), self._clock.now()))
        if not self._wake.is_set():
            self._wake_soon()
        if self._stopping.is_set():
            self.flush()

    def _wake_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # in another thread, or before or after the loop
            self._wake.set()
            return
        if self._alarm is not loop:
            self._alarm = loop
            loop.call_later(LATER_S, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._wake.set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="skykite-render", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left. Returns when nothing will be written any more by the thread. Raises OSError if the disk
        did not take all that was said."""
        self._stopped_at = self._clock.monotonic()
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()
        if self._refused is not None:
            raise self._refused

    def is_awaited(self, seconds: float) -> bool:
        """Whether `stop` was called, and has waited for so long."""
        return self._stopped_at is not None and self._clock.monotonic() - self._stopped_at >= seconds

    def flush(self) -> None:
        """Write everything emitted so far, on the calling thread."""
        with self._lock:
            self._drain()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Everything emitted so far is written; nothing more until the context ends."""
        with self._lock:
            self._drain()
            try:
                yield
            finally:
                self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(TICK_S if self._wants_ticks else None)
            self._wake.clear()
            if not self._acquire():
                return
            try:
                self._drain()
                self._guarded(self._ticked)
            finally:
                self._lock.release()
            self._stopping.wait(PAUSE_S)

    def _acquire(self) -> bool:
        """Unless we are stopped, maybe in the middle of a question: who stops then holds the lock and waits for us."""
        while not self._lock.acquire(timeout=TICK_S):
            if self._stopping.is_set():
                return False
        return True

    def _ticked(self) -> None:
        self._wants_ticks = self._tick(self._clock.monotonic())

    def _drain(self) -> None:
        batch = []
        while self._waiting:
            batch.append(self._waiting.popleft())
        if batch:
            self._guarded(lambda: self._write(batch))

    def _guarded(self, act: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            act()
        except OSError as error:
            # Whoever read our output has gone. A program without threads would have died by SIGPIPE: stop like that.
            self._broken = True
            if error.errno in _FULL:
                self._refused = error
            if not self._stopping.is_set():
                interrupt_main_thread()


def interrupt_main_thread() -> None:
    """As if Ctrl-C was pressed; a real signal, so that a sleeping event loop wakes."""
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main()
        return
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGINT)
