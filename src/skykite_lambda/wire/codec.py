"""Fields of messages as bytes, and back, strictly.

In and out: Python values and bytes. Reading raises `Malformed`, and nothing else, whatever the bytes are. No I/O.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

_LENGTH = struct.Struct("!I")
MOST_ITEMS = 10_000


class Malformed(Exception):  # noqa: N818  (about bytes from outside, not an error of ours)
    """These bytes are not what they should be."""


class Reader:
    """A place in some bytes."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def take(self, size: int) -> bytes:
        start = self.position
        end = start + size
        if end > len(self.data):
            raise Malformed
        self.position = end
        return self.data[start:end]

    def number(self, layout: struct.Struct) -> int:
        start = self.position
        self.position = start + layout.size
        try:
            return layout.unpack_from(self.data, start)[0]  # type: ignore[no-any-return]
        except struct.error:
            raise Malformed from None

    def chunk(self) -> bytes:
        """A length, and so many bytes."""
        start = self.position + _LENGTH.size
        try:
            end = start + _LENGTH.unpack_from(self.data, self.position)[0]
        except struct.error:
            raise Malformed from None
        if end > len(self.data):
            raise Malformed
        self.position = end
        return self.data[start:end]

    def text(self) -> str:
        try:
            return self.chunk().decode()
        except UnicodeDecodeError:
            raise Malformed from None

    def flag(self) -> bool:
        found = self.data[self.position : self.position + 1]
        self.position += 1
        if found == b"\0":
            return False
        if found != b"\1":
            raise Malformed
        return True

    @property
    def at_end(self) -> bool:
        return self.position == len(self.data)


class Field(NamedTuple):
    """How one kind of value is written, and what to call it in the documentation."""

    name: str
    write: Callable[[Any, List[bytes]], None]
    read: Callable[[Reader], Any]


def _number(name: str, code: str) -> Field:
    layout = struct.Struct("!" + code)
    most = 256**layout.size - 1

    def write(value: int, parts: List[bytes]) -> None:
        parts.append(layout.pack(min(max(0, value), most)))

    return Field(name, write, lambda reader: reader.number(layout))


def _write_bytes(value: bytes, parts: List[bytes]) -> None:
    parts.append(_LENGTH.pack(len(value)))
    parts.append(value)


def _write_text(value: str, parts: List[bytes]) -> None:
    _write_bytes(value.encode("utf-8", "replace"), parts)  # half a character becomes a question mark


def _write_id(value: bytes, parts: List[bytes]) -> None:
    if len(value) != 16:
        raise ValueError("an id has 16 bytes")
    parts.append(value)


def optional(field: Field) -> Field:
    """A value, or None."""

    def write(value: Any, parts: List[bytes]) -> None:
        parts.append(b"\0" if value is None else b"\1")
        if value is not None:
            field.write(value, parts)

    def read(reader: Reader) -> Optional[Any]:
        return field.read(reader) if reader.flag() else None

    return Field(field.name + ", or nothing", write, read)


def several(field: Field) -> Field:
    """A tuple of such values."""

    def write(values: Tuple[Any, ...], parts: List[bytes]) -> None:
        parts.append(_LENGTH.pack(len(values)))
        for value in values:
            field.write(value, parts)

    def read(reader: Reader) -> Tuple[Any, ...]:
        count = reader.number(_LENGTH)
        if count > MOST_ITEMS:
            raise Malformed
        return tuple([field.read(reader) for _ in range(count)])

    return Field("several: " + field.name, write, read)


def both(one: Field, other: Field) -> Field:
    """A pair."""

    def write(value: Tuple[Any, Any], parts: List[bytes]) -> None:
        one.write(value[0], parts)
        other.write(value[1], parts)

    return Field(f"{one.name} and {other.name}", write, lambda reader: (one.read(reader), other.read(reader)))


ID = Field("id", _write_id, lambda reader: reader.take(16))
FLAG = Field("flag", lambda value, parts: parts.append(b"\1" if value else b"\0"), Reader.flag)
U8 = _number("u8", "B")
U32 = _number("u32", "I")
U64 = _number("u64", "Q")
TEXT = Field("text", _write_text, Reader.text)
BYTES = Field("bytes", _write_bytes, Reader.chunk)
