"""Keep what a terminal sends on Ctrl-C away from a child process: `kite` gets it, and ends the child itself.

Out: what to start a process with. No I/O.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

# A session of its own on POSIX: asyncio would take a process group as well, uvloop, which `kite` runs on, would not.
OWN_GROUP: Final[dict[str, Any]] = {}
if sys.platform == "win32":
    OWN_GROUP["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    OWN_GROUP["start_new_session"] = True
