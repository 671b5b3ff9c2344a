"""Does what the machine wants done with payloads above 1 MB, a few at a time.

In: the machine's wishes. Out: its methods called, when they are done or cannot be. I/O: `Payloads`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from skykite.errors import SkykiteError
from skykite.live.payloads import Payloads
from skykite.ports import Clock
from skykite_lambda import wire

_FETCHES_AT_ONCE: Final = 4
_STORES_AT_ONCE: Final = 4
"""Fewer together than the session has threads: on a thin line large payloads must not keep the lease from being
renewed."""


class Transfers:
    """`room` says whether one more request may be fetched: until then it stays in S3. `moved` is called after the
    machine was told something, `complain` when something could not be done."""

    def __init__(
        self,
        *,
        machine: wire.DevMachine,
        payloads: Payloads | None,
        clock: Clock,
        room: Callable[[], bool],
        moved: Callable[[], None],
        complain: Callable[[SkykiteError], None],
    ) -> None:
        self._machine = machine
        self._payloads = payloads
        self._clock = clock
        self._room = room
        self._moved = moved
        self._complain = complain
        self._waiting: dict[bytes, wire.Fetch] = {}
        self._fetching = 0
        self._storing = asyncio.Semaphore(_STORES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted: set[bytes] = set()  # by invocations that are not over

    def __len__(self) -> int:
        """Of what is wanted and not done."""
        return len(self._waiting) + len(self._tasks)

    def want(self, event: wire.Fetch | wire.NeedUploadUrl | wire.NeedDownloadUrl) -> None:
        payloads = self._payloads
        if payloads is None:
            self._machine.failed(event.id, "there is no bucket for it", self._clock.monotonic())
            return
        self._wanted.add(event.id)
        match event:
            case wire.Fetch():
                self._waiting[event.id] = event
                self.fetch()
            case wire.NeedUploadUrl():
                self._spawn(self._transfer(event.id, self._offer(payloads, event)))
            case wire.NeedDownloadUrl():
                self._spawn(self._transfer(event.id, self._store(payloads, event)))

    def fetch(self) -> None:
        """There may be room."""
        while self._payloads is not None and self._waiting and self._fetching < _FETCHES_AT_ONCE and self._room():
            event = self._waiting.pop(next(iter(self._waiting)))
            self._fetching += 1
            self._spawn(self._transfer(event.id, self._fetch(self._payloads, event)))

    def discard(self, id: bytes) -> None:
        """The invocation is over: delete what there is of it."""
        self._waiting.pop(id, None)
        self._wanted.discard(id)  # what is still to begin does not
        if self._payloads is not None and self._payloads.has(id):
            self._spawn(self._payloads.discard(id))

    async def close(self) -> None:
        """End what is under way, and delete everything."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._payloads is not None:
            await self._payloads.discard_all()

    async def _transfer(self, id: bytes, act: Awaitable[None]) -> None:
        try:
            await act
        except SkykiteError as error:
            self._machine.failed(id, error.message, self._clock.monotonic())
            self.discard(id)
            self._complain(error)
        except Exception as error:
            # A bug of ours. Nobody else would tell whoever waits; `_done` tells the user.
            self._machine.failed(id, f"{type(error).__name__}: {error}", self._clock.monotonic())
            self.discard(id)
            self._moved()
            raise
        finally:
            self._wanted.discard(id)
        self._moved()

    async def _fetch(self, payloads: Payloads, event: wire.Fetch) -> None:
        try:
            data = await payloads.fetch(event.id, size=event.size, sha256=event.sha256)
        finally:
            self._fetching -= 1
        self._machine.fetched(event.id, data, self._clock.monotonic())

    async def _offer(self, payloads: Payloads, event: wire.NeedUploadUrl) -> None:
        if event.id not in self._wanted:
            return
        url, headers = await payloads.upload_url(event.id, event.size)
        self._machine.upload_url(event.id, url, headers, self._clock.monotonic())

    async def _store(self, payloads: Payloads, event: wire.NeedDownloadUrl) -> None:
        async with self._storing:
            if event.id not in self._wanted:
                return
            url = await payloads.store(event.id, event.payload)
        self._machine.download_url(event.id, url, self._clock.monotonic())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "a payload broke the bridge", "exception": error})
        self.fetch()
