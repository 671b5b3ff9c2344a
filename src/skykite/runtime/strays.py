"""Processes that a function started and let go: in a session of their own, a kill of their worker's group misses them.

In Lambda they end with the container. In: the folder that every process of a runtime has as its home, and passes on to
what it starts. Out: their ids. I/O: reads `/proc`, sends signals; where there is no `/proc`, nothing is found.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_ROUNDS: Final = 10  # what is found may have started more meanwhile
_ROUND_S: Final = 0.005  # nothing tells when a process has become another program


def end_strays(home: Path) -> None:
    """Kill what still has this home."""
    for _ in range(_ROUNDS):
        found, doubtful = strays(home)
        if not found and not doubtful:
            return
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(_ROUND_S)


def strays(home: Path) -> tuple[list[int], bool]:
    """Other processes that live and have this home; and whether there are some that do not tell now, being about to
    become another program."""
    mark = b"\0HOME=%s\0" % os.fsencode(home)
    found, doubtful = [], False
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            if not environment:
                (entry / "exe").readlink()  # neither a process that has ended has one, nor the kernel's own
                doubtful = True
        except OSError:
            continue  # somebody else's, or gone
        if mark in b"\0" + environment:
            found.append(int(entry.name))
    return found, doubtful
