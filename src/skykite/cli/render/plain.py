"""Lines for logs, pipes and dumb terminals: no colour, no cursor movement. Outputs on stdout, the rest on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from operator import itemgetter
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
        """In order, also between the two streams, which may lead to the same place."""
        lines: list[tuple[TextIO, str]] = []
        for block in blocks:
            if isinstance(block, Panel):
                talk = [f"{name}: {value}" for name, value in block.rows if (name, value) not in block.data]
                lines.append((self._stderr, f"{block.title}: {block.footer}\n"))
                lines.extend((self._stderr, f"  {row}\n") for row in talk)
                lines.extend((self._stdout, f"{name}={value}\n") for name, value in block.data)
            else:
                lines.append((self._stdout if block.data else self._stderr, f"{block.text}\n"))
        for stream, run in groupby(lines, key=itemgetter(0)):
            stream.write("".join(text for _, text in run))
            stream.flush()
