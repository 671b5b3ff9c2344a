"""How a worker and the process that runs it speak: frames on one stream socket. Shared by both sides.

A frame is a kind (one byte), the length of its body (four bytes, big-endian) and the body. Event and result payloads
travel as the bytes they are; everything else is JSON. I/O: `Channel` sends and receives on the socket it is given.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any, Optional, Tuple

PROTOCOL = 3
_READ = 65536  # bytes; a larger buffer is mapped and unmapped for every call
LARGEST_BODY = 64 * 1024 * 1024  # more is no frame of ours: somebody else wrote into the socket

# To a worker.
CONFIGURE = 1  # JSON: which function, where, with which environment
INVOKE = 2  # INVOKE_HEAD, request id, trace id, client context, event
# To a zygote.
PREPARE = 3  # JSON: modules to import, environment to import them in
FORK = 4  # JSON: ticket, nonce; with it travel the descriptors of channel, output and lifeline
KILL = 5  # JSON: pid
# From a worker.
HELLO = 16  # JSON: protocol, pid, Python's version
READY = 17  # JSON: observations
INIT_FAILED = 18  # JSON: error, observations
RESULT = 19  # RESULT_HEAD, observations, result
ERROR = 20  # RESULT_HEAD, observations, error as JSON
SUSPENDED = 21  # a debugger holds the function
RESUMED = 22
LATE = 23  # JSON: observations made since the last answer; the invocation has not begun and is to be sent again
LEAVING = 24  # JSON: a hint; the user's code is ending this process
FATAL = 25  # as ERROR, of a process that ends with it
# From a zygote.
PREPARED = 32  # JSON: what the imports did
FORKED = 33  # JSON: ticket, pid
EXITED = 34  # JSON: pid, status as of os.waitstatus_to_exitcode

HEADER = struct.Struct("!BI")
INVOKE_HEAD = struct.Struct("!dHHI")  # seconds it may take, lengths of request id, trace id, client context
RESULT_HEAD = struct.Struct("!II")  # most memory ever used in KB, length of the observations


class ChannelClosed(Exception):  # noqa: N818  (it is an end, not an error)
    """The other side is gone."""


class GarbledStream(Exception):  # noqa: N818
    """What arrived is no frame."""


def frame(kind: int, *parts: bytes) -> bytes:
    """One frame, ready to be sent."""
    return b"".join((HEADER.pack(kind, sum(map(len, parts))), *parts))


def json_frame(kind: int, document: Any) -> bytes:
    return frame(kind, json.dumps(document).encode())


class Parser:
    """Bytes in, frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Optional[Tuple[int, bytes]]:
        """The next whole frame, or None. Raises GarbledStream."""
        buffer = self._buffer
        if len(buffer) < HEADER.size:
            return None
        kind, length = HEADER.unpack_from(buffer)
        if length > LARGEST_BODY or not 1 <= kind <= EXITED:
            raise GarbledStream
        end = HEADER.size + length
        if len(buffer) < end:
            return None
        body = bytes(memoryview(buffer)[HEADER.size : end])
        del buffer[:end]
        return kind, body


class Channel:
    """A worker's end: blocking, safe to send on from any thread."""

    def __init__(self, stream: socket.socket) -> None:
        self._socket = stream
        self._parser = Parser()
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, kind: int, *parts: bytes) -> None:
        data = frame(kind, *parts)
        with self._sending:
            self._socket.sendall(data)

    def send_json(self, kind: int, document: Any) -> None:
        self.send(kind, json.dumps(document).encode())

    def receive(self) -> Tuple[int, bytes]:
        """Wait for one frame. Raises ChannelClosed, GarbledStream."""
        while True:
            found = self._parser.next()
            if found is not None:
                return found
            try:
                data = self._socket.recv(_READ)
            except ConnectionError:
                raise ChannelClosed from None
            if not data:
                raise ChannelClosed
            self._parser.feed(data)

    def close(self) -> None:
        self._socket.close()
