"""Zip files that come out the same to the byte wherever and whenever they are made, by all processors there are.

In: entries, in the order in which they are to be. Out: a zip written to a stream. I/O: only that stream, and what the
entries read, in several threads. The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Final

_DATE, _TIME = (1 << 5) | 1, 0  # the first of January 1980, the earliest that a zip can hold
_VERSION, _BY_UNIX = 20, (3 << 8) | 20
_UTF8: Final = 1 << 11
_STORED, _DEFLATED = 0, 8
_FILE, _EXECUTABLE = 0o100644 << 16, 0o100755 << 16
_LOCAL: Final = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END: Final = struct.Struct("<4sHHHHLLH")
_END_64: Final = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR_64: Final = struct.Struct("<4sLQL")
_SIZE_LIMIT: Final = 0xFFFFFFFF
_COUNT_LIMIT: Final = 0xFFFF
_SMALLEST_WINDOW: Final = 9  # bits
_WINDOW_KEPT_FREE: Final = 262  # bytes, by zlib
_LEVEL: Final = 3  # of pandas with numpy a tenth larger than the default's, in less than half of the time
_WORTH_A_THREAD: Final = 32  # entries
_AHEAD: Final = 256  # entries that are read before they are written


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One file: its POSIX path in the zip, how to get its bytes, and whether it may be executed."""

    path: str
    read: Callable[[], bytes]
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    name: bytes
    flags: int
    method: int
    checksum: int
    size: int
    content: bytes
    attributes: int


def write_archive(stream: IO[bytes], entries: Iterable[ArchiveEntry]) -> None:
    """Write a zip.

    Modification times, owners, the machine's umask and file system order are left out of it. Compression is zlib's,
    so another zlib may give other bytes: names come from hashes of what goes in, never of the zip. Raises ValueError
    for what a zip cannot hold: more than 4 GB, or a path of more than 65,535 bytes.
    """
    offset, directory, count = 0, bytearray(), 0
    for packed in _packed(list(entries)):
        directory += _CENTRAL.pack(
            b"PK\x01\x02", _BY_UNIX, _VERSION, packed.flags, packed.method, _TIME, _DATE, packed.checksum,
            len(packed.content), packed.size, len(packed.name), 0, 0, 0, 0, packed.attributes, offset,
        )  # fmt: skip
        directory += packed.name
        head = _LOCAL.pack(
            b"PK\x03\x04", _VERSION, packed.flags, packed.method, _TIME, _DATE, packed.checksum,
            len(packed.content), packed.size, len(packed.name), 0,
        )  # fmt: skip
        stream.write(head + packed.name)
        stream.write(packed.content)
        offset += len(head) + len(packed.name) + len(packed.content)
        count += 1
        if offset > _SIZE_LIMIT or packed.size > _SIZE_LIMIT:
            raise ValueError("a zip of more than 4 GB")
    stream.write(directory)
    if count >= _COUNT_LIMIT:
        end = offset + len(directory)
        stream.write(
            _END_64.pack(b"PK\x06\x06", _END_64.size - 12, 45, 45, 0, 0, count, count, len(directory), offset)
            + _LOCATOR_64.pack(b"PK\x06\x07", 0, end, 1)
        )
    shown = min(count, _COUNT_LIMIT)
    stream.write(_END.pack(b"PK\x05\x06", 0, 0, shown, shown, len(directory), offset, 0))


def _packed(entries: list[ArchiveEntry]) -> Iterator[_Packed]:
    """In their order. zlib lets other threads run while it compresses."""
    if len(entries) < _WORTH_A_THREAD:
        yield from map(_pack, entries)
        return
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="zip") as pool:
        under_way: deque[Future[_Packed]] = deque()
        try:
            for entry in entries:
                under_way.append(pool.submit(_pack, entry))
                if len(under_way) >= _AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for one in under_way:
                one.cancel()


def _pack(entry: ArchiveEntry) -> _Packed:
    data = entry.read()
    name = entry.path.encode()
    if len(name) > 0xFFFF:
        raise ValueError(f"a path of {len(name)} bytes")
    deflated = _deflated(data)
    smaller = len(deflated) < len(data)
    return _Packed(
        name=name,
        flags=0 if entry.path.isascii() else _UTF8,
        method=_DEFLATED if smaller else _STORED,
        checksum=zlib.crc32(data),
        size=len(data),
        content=deflated if smaller else data,
        attributes=_EXECUTABLE if entry.executable else _FILE,
    )


def _deflated(data: bytes) -> bytes:
    """With as much memory as the data needs: to clear what zlib asks for by itself takes several times as long as to
    compress a small file."""
    window = min(max((len(data) + _WINDOW_KEPT_FREE).bit_length(), _SMALLEST_WINDOW), zlib.MAX_WBITS)
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window, window - zlib.MAX_WBITS + zlib.DEF_MEM_LEVEL)
    return compressor.compress(data) + compressor.flush()
