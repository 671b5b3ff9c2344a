"""For people at a terminal: what is settled scrolls by, what runs shows below it with a spinner.

In: events. Out: the transcript in colour, and under it the running steps and the resources CloudFormation works on.
I/O: stderr through rich; outputs also on stdout where that is not the same terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TextIO

from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.panel import Panel as RichPanel
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from skykite.cli.render.lines import ASCII, Block, Line, Panel, Span, Tone, duration, line, symbols_for
from skykite.cli.render.pump import Pump, Stamped
from skykite.cli.render.transcript import STEP_WIDTH, Transcript, sentence_part
from skykite.model.events import (
    DeployResource,
    DevReady,
    DevStopped,
    ErrorRaised,
    Event,
    ReloadFailed,
    ReloadFinished,
    StepFinished,
    StepProgress,
    StepStarted,
)
from skykite.ports import Clock

_STYLES: Final[Mapping[Tone, Style | None]] = {
    "": None,
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "accent": Style(color="cyan"),
    "good": Style(color="green"),
    "warn": Style(color="yellow"),
    "bad": Style(color="red"),
}
_SETTLED: Final = ("_COMPLETE", "_FAILED", "_SKIPPED")
_MOST_RESOURCES: Final = 8
_AT_ONCE: Final = 500
"""Lines written before it is asked again whether anybody waits for the end."""
_PATIENCE_S: Final = 0.5
"""Who ends a session is not kept waiting by a terminal that is slower than what was printed."""
_LAST_LINES: Final = 40
_FRAME_MS: Final = 100
_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES: Final = "-\\|/"


@dataclass(slots=True)
class _Running:
    """A step that has not finished."""

    message: str
    started: float


class _Written:
    """Lines for rich to write as they are: no wrapping, no search for markup, no cost per character."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for written in self._lines:
            for span in written.spans:
                yield Segment(span.text, _STYLES[span.tone])
            yield Segment.line()


