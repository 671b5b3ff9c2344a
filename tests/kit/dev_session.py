"""A developer's side for the stub's tests: the wire's own machine, and functions that are Python callables."""

from __future__ import annotations

import asyncio
import base64
import os
import queue
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kit.appsync import KEY, REPLIES, Aws
from skykite_lambda.wire import (
    ANYONE,
    Cancelled,
    DevMachine,
    Event,
    Fetch,
    InvocationHead,
    Invoke,
    NeedDownloadUrl,
    NeedUploadUrl,
    Raised,
)

Function = Callable[[InvocationHead, bytes], Awaitable[bytes | Raised]]


class DevSession:
    """Serves a stage on `aws`, in its thread. `seen` holds what the machine reported."""

    def __init__(self, aws: Aws, function: Function, key: bytes = KEY) -> None:
        self._aws = aws
        self._function = function
        self._machine = DevMachine(os.urandom(16), 7, key, os.urandom, time.monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.seen: queue.Queue[Event] = queue.Queue()
        self.running = False

    def start(self) -> None:
        self.running = True
        self._aws.on_datagram = self._received
        self._aws.write_lease()

    def vanish(self) -> None:
        """As when the power goes."""
        self.running = False
        self._aws.on_datagram = None

    def bye(self) -> None:
        """As after Ctrl-C. For any thread."""

        def leave() -> None:
            self._machine.bye("Ctrl-C", time.monotonic())
            self._pump()

        self._aws.call(leave)
        self._aws.write_lease(open=False)

    def wait_for(self, kind: type[Any], timeout: float = 10) -> Any:
        while True:
            event = self.seen.get(timeout=timeout)
            if isinstance(event, kind):
                return event

    def _received(self, datagram: bytes) -> None:
        self._machine.receive(datagram, time.monotonic())
        self._pump()

    def _pump(self) -> None:
        if not self.running:
            return
        for event in self._machine.events():
            self.seen.put(event)
            self._take(event)
        for address, datagram in self._machine.outgoing():
            if address != ANYONE:
                text = '"' + base64.urlsafe_b64encode(datagram).decode() + '"'
                self._aws._broadcast(f"{REPLIES}/{address.hex()}", [text])
        if self._timer is not None:
            self._timer.cancel()
        due = self._machine.next_timer()
        if due is not None:
            self._timer = self._aws.loop.call_later(max(0, due - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._machine.tick(time.monotonic())
        self._pump()

    def _take(self, event: Event) -> None:
        now, aws = time.monotonic(), self._aws
        if isinstance(event, Invoke):
            task = aws.loop.create_task(self._run(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(event, NeedUploadUrl):
            headers = [("content-type", "application/octet-stream")]
            self._machine.upload_url(event.id, aws.presigned(f"request-{event.id.hex()}"), headers, now)
        elif isinstance(event, Fetch):
            self._machine.fetched(event.id, aws.objects[f"request-{event.id.hex()}"][0], now)
        elif isinstance(event, NeedDownloadUrl):
            aws.objects[f"result-{event.id.hex()}"] = (event.payload, aws.now())
            self._machine.download_url(event.id, aws.presigned(f"result-{event.id.hex()}"), now)

    async def _run(self, invoke: Invoke) -> None:
        outcome = await self._function(invoke.head, invoke.payload)
        now = time.monotonic()
        if isinstance(outcome, Raised):
            self._machine.raised(invoke.id, outcome.error_type, outcome.message, outcome.trace, now)
        else:
            self._machine.returned(invoke.id, outcome, now)
        self._pump()


async def echo(head: InvocationHead, payload: bytes) -> bytes:
    return payload


@contextmanager
def serving(aws: Aws, function: Function = echo, **kwargs: Any) -> Iterator[DevSession]:
    session = DevSession(aws, function, **kwargs)
    session.start()
    try:
        yield session
    finally:
        session.vanish()


__all__ = ["Cancelled", "DevSession", "echo", "serving"]
