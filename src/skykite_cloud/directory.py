"""One embedded cloud per directory at a time. I/O: the lock file, which names the owner's process.

The lock is this process's, not the owner's: if the owner is killed, this process may still be saving.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_LOCK_BYTE = 1 << 30  # far behind the text: Windows locks forbid reading what they cover
_PATIENCE_S = 3.0


class DirectoryTakenError(Exception):
    """Another cloud runs on the directory; `owner` is the process id of its kite."""

    def __init__(self, owner: int) -> None:
        super().__init__(f"taken by process {owner}")
        self.owner = owner


class DirectoryLock:
    """Held until the process ends."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "lock"

    def take(self, owner: int) -> None:
        """Raises `DirectoryTakenError`. A cloud whose owner has just died gets a moment to save and leave."""
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                _lock(handle)
                break
            except OSError:
                holder = _owner_in(handle)
                if time.monotonic() > deadline or (holder != owner and _is_alive(holder)):
                    raise DirectoryTakenError(holder) from None
            time.sleep(0.02)  # the kernel tells nobody when a lock is let go
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, str(owner).encode())


def _owner_in(handle: int) -> int:
    os.lseek(handle, 0, os.SEEK_SET)
    text = os.read(handle, 32).decode(errors="replace").strip()
    return int(text) if text.isdigit() else 0


if sys.platform == "win32":
    import ctypes
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCK_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _is_alive(pid: int) -> bool:
        kernel = ctypes.windll.kernel32
        process = kernel.OpenProcess(0x100000, False, pid)  # SYNCHRONIZE
        if not process:
            return False
        ended = kernel.WaitForSingleObject(process, 0) == 0
        kernel.CloseHandle(process)
        return not ended

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _is_alive(pid: int) -> bool:
        if pid <= 0:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