class TerminalRenderer:
    """Owns the terminal between `start` and `stop`."""

    def __init__(self, *, stdout: TextIO, stderr: TextIO, environment: Mapping[str, str], clock: Clock) -> None:
        self._console = Console(
            file=stderr,
            force_terminal=True,
            no_color=bool(environment.get("NO_COLOR")),
            _environ=environment,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._data = None if stdout.isatty() else stdout
        self._symbols = symbols_for(stderr.encoding)
        self._frames = _ASCII_FRAMES if self._symbols is ASCII else _FRAMES
        self._clock = clock
        self._steps: dict[str, _Running] = {}
        self._resources: dict[tuple[str, str], DeployResource] = {}
        self._live: Live | None = None
        self._transcript = Transcript(
            width=self._console.width,
            symbols=self._symbols,
            live=True,
            colour=not self._console.no_color and not self._console.legacy_windows,
        )
        self._pump = Pump(write=self._write, tick=self._tick, clock=clock)

    def emit(self, event: Event) -> None:
        self._pump.emit(event)

    def start(self) -> None:
        self._pump.start()

    def stop(self) -> None:
        try:
            self._pump.stop()
        finally:
            self._steps.clear()
            self._resources.clear()
            self._refresh()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        with self._pump.held():
            self._hide()
            yield

    def _write(self, batch: Sequence[Stamped]) -> None:
        self._transcript.width = self._console.width
        blocks: list[Block] = []
        for item in batch:
            self._follow(item.event, item.at)
            blocks.extend(self._transcript.feed(item.event, item.at))
        self._print(blocks)
        self._refresh()

    def _tick(self, at: float) -> bool:
        self._print(self._transcript.tick(at))
        self._refresh()
        return self._live is not None or self._transcript.waiting

    def _follow(self, event: Event, at: float) -> None:
        match event:
            case StepStarted():
                self._steps[event.step] = _Running(event.message, at)
            case StepProgress():
                if event.step in self._steps:
                    self._steps[event.step].message = event.message
            case StepFinished():
                self._steps.pop(event.step, None)
                if event.step in ("deploy", "remove", "bootstrap"):
                    self._resources.clear()
            case DeployResource():
                key = (event.stack, event.logical_id)
                self._resources.pop(key, None)
                if not event.status.endswith(_SETTLED):
                    self._resources[key] = event
            case DevReady() | DevStopped() | ErrorRaised() | ReloadFinished() | ReloadFailed():
                self._steps.clear()  # a step that failed never finishes
                self._resources.clear()
            case _:
                pass

    def _print(self, blocks: Sequence[Block]) -> None:
        lines: list[Line] = []
        for block in blocks:
            if isinstance(block, Panel):
                self._print_lines(lines)
                lines = []
                self._print_panel(block)
                self._print_data(f"{name}={value}" for name, value in block.data)
            elif not block.data or self._data is None:
                lines.append(block)
            else:
                self._print_data([block.text])
        self._print_lines(lines)

    def _print_data(self, lines: Iterable[str]) -> None:
        """Where stdout is the same terminal, everything has been shown already."""
        if self._data is not None:
            self._data.write("".join(f"{text}\n" for text in lines))
            self._data.flush()

    def _print_lines(self, lines: Sequence[Line]) -> None:
        start, end = 0, len(lines)
        while start < end:
            left_out = end - start - _LAST_LINES
            if left_out > _AT_ONCE and self._pump.is_awaited(_PATIENCE_S):
                said = f"{self._symbols.cut} {left_out:,} lines left out, which the terminal had not shown yet"
                self._print_at_once([line(Span(said, "warn"))])
                start += left_out
            self._print_at_once(lines[start : start + _AT_ONCE])
            start += _AT_ONCE

    def _print_at_once(self, lines: Sequence[Line]) -> None:
        self._console.print(_Written(lines), crop=False, end="", soft_wrap=True)

    def _print_panel(self, panel: Panel) -> None:
        """In a box where it fits. Where not, each value starts a line of its own, which the terminal may wrap: nothing
        is cut, and a URL broken by a box could not be copied."""
        width = max((len(name) for name, _ in panel.rows), default=0)
        rows = [
            Text.assemble((name.ljust(width), "dim"), "  ", (value, "bold" if "://" in value else ""), no_wrap=True)
            for name, value in panel.rows
        ]
        footer = line(Span(panel.footer, "dim"))
        if not rows or max(row.cell_len for row in rows) + 4 > self._console.width:
            stacked = [part for name, value in panel.rows for part in (line(Span(name, "dim")), line("  ", value))]
            self._print_lines([line(""), line(Span(panel.title, "bold")), *stacked, footer, line("")])
            return
        box = RichPanel.fit(
            Group(*rows), title=Text(panel.title, style="bold"), title_align="left", box=ROUNDED, border_style="cyan"
        )
        self._console.print("", box)
        self._print_lines([footer, line("")])

    def _refresh(self) -> None:
        if not self._steps:
            self._hide()
            return
        if self._live is None:
            self._live = Live(
                get_renderable=self._status,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.refresh()

    def _hide(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _status(self) -> Group:
        now = self._clock.monotonic()
        frame = self._frames[int(now * 1000 / _FRAME_MS) % len(self._frames)]
        rows = []
        for name, step in self._steps.items():
            elapsed = (now - step.started) * 1000
            rows.append(
                Text.assemble(
                    (f"{frame} ", "cyan"),
                    (f"{name.ljust(STEP_WIDTH)} ", "dim"),
                    sentence_part(step.message),
                    (f"  {duration(elapsed)}" if elapsed >= 1000 else "", "dim"),
                    no_wrap=True,
                    overflow="ellipsis",
                )
            )
        most = min(_MOST_RESOURCES, max(self._console.height - len(rows) - 2, 0))
        busy = list(self._resources.values())
        rows.extend(
            Text.assemble(
                f"    {resource.path}",
                (f"  {resource.type}  {resource.status}", "dim"),
                no_wrap=True,
                overflow="ellipsis",
            )
            for resource in busy[:most]
        )
        if len(busy) > most > 0:
            rows.append(Text(f"    and {len(busy) - most} more", style="dim"))
        return Group(*rows)
