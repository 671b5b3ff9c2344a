"""Whether what a worker has loaded is still what is on disk: promise 3.

In: the observations of `skykite_lambda.tracking`. Out: yes or no, in a few microseconds per file. A file is the same if
its stat is; one that changed so recently that a further change might have left the same stat is compared by content
until its timestamp is old enough to trust, as git does. A folder whose stat changed is listed again, and only names
that the worker looked up there count. I/O: `os.stat`; rarely `os.listdir` and reading files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Final

import msgspec

from skykite.model.runtimes import NODE_SUFFIXES
from skykite_lambda.tracking import EVERY_NAME, PACKAGE_INDEX, Stat, digest_of, is_racy, listing_of, stat_of

_SUFFIXES: Final = tuple({*all_suffixes(), ".py", ".pyc", ".pyd", ".so", *NODE_SUFFIXES, ".json"})
MODULE_INDEX: Final = "__init__.py"


def importable_names(folder: Path) -> frozenset[str]:
    """Top-level modules that a folder may hold."""
    stems = ((name, name.partition(".")[0]) for name in listing_of(str(folder)) or ())
    return frozenset(stem for name, stem in stems if stem == name or name.endswith(_SUFFIXES))


class Observed(msgspec.Struct):
    """What a worker saw since its last report. Paths are absolute."""

    files: list[tuple[str, Stat | None, str | None]] = []  # path, stat before it was read, digest if that is needed
    folders: list[tuple[str, Stat | None, list[str] | None]] = []  # path, stat, names in it
    names: dict[str, list[str]] = {}  # folder: what was looked up there
    written: list[str] = []
    modules: list[str] = []  # installed ones
    packages: list[tuple[str, Stat | None]] = []  # folders of installed packages


class _Folder(msgspec.Struct):
    stat: Stat | None
    listing: frozenset[str] | None
    names: set[str]
    trusted: bool  # the stat is old enough that any change shows


class Dependencies:
    """Everything one worker has read."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._exact: dict[str, Stat | None] = {}  # files, and folders of installed packages
        self._digests: dict[str, str] = {}  # of files whose stat is not to be trusted yet
        self._folders: dict[str, _Folder] = {}
        self._written: set[str] = set()

    def add(self, observed: Observed) -> None:
        for path, stat, digest in observed.files:
            if path in self._written or path in self._exact:  # two threads may note one file; the first counts
                continue
            self._files.add(path)
            self._exact[path] = stat
            if digest is not None:
                self._digests[path] = digest
        for path, stat, names in observed.folders:
            if path in self._folders:
                continue
            listing = None if names is None else frozenset(names)
            self._folders[path] = _Folder(stat=stat, listing=listing, names=set(), trusted=False)
        self.add_names(observed.names)
        for path in observed.written:
            self._written.add(path)
            self._files.discard(path)
            self._exact.pop(path, None)
            self._digests.pop(path, None)
        self._exact.update(observed.packages)

    def add_names(self, names: Mapping[str, Collection[str]]) -> None:
        """Modules that were looked up, by folder."""
        for path, found in names.items():
            if path in self._folders:
                self._folders[path].names.update(found)

    def is_fresh(self) -> bool:
        """Compare with the disk now."""
        stat = os.stat
        for path, known in self._exact.items():
            try:
                status = stat(path)
            except (OSError, ValueError):
                if known is not None:
                    return False
                continue
            if known != (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino):
                return False
        for path, entry in self._folders.items():
            try:
                status = stat(path)
                found = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            except (OSError, ValueError):
                found = None
            if (found != entry.stat or not entry.trusted) and not self._same_folder(path, entry):
                return False
        return not self._digests or self._same_contents()

    def changed_since(self, seconds: float) -> bool:
        """Whether any file was written in the last `seconds`: somebody may be in the middle of saving."""
        earliest = time.time_ns() - int(seconds * 1e9)
        found = [stat_of(path) for path in (*self._files, *self._folders)]
        return any(stat is not None and max(stat[0], stat[1]) >= earliest for stat in found)

    def paths(self) -> frozenset[Path]:
        """Files to watch; a folder that was searched is there as the file that would make it a package."""
        return frozenset(map(Path, self._files)) | {Path(folder, MODULE_INDEX) for folder in self._folders}

    def _same_contents(self) -> bool:
        for path, known in list(self._digests.items()):
            now = time.time_ns()
            if digest_of(path) != known:
                return False
            stat = self._exact[path]
            if stat is None or not is_racy(stat, now):
                del self._digests[path]
        return True

    def _same_folder(self, path: str, entry: _Folder) -> bool:
        now = time.time_ns()
        stat = stat_of(path)
        names = listing_of(path)
        listing = None if names is None else frozenset(names)
        if listing is None or entry.listing is None:
            return listing is entry.listing
        if any(self._matters(path, entry, name) for name in listing ^ entry.listing):
            return False
        entry.stat, entry.listing = stat, listing
        entry.trusted = stat is not None and not is_racy(stat, now)
        return True

    def _matters(self, folder: str, entry: _Folder, name: str) -> bool:
        if str(Path(folder, name)) in self._written:
            return False
        if EVERY_NAME in entry.names:
            return True
        stem = name.partition(".")[0]
        if stem == PACKAGE_INDEX:  # it would make the folder a package, or no longer
            return name.endswith(_SUFFIXES)
        return stem in entry.names and (stem == name or name.endswith(_SUFFIXES))
