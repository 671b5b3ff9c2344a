"""The user's end of a command: three renderers of the one event stream, and the questions.

`terminal` is for people, `plain` for logs, `json` for programs; stdout is data (outputs, JSON lines), stderr is talk.
In: the settings. Out: an `EventSink` and an `Asker`. I/O: the process's three streams.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from skykite.cli.clock import SystemClock
from skykite.cli.settings import Output, Settings
from skykite.ports import Asker, Clock, EventSink


class Renderer(EventSink, Protocol):
    """Shows events, in order, from `start` to `stop`. An event emitted after `stop` is shown at once."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Show what is left and let go of the terminal."""

    def suspended(self) -> AbstractContextManager[None]:
        """Everything emitted so far is shown, and nothing is written until the context ends. For questions."""


@contextmanager
def open_console(settings: Settings) -> Iterator[tuple[EventSink, Asker]]:
    """For as long as a command runs. Everything emitted inside is shown before the context ends, however it ends."""
    from skykite.cli.ask import ConsoleAsker, Keyboard

    renderer = open_renderer(
        settings.output, stdout=sys.stdout, stderr=sys.stderr, environment=os.environ, clock=SystemClock()
    )
    keyboard = None
    if settings.output != "json" and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        keyboard = Keyboard(sys.stdin.fileno(), encoding=sys.stdin.encoding)
    asker = ConsoleAsker(renderer=renderer, keyboard=keyboard, stderr=sys.stderr, yes=settings.yes)
    renderer.start()
    try:
        yield renderer, asker
    finally:
        renderer.stop()


def open_renderer(
    output: Output, *, stdout: TextIO, stderr: TextIO, environment: Mapping[str, str], clock: Clock
) -> Renderer:
    """The renderer for what `--output` says; `auto` is `terminal` where stderr is one that can do more than lines."""
    if output == "json":
        from skykite.cli.render.json import JsonRenderer

        return JsonRenderer(stdout=stdout, clock=clock)
    if output == "auto" and stderr.isatty() and environment.get("TERM") != "dumb":
        from skykite.cli.render.terminal import TerminalRenderer

        return TerminalRenderer(stdout=stdout, stderr=stderr, environment=environment, clock=clock)
    from skykite.cli.render.plain import PlainRenderer

    return PlainRenderer(stdout=stdout, stderr=stderr, clock=clock)
