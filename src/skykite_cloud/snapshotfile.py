"""A snapshot on disk: whole, checked, and with the one before it to fall back on.

`state.snapshot` is the newest, `state.previous` the one before. Each begins with a line of JSON (format, versions,
SHA-256 and length of the rest); the rest is one pickle per service, which is read back with nothing but a short list
of plain types allowed. Large values (object bodies, function code) lie beside them in `blobs/`, named by their hash,
and are written once. I/O: that directory, everything to a temporary name first, then synced, then renamed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skykite_cloud.resources.reads import RecordedDict, RecordedList, plain

FORMAT = 1
_ALLOWED = frozenset(
    {
        ("builtins", "bytearray"),
        ("builtins", "dict"),
        ("builtins", "frozenset"),
        ("builtins", "int"),
        ("builtins", "list"),
        ("builtins", "set"),
        ("builtins", "str"),
        ("builtins", "tuple"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("ministack.core.responses", "AccountRegionScopedDict"),
        ("ministack.core.responses", "AccountScopedDict"),
        ("skykite_cloud.snapshotfile", "Blob"),
    }
)


@dataclass(frozen=True, slots=True)
class Blob:
    """Stands for bytes that lie in a file of their own."""

    sha256: str


class UnreadableSnapshotError(Exception):
    """A snapshot is damaged, or of a format this version does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`services` maps a service to its pickled state. `blobs` are the ones it refers to, by hash; where the bytes are
    known to be on disk already, they are left out."""

    services: Mapping[str, bytes]
    blobs: Mapping[str, bytes | None]


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        # Called for what is not a built-in type. Refusing here is what keeps every snapshot readable.
        if isinstance(value, RecordedDict | RecordedList):  # a service kept what its handler was given
            return (dict if isinstance(value, dict) else list), (plain(value),)
        kind = value if isinstance(value, type) else type(value)
        if (kind.__module__, kind.__qualname__) not in _ALLOWED:
            raise pickle.PicklingError(f"{kind.__module__}.{kind.__qualname__} has no place in a snapshot")
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise UnreadableSnapshotError(f"{module}.{name} has no place in a snapshot")
        return super().find_class(module, name)


def encode(value: Any) -> bytes:
    """Raises `pickle.PicklingError` (or TypeError) for what cannot be read back."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


def decode(data: bytes) -> Any:
    """Raises `UnreadableSnapshotError`."""
    try:
        return _Unpickler(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnreadableSnapshotError(str(error)) from error


class SnapshotFiles:
    """The snapshots of one cloud. One writer at a time."""

    def __init__(self, directory: Path, *, version: str) -> None:
        self._directory = directory
        self._newest = directory / "state.snapshot"
        self._previous = directory / "state.previous"
        self._blobs = directory / "blobs"
        self._version = version
        self._kept: set[str] = set()  # blobs the newest snapshot refers to

    def write(self, snapshot: Snapshot) -> None:
        """The new one is the newest and the newest is the previous when this returns. Raises OSError."""
        self._blobs.mkdir(exist_ok=True)
        for sha256, data in snapshot.blobs.items():
            if data is not None and not (self._blobs / sha256).exists():
                self._write_file(self._blobs / sha256, [data])
        body = pickle.dumps(dict(snapshot.services), protocol=5)
        header = {
            "format": FORMAT,
            "ministack": self._version,
            "blobs": sorted(snapshot.blobs),
            "sha256": hashlib.sha256(body).hexdigest(),
            "length": len(body),
        }
        temporary = self._write_temporary(self._newest, [json.dumps(header).encode() + b"\n", body])
        if self._newest.exists():
            self._newest.replace(self._previous)
        temporary.replace(self._newest)
        _sync_directory(self._directory)
        referred = set(snapshot.blobs)
        self._drop_blobs_except(referred | self._kept)
        self._kept = referred

    def read(self) -> tuple[dict[str, Any] | None, str | None]:
        """The newest state that is whole, and what was wrong with a newer one. `None` is a cloud without a past."""
        self._drop_unfinished()
        problems: list[str] = []
        for file in (self._newest, self._previous):
            try:
                state = self._read(file)
            except FileNotFoundError:
                continue
            except (UnreadableSnapshotError, OSError) as error:
                problems.append(f"`{file.name}` {error}")
                # Kept for whoever wants to look, and so that it never becomes the fallback of a good one.
                file.replace(file.with_suffix(f"{file.suffix}.broken"))
                continue
            return state, "; ".join(problems) or None
        return None, "; ".join(problems) or None

    def _blob(self, sha256: str) -> bytes:
        try:
            data = (self._blobs / sha256).read_bytes()
        except OSError as error:
            raise UnreadableSnapshotError(f"lacks its file `blobs/{sha256}`") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UnreadableSnapshotError(f"has a damaged file `blobs/{sha256}`")
        return data

    def _read(self, file: Path) -> dict[str, Any]:
        with file.open("rb") as stream:
            try:
                header = json.loads(stream.readline())
                known = header["format"] == FORMAT
                length, expected, blobs = header["length"], header["sha256"], header["blobs"]
            except (ValueError, KeyError, TypeError) as error:
                raise UnreadableSnapshotError("is damaged in its header") from error
            if not known:
                raise UnreadableSnapshotError(f"has format {header['format']}, which this version does not know")
            body = stream.read()
        if len(body) != length or hashlib.sha256(body).hexdigest() != expected:
            raise UnreadableSnapshotError("is damaged: its checksum is wrong")
        state = {service: self._with_blobs(decode(data)) for service, data in decode(body).items()}
        self._kept = set(blobs)
        return state

    def _with_blobs(self, value: Any) -> Any:
        """The bytes back in place of what stands for them; changes `value` in place where it can."""
        if isinstance(value, Blob):
            return self._blob(value.sha256)
        items = getattr(value, "_data", value)  # MiniStack's scoped dictionaries
        if isinstance(items, dict):
            for key, item in items.items():
                items[key] = self._with_blobs(item)
        elif isinstance(items, list):
            items[:] = [self._with_blobs(item) for item in items]
        return value

    def _write_file(self, file: Path, parts: Iterable[bytes]) -> None:
        self._write_temporary(file, parts).replace(file)

    def _write_temporary(self, file: Path, parts: Iterable[bytes]) -> Path:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:32]}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                for part in parts:
                    stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    def _drop_unfinished(self) -> None:
        """What a killed process was writing."""
        for directory, pattern in ((self._directory, ".state.*"), (self._blobs, ".*")):
            for file in directory.glob(pattern):
                file.unlink(missing_ok=True)

    def _drop_blobs_except(self, referred: set[str]) -> None:
        for file in self._blobs.iterdir():
            if file.name not in referred:
                file.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":  # directories cannot be opened there, and renames are journalled
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
