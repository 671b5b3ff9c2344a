"""A process for the next run of the user's program, started before anybody needs it.

For `kite dev`, where somebody waits for every run: Python has imported what the last run imported, and Node has loaded
what it loaded. It runs one program, as any other such process does, and none of the user's modules is imported before
that, so nothing it gives can be old. One that does not fit any more (another environment, another stage) is ended, and
the run takes a fresh process instead. One that nobody has needed for a while goes, too: it takes 140 MB.

In: what a run would be started with. Out: a `Worker`. I/O: one child process at a time; the folder `memory`, where runs
leave word of what they needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.synth.worker import Worker

KEPT_S: Final = 300.0  # without being asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a process is started with. Two runs can have the same process only if these are equal."""

    variables: Mapping[str, str]
    project_root: str


class Spare:
    """Holds at most one process. Every method on the same loop; `close` at the end."""

    def __init__(self, memory: Path, *, kept_s: float = KEPT_S) -> None:
        self.memory = memory
        self._kept_s = kept_s
        self._waiting: tuple[Conditions, Worker] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._last: Conditions | None = None
        self._turn = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether a process waits."""
        return self._waiting is not None and self._waiting[1].alive

    async def prepare(self) -> None:
        """Have a process like the last run's waiting. Nothing happens before the first run."""
        async with self._turn:
            self._restart_timer()
            if self._last is None or (self.ready and self._waiting is not None and self._waiting[0] == self._last):
                return
            if self._leaving:  # they leave word of what the next one needs
                await asyncio.wait(self._leaving)
            self._drop()
            last = self._last
            with contextlib.suppress(OSError):  # then the next run says what the matter is
                self._waiting = (
                    last,
                    await Worker.start(last.variables, last.project_root, memory=self.memory, ahead=True),
                )

    def take(self, wanted: Conditions) -> Worker | None:
        """The process that waits, if it fits. The caller ends it, or has it ended by `let_go`."""
        self._last = wanted
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return None
        conditions, worker = waiting
        if conditions == wanted and worker.alive:
            return worker
        self.let_go(worker)
        return None

    def let_go(self, worker: Worker) -> None:
        """End a process without waiting for it."""
        task = asyncio.create_task(worker.end())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """End everything."""
        async with self._turn:
            self._last = None
            if self._timer is not None:
                self._timer.cancel()
            self._drop()
            if self._leaving:
                await asyncio.wait(self._leaving)

    def _drop(self) -> None:
        if self._waiting is not None:
            self.let_go(self._waiting[1])
            self._waiting = None

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._kept_s, self._drop)
