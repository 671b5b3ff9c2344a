"""One `kite` per stage and checkout, for commands that write its state: a lock, and a note that says who holds it.

The lock goes with its process, however that ends, so there is nothing stale to clean up. I/O: two files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from skykite.cloud.filelock import FileLock
from skykite.errors import SkykiteError
from skykite.model.names import StageName


class _Holder(msgspec.Struct):
    pid: int
    since: datetime


@contextmanager
def hold_stage(directory: Path, stage: StageName, *, now: datetime) -> Iterator[None]:
    """Hold the stage until the block ends. Raises `stage-in-use` naming the process that has it."""
    lock = FileLock(directory / "kite.lock")
    note = directory / "kite.holder.json"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = lock.acquire()
    except OSError as error:
        raise SkykiteError(
            "project-read-only",
            f"cannot write `{directory}`: {error.strerror}",
            hint="Skykite keeps its state in `.kite/` inside the project; make that folder writable",
        ) from error
    if not held:
        raise SkykiteError("stage-in-use", _who(note, stage), hint="stop it with Ctrl-C, or use another --stage")
    try:
        note.write_bytes(msgspec.json.encode(_Holder(pid=os.getpid(), since=now)))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _who(note: Path, stage: StageName) -> str:
    try:
        holder = msgspec.json.decode(note.read_bytes(), type=_Holder)
    except (OSError, msgspec.MsgspecError):  # it has begun this very moment, or is about to end
        return f"another `kite` works on stage `{stage}`"
    return f"`kite` works on stage `{stage}` already: process {holder.pid}, since {holder.since.astimezone():%H:%M:%S}"
