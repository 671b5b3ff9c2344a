"""An HTTP proxy as companies have them: CONNECT only, with or without a password, the only way to any host."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from kit.loopback import running_server


@dataclass
class Proxy:
    """`asked` holds each request line that was let through."""

    routes: Mapping[str, int]  # port on loopback of each `host:port`; `*` for all others
    password: str | None = None  # as `user:password`
    port: int = 0
    asked: list[str] = field(default_factory=list)
    refused: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, place, _ = first.split(" ")
        expected = self.password and "Basic " + base64.b64encode(self.password.encode()).decode()
        if expected and headers.get("proxy-authorization") != expected:
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
            return
        port = self.routes.get(place, self.routes.get("*"))
        if method != "CONNECT" or headers["host"] != place or port is None:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        self.asked.append(place)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: kit\r\n\r\n")
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def running_proxy(
    routes: Mapping[str, int], password: str | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[Proxy]:
    proxy = Proxy(routes, password)
    with running_server(proxy.serve, tls=tls) as (proxy.port, _):
        yield proxy
