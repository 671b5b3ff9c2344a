"""What is on disk, for those who ask for many functions what these have in common: nothing is read twice that is still
the same.

In: paths, as text, since a project has thousands of them. Out: which are files, their digests, what was made of their
text. I/O: lists folders, reads files, asks for stats.

Whatever is remembered is compared with a stat before it is told again. Nothing is remembered of what had changed so
recently that another change might leave the same stat.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from skykite_lambda.tracking import Stat, stat_of

_Value = TypeVar("_Value")
_TICK_NS: Final = 20_000_000
"""Clocks of file systems go in steps of up to 16 ms. What names a zip is looked at again, by another `Disk`, when it is
built."""


class Folder:
    """`files` and `folders` are in it and no links; `names` are all, as file systems compare them that do not care for
    case; None if each has to be asked for. `doubt` is called when an answer depends on more than the listing."""

    def __init__(
        self,
        path: str,
        names: frozenset[str] | None,
        doubt: Callable[[], None],
        *,
        files: frozenset[str] = frozenset(),
        folders: frozenset[str] = frozenset(),
    ) -> None:
        self._path = path
        self._names = names
        self._doubt = doubt
        self._files = files
        self._folders = folders

    def files(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are files in it, as paths."""
        here, known = self._files, self._names
        return [
            f"{self._path}{os.sep}{name}"
            for name in names
            # most that are asked for are not there, and cost no call
            if name in here
            or ((known is None or name.lower() in known or not name.isascii()) and self._is_linked_file(name))
        ]

    def has_folder(self, name: str) -> bool:
        if name in self._folders:
            return True
        return self._is_to_be_asked_for(name) and os.path.isdir(f"{self._path}{os.sep}{name}")

    def has(self, name: str) -> bool:
        if name in self._files or name in self._folders:
            return True
        return self._is_to_be_asked_for(name) and os.path.lexists(f"{self._path}{os.sep}{name}")

    def is_like(self, other: Folder) -> bool:
        """Whether it has the same in it."""
        return (self._names, self._files, self._folders) == (other._names, other._files, other._folders)

    def _is_linked_file(self, name: str) -> bool:
        return self._is_to_be_asked_for(name) and os.path.isfile(f"{self._path}{os.sep}{name}")

    def _is_to_be_asked_for(self, name: str) -> bool:
        """It may be a link, or, as one with other letters than ASCII's, be spelled in several ways."""
        if self._names is not None and name.isascii() and name.lower() not in self._names:
            return False
        if name in self._files or name in self._folders:
            return False
        self._doubt()
        return True


@dataclass(frozen=True, slots=True)
class _Listed:
    """What is `racy` may change and leave its stat."""

    stat: Stat | None
    racy: bool
    folder: Folder


@dataclass(frozen=True, slots=True)
class _File:
    stat: Stat | None
    racy: bool
    digest: str
    parsed: dict[Callable[[str], Any], Any] = field(default_factory=dict)


