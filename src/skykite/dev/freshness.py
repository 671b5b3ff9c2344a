"""Promise 3 for infrastructure: a request that arrives after a `.env` or stack file was saved waits for the new one.

Before each invocation the gate compares the stat of every file the last synth read with what it was before that
synth. A difference asks the dev loop for a reload and holds the invocation until the loop says `settle` (applied) or
gives up on what was saved (a synth error: the running system goes on). The file watcher is not involved: it only
makes the reload start earlier. I/O: `os.stat`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from skykite.model.invocation import Invocation, Outcome
from skykite.ports import Asker, Invoker

Mark = tuple[int, int, int, int] | None
Phase = Literal["starting", "settled", "synthesizing", "deploying", "asking"]


def mark(path: str) -> Mark:
    """What tells two versions of a file apart, or `None` where there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116  (hot: once per file and request)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


class FreshnessGate:
    """Holds invocations while what runs is older than what was saved."""

    def __init__(self, on_stale: Callable[[], None]) -> None:
        self._on_stale = on_stale
        self._marks: dict[str, Mark] = {}
        self._phase: Phase = "starting"
        self._moved = asyncio.Event()

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def marks(self) -> dict[str, Mark]:
        """What was settled on."""
        return self._marks

    def take_marks(self, paths: Iterable[Path]) -> dict[str, Mark]:
        """Stat `paths` now. Take them before the files are read, so that a save in between is seen."""
        return {name: mark(name) for name in map(str, paths)}

    def enter(self, phase: Literal["synthesizing", "deploying", "asking"]) -> None:
        """The loop works on a reload.

        `deploying` lets through what the deployment itself may be waiting for; `asking` lets everything through:
        the user may take a while to answer, and until then the old infrastructure is what there is.
        """
        self._phase = phase
        self._wake()

    def settle(self, marks: dict[str, Mark]) -> None:
        """What runs now is as good as it gets for files with these marks."""
        self._marks = marks
        self._phase = "settled"
        self._wake()

    def stale(self) -> tuple[Path, ...]:
        """The files that changed since they were last acted upon."""
        return tuple(Path(name) for name, known in self._marks.items() if mark(name) != known)

    def must_wait(self, *, from_outside: bool) -> bool:
        """Whether an invocation has to wait now. Cheap: one stat per file."""
        match self._phase:
            case "settled":
                if all(mark(name) == known for name, known in self._marks.items()):
                    return False
                self._phase = "synthesizing"
                self._on_stale()
                return True
            case "deploying":
                # CloudFormation may be waiting for a function of ours (a custom resource): only requests from
                # outside are held, or neither would ever finish.
                return from_outside
            case "asking":
                return False
            case "starting" | "synthesizing":
                return True

    async def wait(self, *, from_outside: bool) -> None:
        """Return once the invocation may run."""
        while self.must_wait(from_outside=from_outside):
            await self._moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


class FrontGate:
    """The gate as the gateway meets it, before a request is even routed: a route may be what was just saved."""

    def __init__(self, gate: FreshnessGate) -> None:
        self._gate = gate

    def is_open(self) -> bool:
        return not self._gate.must_wait(from_outside=True)

    async def wait(self) -> None:
        await self._gate.wait(from_outside=True)


class GatedInvoker:
    """The gate for invocations that come out of the cloud: an Invoker that passes them on once they may run."""

    def __init__(self, gate: FreshnessGate, invoker: Invoker) -> None:
        self._gate = gate
        self._invoker = invoker

    async def invoke(self, invocation: Invocation) -> Outcome:
        await self._gate.wait(from_outside=False)
        return await self._invoker.invoke(invocation)


class PolitelyAsking:
    """An Asker that lets invocations through while a question about a reload is open."""

    def __init__(self, gate: FreshnessGate, asker: Asker) -> None:
        self._gate = gate
        self._asker = asker

    async def confirm(self, question: str, message: str, *, default: bool) -> bool:
        if self._gate.phase != "deploying":
            return await self._asker.confirm(question, message, default=default)
        self._gate.enter("asking")
        try:
            return await self._asker.confirm(question, message, default=default)
        finally:
            self._gate.enter("deploying")
