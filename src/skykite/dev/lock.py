"""One `kite dev` per stage and checkout: an operating-system lock on a file that says who holds it.

The lock goes with its process, however that ends, so there is nothing stale to clean up. I/O: one file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from skykite.errors import SkykiteError
from skykite.model.names import StageName

# Locks are mandatory on Windows: lock a byte past what the other process wants to read.
_LOCK_OFFSET = 1 << 20


@contextmanager
def hold_stage(directory: Path, stage: StageName, *, now: datetime) -> Iterator[None]:
    """Hold the stage until the block ends. Raises `stage-in-use` naming the process that has it."""
    path = directory / "dev.lock"
    with _open(path) as file:
        if not _try_lock(file):
            raise SkykiteError("stage-in-use", _who(path, stage), hint="stop it with Ctrl-C, or use another --stage")
        try:
            file.seek(0)
            file.truncate()
            json.dump({"pid": os.getpid(), "since": now.isoformat(timespec="seconds")}, file)
            file.flush()
            yield
        finally:
            file.seek(0)
            file.truncate()
            _unlock(file)


def _open(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise SkykiteError(
            "state-not-writable",
            f"cannot write `{path}`: {error.strerror}",
            hint="Skykite keeps its state in `.kite/` inside the project; make that folder writable",
        ) from error


def _who(path: Path, stage: StageName) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.fromisoformat(holder["since"]).astimezone()
        return f"`kite dev` for stage `{stage}` runs already: process {holder['pid']}, since {since:%H:%M:%S}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"`kite dev` for stage `{stage}` runs already, in another process"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[str]) -> bool:
        file.seek(_LOCK_OFFSET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[str]) -> None:
        file.seek(_LOCK_OFFSET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
