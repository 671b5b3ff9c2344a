"""The command line: parses arguments, composes the rooms, renders events, and turns failures into exit codes.

Nothing heavy is imported here; a command's module is imported when it is called (`registry`).
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """The `kite` script. Exits 0 when it went well, 1 for an error of the user's or of AWS, 2 for wrong usage,
    70 for a bug of ours, 130 after Ctrl-C."""
    # Until `run` can answer for it, Ctrl-C ends the process as it would any program, without a traceback of imports.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from skykite.cli.run import run

    sys.exit(run(sys.argv[1:]))
