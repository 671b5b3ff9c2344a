"""Hand an invocation to Skykite and wait for its outcome. The other end, and the wire, are `skykite.cloud.handoff`.

Called on threads, as many at once as there are invocations; each takes a connection of its own from a pool that grows
as needed, so nothing queues and nested invocations cannot block each other. There is no time limit here: the runtime
enforces the function's, and a breakpoint may be held as long as one likes. I/O: loopback TCP.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Any

from skykite_cloud.deployed import Deployed
from skykite_cloud.settings import Handoff

_LENGTH = struct.Struct(">I")
_IDLE_LIMIT = 16  # connections kept for later; a burst closes what it does not need


class HandoffLostError(Exception):
    """Skykite went away before it answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One invocation. `invoked` says that somebody called Lambda's Invoke, rather than a service that sent an event;
    `deployed` is for an owner that runs deployed functions too."""

    function: str
    request_id: str
    payload: bytes
    invoked: bool
    client_context: str | None
    trace_id: str | None
    deployed: Deployed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`payload` is what the Lambda API returns: the value, or the error document if `failed`."""

    failed: bool
    payload: bytes
    log: bytes


class HandoffClient:
    """Connections to one hand-off server."""

    def __init__(self, handoff: Handoff) -> None:
        self._handoff = handoff
        self.takes_deployed = handoff.deployed
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()

    def invoke(self, call: Call) -> Answer | None:
        """The outcome, `None` if Skykite does not run this function. Raises `HandoffLostError`."""
        header: dict[str, Any] = {
            "function": call.function,
            "request_id": call.request_id,
            "invoked": call.invoked,
            "client_context": call.client_context,
            "trace_id": call.trace_id,
        }
        if call.deployed is not None:
            header["deployed"] = call.deployed.header
        try:
            connection = self._take()
            try:
                _send(connection, header, call.payload)
                answer, payload = _receive(connection)
                while answer["result"] == "code-needed" and call.deployed is not None:
                    for digest in answer["code"]:
                        _send(connection, {"code": digest}, call.deployed.blobs[digest])
                    answer, payload = _receive(connection)
            except BaseException:
                connection.close()
                raise
        except OSError as error:
            raise HandoffLostError(str(error)) from error
        self._give_back(connection)
        if answer["result"] == "unregistered":
            return None
        return Answer(failed=answer["result"] == "failed", payload=payload, log=base64.b64decode(answer["log"]))

    def _take(self) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = socket.create_connection(("127.0.0.1", self._handoff.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send(connection, {"token": self._handoff.token}, b"")
        return connection

    def _give_back(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._idle) < _IDLE_LIMIT:
                self._idle.append(connection)
                return
        connection.close()


def _send(connection: socket.socket, header: dict[str, Any], payload: bytes) -> None:
    head = json.dumps(header).encode()
    connection.sendall(_LENGTH.pack(len(head)) + head + _LENGTH.pack(len(payload)) + payload)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    header = json.loads(_read_part(connection))
    return header, _read_part(connection)


def _read_part(connection: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size))
    return _read(connection, length)


def _read(connection: socket.socket, length: int) -> bytes:
    parts: list[bytes] = []
    missing = length
    while missing:
        part = connection.recv(min(missing, 1 << 20))
        if not part:
            raise ConnectionResetError("Skykite closed the connection")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
