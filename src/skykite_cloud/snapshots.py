"""When to save: soon after anything changed, at once when asked, and before leaving.

A change marks the state as dirty; a moment later it is captured on the event loop and written by a thread. While
things keep changing, a new snapshot is begun every `_PAUSE_S`, or less often if capturing is expensive, so that the
cloud never stands still for more than a tenth of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from skykite_cloud.snapshotfile import Snapshot, SnapshotFiles
from skykite_cloud.state import StateOfServices

_PAUSE_S = 0.3
_SHARE = 10.0
_RETRY_S = 5.0

logger = logging.getLogger("skykite.snapshots")


class Snapshots:
    """Owns the saving of one cloud. `changed` and `changed_for_good` may be called from any thread, everything else
    on the event loop.
    `failed` hears once when saving begins to fail."""

    def __init__(self, state: StateOfServices, files: SnapshotFiles, *, failed: Callable[[str], None]) -> None:
        self._state = state
        self._files = files
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._asked: list[asyncio.Future[None]] = []
        self._dirty = False
        self._complained = False
        self._writing = threading.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = self._loop.create_task(self._run())

    def changed(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._loop.call_soon_threadsafe(self._wake.set)

    def changed_for_good(self) -> None:
        """Something ended that is worth saving at once: a stack operation."""
        self._loop.call_soon_threadsafe(self._urgent.set)
        self.changed()

    async def now(self) -> None:
        """What was done before this call is on disk when it returns. Raises OSError."""
        done = self._loop.create_future()
        self._asked.append(done)
        self._urgent.set()
        self._wake.set()
        await done

    def save_and_close(self) -> None:
        """The last snapshot, written by this very thread. A write that is under way comes first. Raises OSError."""
        if self._task is not None:
            self._task.cancel()
        with self._writing:
            pass
        if self._dirty:
            self._write(self._state.capture())

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await self._pause(_PAUSE_S)  # let a burst of requests become one snapshot
            self._wake.clear()
            self._urgent.clear()
            asked, self._asked = self._asked, []
            cost = 0.0
            try:
                if self._dirty:
                    self._dirty = False
                    started = time.monotonic()
                    snapshot = self._state.capture()
                    cost = time.monotonic() - started
                    await asyncio.to_thread(self._write, snapshot)
                self._complained = False
            except OSError as error:
                logger.exception("cannot save the state")
                self._dirty = True
                self._loop.call_later(_RETRY_S, self._wake.set)
                if not self._complained:
                    self._complained = True
                    self._failed(str(error))
                _settle(asked, error)
            else:
                _settle(asked, None)
            await self._pause(max(0.0, cost * _SHARE - _PAUSE_S))

    async def _pause(self, seconds: float) -> None:
        """Wait, unless somebody asks for a snapshot meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent.wait()

    def _write(self, snapshot: Snapshot) -> None:
        with self._writing:
            self._files.write(snapshot)
            self._state.written(snapshot)


def _settle(asked: list[asyncio.Future[None]], error: OSError | None) -> None:
    for done in asked:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
