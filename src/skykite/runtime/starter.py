"""How a worker process comes to be: forked from a process that has the imports done, or started from nothing.

Forking needs Linux (macOS's system libraries do not survive it, Windows has none). I/O: starts processes.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

from skykite.model.invocation import FunctionConfig
from skykite.ports import EventSink
from skykite.runtime.environment import needs_own_start
from skykite.runtime.launch import Process, SpawnLauncher
from skykite_lambda.logs import MARK_PASSED


class Starter:
    """Starts workers of one interpreter."""

    def __init__(
        self,
        interpreter: Path,
        events: EventSink,
        *,
        mode: Literal["fork", "spawn"] | None = None,
        channel: Literal["inherited", "loopback"] | None = None,
    ) -> None:
        self._spawn = SpawnLauncher(interpreter, channel=channel)
        self._events = events
        self._mode = mode or ("fork" if sys.platform == "linux" else "spawn")
        self.marks_ends = sys.platform == "win32" or channel == "loopback"

    async def start(self, environment: Mapping[str, str], group: asyncio.TaskGroup) -> None:
        """Be ready to launch."""

    async def launch(self, config: FunctionConfig, environment: Mapping[str, str]) -> Process:
        """A process that waits for its configuration. Raises SkykiteError."""
        return await self._spawn.launch(environment, isolated=not needs_own_start(environment))

    def end_mark(self, nonce: str) -> bytes | None:
        """What a worker writes after each invocation, if its output is read by a thread."""
        return b"\0" + nonce.encode() + MARK_PASSED if self.marks_ends else None

    def expect(self, configs: Iterable[FunctionConfig]) -> None:
        """These functions will be launched."""

    def learn(self, modules: Collection[str]) -> None:
        """Functions import these."""

    def stop(self) -> None:
        """End what was started besides workers."""

    async def stopped(self) -> None:
        """Wait until it is gone."""
