"""One client's connection: HTTP/1.1 in, HTTP/1.1 out, on httptools. I/O: the socket it is given, and the loop's timers.

Requests are answered one after the other in the order they came, pipelined or not. While one is being answered, and
while the client does not read, no more is read from the socket than what is already on the way.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol, cast

import httptools

from skykite.gateway.request import Request, split_target
from skykite.gateway.response import HttpResponse, message

BAD_REQUEST: Final = message(400, "Bad Request")
REQUEST_TIMEOUT: Final = message(408, "Request Timeout")
BODY_TOO_LARGE: Final = message(413, "Request Entity Too Large")
HEAD_TOO_LARGE: Final = message(431, "Request Header Fields Too Large")

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_PIPELINE_DEPTH: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes are API Gateway's quotas, in bytes; times are seconds.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
    """

    head: int = 10_240  # the request line and all headers
    body: int = 10 * 1024 * 1024
    head_time: float = 10.0  # from a request's first byte to the end of its headers
    body_time: float = 30.0  # without a byte of the body
    idle_time: float = 600.0  # between requests
    linger_time: float = 2.0  # after an error, for the client to read it before the connection goes


class Refusal(Exception):  # noqa: N818
    """The connection cannot go on; `response` says why."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status)
        self.response = response


Reply = Callable[[HttpResponse, str], None]
"""Call with the response and the request's id; once the client is gone it does nothing."""


