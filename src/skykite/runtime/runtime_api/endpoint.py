"""One worker's Runtime API: a port for the worker, a socket for the runtime.

In: frames of `skykite_lambda.frames` from the runtime, requests from the worker. Out: the same the other way. I/O: a
listener on 127.0.0.1 and one end of a socket pair, on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Final, cast

from skykite.runtime.runtime_api.connection import Connection
from skykite.runtime.runtime_api.machine import Event, Output, Request, Respond, RuntimeApi, Ticket
from skykite.runtime.runtime_api.peers import is_same_user
from skykite_lambda import frames
from skykite_lambda.logs import MARK_PASSED

_CONNECTIONS_LIMIT: Final = 64
_ANSWERS: Final = (frames.RESULT, frames.ERROR)


class Endpoint(asyncio.Protocol):
    """`channel` is for the runtime, `address` for the worker. `memory_kb` tells the most memory the worker has had;
    `marks` is where the end of each invocation is marked, if it has to be."""

    def __init__(
        self, *, memory_kb: Callable[[], int], marks: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._memory_kb = memory_kb
        self._marks = marks
        self._clock = clock
        self._machine = RuntimeApi()
        self._parser = frames.Parser()
        self._runtime: asyncio.Transport | None = None
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._tickets: dict[Ticket, Connection] = {}
        self._last_ticket = 0
        self._arn = b""
        self._mark = b""
        self.address = ""

    async def open(self) -> socket.socket:
        """Listen. Returns the runtime's end."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            listener = socket.create_server(("127.0.0.1", 0))
            host, port = listener.getsockname()
            self.address = f"{host}:{port}"
            hosts = frozenset(f"{name}:{port}".encode() for name in (host, "localhost"))
            self._server = await loop.create_server(lambda: Connection(self, hosts), sock=listener)
            if ours.family.name == "AF_UNIX":
                await loop.create_unix_connection(lambda: self, sock=ours)
            else:
                await loop.create_connection(lambda: self, sock=ours)
        except BaseException:
            self.close()
            ours.close()
            theirs.close()
            raise
        self._tell(frames.HELLO, json.dumps({"protocol": frames.PROTOCOL, "pid": 0, "python": []}).encode())
        return theirs

    def close(self) -> None:
        """The worker is gone, or never came."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._open):
            connection.abort()
        if self._runtime is not None:
            self._runtime.close()
        if self._marks is not None:
            os.close(self._marks)
            self._marks = None

    # The runtime's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._runtime = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        while (found := self._parser.next()) is not None:
            kind, body = found
            if kind == frames.CONFIGURE:
                told = json.loads(body)
                self._arn = told["arn"].encode()
                self._mark = b"\0" + told["nonce"].encode() + MARK_PASSED
            elif kind == frames.INVOKE:
                self._do(self._machine.invoke(self._event(body)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._runtime = None
        self.close()

    def _event(self, body: bytes) -> Event:
        seconds, id_length, trace_length, client_length = frames.INVOKE_HEAD.unpack_from(body)
        id_at = frames.INVOKE_HEAD.size
        trace_at = id_at + id_length
        client_at = trace_at + trace_length
        event_at = client_at + client_length
        given = {
            b"Lambda-Runtime-Aws-Request-Id": body[id_at:trace_at],
            b"Lambda-Runtime-Trace-Id": body[trace_at:client_at],
            b"Lambda-Runtime-Client-Context": body[client_at:event_at],
            b"Lambda-Runtime-Invoked-Function-Arn": self._arn,
            b"Lambda-Runtime-Deadline-Ms": b"%d" % int((self._clock() + seconds) * 1000),
        }
        return Event(
            request_id=body[id_at:trace_at].decode(),
            headers=b"".join(b"%b: %b\r\n" % (name, _one_line(value)) for name, value in given.items() if value),
            payload=body[event_at:],
        )

    # The worker's side

    def opened(self, connection: Connection) -> bool:
        addresses = connection.addresses
        if addresses is None or len(self._open) >= _CONNECTIONS_LIMIT or not is_same_user(*addresses):
            return False
        self._open.add(connection)
        return True

    def requested(self, connection: Connection, request: Request) -> None:
        self._last_ticket += 1
        ticket = Ticket(self._last_ticket)
        self._tickets[ticket] = connection
        self._do(self._machine.request(ticket, request))

    def closed(self, connection: Connection, cut_off: str | None) -> None:
        self._open.discard(connection)
        for ticket in [ticket for ticket, owner in self._tickets.items() if owner is connection]:
            del self._tickets[ticket]
            self._machine.gone(ticket)
        if cut_off is not None:
            self._do(self._machine.cut_off(cut_off))

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Respond):
                connection = self._tickets.pop(output.ticket, None)
                if connection is not None:
                    connection.answer(output)
            elif output.kind in _ANSWERS:
                self._answer(output.kind, output.payload)
            else:
                self._tell(output.kind, output.payload)

    def _answer(self, kind: int, payload: bytes) -> None:
        if self._marks is not None:
            with contextlib.suppress(OSError):  # it has closed its output
                os.write(self._marks, self._mark)
        self._tell(kind, frames.RESULT_HEAD.pack(self._memory_kb(), 0), payload)

    def _tell(self, kind: int, *parts: bytes) -> None:
        if self._runtime is not None:
            self._runtime.write(frames.frame(kind, *parts))


def _one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b"")
