"""Talk with the process that owns this one: JSON lines in on stdin, out on stdout.

When stdin ends, the owner is gone, however it died. Everything else that this process or its children print goes to
stderr, which is the log file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


class Owner:
    """Take over stdin and stdout. `read` and `say` may be called from any thread."""

    def __init__(self) -> None:
        # Our own copies are not inherited by the functions that MiniStack starts.
        self._input = os.fdopen(os.dup(0), "rb")
        self._output = os.dup(1)
        self._lock = threading.Lock()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sys.stdout.flush()
        os.dup2(2, 1)

    def read(self) -> str | None:
        """The next line, `None` when the owner is gone."""
        line = self._input.readline()
        return line.decode() if line.endswith(b"\n") else None

    def say(self, message: Message) -> None:
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            try:
                os.write(self._output, line)
            except OSError:
                return  # the owner is gone; the reading side acts on it

    def listen(self, receive: Callable[[Message | None], None]) -> None:
        """Call `receive` on a thread for every message from now on, and once with `None` when the owner is gone."""

        def run() -> None:
            while (line := self.read()) is not None:
                receive(json.loads(line))
            receive(None)

        threading.Thread(target=run, daemon=True, name="skykite-owner").start()
