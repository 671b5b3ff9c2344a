"""What workers are busy with, and how long that may take.

In: what a worker begins and ends, and when a debugger holds it. Out: the end of a worker that takes too long; how a
process ended in the middle of what it did. I/O: timers of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from skykite.model.invocation import FunctionConfig
from skykite.model.names import FunctionId
from skykite.ports import Clock
from skykite.runtime.calls import Call
from skykite.runtime.clock import Allowance
from skykite.runtime.outcomes import Ending, exited, timed_out
from skykite.runtime.pool import WorkerId
from skykite.runtime.reports import exit_hint
from skykite.runtime.worker import Worker


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """Loading a function, if there is no `call`."""

    worker: Worker
    call: Call | None
    allowance: Allowance
    timer: asyncio.TimerHandle | None = None
    timed_out: bool = False
    hint: str | None = None  # of the worker: which line of the user's ends it
    failed: bool = False  # the function could not be loaded; what to make of it is being found out

    def ended(self, status: int | None, config: FunctionConfig) -> Ending:
        """Its process has ended in the middle of it."""
        if self.timed_out:
            return timed_out(config)
        return exited(status, hint=self.hint or exit_hint(status, config.kind))


class Tasks:
    """One of each worker that loads or runs. A worker whose time is used up is killed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[WorkerId, Task] = {}
        self._moved = asyncio.Event()

    @property
    def all(self) -> Mapping[WorkerId, Task]:
        """A view that stays true."""
        return self._all

    def begin(self, worker: Worker, call: Call | None, seconds: float, now: float) -> None:
        """It may take that long from `now` on."""
        task = self._all[worker.id] = Task(worker=worker, call=call, allowance=Allowance(seconds, now))
        if call is not None and worker.untimed:
            task.allowance.suspend(now)
        self._arm(task)

    def suspend(self, task: Task, now: float) -> None:
        """Its time stands still."""
        task.allowance.suspend(now)
        self._arm(task)

    def resume(self, task: Task, now: float) -> None:
        task.allowance.resume(now)
        self._arm(task)

    def end(self, worker: WorkerId) -> None:
        """It is over, one way or another; nothing, if there was none."""
        task = self._all.pop(worker, None)
        if task is not None and task.timer is not None:
            task.timer.cancel()
        self._moved.set()

    async def loaded(self, functions: set[FunctionId]) -> None:
        """Wait until no worker loads any of them."""
        while any(task.call is None and task.worker.config.id in functions for task in self._all.values()):
            self._moved.clear()
            await self._moved.wait()

    def _arm(self, task: Task) -> None:
        if task.timer is not None:
            task.timer.cancel()
            task.timer = None
        ends = task.allowance.ends()
        if ends is not None:
            delay = max(0.0, ends - self._clock.monotonic())
            task.timer = asyncio.get_running_loop().call_later(delay, self._check, task)

    def _check(self, task: Task) -> None:
        if task.allowance.used_up(self._clock.monotonic()):
            task.timed_out = True
            task.worker.kill()
        else:
            self._arm(task)
