"""Lines for logs, pipes and dumb terminals: no colour, no cursor movement. Outputs on stdout, the rest on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

from skykite.cli.render.lines import Block, Panel, symbols_for
from skykite.cli.render.pump import Pump, Stamped
from skykite.cli.render.transcript import Transcript
from skykite.model.events import Event
from skykite.ports import Clock


class PlainRenderer:
    """The transcript as it is."""

    def __init__(self, *, stdout: TextIO, stderr: TextIO, clock: Clock) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._transcript = Transcript(width=None, symbols=symbols_for(stderr.encoding), live=False, colour=False)
        self._pump = Pump(write=self._write, tick=self._tick, clock=clock)

    def emit(self, event: Event) -> None:
        self._pump.emit(event)

    def start(self) -> None:
        self._pump.start()

    def stop(self) -> None:
        self._pump.stop()

    def suspended(self) -> AbstractContextManager[None]:
        return self._pump.held()

    def _write(self, batch: Sequence[Stamped]) -> None:
        self._print(block for item in batch for block in self._transcript.feed(item.event, item.at))

    def _tick(self, at: float) -> bool:
        self._print(self._transcript.tick(at))
        return self._transcript.waiting

    def _print(self, blocks: Iterable[Block]) -> None:
        talk: list[str] = []
        data: list[str] = []
        for block in blocks:
            if isinstance(block, Panel):
                talk.append(f"{block.title}: {block.footer}\n")
                talk.extend(f"  {name}: {value}\n" for name, value in block.rows)
            else:
                (data if block.data else talk).append(f"{block.text}\n")
        for stream, lines in ((self._stderr, talk), (self._stdout, data)):
            if lines:
                stream.write("".join(lines))
                stream.flush()
