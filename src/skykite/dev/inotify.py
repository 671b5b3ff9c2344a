"""Linux's own notifications of changes in folders, on the event loop: no thread, and nothing that looks every so often.

In: folders, not what is in their folders. Out: paths that changed, once there was a moment's quiet. I/O: inotify(7).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

_QUIET_S: Final = 0.01
_LONGEST_S: Final = 0.05  # an editor's save is several operations
_READ: Final = 65536

# From <sys/inotify.h>, the same on all architectures.
_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x4, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED, _ONLY_FOLDERS = 0x400, 0x800, 0x4000, 0x8000, 0x1000000
_WANTED: Final = (
    _MODIFY | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS
)
_HEAD: Final = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows


class Inotify:
    """Use from one event loop, in a `with`. `news` is set when there is something to `take`.

    Raises OSError where the system gives out no more of them.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _error()
        self._loop = asyncio.get_running_loop()
        self._folders: dict[int, set[Path]] = {}  # by the number of their watch; one folder may have several names
        self._wanted: frozenset[Path] = frozenset()
        self._changed: set[Path] = set()
        self._missed = False
        self._since: float | None = None  # when the first of them changed
        self._timer: asyncio.TimerHandle | None = None
        self.news = asyncio.Event()

    def __enter__(self) -> Self:
        self._loop.add_reader(self._fd, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._fd)
        if self._timer is not None:
            self._timer.cancel()
        os.close(self._fd)

    def follow(self, folders: Iterable[Path]) -> None:
        """These, and no others."""
        self._wanted = frozenset(folders)
        for watch, names in list(self._folders.items()):
            names &= self._wanted
            if not names:
                self._forget(watch)
        self.look_again()

    def look_again(self) -> None:
        """For those that were not there, or that there was no room for."""
        for folder in self._wanted.difference(*self._folders.values()):
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _WANTED)
            if watch >= 0:
                self._folders.setdefault(watch, set()).add(folder)
                self._missed_some()  # what was saved there before
            elif ctypes.get_errno() == errno.ENOSPC:
                break

    def take(self) -> tuple[frozenset[Path], bool]:
        """What has changed since the last call, and whether that is all."""
        taken = frozenset(self._changed), not self._missed
        self._changed, self._missed = set(), False
        self.news.clear()
        return taken

    def _forget(self, watch: int) -> None:
        del self._folders[watch]
        self._libc.inotify_rm_watch(self._fd, watch)  # fails if the folder has gone, and its watch with it

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data = os.read(self._fd, _READ)
                self._take_in(data)
                if len(data) < _READ // 2:
                    break
        now = self._loop.time()
        if self._since is None:
            self._since = now
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(now + _QUIET_S, self._since + _LONGEST_S), self._settled)

    def _take_in(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            watch, mask, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size + length
            if mask & _OVERFLOW:
                self._missed_some()
                continue
            folders = self._folders.get(watch, set())
            if folders and mask & (_IGNORED | _MOVE_SELF):  # what has its name from now on is another one
                self._forget(watch)
            name = os.fsdecode(data[at - length : at].rstrip(b"\0"))
            self._changed.update(folder / name for folder in folders)

    def _missed_some(self) -> None:
        self._missed = True
        self.news.set()

    def _settled(self) -> None:
        self._timer = self._since = None
        self.news.set()


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
