"""One connection of a worker to its Runtime API: HTTP/1.1 on httptools. I/O: the socket it is given.

Requests are answered in the order in which they came. What a worker sends can hurt nobody but itself: heads, bodies and
requests ahead of their turn are bounded, and anything else that is no HTTP ends the connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from http import HTTPStatus
from typing import Final, Protocol, cast

import httptools

from skykite.runtime.runtime_api.machine import RESPONSE_LIMIT, Request, Respond, Ticket

HEAD_LIMIT: Final = 1024 * 1024 + 64 * 1024  # bytes; AWS's own clients send up to 1 MB of cause for X-Ray in a header
_AHEAD_LIMIT: Final = 16  # requests that were sent without waiting for the answer before
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Site(Protocol):
    """What is behind the port."""

    def opened(self, connection: Connection) -> bool:
        """Whether it may stay."""

    def requested(self, connection: Connection, request: Request) -> None:
        """Answer it, now or later."""

    def closed(self, connection: Connection, cut_off: str | None) -> None:
        """It is gone, with what it had asked. `cut_off` is the path of a request whose body was under way."""


class _Refused(Exception):  # noqa: N818
    """Of a callback: no request that can be answered in the usual way."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """What asyncio makes for each client."""

    def __init__(self, site: Site, hosts: frozenset[bytes]) -> None:
        self._site = site
        self._hosts = hosts
        self._host = next(iter(hosts))  # for who names none
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[Request, bool]] = deque()  # with whether the connection outlives it
        self._answering = False
        self._keep_alive = True  # of the request that is being answered
        self._closing = False
        self._begin()

    @property
    def addresses(self) -> tuple[tuple[str, int], tuple[str, int]] | None:
        """The client's, and ours."""
        if self._transport is None:
            return None
        return self._transport.get_extra_info("peername"), self._transport.get_extra_info("sockname")

    # The request that is being read

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._trailers: dict[bytes, bytes] = {}
        self._head_size = 0
        self._in_body = False
        self._body: list[bytes] = []
        self._body_size = 0
        self._unfinished = 0

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        self._url += url

    def on_header(self, name: bytes, value: bytes | None) -> None:
        self._count(len(name) + len(value or b""))
        (self._trailers if self._in_body else self._headers)[name.lower()] = value or b""

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_LIMIT:
            raise _Refused(431)

    def on_headers_complete(self) -> None:
        self._in_body = True
        if self._parser.should_upgrade():
            raise _Refused(400)
        # A page in a browser can reach any port of this machine; it cannot help saying that it is one.
        headers = self._headers
        if b"origin" in headers or b"sec-fetch-site" in headers or headers.get(b"host", self._host) not in self._hosts:
            raise _Refused(403)
        if headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size <= RESPONSE_LIMIT:
            self._body.append(body)
        else:
            self._body.clear()  # it is only counted from here on

    def on_message_complete(self) -> None:
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=self._url.decode("latin-1"),
            headers=self._headers,
            body=b"".join(self._body),
            size=self._body_size,
            trailers=self._trailers,
        )
        self._in_body = False
        self._body = []
        self._unfinished = 0
        if len(self._waiting) >= _AHEAD_LIMIT:
            raise _Refused(400)
        self._waiting.append((request, self._parser.should_keep_alive()))

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._site.opened(self):
            self._closing = True
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        # A header that never ends is not shown by the parser, and neither is what may stand beside a chunk's size.
        self._unfinished += len(data)
        try:
            self._parser.feed_data(data)
            if self._unfinished > 2 * HEAD_LIMIT + 6 * self._body_size:
                self._give_up(431)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _Refused):
                raise
            self._give_up(error.__context__.status)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._give_up(400)
        self._advance()

    def _advance(self) -> None:
        while self._waiting and not self._answering:
            request, self._keep_alive = self._waiting.popleft()
            self._answering = True
            self._site.requested(self, request)

    def answer(self, response: Respond) -> None:
        """The response to the request whose turn it is."""
        if self._transport is None:
            return
        self._answering = False
        self._transport.write(encode(response, keep_alive=self._keep_alive))
        if not self._keep_alive:
            self._closing = True
            self._waiting.clear()
            self._transport.close()
        elif self._waiting:
            self._advance()

    def _give_up(self, status: int) -> None:
        """Say no to what cannot be read, and go."""
        self._closing = True
        self._waiting.clear()
        if self._transport is not None:
            if not self._answering:
                refusal = Respond(ticket=Ticket(0), status=status, body=b"", content_type=b"text/plain")
                self._transport.write(encode(refusal, keep_alive=False))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closing = True
        self._waiting.clear()
        self._site.closed(self, self._url.decode("latin-1") if self._in_body else None)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def encode(response: Respond, *, keep_alive: bool) -> bytes:
    """As it goes over the wire."""
    status = HTTPStatus(response.status)
    return b"HTTP/1.1 %d %s\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
        response.status,
        status.phrase.encode(),
        response.headers,
        response.content_type,
        len(response.body),
        b"" if keep_alive else b"Connection: close\r\n",
        response.body,
    )
