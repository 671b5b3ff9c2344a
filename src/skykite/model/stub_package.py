"""The zip that every live function is deployed with: the stub and the wire protocol, under a name of their own.

In: the files of `skykite_lambda`. Out: the zip's bytes and what a function's definition says of it. I/O: reads files.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import skykite_lambda
from skykite.model.archive import ArchiveEntry, write_archive

HANDLER: Final = "kite_stub/live/stub.handler"
RUNTIME: Final = "python3.13"
SIZE_LIMIT: Final = 64 * 1024
"""Bytes. It is downloaded at every cold start."""

_ROOT: Final = "kite_stub"
_ROOMS: Final = ("live", "wire")
_PACKAGE_FILE: Final = b'"""Skykite\'s stub: has this function\'s invocations run on a developer\'s machine."""\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class StubPackage:
    """`digest` names the content: it is the same on every machine for the same version of Skykite."""

    content: bytes
    digest: str
    handler: str = HANDLER
    runtime: str = RUNTIME

    @property
    def sha256(self) -> str:
        """Of the zip itself, in hex."""
        return hashlib.sha256(self.content).hexdigest()


def build_stub_package() -> StubPackage:
    """Takes a few milliseconds."""
    files = dict(sorted(_files(Path(skykite_lambda.__file__).parent)))
    digest = hashlib.sha256()
    for path, content in files.items():
        for part in (path.encode(), content):
            digest.update(b"%d:" % len(part) + part)
    stream = io.BytesIO()
    write_archive(stream, (ArchiveEntry(path=path, read=partial(bytes, data)) for path, data in files.items()))
    return StubPackage(content=stream.getvalue(), digest=digest.hexdigest())


def _files(source: Path) -> list[tuple[str, bytes]]:
    """Paths in the zip. Line ends are the same wherever it is built."""
    found = [
        (f"{_ROOT}/{room}/{file.name}", file.read_text(encoding="utf-8").encode())
        for room in _ROOMS
        for file in (source / room).glob("*.py")
    ]
    return [(f"{_ROOT}/__init__.py", _PACKAGE_FILE), *found]
