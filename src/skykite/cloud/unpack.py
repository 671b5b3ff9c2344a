"""Unpack the zip of a function or a layer into a folder, whatever is in it.

In: the bytes. Out: files below one folder, none outside of it, that only Python's own cache can be written beside, as
in Lambda. I/O: writes below that folder. Blocks.

Raises `function-code-invalid` for what is no zip, names a place outside, or holds more than Lambda takes.
"""

from __future__ import annotations

import io
import lzma
import os
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final

from skykite.errors import SkykiteError

UNPACKED_LIMIT: Final = (
    250 * 1024 * 1024
)  # bytes; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_ENTRIES_LIMIT: Final = 200_000
_PIECE: Final = 1024 * 1024
_LINK_LIMIT: Final = 4096  # bytes of a symbolic link's target


def unpack(data: bytes, into: Path) -> None:
    """Unpack into the folder `into`, which exists; a later zip may be unpacked over an earlier one, as layers are."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _unpack(archive, into)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError) as error:
        raise _invalid(f"it is not a zip that can be read: {error}") from error


def seal(folder: Path) -> None:
    """Nothing below `folder` is to change from now on, but for what Python keeps of its modules."""
    for path, _, files in os.walk(folder, topdown=False):
        if any(name.endswith(".py") for name in files):
            (Path(path) / "__pycache__").mkdir(exist_ok=True)
        if not path.endswith("__pycache__"):
            Path(path).chmod(0o555)


def unseal(folder: Path) -> None:
    """Let `folder` be deleted."""
    for path, _, files in os.walk(folder):
        Path(path).chmod(0o755)
        if sys.platform == "win32":  # where a file is protected rather than its folder
            for name in files:
                (Path(path) / name).chmod(0o666)


def _unpack(archive: zipfile.ZipFile, into: Path) -> None:
    entries = archive.infolist()
    if len(entries) > _ENTRIES_LIMIT:
        raise _invalid(f"it holds {len(entries):,} files")
    links = {_path_of(entry).as_posix(): entry for entry in entries if stat.S_ISLNK(entry.external_attr >> 16)}
    left = UNPACKED_LIMIT
    for entry in entries:
        path = _path_of(entry)
        # A link is made when everything else is there, so that nothing is written through one.
        if any(parent.as_posix() in links for parent in path.parents):
            raise _invalid(f"`{entry.filename}` is behind a symbolic link")
        target = into / path
        if entry.is_dir():  # maybe `./`, the folder itself
            target.mkdir(parents=True, exist_ok=True)
        elif path.as_posix() not in links:
            target.parent.mkdir(parents=True, exist_ok=True)
            left -= _write(archive, entry, target, left)
    for name, entry in links.items():
        _link(archive, entry, into / name)
    root = into.resolve()
    for name in links:
        if not (into / name).resolve().is_relative_to(root):
            raise _invalid(f"the symbolic link `{name}` leads out of it")


def _path_of(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Relative, and of no other meaning than a path below a folder on any system."""
    name = entry.filename
    path = PurePosixPath(name)
    strange = "\\" in name or ":" in name if sys.platform == "win32" else False
    if not name.strip("/") or name.startswith("/") or ".." in path.parts or "\0" in name or strange:
        raise _invalid(f"`{name}` is no path inside it")
    return path


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """How many bytes it has, by counting rather than by what the zip says of itself."""
    size = 0
    if target.is_symlink() or target.exists():  # of an earlier layer, or named twice
        if sys.platform == "win32":
            target.chmod(0o666)
        target.unlink()
    with archive.open(entry) as source, target.open("xb") as stream:
        for piece in _pieces(source):
            size += len(piece)
            if size > left:
                raise _invalid(f"it has more than {UNPACKED_LIMIT // 1024 // 1024} MB unpacked")
            stream.write(piece)
    target.chmod(0o555 if entry.external_attr >> 16 & 0o100 else 0o444)
    return size


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece


def _link(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path) -> None:
    if entry.file_size > _LINK_LIMIT:
        raise _invalid(f"the symbolic link `{entry.filename}` has no readable target")
    target = archive.read(entry).decode()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def _invalid(why: str) -> SkykiteError:
    return SkykiteError("function-code-invalid", f"the zip of the code cannot be unpacked: {why}")
