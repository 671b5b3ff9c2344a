"""Keep what a terminal sends on Ctrl-C away from a child process: `kite` gets it, and ends the child itself.

Out: what to start a process with. No I/O.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

OWN_GROUP: Final[dict[str, Any]] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {"process_group": 0}
)
