"""What a bundle for a worker on this machine was made from, and whether that has changed.

In: what esbuild says that it has read. Out: inputs with stats, from before they were read. I/O: stats, listings,
digests of files with a fresh time.

What a build has read is known only afterwards. So what the last one has read is looked at before the next begins: what
is still the same when that has ended is what it has read. Files that are new to it have to be older than it; if one is
not, it is built again. So it is if a file that it has read has gone, or one has moved that it might have read: others
may have been there for a moment.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from skykite.model.built import BuildFolder, BuildInput, BuildInputs, FileStat
from skykite.model.disk import Disk, changed_at
from skykite.model.node_settings import SETTINGS, folders_above, with_extended
from skykite_lambda.tracking import digest_of, is_racy, listing_of, stat_of

STEP: Final = 10_000_000  # ns by which something has to be older than a build to be certain not to be newer
_MODULES: Final = "node_modules"
_PACKAGE: Final = "package.json"
_SETTLE: Final = 300_000_000  # ns in which a file that was cut to nothing may be in the middle of being saved
_SETTLE_STEP_S: Final = 0.01
_SIZE: Final = 2  # where it is in a stat


class Before:
    """What there is to compare with, as it was before a build began."""

    def __init__(self, known: BuildInputs) -> None:
        self._files = {one.path: _input(Path(one.path)) for one in known.files}
        self._folders = {one.path: _folder(Path(one.path), one.stems) for one in known.folders}
        self.began = time.time_ns()

    def settled(self, inputs: BuildInputs, read: Collection[str]) -> BuildInputs | None:
        """The `inputs` of a build, which were looked at after it: with stats from before, if it is certain that nothing
        has changed since. Of the files among them, it has `read` these."""
        files = [self._file(one, was_read=one.path in read) for one in inputs.files]
        folders = [self._folder(one) for one in inputs.folders]
        if None in files or None in folders:
            return None
        return BuildInputs(files=tuple(filter(None, files)), folders=tuple(filter(None, folders)))

    def _file(self, after: BuildInput, *, was_read: bool) -> BuildInput | None:
        if after.stat is None and was_read:
            return None
        before = self._files.get(after.path)
        if before is not None:
            return before if before.stat == after.stat and _same_content(before) else None
        return after if after.stat is None or self._is_older(after.stat) else None

    def _folder(self, after: BuildFolder) -> BuildFolder | None:
        before = self._folders.get(after.path)
        if before is not None:
            relevant = _relevant(after, after.stems)
            same = _relevant(before, after.stems) == relevant
            if same and before.stat != after.stat and relevant is not None:
                # Something was made, moved or removed, and perhaps put back.
                same = all(self._lies_still(f"{after.path}{os.sep}{name}") for name in relevant)
            return replace(before, stems=after.stems) if same else None
        return after if after.stat is not None and self._is_older(after.stat) else None

    def _lies_still(self, path: str) -> bool:
        """Whether it has been there all the time."""
        try:
            found = os.lstat(path)
        except OSError:
            return False
        return self._is_older((found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino))

    def _is_older(self, stat: FileStat) -> bool:
        """Clocks of file systems go in steps."""
        return changed_at(stat) <= self.began - STEP


def inputs_of(read: Iterable[Path], globs: Iterable[str], project_root: Path, tsconfig: str | None) -> BuildInputs:
    """Of a package it is its `package.json` that counts: what is in it changes with that. The user's files count, with
    what else decides how they are read: settings, and files that would be found before them, or as well as them in
    folders where any would be (`globs`)."""
    files: set[Path] = set()
    settings = {str(project_root / tsconfig)} if tsconfig else set()
    disk = Disk(at_once=True)
    stems: dict[Path, set[str]] = {}
    for file in read:
        package = _package_of(file)
        files.add(package / _PACKAGE if package else file)
        if package is not None:
            continue
        stems.setdefault(file.parent, set()).add(file.name.partition(".")[0])
        if file.stem == "index":  # its folder is what was imported
            stems.setdefault(file.parent.parent, set()).add(file.parent.name)
        for folder, _ in folders_above(str(file.parent), str(project_root), disk):
            files.add(Path(folder, _PACKAGE))
            settings.update(f"{folder}{os.sep}{name}" for name in SETTINGS)
    files.update(map(Path, with_extended(settings, disk)))
    whole = set(map(Path, globs))
    return BuildInputs(
        files=tuple(map(_input, sorted(files))),
        folders=tuple(_folder(one, None if one in whole else stems[one]) for one in sorted({*stems, *whole})),
    )


def is_fresh(inputs: BuildInputs) -> bool:
    for one in inputs.files:
        if stat_of(one.path) != one.stat or not _same_content(one):
            return False
    return all(_relevant(_folder(Path(one.path), ()), one.stems) == _relevant(one, one.stems) for one in inputs.folders)


async def was_being_saved(inputs: BuildInputs) -> bool:
    """Whether a file that has just become empty gets something in it. Who saves in place cuts a file to nothing first,
    and what esbuild makes of nothing is no error: whatever is imported from it is `undefined`."""
    for one in inputs.files:
        while one.stat is not None and one.stat[_SIZE] == 0 and time.time_ns() - changed_at(one.stat) < _SETTLE:
            if stat_of(one.path) != one.stat:
                return True
            await asyncio.sleep(_SETTLE_STEP_S)
    return False


def _package_of(file: Path) -> Path | None:
    """The folder of the package that a file of `node_modules` is in."""
    parts = file.parts
    if _MODULES not in parts:
        return None
    depth = len(parts) - 1 - parts[::-1].index(_MODULES)
    return Path(*parts[: depth + (3 if parts[depth + 1].startswith("@") else 2)])


def _input(file: Path) -> BuildInput:
    path = str(file)
    now = time.time_ns()
    stat = stat_of(path)
    racy = stat is not None and is_racy(stat, now)
    return BuildInput(path=path, stat=stat, digest=digest_of(path) if racy else None)


def _folder(folder: Path, stems: Iterable[str] | None) -> BuildFolder:
    path = str(folder)
    stat = stat_of(path)
    names = listing_of(path)
    return BuildFolder(
        path=path,
        stat=stat,
        names=None if names is None else tuple(names),
        stems=None if stems is None else tuple(sorted(set(stems))),
    )


def _same_content(before: BuildInput) -> bool:
    return before.digest is None or digest_of(before.path) == before.digest


def _relevant(folder: BuildFolder, stems: tuple[str, ...] | None) -> frozenset[str] | None:
    """Names that may be found in place of those that were."""
    if folder.names is None:
        return None
    return frozenset(name for name in folder.names if stems is None or name.partition(".")[0] in stems)
