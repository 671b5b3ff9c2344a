"""Files into a zip that is there whole or not at all, and from where it is kept to where it is wanted.

In: files. Out: a zip. I/O: reads the files, writes the zip beside its place first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from skykite.model.archive import ArchiveEntry, write_archive
from skykite.model.source import SourceFile, unreadable

_ANEW: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def new_file(place: Path) -> Iterator[IO[bytes]]:
    """To be written. It takes its place when all went well, and goes when not."""
    temporary = f"{place.parent}{os.sep}.making-{secrets.token_hex(8)}"
    try:
        with os.fdopen(_opened(temporary), "wb") as stream:
            yield stream
        os.replace(temporary, place)  # noqa: PTH105 - as text: it is done for hundreds of functions
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _opened(path: str) -> int:
    """Of a file that only the user may read."""
    try:
        return os.open(path, _ANEW, 0o600)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _ANEW, 0o600)


def write_zip(stream: IO[bytes], files: Iterable[SourceFile], *more: ArchiveEntry) -> dict[str, str]:
    """Files in their order. Returns the SHA-256 of what was read of each, by path. Raises `source-unreadable`."""
    digests: dict[str, str] = {}
    write_archive(stream, [*(_entry(file, digests) for file in files), *more])
    return digests


def place(kept: Path, destination: Path) -> bool:
    """Have what is kept be found at another place, too. False where it takes a copy."""
    destination.unlink(missing_ok=True)
    try:
        destination.hardlink_to(kept)
    except OSError:  # another file system, one without hard links, or the folder is not there yet
        return False
    return True


def copy(kept: Path, destination: Path) -> None:
    """As `place`, whatever it takes."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    if not place(kept, destination):
        shutil.copyfile(kept, destination)


def _entry(file: SourceFile, digests: dict[str, str]) -> ArchiveEntry:
    def read() -> bytes:
        if file.content is not None:
            return file.content
        try:
            data = file.location.read_bytes()
        except OSError as error:
            raise unreadable(file.location, error) from error
        digests[file.path] = hashlib.sha256(data).hexdigest()
        return data

    return ArchiveEntry(path=file.path, read=read, executable=file.executable)
