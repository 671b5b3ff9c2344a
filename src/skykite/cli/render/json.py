"""`--output json`: one object a line on stdout, as docs/reference/events.md says."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TextIO

from skykite.cli.render.pump import Pump, Stamped
from skykite.model.events import Event, encode_event
from skykite.ports import Clock


class JsonRenderer:
    """Every event, whole. Each batch is flushed."""

    def __init__(self, *, stdout: TextIO, clock: Clock) -> None:
        self._stdout = stdout
        self._pump = Pump(write=self._write, tick=lambda at: False, clock=clock)

    def emit(self, event: Event) -> None:
        self._pump.emit(event)

    def start(self) -> None:
        self._pump.start()

    def stop(self) -> None:
        self._pump.stop()

    def suspended(self) -> AbstractContextManager[None]:
        return self._pump.held()

    def _write(self, batch: Sequence[Stamped]) -> None:
        self._stdout.buffer.write(b"".join(encode_event(item.event, item.time) + b"\n" for item in batch))
        self._stdout.buffer.flush()
