"""A WebSocket client (RFC 6455) for one thread that waits on its socket itself.

In: texts to send, bytes from the socket. Out: texts received, and in the end why it ended. I/O: its connection.
`Frames`, `encode_frame`, `request` and `check_answer` are the part without I/O, for other clients too: strict about
everything a server must not do, and about sizes.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import sys
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Type

from .clock import parse_http_date
from .network import Garbled, Network, Unreachable

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MESSAGE_LIMIT = 2 * 1024 * 1024  # bytes; Events sends 240 KB at most
_CONTINUATION = 0
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SEND_TIMEOUT_S = 10.0
_AT_ONCE = 8 * 1024 * 1024  # bytes read before what they say is looked at
_READ = 65536  # bytes; a larger buffer is mapped and unmapped for every call


class Refused(Exception):  # noqa: N818
    """The server answered the handshake with something else."""

    def __init__(self, status: int, reason: str, body: str, date: Optional[float]) -> None:
        super().__init__(f"{status} {reason}".strip() + (f": {body}" if body else ""))
        self.status = status
        self.date = date


class Violation(Exception):  # noqa: N818
    """The server broke the protocol; `code` is what to close with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Frame(NamedTuple):
    opcode: int
    payload: bytes


def encode_frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """A whole message as one masked frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    # One XOR of two large numbers is as fast as a C extension.
    repeated = mask * (size // 4) + mask[: size % 4]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")
    return head + mask + masked.to_bytes(size, "little")


class Frames:
    """Bytes in; control frames and whole messages out, in order."""

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._message = bytearray()
        self._opcode: Optional[int] = None  # of the message whose fragments are being collected

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Optional[Frame]:
        """The next whole message or control frame, or None. Raises Violation."""
        while True:
            found = self._frame()
            if found is None:
                return None
            final, opcode, payload = found
            if opcode >= CLOSE:
                return Frame(opcode, payload)
            if (opcode == _CONTINUATION) == (self._opcode is None):
                raise Violation(1002, "a fragment out of order")
            if final and opcode != _CONTINUATION:  # as nearly all are
                return Frame(opcode, payload)
            if opcode != _CONTINUATION:
                self._opcode = opcode
            self._message += payload
            if final and self._opcode is not None:
                message = Frame(self._opcode, bytes(self._message))
                self._opcode = None
                self._message.clear()
                return message

    def _frame(self) -> Optional[Tuple[bool, int, bytes]]:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, size, start = first & 15, second & 127, 2
        if first & 0x70 or second & 0x80 or opcode not in (_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Violation(1002, "a frame with bits that were not agreed on")
        if opcode >= CLOSE and (size > 125 or not first & 0x80):
            raise Violation(1002, "a long or fragmented control frame")
        if size > 125:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size, smallest = int.from_bytes(buffer[2:start], "big"), 126 if size == 126 else 65536
            if size < smallest:
                raise Violation(1002, "a length in too many bytes")
        if len(self._message) + size > self._limit:
            raise Violation(1009, f"a message of more than {self._limit} bytes")
        if len(buffer) < start + size:
            return None
        payload = bytes(memoryview(buffer)[start : start + size])
        del buffer[: start + size]
        return bool(first & 0x80), opcode, payload


class WebSocket:
    """An open connection. Not safe for threads: whoever waits on `fileno` also sends."""

    def __init__(self, stream: socket.socket, behind: bytes, date: Optional[float]) -> None:
        self._stream = stream
        self._frames = Frames()
        self._frames.feed(behind)
        self.date = date  # the server's, when it took the connection
        self.ended: Optional[str] = None
        self.heard = False  # whether anything at all has come since somebody last set this to False

    def fileno(self) -> int:
        return self._stream.fileno()

    def send(self, text: str) -> None:
        """Raises OSError when the connection is gone."""
        self._send(TEXT, text.encode())

    def ping(self) -> None:
        """Have the server say something. Raises OSError when the connection is gone."""
        self._send(PING, b"")

    def receive(self) -> List[str]:
        """What has come; never waits. The connection is over when `ended` says why."""
        gone = self._read() if self.ended is None else None
        messages: List[str] = []
        try:
            frame = self._frames.next()
            while frame is not None and self._take(frame, messages):
                frame = self._frames.next()
        except Violation as violation:
            self._close(violation.code, f"the server sent {violation}")
        if gone is not None:
            self._over(gone)
        return messages

    def close(self) -> None:
        if self.ended is None:
            self._close(1000, "closed by us")

    def _take(self, frame: Frame, messages: List[str]) -> bool:
        """Whether there may be more."""
        if frame.opcode == TEXT:
            try:
                messages.append(frame.payload.decode())
            except UnicodeDecodeError:
                raise Violation(1007, "text that is not UTF-8") from None
        elif frame.opcode == BINARY:
            raise Violation(1003, "bytes instead of text")
        elif frame.opcode == PING:
            with contextlib.suppress(OSError):  # then `ended` says so
                self._send(PONG, frame.payload)
        elif frame.opcode == CLOSE:
            code = int.from_bytes(frame.payload[:2], "big") if len(frame.payload) > 1 else 1005
            reason = frame.payload[2:].decode("utf-8", "replace")
            self._close(1000, f"the server closed it: {code} {reason}".rstrip())
            return False
        return True

    def _read(self) -> Optional[str]:
        """Take what is there. Returns why there will be no more, if so."""
        self._stream.settimeout(0)
        size = 0
        try:
            while size < _AT_ONCE:
                data = self._stream.recv(_READ)
                if not data:
                    return "the server ended the connection"
                self.heard = True
                size += len(data)
                self._frames.feed(data)
        except _nothing_yet():
            pass
        except OSError as error:
            return f"the connection broke: {error}"
        return None

    def _send(self, opcode: int, payload: bytes) -> None:
        if self.ended is not None:
            raise ConnectionResetError(self.ended)
        self._stream.settimeout(_SEND_TIMEOUT_S)
        try:
            self._stream.sendall(encode_frame(opcode, payload, os.urandom(4)))
        except OSError as error:
            self._over(f"the connection broke: {error}")
            raise

    def _close(self, code: int, reason: str) -> None:
        if self.ended is not None:
            return
        try:
            self._stream.settimeout(0)  # a courtesy, not worth waiting for
            self._stream.sendall(encode_frame(CLOSE, code.to_bytes(2, "big"), os.urandom(4)))
        except OSError:
            pass
        self._over(reason)

    def _over(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
        self._stream.close()


def _nothing_yet() -> Tuple[Type[OSError], ...]:
    ssl = sys.modules.get("ssl")
    return (BlockingIOError,) if ssl is None else (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def open_websocket(
    network: Network, host: str, path: str, subprotocols: Sequence[str], *, deadline: float, port: int = 443
) -> WebSocket:
    """Connect and shake hands; the first of `subprotocols` is the one the server has to choose.

    `deadline` is of the clock's `elapsed`. Raises Unreachable, Refused.
    """
    stream = network.connect(host, port, deadline)
    try:
        return _shake_hands(network, stream, host if port == 443 else f"{host}:{port}", path, subprotocols, deadline)
    except (OSError, Garbled) as error:
        stream.close()
        raise Unreachable(f"`{host}` takes no WebSocket: {error or type(error).__name__}") from error
    except BaseException:
        stream.close()
        raise


def _shake_hands(
    network: Network, stream: socket.socket, host: str, path: str, subprotocols: Sequence[str], deadline: float
) -> WebSocket:
    asked, key = request(host, path, subprotocols)
    stream.settimeout(network.remaining(deadline))
    stream.sendall(asked)
    head, behind = network.receive_head(stream, deadline)
    date = parse_http_date(head.headers.get("date"))
    if head.status != 101:
        raise Refused(head.status, head.reason, _excerpt(network, stream, head.headers, behind, deadline), date)
    check_answer(head.headers, key, subprotocols[0])
    return WebSocket(stream, behind, date)


def request(host: str, path: str, subprotocols: Sequence[str]) -> Tuple[bytes, bytes]:
    """What asks for a WebSocket, and the key to check the answer with."""
    key = base64.b64encode(os.urandom(16))
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}",
        "",
        "",
    )
    return "\r\n".join(lines).encode("latin-1"), key


def check_answer(headers: Dict[str, str], key: bytes, subprotocol: str) -> None:
    """Those of an answer with status 101. Raises Garbled if they are no WebSocket's."""
    accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()  # noqa: S324  (the protocol's choice)
    connection = [word.strip().lower() for word in headers.get("connection", "").split(",")]
    if (
        headers.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in connection
        or headers.get("sec-websocket-accept") != accept
        or headers.get("sec-websocket-protocol") != subprotocol
        or "sec-websocket-extensions" in headers
    ):
        raise Garbled("its answer is no WebSocket's")


def _excerpt(network: Network, stream: socket.socket, headers: Dict[str, str], behind: bytes, deadline: float) -> str:
    """The beginning of what a refusal says, as one line."""
    length = headers.get("content-length", "")
    wanted = min(int(length), 512) if length.isascii() and length.isdigit() else 0
    text = behind
    try:
        while len(text) < wanted:
            stream.settimeout(network.remaining(deadline))
            data = stream.recv(512)
            if not data:
                break
            text += data
    except OSError:
        pass
    return " ".join(text[:512].decode("utf-8", "replace").split())
