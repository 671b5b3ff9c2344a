"""One HTTP request on a connection of its own, for what the stub asks once in a while: key, lease, payloads.

`http.client` would do, but its import (all of `email`) costs a cold start more than the requests themselves.
In: a request. Out: status, headers, body. I/O: one connection through `network`.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Dict, Mapping, NamedTuple, Tuple

from .network import Garbled, Head, Network, Unreachable

_LINE_LIMIT = 1024  # bytes of a chunk's size with its extensions


class TooLarge(Garbled):
    """More was sent than was asked for."""


class Response(NamedTuple):
    status: int
    headers: Dict[str, str]  # names in lower case
    body: bytes


class Origin(NamedTuple):
    """Where a request goes."""

    host: str
    port: int = 443
    tls: bool = True

    def header(self) -> str:
        """The value of `Host`."""
        return self.host if self.port == (443 if self.tls else 80) else f"{self.host}:{self.port}"


def parse_url(url: str) -> Tuple[Origin, str]:
    """Origin and target of an absolute URL. Raises ValueError."""
    scheme, separator, rest = url.partition("://")
    place, slash, target = rest.partition("/")
    if not separator or scheme not in ("http", "https") or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("no URL")
    host, colon, port = place.partition(":")
    if not host or "@" in place or "?" in place or not slash:
        raise ValueError("no URL")
    tls = scheme == "https"
    return Origin(host, int(port) if colon else (443 if tls else 80), tls), "/" + target


def request(
    network: Network,
    method: str,
    origin: Origin,
    target: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    deadline: float,
    limit: int,
) -> Response:
    """Ask once. `deadline` is of the clock's `elapsed`, `limit` the most bytes of body that are taken.

    Raises Unreachable when no connection came about or it broke, Garbled for what is no HTTP, TooLarge.
    """
    lines = [f"{method} {target} HTTP/1.1", "connection: close", "accept-encoding: identity"]
    sent = {"host": origin.header(), **headers}
    if body or method in ("POST", "PUT"):
        sent["content-length"] = str(len(body))
    for name, value in sent.items():
        if "\r" in value or "\n" in value:
            raise ValueError(f"a line break in the header `{name}`")
        lines.append(f"{name}: {value}")
    text = "\r\n".join((*lines, "", "")).encode("latin-1")
    with contextlib.closing(network.connect(origin.host, origin.port, deadline, tls=origin.tls)) as stream:
        try:
            stream.settimeout(network.remaining(deadline))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered early
                stream.sendall(text + body)
            head, behind = network.receive_head(stream, deadline)
            while head.status < 200:
                head, behind = network.receive_head(stream, deadline, behind)
            return Response(head.status, head.headers, _Body(network, stream, deadline, limit, behind).read(head))
        except OSError as error:
            raise Unreachable(f"`{origin.host}` did not answer: {error or type(error).__name__}") from error


class _Body:
    """Reads what follows a head, never more than `limit` bytes of it."""

    def __init__(self, network: Network, stream: socket.socket, deadline: float, limit: int, buffer: bytes) -> None:
        self._network = network
        self._stream = stream
        self._deadline = deadline
        self._limit = limit
        self._buffer = bytearray(buffer)

    def read(self, head: Head) -> bytes:
        if head.status in (204, 304):
            return b""
        if "transfer-encoding" in head.headers:
            if head.headers["transfer-encoding"].lower() != "chunked":
                raise Garbled("an unknown transfer encoding")
            return self._chunks()
        if "content-length" in head.headers:
            text = head.headers["content-length"]
            if not (text.isascii() and text.isdigit()):
                raise Garbled("no length of content")
            self._allow(int(text))
            return self._exactly(int(text))
        self._allow(len(self._buffer))
        while self._more():
            self._allow(len(self._buffer))
        return bytes(self._buffer)

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            text = self._line().partition(b";")[0].strip()
            if not text or text.strip(b"0123456789abcdefABCDEF"):
                raise Garbled("no length of a chunk")
            size = int(text, 16)
            if size == 0:
                return bytes(body)  # trailers are of no interest: the connection ends here
            self._allow(len(body) + size)
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise Garbled("a chunk that does not end")

    def _allow(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(f"more than {self._limit} bytes")

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise Garbled("the connection ended within the body")
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    def _line(self) -> bytes:
        while True:
            end = self._buffer.find(b"\r\n")
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                return line
            if len(self._buffer) > _LINE_LIMIT or not self._more():
                raise Garbled("no end of a line")

    def _more(self) -> bool:
        self._stream.settimeout(self._network.remaining(self._deadline))
        data = self._stream.recv(65536)
        self._buffer += data
        return bool(data)
