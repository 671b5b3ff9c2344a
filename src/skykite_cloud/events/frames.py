"""The frames of a WebSocket (RFC 6455) as its server reads and writes them. No I/O.

In: bytes as they come. Out: whole messages and control frames, and the bytes of those to send. Strict about everything
that a client must not do. What comes is nearly always one small message in one piece, and that is what is fast.
"""

from __future__ import annotations

from typing import Final, NamedTuple

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
PROTOCOL_ERROR: Final = 1002
NO_TEXT: Final = 1007
TOO_BIG: Final = 1009

_CONTINUATION: Final = 0
_KNOWN: Final = frozenset((_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))


class Frame(NamedTuple):
    """A control frame, or a message from all of its fragments."""

    opcode: int
    payload: bytes


class Violation(Exception):  # noqa: N818
    """The client broke the protocol; `code` is what to close with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def encode(opcode: int, payload: bytes) -> bytes:
    """A whole message, or a control frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126, size >> 8, size & 255)) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


class Frames:
    """Takes messages of up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._fragments: list[bytes] = []
        self._size = 0  # of the fragments
        self._opcode = 0  # of the message whose fragments are being collected; 0 for none

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> Frame | None:
        """The next whole message or control frame, if one is there. Raises Violation."""
        while (found := self._frame()) is not None:
            final, opcode, payload = found
            if opcode >= CLOSE:
                return Frame(opcode, payload)
            if (opcode == _CONTINUATION) == (self._opcode == 0):
                raise Violation(PROTOCOL_ERROR, "a fragment out of order")
            if final and opcode != _CONTINUATION:
                return Frame(opcode, payload)
            self._opcode = opcode or self._opcode
            self._fragments.append(payload)
            self._size += len(payload)
            if final:
                message = Frame(self._opcode, b"".join(self._fragments))
                self._fragments, self._size, self._opcode = [], 0, 0
                return message
        return None

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """Whether it is the last of its message, what it is, and what it holds."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, size, start = buffer[0], buffer[1] & 127, 2
        opcode = first & 15
        if first & 0x70 or opcode not in _KNOWN:
            raise Violation(PROTOCOL_ERROR, "a frame with bits that were not agreed on")
        if not buffer[1] & 0x80:
            raise Violation(PROTOCOL_ERROR, "a frame without a mask")
        if opcode >= CLOSE and (size > 125 or not first & 0x80):
            raise Violation(PROTOCOL_ERROR, "a long or fragmented control frame")
        if size > 125:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size, smallest = int.from_bytes(buffer[2:start], "big"), 126 if size == 126 else 65536
            if size < smallest:
                raise Violation(PROTOCOL_ERROR, "a length in too many bytes")
        if self._size + size > self._limit:
            raise Violation(TOO_BIG, f"a message of more than {self._limit} bytes")
        end = start + 4 + size
        if len(buffer) < end:
            return None
        payload = _unmasked(buffer[start : start + 4], buffer[start + 4 : end])
        self._buffer = buffer[end:]
        return bool(first & 0x80), opcode, payload


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    """One XOR of two large numbers is as fast as a C extension."""
    size = len(payload)
    repeated = mask * (size // 4) + mask[: size % 4]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")
