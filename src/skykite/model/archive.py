"""Zip files that come out the same to the byte wherever and whenever they are made.

In: entries, sorted by the caller. Out: a zip written to a stream. I/O: only that stream, and what the entries read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_UNIX: Final = 3
_FILE: Final = 0o100644 << 16
_EXECUTABLE: Final = 0o100755 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One file: its POSIX path in the zip, how to get its bytes, and whether it may be executed."""

    path: str
    read: Callable[[], bytes]
    executable: bool = False


def write_archive(stream: IO[bytes], entries: Iterable[ArchiveEntry]) -> None:
    """Write a zip.

    Modification times, owners, the machine's umask and file system order are left out of it. Compression is zlib's,
    so another zlib may give other bytes: names come from hashes of what goes in, never of the zip.
    """
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=zlib.Z_DEFAULT_COMPRESSION) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.path, date_time=_EPOCH)
            info.create_system = _UNIX
            info.external_attr = _EXECUTABLE if entry.executable else _FILE
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.read())