class Site(Protocol):
    """What stands behind a port."""

    def begin(self, request: Request, source_ip: str, reply: Reply) -> None:
        """Answer, now or later."""

    def refuse(self, method: str, path: str, response: HttpResponse) -> str:
        """A request is answered without ever being complete; returns its id."""

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """What asyncio makes for each client."""

    def __init__(self, site: Site, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._site = site
        self._limits = limits
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._source_ip = "127.0.0.1"
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()  # with whether the connection outlives it
        self._answering = False
        self._writable = True
        self._reading = True
        self._closing = False  # no further request is taken; what came before is still answered
        self._lingering = False  # what is read is thrown away
        self._refusal: HttpResponse | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._deadline = math.inf
        self._completed = False  # a message, by the piece of data that is being read
        self._begin_message()

    # The message being read

    def _begin_message(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._unfinished = 0
        self._head_deadline: float | None = None
        self._in_head = True
        self._started = False
        self._wants_continue = False
        self._upgrading = False
        self._resuming = False
        self._keep_alive = True
        self._body: list[bytes] = []
        self._body_size = 0

    def on_message_begin(self) -> None:
        if not self._resuming:
            self._begin_message()
            self._started = True

    def on_url(self, url: bytes) -> None:
        if not self._resuming:
            self._url += url
            self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head and not self._resuming:
            self._count(len(name) + len(value))
            self._headers.append((name, value.rstrip(b" \t")))

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.head:
            raise Refusal(HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        if self._resuming:
            self._resuming = False
            return
        self._in_head = False
        self._keep_alive = self._parser.should_keep_alive()
        expected = 0
        hosts = 0
        for name, value in self._headers:
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                expected = int(value)
            elif size == 4 and name.lower() == b"host":
                hosts += 1
            elif size == 6 and name.lower() == b"expect":
                self._wants_continue = value.lower() == b"100-continue" and self._parser.get_http_version() != "1.0"
        if hosts > 1 or self._parser.get_http_version() not in ("1.0", "1.1"):
            raise Refusal(BAD_REQUEST)
        if expected > self._limits.body:
            raise Refusal(BODY_TOO_LARGE)
        if self._parser.should_upgrade():
            if self._parser.get_method() == b"CONNECT":
                raise Refusal(BAD_REQUEST)
            self._upgrading = True
        self._continue()

    def _continue(self) -> None:
        """Ask for the body once it is this request's turn, as otherwise answers would go out of order."""
        if self._wants_continue and not self._answering and not self._waiting and self._transport is not None:
            self._wants_continue = False
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > self._limits.body:
            raise Refusal(BODY_TOO_LARGE)
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        target = split_target(self._url)
        if target is None:
            raise Refusal(BAD_REQUEST)
        path, query = target
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            path=path,
            query=query,
            protocol=f"HTTP/{self._parser.get_http_version()}",
            headers=self._headers,
            body=b"".join(self._body) if self._body else b"",
        )
        self._started = False
        self._completed = True
        self._wants_continue = False
        self._in_head = True
        self._unfinished = 0
        if not self._keep_alive:
            self._closing = True
        self._waiting.append((request, self._keep_alive))

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if peer:
            self._source_ip = peer[0]
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._site.opened(self)
        self._set_deadline(self._loop.time() + self._limits.idle_time)

    def data_received(self, data: bytes) -> None:
        if self._closing or self._lingering:
            return
        self._completed = False
        self._feed(data)
        if self._refusal is None and self._started and not self._completed:
            # A header that never ends is not shown by the parser, and neither is a trailer or what may stand beside
            # a chunk's size; so the bytes themselves are counted, but for those that came together with the end of
            # another message. A chunk of one byte takes six.
            self._unfinished += len(data)
            if self._unfinished > 2 * self._limits.head + 65_536 + 6 * self._body_size:
                self._refusal = HEAD_TOO_LARGE
        if self._refusal is not None:
            self._closing = True
        self._advance()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            refusal = error.__context__
            if not isinstance(refusal, Refusal):
                raise
            self._refusal = refusal.response
        except httptools.HttpParserError:
            # After `Connection: close` further bytes are an error to the parser, and none to us.
            if not self._closing:
                self._refusal = BAD_REQUEST

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read on as if the client had not asked for another protocol, which HTTP leaves us free to do.

        The parser has stopped at the end of the headers. A fresh one is told of the body by a head that is ours.
        """
        framing = [
            name + b": " + value + b"\r\n"
            for name, value in self._headers
            if name.lower() in (b"content-length", b"transfer-encoding")
        ]
        method = self._parser.get_method()
        self._parser = httptools.HttpRequestParser(self)
        self._upgrading = False
        self._resuming = True
        close = b"" if self._keep_alive else b"connection: close\r\n"
        self._feed(b"%s / HTTP/1.1\r\n%s%s\r\n" % (method, close, b"".join(framing)))
        if rest and self._refusal is None and not self._closing:
            self._feed(rest)

    def _advance(self) -> None:
        """Do what is possible now: answer the next request, say no, ask for more, or go."""
        transport = self._transport
        if transport is None or self._answering or not self._writable:
            self._pace()
            return
        if self._waiting:
            request, keep_alive = self._waiting.popleft()
            self._answering = True
            self._deadline = math.inf
            self._pace()
            self._site.begin(request, self._source_ip, _Replier(self, request.method, keep_alive))
            return
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif self._closing:
            transport.close()
        else:
            self._continue()
            self._set_deadline(self._next_deadline())
            self._pace()

    def _next_deadline(self) -> float:
        """By when the client must have sent more. Headers have one deadline, a body one for each piece."""
        now = self._loop.time()
        if not self._started:
            return now + self._limits.idle_time
        if not self._in_head:
            return now + self._limits.body_time
        if self._head_deadline is None:
            self._head_deadline = now + self._limits.head_time
        return self._head_deadline

    def _pace(self) -> None:
        """Read only what there is room for."""
        reading = len(self._waiting) < _PIPELINE_DEPTH and self._writable
        if reading != self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def answered(self, response: HttpResponse, request_id: str, *, method: str, keep_alive: bool) -> None:
        """Send the response to the request whose turn it is."""
        transport = self._transport
        if transport is None:
            return
        self._answering = False
        last = not keep_alive or (self._closing and not self._waiting and self._refusal is None)
        transport.write(encode_response(response, request_id, method=method, keep_alive=not last))
        if last:
            self._closing = True
            self._waiting.clear()
            self._refusal = None
            transport.close()
        else:
            self._advance()

    def _refuse(self, response: HttpResponse) -> None:
        """Say why, then give the client time to read it: closing with bytes unread would take the answer back."""
        transport = self._transport
        if transport is None or self._lingering:
            return
        self._lingering = True
        self._refusal = None
        method = self._parser.get_method().decode("latin-1") if self._url else ""
        path = self._url.decode("utf-8", "replace").partition("?")[0]
        request_id = self._site.refuse(method, path, response)
        transport.write(encode_response(response, request_id, method=method, keep_alive=False))
        if transport.can_write_eof():
            transport.write_eof()
        if not self._reading:
            self._reading = True
            transport.resume_reading()
        self._set_deadline(self._loop.time() + self._limits.linger_time)

    def pause_writing(self) -> None:
        self._writable = False
        self._set_deadline(self._loop.time() + self._limits.idle_time)
        self._pace()

    def resume_writing(self) -> None:
        self._writable = True
        self._advance()

    def eof_received(self) -> bool:
        """The client sends no more; it may still read what it asked for."""
        if self._lingering or not (self._answering or self._waiting):
            return False
        self._closing = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._site.closed(self)

    def finish(self) -> None:
        """Close once the answer under way is out; at once if there is none."""
        self._closing = True
        self._waiting.clear()
        if not self._answering and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # Time: one timer for all deadlines. They move with every request; it is set anew only when it would be late.

    def _set_deadline(self, deadline: float) -> None:
        self._deadline = deadline
        if deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = math.inf
        transport = self._transport
        if transport is None:
            return
        if self._loop.time() < self._deadline:
            self._set_deadline(self._deadline)
        elif self._lingering or not self._writable:
            transport.abort()
        elif self._started:
            self._refusal = REQUEST_TIMEOUT
            self._advance()
        else:
            transport.close()


class _Replier:
    """A request's way back to its connection."""

    __slots__ = ("_connection", "_keep_alive", "_method")

    def __init__(self, connection: Connection, method: str, keep_alive: bool) -> None:
        self._connection = connection
        self._method = method
        self._keep_alive = keep_alive

    def __call__(self, response: HttpResponse, request_id: str) -> None:
        self._connection.answered(response, request_id, method=self._method, keep_alive=self._keep_alive)


def encode_response(response: HttpResponse, request_id: str, *, method: str, keep_alive: bool) -> bytes:
    """A response as bytes, with the headers that API Gateway adds."""
    status = response.status
    lines = [_status_line(status)]
    dated = False
    for name, value in response.headers:
        lines.append(f"{_spell(name)}: {value}\r\n")
        dated = dated or name == "date"
    if not dated:
        lines.append(f"Date: {_date(int(time.time()))}\r\n")
    body = response.body
    if status in (204, 304):
        body = b""
    else:
        lines.append(f"Content-Length: {len(body)}\r\n")
    lines.append("Connection: keep-alive\r\n" if keep_alive else "Connection: close\r\n")
    lines.append(f"Apigw-Requestid: {request_id}\r\n\r\n")
    head = "".join(lines).encode("utf-8", "replace")
    return head if method == "HEAD" or not body else head + body


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n"


@lru_cache(maxsize=1024)
def _spell(name: str) -> str:
    """`x-request-id` as `X-Request-Id`, the way HTTP APIs write every header over HTTP/1.1."""
    return "-".join(part.capitalize() for part in name.split("-"))


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