class Disk:
    """May be asked from several threads: at worst, they read the same. `at_once` says that what was read once is not
    compared again: any moment between the first and the last question will do for all of them."""

    def __init__(self, *, at_once: bool = False) -> None:
        self._at_once = at_once
        self._folders: dict[str, _Listed] = {}
        self._files: dict[str, _File] = {}
        self._asked: dict[str, Stat | None] = {}
        self._real: dict[str, str] = {}
        self._doubtful = False

    def folder(self, path: str) -> Folder:
        """Also of one that is not there, which has nothing in it."""
        kept = self._folders.get(path)
        if kept is not None and self._at_once:
            return kept.folder
        stat, now = stat_of(path), time.time_ns()
        if kept is not None and kept.stat == stat:
            return kept.folder
        racy = stat is not None and _is_racy(stat, now)
        if racy and not self._at_once:
            return Folder(path, None, self.doubt)
        found = self._list(path) if stat is not None else Folder(path, frozenset(), self.doubt)
        self._folders[path] = _Listed(stat, racy, found)
        return found

    def has(self, path: str) -> bool:
        """Whether something is there, without listing its folder, which is of nobody's project and may be long."""
        if not self._at_once or path not in self._asked:
            self._asked[path] = stat_of(path)
        return self._asked[path] is not None

    def has_file(self, path: str) -> bool:
        return self.has(path) and os.path.isfile(path)

    def digest(self, path: str) -> str:
        """SHA-256 of a file. Raises OSError."""
        kept = self._files.get(path)
        if kept is not None and self._at_once:
            return kept.digest
        stat, now = stat_of(path), time.time_ns()
        if kept is None or kept.racy or kept.stat != stat:
            with open(path, "rb") as stream:
                kept = self._keep(path, stat, now, hashlib.file_digest(stream, "sha256").hexdigest())
        return kept.digest

    def parsed(self, path: str, parse: Callable[[str], _Value]) -> tuple[_Value, str]:
        """What `parse`, which depends on nothing else, makes of a file's text, and the `digest`. Raises OSError."""
        kept = self._files.get(path)
        if kept is not None and self._at_once and parse in kept.parsed:
            return cast("_Value", kept.parsed[parse]), kept.digest
        stat, now = stat_of(path), time.time_ns()
        if kept is None or kept.racy or kept.stat != stat or parse not in kept.parsed:
            with open(path, "rb") as stream:
                data = stream.read()
            kept = self._keep(path, stat, now, hashlib.sha256(data).hexdigest())
            if parse not in kept.parsed:
                kept.parsed[parse] = parse(data.decode("utf-8", "replace"))
        return cast("_Value", kept.parsed[parse]), kept.digest

    def real(self, folder: str) -> str:
        """Where links lead to. It is asked for once: a project does not move while it is read."""
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]

    @property
    def is_doubtful(self) -> bool:
        """Whether it will not be able to vouch for what it has told."""
        return self._doubtful

    def doubt(self) -> None:
        """Somebody has looked without asking here."""
        self._doubtful = True

    def is_as_it_was(self) -> bool:
        """Whether all answers would be the same again; not if that is uncertain."""
        return (
            not self._doubtful
            and all(stat_of(path) == stat for path, stat in self._stats())
            and all(self._list(path).is_like(one.folder) for path, one in self._folders.items() if one.racy)
            and all(self._digest_now(path) == one.digest for path, one in self._files.items() if one.racy)
        )

    def has_changed_since(self, moment: int) -> bool:
        """Whether a file whose content is known was changed after a moment, in ns, or may have been: clocks of file
        systems go in steps."""
        stats = (one.stat for one in self._files.values())
        return any(stat is not None and changed_at(stat) > moment - _TICK_NS for stat in stats)

    def newest(self) -> int:
        """When the last change was, in ns, of what is known and there."""
        return max((max(stat[:2]) for _, stat in self._stats() if stat is not None), default=0)

    def _stats(self) -> Iterator[tuple[str, Stat | None]]:
        yield from ((path, one.stat) for path, one in self._folders.items())
        yield from ((path, one.stat) for path, one in self._files.items())
        yield from self._asked.items()

    def _digest_now(self, path: str) -> str | None:
        try:
            with open(path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return None

    def _list(self, path: str) -> Folder:
        try:
            with os.scandir(path) as entries:
                found = list(entries)
                files = frozenset(entry.name for entry in found if entry.is_file(follow_symlinks=False))
                folders = frozenset(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
        except OSError:
            return Folder(path, None, self.doubt)
        names = frozenset(entry.name.casefold() for entry in found)
        return Folder(path, names, self.doubt, files=files, folders=folders)

    def _keep(self, path: str, stat: Stat | None, now: int, digest: str) -> _File:
        """What was read after `now`, when the file had the stat."""
        before = self._files.get(path)
        parsed = before.parsed if before is not None and before.digest == digest else {}
        kept = self._files[path] = _File(stat, stat is None or _is_racy(stat, now), digest, parsed)
        return kept


def changed_at(stat: Stat) -> int:
    """When a file was changed last, in ns. Times of modification can be set by hand, those of a status change not; but
    Windows has none."""
    return max(stat[:2]) if sys.platform == "win32" else stat[1]


def _is_racy(stat: Stat, now: int) -> bool:
    """Whether a change after `now` might leave the same stat."""
    return abs(now - stat[0]) <= _TICK_NS or abs(now - stat[1]) <= _TICK_NS
