"""The life of one keeper's process: hold the project, start, take questions, bring the cloud back, stop.

In: a project's `.kite/local`, and an event that says when to stop. Out: events, of which `cloud.started` says that
what is deployed can be called. I/O: the keeper's, its lock and note, a socket for questions.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from skykite.dev.control import ControlServer, KeeperStatus, KeptApis
from skykite.dev.keeper import Keeper
from skykite.dev.kept import KeeperHolder, hold_keeper
from skykite.dev.processes import memory_mb
from skykite.dev.reports import not_enforced
from skykite.dev.revival import Revival
from skykite.errors import SkykiteError
from skykite.model.events import CloudApi, CloudStarted, CloudStopped, ErrorRaised, Notice
from skykite.model.names import AppName
from skykite.ports import Clock, EventSink, Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOptions:
    """`directory` is the project's `.kite/local`. `log` is where the events go, if that is a file. `iam` says whether
    permissions are enforced."""

    app: AppName
    directory: Path
    region: str
    log: Path | None
    iam: bool = True


class Keeping:
    """Use `run`, once."""

    def __init__(self, *, options: KeepOptions, events: EventSink, clock: Clock, ids: Ids) -> None:
        self._options = options
        self._events = events
        self._clock = clock
        self._ids = ids
        self._log = None if options.log is None else str(options.log)
        self._keeper = Keeper(
            directory=options.directory, region=options.region, events=events, clock=clock, ids=ids, iam=options.iam
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the cloud until `stop` is set or another command asks for it. Raises SkykiteError if it cannot."""
        with hold_keeper(self._options.directory, now=self._clock.now(), log=self._log) as holder:
            control = self._control(holder, stop)
            living = asyncio.create_task(self._live(holder, control))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                began = self._clock.monotonic()
                living.cancel()
                stopping.cancel()
                await asyncio.wait({living, stopping})
                control.close()
                await self._keeper.stop()
            if not living.cancelled():
                living.result()
            holder.left()
            elapsed = (self._clock.monotonic() - began) * 1000
            self._events.emit(
                CloudStopped(
                    app=self._options.app, result="stopped", pid=os.getpid(), log=self._log, elapsed_ms=elapsed
                )
            )

    async def _live(self, holder: KeeperHolder, control: ControlServer) -> None:
        try:
            await self._begin(holder, control)
        except SkykiteError:  # who wanted it to start is told
            holder.left()
            raise
        revival = Revival()
        while True:
            born = self._clock.monotonic()
            error = await self._keeper.wait_died()
            if not revival.after(self._clock.monotonic() - born):
                raise error
            self._events.emit(ErrorRaised.of(error))
            await self._keeper.start()
            self._events.emit(
                Notice(notice="cloud-restarted", message="the embedded cloud runs again, with its last saved state")
            )

    async def _begin(self, holder: KeeperHolder, control: ControlServer) -> None:
        began = self._clock.monotonic()
        if not self._options.iam:
            self._events.emit(not_enforced())
        address = await self._keeper.start()
        holder.ready(await control.start())
        self._events.emit(
            CloudStarted(
                app=self._options.app,
                pid=os.getpid(),
                since=holder.since,
                url=address.url,
                log=self._log,
                elapsed_ms=(self._clock.monotonic() - began) * 1000,
            )
        )

    def _control(self, holder: KeeperHolder, stop: asyncio.Event) -> ControlServer:
        return ControlServer(ids=self._ids, status=lambda: self._status(holder), apis=self._apis, stop=stop.set)

    async def _status(self, holder: KeeperHolder) -> KeeperStatus:
        return KeeperStatus(
            url=self._keeper.address.url,
            since=holder.since,
            functions=await self._keeper.function_count(),
            running=self._keeper.running,
            memory_mb=await asyncio.to_thread(memory_mb, os.getpid()),
            apis=(await self._apis()).apis,
        )

    async def _apis(self) -> KeptApis:
        found = await self._keeper.apis()
        return KeptApis(apis=tuple(CloudApi(id=api.id, name=api.name, url=api.url) for api in found))
