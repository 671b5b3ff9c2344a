"""One holder at a time, across processes; a holder that dies lets go. I/O: one lock file, which stays.

POSIX has `flock`, Windows `msvcrt.locking`; both belong to the open file, so the kernel releases them with the process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


class FileLock:
    """Try with `acquire`; it never waits. `at` is where the locked byte is, which only matters on Windows."""

    def __init__(self, file: Path, *, at: int = 0) -> None:
        self._file = file
        self._at = at
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Whether the lock is ours now. Raises OSError if the file cannot be opened."""
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.lseek(handle, self._at, os.SEEK_SET)
            _lock(handle)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
