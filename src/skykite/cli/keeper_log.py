"""What a detached keeper says: everything into its log, and to who started it what that command has to know.

In: events. Out: lines with their time in the log, which is this process's stderr, and JSON lines on stdout until the
keeper is ready. I/O: those two, and the log file's name when it has grown large.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Final

from skykite.dev.detach import LOG_LIMIT, open_log
from skykite.errors import SkykiteError
from skykite.model.events import CloudStarted, ErrorRaised, Event, Notice, encode_event
from skykite.ports import Clock, EventSink

_STDOUT: Final = 1
_STDERR: Final = 2


class LogStream(io.TextIOWrapper):
    """Lines with their time, on stderr."""

    def __init__(self, file: Path, clock: Clock) -> None:
        super().__init__(_LogFile(file), encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
        self._clock = clock

    def write(self, text: str) -> int:
        time = f"{self._clock.now().astimezone():%Y-%m-%d %H:%M:%S}"
        lines = text.removesuffix("\n").split("\n")
        super().write("".join(f"{time} {line}\n" if line else "\n" for line in lines))
        return len(text)


class _LogFile(io.RawIOBase):
    """This process's stderr, which is `file`. Past its limit that makes room for a new one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._size = file.stat().st_size

    @property
    def name(self) -> str:
        return str(self._file)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # TextIOWrapper writes nothing else
        if self._size > LOG_LIMIT:
            ours = os.path.sameopenfile(_STDOUT, _STDERR)  # else somebody still listens there
            with open_log(self._file) as fresh:
                for descriptor in (_STDOUT, _STDERR) if ours else (_STDERR,):
                    os.dup2(fresh.fileno(), descriptor)
            self._size = 0
        self._size += len(data)
        return os.write(_STDERR, data)


class DetachedSink:
    """Shows events through `log`, and tells the starter of notices and of the start."""

    def __init__(self, log: EventSink, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._told = False

    def emit(self, event: Event) -> None:
        self._log.emit(event)
        if not self._told and isinstance(event, Notice | CloudStarted):
            self._tell(event)
            if isinstance(event, CloudStarted):
                self._let_go()

    def fail(self, error: SkykiteError) -> None:
        """The last word, unless it has begun."""
        if not self._told:
            self._tell(ErrorRaised.of(error))
            self._let_go()

    def _tell(self, event: Event) -> None:
        try:
            os.write(_STDOUT, encode_event(event, self._clock.now()) + b"\n")
        except BrokenPipeError:
            self._let_go()  # whoever started it has gone, and wanted it to stay

    def _let_go(self) -> None:
        self._told = True
        sys.stdout.flush()
        os.dup2(_STDERR, _STDOUT)
