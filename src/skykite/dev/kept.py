"""The kept cloud of a project, seen from other processes: whether one runs, what it says, how it is stopped.

A keeper holds a lock for as long as it lives, and a note beside it says who it is and where it takes questions. A note
without a lock is what a keeper leaves behind that was killed. I/O: those two files below `.kite/local`, loopback
connections, and signals to the keeper.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from skykite.cloud import CloudAddress, is_cloud_held, read_address
from skykite.cloud.filelock import FileLock
from skykite.cloud.files import make_private_directory, write_private
from skykite.dev.control import ControlPlace, KeeperStatus, KeptApis, ask, ask_to_stop
from skykite.dev.processes import is_alive
from skykite.errors import SkykiteError
from skykite.model.events import CloudApi

LOG_FILE: Final = "keeper.log"
_LOCK: Final = "keeper.lock"
_NOTE: Final = "keeper.json"
_ANSWER_S: Final = 5.0
_STOP_S: Final = 5.0  # for a clean end; it takes a tenth of that, or two seconds with requests under way
_END_S: Final = 8.0  # for a cloud whose keeper was killed to save and end by itself
_STEP_S: Final = 0.02  # the kernel tells nobody when a lock is let go
_LOCK_S: Final = 0.5  # somebody may be looking whether it is held

_T = TypeVar("_T")


class KeeperNote(msgspec.Struct, frozen=True, kw_only=True):
    """`place` is there once the keeper is ready. `log` is the file it writes what happens to, if it does."""

    pid: int
    since: datetime
    log: str | None = None
    place: ControlPlace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiedKeeper:
    """A keeper that did not end as it should."""

    note: KeeperNote


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCloud:
    """A keeper that lives. It is `ready` when what is deployed can be called."""

    directory: Path
    note: KeeperNote

    @property
    def ready(self) -> bool:
        return self.note.place is not None

    def address(self) -> CloudAddress:
        """Where its cloud is. Raises `cloud-unresponsive`."""
        address = read_address(self.directory)
        if address is None:
            raise self._unresponsive()
        return address

    async def status(self) -> KeeperStatus:
        """Raises `cloud-unresponsive`, as the next one does."""
        return await self._ask("status", KeeperStatus)

    async def apis(self) -> tuple[CloudApi, ...]:
        """The HTTP APIs that are deployed at this moment, each served."""
        return (await self._ask("apis", KeptApis)).apis

    async def stop(self) -> Literal["stopped", "killed"]:
        """Return when none of its processes is left. Raises `cloud-not-stopped`."""
        result: Literal["stopped", "killed"] = "stopped"
        try:
            if self.note.place is None:
                raise TimeoutError  # noqa: TRY301  (it takes no questions: the same as if it gave no answer)
            await ask_to_stop(self.note.place, patience_s=_STOP_S)
        except (OSError, TimeoutError):
            if self._holds(find_keeper(self.directory)):
                result = "killed"
                _kill(self.note.pid)
        if not await _comes_true(self._is_gone):
            raise SkykiteError(
                "cloud-not-stopped",
                f"the kept cloud in process {self.note.pid} does not end",
                hint=f"end the process by hand{_and_log(self.note)}",
                blame="skykite",
            )
        if isinstance(left := find_keeper(self.directory), DiedKeeper) and left.note.since == self.note.since:
            forget_died(self.directory)
        return result

    def _holds(self, found: KeptCloud | DiedKeeper | None) -> bool:
        """Whether it is this keeper that was found alive, and not one that came after it."""
        return isinstance(found, KeptCloud) and found.note.since == self.note.since

    def _is_gone(self) -> bool:
        found = find_keeper(self.directory)
        if isinstance(found, KeptCloud) and not self._holds(found):
            return True
        # Its cloud saves and ends by itself where the keeper was killed.
        return not (self._holds(found) or is_cloud_held(self.directory) or is_alive(self.note.pid))

    async def _ask(self, question: Literal["status", "apis"], kind: type[_T]) -> _T:
        if self.note.place is None:
            raise self._unresponsive()
        try:
            return await ask(self.note.place, question, kind, patience_s=_ANSWER_S)
        except (OSError, EOFError, TimeoutError) as error:
            raise self._unresponsive() from error

    def _unresponsive(self) -> SkykiteError:
        return SkykiteError(
            "cloud-unresponsive",
            f"the kept cloud in process {self.note.pid} does not answer",
            hint=f"`kite cloud stop` ends it{_and_log(self.note)}",
        )


def find_keeper(directory: Path) -> KeptCloud | DiedKeeper | None:
    """The keeper of this `.kite/local`. Asks nobody: a keeper that hangs is found too."""
    held = _is_held(directory)
    note = _read(directory)
    if note is None:
        return None  # also for the moment between taking the lock and writing the note
    return KeptCloud(directory=directory, note=note) if held else DiedKeeper(note=note)


def kept_cloud(directory: Path) -> KeptCloud | None:
    """The keeper that can be worked with now."""
    found = find_keeper(directory)
    return found if isinstance(found, KeptCloud) and found.ready else None


async def wait_for_keeper(directory: Path, *, patience_s: float) -> KeptCloud | None:
    """The keeper that somebody else is starting, once it is ready; None if it ended instead."""
    await _comes_true(lambda: _settled(directory), within=patience_s)
    return kept_cloud(directory)


class KeeperHolder:
    """The keeper's own hand on its lock and note."""

    def __init__(self, directory: Path, *, since: datetime, log: str | None) -> None:
        self._file = directory / _NOTE
        self._note = KeeperNote(pid=os.getpid(), since=since, log=log)
        self._write()

    @property
    def since(self) -> datetime:
        return self._note.since

    def ready(self, place: ControlPlace) -> None:
        """Questions are taken there."""
        self._note = msgspec.structs.replace(self._note, place=place)
        self._write()

    def left(self) -> None:
        """It ends because it was asked to, or could not begin: nothing has to be told of it."""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        write_private(self._file, msgspec.json.encode(self._note))


