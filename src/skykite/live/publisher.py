"""Publishes datagrams to AppSync Events: over HTTP, which knows no limit of 25 a second as a WebSocket does.

In: datagrams for channels. Out: requests with up to five, as many at a time as the `Circuit` lets through, every
channel in its turn. What cannot be sent within seconds is dropped: by then the wire layer has sent it again.
A `shortcut`, where it may be taken, costs less: that is how a few small ones at a time go. I/O: `HttpPool`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from skykite.errors import SkykiteError
from skykite.live.circuit import Circuit
from skykite.live.http import HttpPool
from skykite.live.network import Trouble
from skykite.live.refusals import problem_in, reason_of
from skykite.live.subscription import Sign
from skykite_lambda.live import messages

AT_ONCE: Final = 64
_OLD_S: Final = 5.0
_MOST_WAITING: Final = 64 * 1024 * 1024  # bytes
_ENVELOPE: Final = 512  # bytes: the channel, and what is around the events


class Shortcut(Protocol):
    """Another way for datagrams. What became of them it tells by `confirm`, or by having them published again."""

    def is_open(self) -> bool:
        """Whether it may be taken now."""

    def take(self, channel: str, datagrams: Sequence[bytes]) -> bool:
        """Send them that way; False if they are not for it."""


@dataclass(slots=True)
class Counts:
    """Of datagrams. `lost` were refused one by one, or in a request that failed; `dropped` were never sent.
    `requests` counts those over HTTP."""

    sent: int = 0
    lost: int = 0
    dropped: int = 0
    requests: int = 0


class Publisher:
    """`on_trouble` hears why nothing can be published, and `None` when that is over; `on_denied` that the credentials
    may be the reason. Use from one event loop."""

    def __init__(
        self,
        pool: HttpPool,
        *,
        sign: Sign,
        host: str,
        on_trouble: Callable[[Trouble | None], None],
        on_denied: Callable[[], None],
        shortcut: Shortcut,
        at_once: int = AT_ONCE,
    ) -> None:
        self._pool = pool
        self._sign = sign
        self._host = host
        self._on_trouble = on_trouble
        self._on_denied = on_denied
        self._shortcut = shortcut
        self._told = False
        self._loop = asyncio.get_running_loop()
        self._circuit = Circuit(at_once, os.urandom)
        self._waiting: dict[str, deque[tuple[float, bytes]]] = {}  # by channel, the channel that is next in turn first
        self._bytes = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.counts = Counts()

    def publish(self, channel: str, datagrams: Sequence[bytes]) -> None:
        """Send as soon as possible. Never waits."""
        if self._closed:
            return
        now = self._loop.time()
        for datagram in datagrams:
            if _encoded_size(datagram) > messages.EVENT_LIMIT:
                self.counts.dropped += 1
                continue
            self._waiting.setdefault(channel, deque()).append((now, datagram))
            self._bytes += len(datagram)
        self._shed(now)
        self._pump()

    def hurry(self) -> None:
        """Something is different now: what failed may work."""
        self._circuit.hurry(self._loop.time())
        self._pump()

    def confirm(self, *, sent: int = 0, lost: int = 0) -> None:
        """Of what went by the shortcut. That it is taken there means that nothing is wrong with our permissions."""
        self.counts.sent += sent
        self.counts.lost += lost
        if sent and self._told:
            self._well_again(self._loop.time())
            self._pump()

    async def drain(self, limit_s: float) -> None:
        """Return when everything is sent, or dropped, or the time is up."""
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Drop what waits and end what is under way."""
        self._closed = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    # One request after the other

    def _pump(self) -> None:
        while self._waiting:
            room = self._circuit.room(self._loop.time(), len(self._under_way))
            if not room and not self._shortcut.is_open():
                break
            channel = next(iter(self._waiting))
            taken = self._take(channel)
            datagrams = [datagram for _, datagram in taken]
            if self._shortcut.take(channel, datagrams):
                continue
            if not room:
                self._put_back(channel, taken)
                break
            task = self._loop.create_task(self._send(channel, datagrams), name="publish")
            self._under_way.add(task)
            task.add_done_callback(self._sent)
        if self._waiting or self._under_way:
            self._idle.clear()
        else:
            self._idle.set()
        self._arm()

    def _take(self, channel: str) -> list[tuple[float, bytes]]:
        """Up to five; the channel goes to the end of the line if it has more."""
        queue = self._waiting.pop(channel)
        taken: list[tuple[float, bytes]] = []
        room = messages.PUBLISH_LIMIT - _ENVELOPE
        while queue and len(taken) < messages.EVENTS_AT_ONCE and (size := _encoded_size(queue[0][1]) + 3) <= room:
            taken.append(queue.popleft())
            room -= size
            self._bytes -= len(taken[-1][1])
        if queue:
            self._waiting[channel] = queue
        return taken

    def _put_back(self, channel: str, taken: Sequence[tuple[float, bytes]]) -> None:
        """To the beginning of the line."""
        queue = self._waiting.pop(channel, deque())
        queue.extendleft(reversed(taken))
        self._bytes += sum(len(datagram) for _, datagram in taken)
        self._waiting = {channel: queue, **self._waiting}

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            task.result()  # a bug of ours: let the loop's handler show it
        self._pump()

    def _arm(self) -> None:
        """Come back when a circuit that is open may be tried, or what waits is too old."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._circuit.trouble is not None and not self._under_way:
            self._timer = self._loop.call_at(self._circuit.retry_at, self._retry)

    def _retry(self) -> None:
        self._timer = None
        self._shed(self._loop.time())
        self._pump()

    def _shed(self, now: float) -> None:
        """Drop what is too old, and the oldest if there is too much."""
        if self._circuit.trouble is None and self._bytes <= _MOST_WAITING:
            return
        for channel in list(self._waiting):
            queue = self._waiting[channel]
            while queue and (now - queue[0][0] > _OLD_S or self._bytes > _MOST_WAITING):
                self._bytes -= len(queue.popleft()[1])
                self.counts.dropped += 1
            if not queue:
                del self._waiting[channel]

    async def _send(self, channel: str, datagrams: Sequence[bytes]) -> None:
        started = self._loop.time()
        self.counts.requests += 1
        body = messages.publish_body(channel, [messages.event_of(datagram) for datagram in datagrams]).encode()
        try:
            answer = await self._pool.post(messages.HTTP_PATH, self._sign(body), body)
        except Trouble as trouble:
            self._failed(trouble, len(datagrams), started)
            return
        except SkykiteError as error:  # there is nothing to sign with
            self._failed(Trouble("denied", error.message, hint=error.hint), len(datagrams), started)
            return
        if answer.status == 200:
            failed = _failed_events(answer.body)
            self.counts.sent += len(datagrams) - failed
            self.counts.lost += failed
            self._well_again(started)
            return
        problem = problem_in(answer.body)
        text = problem.text if problem else answer.headers.get("x-amzn-errortype", "")
        message = f"`{self._host}` does not take what is published: {answer.status} {text}".rstrip()
        self._failed(Trouble(reason_of(answer.status, problem), message), len(datagrams), started)

    def _well_again(self, started: float) -> None:
        if self._circuit.succeeded(started=started, now=self._loop.time()) and self._told:
            self._told = False
            self._on_trouble(None)

    def _failed(self, trouble: Trouble, count: int, started: float) -> None:
        now = self._loop.time()
        self.counts.lost += count
        self._circuit.failed(trouble, started=started, now=now)
        if trouble.reason == "denied":
            self._on_denied()
        if self._circuit.worth_telling(now):
            self._told = True
            self._on_trouble(trouble)


def _encoded_size(datagram: bytes) -> int:
    """As the text of an event."""
    return (len(datagram) * 4 + 2) // 3 + 2


def _failed_events(body: bytes) -> int:
    try:
        failed = json.loads(body).get("failed")
    except (ValueError, AttributeError):
        return 0
    return len(failed) if isinstance(failed, list) else 0
