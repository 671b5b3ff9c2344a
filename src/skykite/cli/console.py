"""The user's end of a command: what it shows and what it asks.

In: the settings. Out: an `EventSink` and an `Asker` for as long as the command runs. I/O: the process's three streams.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from skykite.cli.ask import ConsoleAsker, Keyboard
from skykite.cli.clock import SystemClock
from skykite.cli.render import open_renderer
from skykite.cli.settings import Settings
from skykite.ports import Asker, EventSink


def looked_at(settings: Settings) -> bool:
    """Whether somebody sees what the command says, and can answer it."""
    if settings.output == "json" or sys.stdin is None:
        return False
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def open_console(settings: Settings) -> Iterator[tuple[EventSink, Asker]]:
    """Everything emitted inside is shown before the context ends, however it ends."""
    renderer = open_renderer(
        settings.output, stdout=sys.stdout, stderr=sys.stderr, environment=os.environ, clock=SystemClock()
    )
    keyboard = None
    if looked_at(settings):
        keyboard = Keyboard(sys.stdin.fileno(), encoding=sys.stdin.encoding)
    asker = ConsoleAsker(renderer=renderer, keyboard=keyboard, stderr=sys.stderr, yes=settings.yes)
    renderer.start()
    try:
        yield renderer, asker
    finally:
        renderer.stop()
