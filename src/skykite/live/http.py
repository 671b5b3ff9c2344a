"""Requests to one host over connections that are kept: what publishing needs of HTTP, without a thread.

In: a path, headers, a body. Out: status, headers, body. I/O: up to `most` connections to one host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

from skykite.live.network import Route, Trouble, keep_alive, open_connection, trouble_of

_ANSWER_LIMIT: Final = 1024 * 1024  # bytes
_IDLE_S: Final = 50.0  # load balancers close connections after a minute


@dataclass(slots=True)
class Answer:
    """What came back. Names of headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _StaleError(Exception):
    """A kept connection turned out to be closed before anything was answered: worth another."""


class HttpPool:
    """Use from one event loop. Requests beyond `most` at a time are the caller's to hold back."""

    def __init__(self, route: Route, *, limit_s: float = 10.0, most: int = 64) -> None:
        self._route = route
        self._limit_s = limit_s
        self._most = most
        self._idle: list[_Connection] = []  # the last one was used most recently
        self._open: set[_Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send, and wait for the answer. Raises Trouble where there is none.

        A request may arrive twice: when a kept connection ends before its answer, it is sent again on another.
        """
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join((*lines, f"content-length: {len(body)}", "", "")).encode("latin-1")
        try:
            async with asyncio.timeout(self._limit_s):
                while self._idle:
                    try:
                        return await self._ask(self._idle.pop(), head, body)
                    except _StaleError:
                        continue
                opened = await open_connection(self._route, lambda: _Connection(self))
                return await self._ask(opened, head, body)
        except _StaleError:
            raise Trouble("unreachable", f"`{self._route.host}` closed the connection without an answer") from None
        except TimeoutError as error:
            self.drop_idle()  # what is wrong with one connection is wrong with those that are kept, too
            raise Trouble("unreachable", f"`{self._route.host}` did not answer for {self._limit_s:.0f} s") from error
        except OSError as error:
            raise trouble_of(error, self._route) from error

    def drop_idle(self) -> None:
        """Forget the connections that are kept: they may be dead without our knowing."""
        while self._idle:
            self._idle.pop().abort()

    def close(self) -> None:
        """End all connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._idle.clear()
        for connection in list(self._open):
            connection.abort()

    async def _ask(self, connection: _Connection, head: bytes, body: bytes) -> Answer:
        try:
            answer = await connection.ask(head, body)
        except BaseException:  # also when cancelled: its answer would be taken for that of the next request
            connection.abort()
            raise
        if connection.usable and len(self._open) <= self._most:
            connection.since = asyncio.get_running_loop().time()
            self._idle.append(connection)
            if self._sweeper is None:
                self._sweeper = asyncio.get_running_loop().call_later(_IDLE_S, self._sweep)
        else:
            connection.abort()
        return answer

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].since + _IDLE_S <= loop.time():
            self._idle.pop(0).abort()
        self._sweeper = loop.call_at(self._idle[0].since + _IDLE_S, self._sweep) if self._idle else None

    def made(self, connection: _Connection) -> None:
        self._open.add(connection)

    def lost(self, connection: _Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


class _Connection(asyncio.Protocol):
    """One request after the other."""

    def __init__(self, pool: HttpPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._parts: list[bytes] = []
        self._size = 0
        self._heard = False
        self.usable = True
        self.since = 0.0

    async def ask(self, head: bytes, body: bytes) -> Answer:
        """Raises _StaleError if it ended before anything came back, else OSError."""
        if self._transport is None or self._transport.is_closing():
            raise _StaleError
        self._heard = False
        self._answer, self._parts, self._size = Answer(), [], 0
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(head + body)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def abort(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        keep_alive(transport)
        self._pool.made(self)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._waiter is None:  # an answer to nothing
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ConnectionError("the answer is no HTTP"))
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._pool.lost(self)
        if self._heard:
            self._fail(exc if isinstance(exc, OSError) else ConnectionError("the connection ended within an answer"))
        else:
            self._fail(_StaleError())

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > _ANSWER_LIMIT:
            self._fail(ConnectionError("the answer is too large"))
            self.abort()
            return
        self._parts.append(part)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._answer.headers.clear()
            return
        self._answer.status = status
        self._answer.body = b"".join(self._parts)
        self.usable = self.usable and self._parser.should_keep_alive()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(self._answer)
