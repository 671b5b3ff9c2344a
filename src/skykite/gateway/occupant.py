"""Who holds a port, for the complaint that it is taken. I/O: reads /proc on Linux; elsewhere it cannot tell."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """A process."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"`{self.name}` (process {self.pid})"


def find_occupant(port: int, proc: Path = Path("/proc")) -> Occupant | None:
    """The process that listens on a TCP port of this machine, if the system lets us see it."""
    if sys.platform != "linux":
        return None
    inodes = listening_inodes(_read(proc / "net/tcp") + _read(proc / "net/tcp6"), port)
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in proc.iterdir():
        if process.name.isdigit() and _holds(process, wanted):
            return Occupant(pid=int(process.name), name=_read(process / "comm").strip() or "?")
    return None


def listening_inodes(table: str, port: int) -> set[str]:
    """The sockets listening on a port, out of the text of /proc/net/tcp."""
    rows = (line.split() for line in table.splitlines())
    suffix = f":{port:04X}"
    return {row[9] for row in rows if len(row) > 9 and row[3] == _LISTENING and row[1].endswith(suffix)}


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir())
    except OSError:  # another user's process, or one that has ended meanwhile
        return False


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # the same; the complaint then goes without a name
        return ""
