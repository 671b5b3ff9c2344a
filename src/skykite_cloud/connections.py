"""Connections over HTTP, served by hypercorn, of which an application may take over what comes after the handshake.

A message on a WebSocket passes several tasks in hypercorn before an ASGI application sees it, and as many on its way
out. An application for which that is too slow takes over: it is called with the bytes as they come, and writes its own.

In: a listening socket, an ASGI application. Out: the application's answers. I/O: the sockets.
It is put together as in hypercorn's own `worker_serve`, of which the cloud's environment holds exactly one version.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.utils import wrap_app

Scope = dict[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[dict[str, Any]]], Callable[[Any], Awaitable[None]]], Any]

_CONNECTION = "skykite.connection"


class Connection(TCPServer):  # type: ignore[misc]  # hypercorn is not where this is checked
    """One of hypercorn's, which can be taken over."""

    def take_over(self, received: Callable[[bytes], None]) -> asyncio.StreamWriter:
        """From now on `received` is called with what comes, and nobody else is. To be called before the WebSocket is
        accepted, so that nothing of it is missed; it ends with the application's `receive`, as ever."""
        writer: asyncio.StreamWriter = self.writer
        writer.transport.set_protocol(_TakenOver(writer.transport.get_protocol(), received))
        return writer


class _TakenOver(asyncio.Protocol):
    """A protocol but for what is received."""

    def __init__(self, before: asyncio.BaseProtocol, received: Callable[[bytes], None]) -> None:
        assert isinstance(before, asyncio.Protocol)
        self.data_received = received  # type: ignore[method-assign, assignment]
        self.eof_received = before.eof_received  # type: ignore[method-assign]
        self.connection_lost = before.connection_lost  # type: ignore[method-assign]
        self.pause_writing = before.pause_writing  # type: ignore[method-assign]
        self.resume_writing = before.resume_writing  # type: ignore[method-assign]


def connection_of(scope: Scope) -> Connection:
    """That of a request."""
    found: Connection = scope["state"][_CONNECTION]
    return found


async def serve(application: Application, config: Config, listener: socket.socket) -> None:
    """Let the application start up, then serve what connects, until cancelled. Raises what its start raises."""
    loop, context = asyncio.get_running_loop(), WorkerContext(None)
    wrapped = wrap_app(application, config.wsgi_max_body_size, "asgi")
    lifespan = Lifespan(wrapped, config, loop, {})
    living = loop.create_task(lifespan.handle_lifespan())
    await lifespan.wait_for_startup()
    if living.done():
        living.result()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state: dict[str, Any] = {}
        connection = state[_CONNECTION] = Connection(wrapped, loop, config, context, state, reader, writer)
        await connection

    server = await asyncio.start_server(connected, sock=listener, backlog=config.backlog)
    await server.serve_forever()