@contextmanager
def hold_keeper(directory: Path, *, now: datetime, log: str | None) -> Iterator[KeeperHolder]:
    """Be the keeper until the block ends. Raises `cloud-kept` if another process is."""
    make_private_directory(directory)
    lock = FileLock(directory / _LOCK)
    if not _acquired(lock):
        note = _read(directory)
        who = f"process {note.pid}" if note else "another process"
        raise SkykiteError(
            "cloud-kept",
            f"{who} keeps the embedded cloud of `{directory}` running already",
            hint="`kite cloud status` tells more, `kite cloud stop` ends it",
        )
    try:
        yield KeeperHolder(directory, since=now, log=log)
    finally:
        lock.release()


def forget_died(directory: Path) -> None:
    """What a killed keeper left behind has been told."""
    (directory / _NOTE).unlink(missing_ok=True)


def _and_log(note: KeeperNote) -> str:
    return f"; its log is `{note.log}`" if note.log else ""


def _acquired(lock: FileLock) -> bool:
    deadline = time.monotonic() + _LOCK_S
    while not lock.acquire():
        if time.monotonic() > deadline:
            return False
        time.sleep(_STEP_S)
    return True


def _is_held(directory: Path) -> bool:
    if not (directory / _LOCK).exists():
        return False
    lock = FileLock(directory / _LOCK)
    if not lock.acquire():
        return True
    lock.release()
    return False


def _settled(directory: Path) -> bool:
    found = find_keeper(directory)
    return not isinstance(found, KeptCloud) or found.ready


def _read(directory: Path) -> KeeperNote | None:
    try:
        return msgspec.json.decode((directory / _NOTE).read_bytes(), type=KeeperNote)
    except (OSError, msgspec.MsgspecError):
        return None


def _kill(pid: int) -> None:
    """What it started ends with it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


async def _comes_true(look: Callable[[], bool], *, within: float = _END_S) -> bool:
    deadline = time.monotonic() + within
    while not look():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_STEP_S)
    return True
