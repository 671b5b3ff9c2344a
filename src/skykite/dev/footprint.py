"""How much memory a process and everything it started takes. I/O: reads /proc, which only Linux has."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

_PROC = Path("/proc")


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
