"""The way to AWS as a company has it: a proxy with a password that opens TLS, and behind it an embedded cloud that
answers for all of AWS's host names.

In: a port of an embedded cloud. Out: a proxy's URL, a certificate authority, and all that was asked. Whoever goes
through it connects, verifies and signs as for AWS. `refuses`, `answers` and `edits` stand in the way of some of it.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from kit.loopback import running_server
from kit.proxy import pass_on

_LIMIT = 1 << 20


@dataclass(frozen=True)
class Asked:
    host: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Its name at AWS, where a request says it."""
        if "x-amz-target" in self.headers:
            return self.headers["x-amz-target"].rpartition(".")[2]
        _, found, rest = self.body.partition(b"Action=")
        return rest.partition(b"&")[0].decode() if found else ""


@dataclass
class Internet:
    cloud_port: int
    authority: trustme.CA
    password: str = "alice:s3cret"
    port: int = 0
    tunnels: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    unauthorized: int = 0
    refuses: Callable[[str], bool] = lambda _: False  # a host: 403, as a proxy that does not let it through
    answers: Callable[[Asked], tuple[int, bytes] | None] = lambda _: None  # instead of AWS
    edits: Callable[[Asked, bytes], bytes] = lambda _, body: body  # an answer
    _loop: asyncio.AbstractEventLoop | None = None
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://{self.password}@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, headers = await _head(reader)
        method, place, _ = first.split(" ")
        host, _, port = place.rpartition(":")
        if headers.get("proxy-authorization") != "Basic " + base64.b64encode(self.password.encode()).decode():
            self.unauthorized += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
            return
        if method != "CONNECT" or port != "443" or ".amazonaws.com" not in host or self.refuses(host):
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        self.tunnels.append(host)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # what follows is for TLS
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await writer.start_tls(self._context(host))
        except ssl.SSLError:
            return
        self._open.add(writer)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.cloud_port, limit=_LIMIT)
        try:
            while await self._pass_request(host, reader, writer, far_reader, far_writer):
                pass
        finally:
            self._open.discard(writer)
            far_writer.close()

    def cut(self) -> None:
        """End all tunnels, as a proxy does that is started anew."""
        assert self._loop is not None
        for writer in list(self._open):
            self._loop.call_soon_threadsafe(writer.transport.abort)

    def _context(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:
            context = self._contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert(host).configure_cert(context)
        return self._contexts[host]

    async def _pass_request(
        self,
        host: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> bool:
        """Whether there may be another."""
        first, headers = await _head(reader)
        method, target, _ = first.split(" ")
        if headers.pop("expect", "") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(reader, headers)
        asked = Asked(host, method, target, headers, body)
        self.asked.append(asked)
        instead = self.answers(asked)
        if instead is not None:
            status, content = instead
            writer.write(f"HTTP/1.1 {status} Kit\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
            await writer.drain()
            return True
        far_writer.write(_written(first, headers) + (_chunked(body) if "transfer-encoding" in headers else body))
        await far_writer.drain()
        status_line, answered = await _head(far_reader)
        if status_line.split(" ")[1] == "101":
            writer.write(_written(status_line, answered))
            await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))
            return False
        content = b""
        if method != "HEAD" and status_line.split(" ")[1] not in ("204", "304"):
            content = self.edits(asked, await _body(far_reader, answered))
            if "content-length" in answered:
                answered["content-length"] = str(len(content))
            elif "transfer-encoding" in answered:
                content = _chunked(content)
        writer.write(_written(status_line, answered) + content)
        await writer.drain()
        return "close" not in (headers.get("connection", ""), answered.get("connection", ""))


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _written(first: str, headers: dict[str, str]) -> bytes:
    return "\r\n".join((first, *(f"{name}: {value}" for name, value in headers.items()), "", "")).encode("latin-1")


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" not in headers:
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return body


def _chunked(body: bytes) -> bytes:
    return (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


@contextmanager
def running_internet(cloud_port: int, authority: trustme.CA) -> Iterator[Internet]:
    internet = Internet(cloud_port, authority)
    with running_server(internet.serve, limit=_LIMIT) as (internet.port, internet._loop):
        yield internet


def through(internet: Internet, authority_file: Path) -> dict[str, str]:
    """The environment of somebody behind it."""
    return {"HTTPS_PROXY": internet.url, "NO_PROXY": "localhost,127.0.0.1", "AWS_CA_BUNDLE": str(authority_file)}
