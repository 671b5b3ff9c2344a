"""Processes that are not our children: whether one lives, and how much memory it and what it started takes.

I/O: asks the system; on Linux through /proc.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path

_PROC = Path("/proc")


def is_alive(pid: int) -> bool:
    """A process that has ended and that its parent has not taken note of is not alive."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        process = kernel.OpenProcess(0x100000, False, pid)  # SYNCHRONIZE
        if not process:
            return False
        ended: bool = kernel.WaitForSingleObject(process, 0) == 0
        kernel.CloseHandle(process)
        return not ended
    if sys.platform == "linux":
        try:
            return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def memory_mb(pid: int) -> int | None:
    """Pages that several processes share are counted once. None where the system does not tell."""
    if sys.platform != "linux":
        return None
    return round(sum(map(_share_kb, _family(pid))) / 1024)


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            children[_parent(entry)].append(int(entry.name))
    found = [pid]
    for member in found:
        found += children[member]
    return found


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):  # it ended just now
        return -1


def _share_kb(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
