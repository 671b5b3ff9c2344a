"""Whether whoever connected to a port of ours runs as the same user. I/O: reads what the kernel lists, on Linux.

A port on loopback is open to every user of the machine, and the Runtime API has no room for a secret: its address is a
host and a port. Elsewhere than on Linux nothing says whose a connection is.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Final

_CONNECTIONS: Final = Path("/proc/net/tcp")
_OWNER: Final = 7  # column


def is_same_user(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Of a connection over IPv4 between these addresses."""
    if sys.platform != "linux":
        return True
    try:
        listed = _CONNECTIONS.read_bytes()
    except OSError:
        return True
    at = listed.find(b" %b %b " % (_spelled(client), _spelled(server)))
    if at == -1:  # it has gone already
        return False
    columns = listed[listed.rfind(b"\n", 0, at) + 1 : listed.find(b"\n", at)].split()
    return int(columns[_OWNER]) == os.getuid()


def _spelled(address: tuple[str, int]) -> bytes:
    """`127.0.0.1` and 8080 as `0100007F:1F90`: the kernel shows the number in the machine's own order."""
    host = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return b"%08X:%04X" % (host, address[1])
