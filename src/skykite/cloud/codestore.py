"""Code of deployed functions on disk: each zip is unpacked once, into a folder named after its content.

In: digests, and a way to fetch the zips. Out: folders that never change. A folder is there whole or not at all: it is
made under another name and then renamed. What nobody has used for a while is removed. I/O: the folder of the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

from skykite.cloud.deployed import FetchCode
from skykite.cloud.files import make_private_directory
from skykite.cloud.unpack import seal, unpack, unseal
from skykite.errors import SkykiteError

KEPT: Final = 16  # folders that nobody uses now, the most recently used ones
SETTLED: Final = 3600.0  # seconds after which no worker can run what was replaced
_NAME_LENGTH: Final = 32  # of a digest in a folder's name: paths have to be short on Windows
_MAKING: Final = ".making-"


class CodeStore:
    """`folder` is its own. Used by one process at a time, on one event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = {}
        self._used: set[str] = set()

    async def start(self) -> None:
        """Remove what a process that was killed has left half made. Nothing runs any code of the store now."""
        make_private_directory(self._folder)
        half_made = [path for path in self._folder.iterdir() if path.name.startswith(_MAKING)]
        await asyncio.to_thread(_remove, [*half_made, *self._take_unused(0.0)])

    async def folder(self, digests: Sequence[str], fetch: FetchCode) -> Path:
        """The folder that holds these zips, unpacked one over the other in this order.

        Raises `function-code-invalid`, `state-unwritable`, and what `fetch` raises.
        """
        name = _name(digests)
        place = self._folder / name
        if name in self._used:
            return place
        async with self._locks.setdefault(name, asyncio.Lock()):
            if not _touch(place):
                zips = await fetch(dict.fromkeys(digests))
                await asyncio.to_thread(self._make, [zips[digest] for digest in digests], place)
            self._used.add(name)
        self._locks.pop(name, None)
        return place

    async def keep_only(self, used: Collection[Sequence[str]]) -> None:
        """No function has other code than these any more, though an invocation may still run some."""
        kept = {_name(digests) for digests in used}
        for name in self._used - kept:
            _touch(self._folder / name)
        self._used &= kept
        await asyncio.to_thread(_remove, self._take_unused(SETTLED))

    def _take_unused(self, settled_s: float) -> list[Path]:
        """Rename what is to go, so that nobody takes it for whole. On the event loop, where nobody can be about to."""
        unused = [
            (path.stat().st_mtime, path)
            for path in self._folder.iterdir()
            if path.name not in self._used and not path.name.startswith(_MAKING)
        ]
        unused.sort(reverse=True)
        doomed = []
        for used_at, path in unused[KEPT:]:
            if used_at < time.time() - settled_s:
                with contextlib.suppress(OSError):  # a file of it is open (Windows): the next time, then
                    doomed.append(path.rename(path.with_name(f"{_MAKING}{path.name}")))
        return doomed

    def _make(self, zips: Sequence[bytes], place: Path) -> None:
        try:
            work = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self._folder))
            try:
                for data in zips:
                    unpack(data, work)
                seal(work)
                work.rename(place)
            except BaseException:
                _remove([work])
                raise
        except OSError as error:
            raise SkykiteError(
                "state-unwritable",
                f"the code of a function cannot be unpacked into `{self._folder}`: {error.strerror or error}",
                hint="make room, or make the folder writable for you",
            ) from error


def _name(digests: Sequence[str]) -> str:
    if len(digests) == 1:
        return digests[0][:_NAME_LENGTH]
    return hashlib.sha256("\0".join(digests).encode()).hexdigest()[:_NAME_LENGTH]


def _touch(place: Path) -> bool:
    """Note that it is used. False if it is not there."""
    try:
        os.utime(place)
    except FileNotFoundError:
        return False
    return True


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # the next start tries again
            unseal(folder)
            shutil.rmtree(folder)
