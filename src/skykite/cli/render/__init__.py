"""Three renderers of the one event stream: `terminal` for people, `plain` for logs, `json` for programs.

`open_renderer` chooses. stdout is data (outputs, JSON lines), stderr is talk.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TextIO

from skykite.cli.settings import Output
from skykite.ports import Clock, EventSink


class Renderer(EventSink, Protocol):
    """Shows events, in order, from `start` to `stop`. An event emitted after `stop` is shown at once."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Show what is left and let go of the terminal."""

    def suspended(self) -> AbstractContextManager[None]:
        """Everything emitted so far is shown, and nothing is written until the context ends. For questions."""


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
