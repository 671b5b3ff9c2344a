"""Somebody who listens to a transport, and transports over AppSync Events in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from kit.cloud import RealClock
from kit.event_api import API, APP, STAGE, EventApiServer
from skykite.aws import AwsSession
from skykite.live.appsync import AppSyncTransport, Pace
from skykite.live.transport import Disconnection

HURRIED = Pace(patience_s=5.0, pulse_s=0.01, overlap_s=0.05, websocket_publishes=0)


@dataclass
class Heard:
    """A listener that keeps everything. `states` holds "connected" and reasons of disconnections."""

    datagrams: list[bytes] = field(default_factory=list)
    disconnections: list[Disconnection] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def received(self, datagrams: Sequence[bytes]) -> None:
        self.datagrams.extend(datagrams)
        self._changed.set()

    def connected(self) -> None:
        self.states.append("connected")
        self._changed.set()

    def disconnected(self, disconnection: Disconnection) -> None:
        self.disconnections.append(disconnection)
        self.states.append(disconnection.reason)
        self._changed.set()

    async def until(self, condition: Callable[[], object], *, within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()


class SleepyClock(RealClock):
    """The machine's clocks, of which the wall clock goes on while the machine sleeps."""

    def __init__(self) -> None:
        self.slept = timedelta()

    def sleep(self, **length: float) -> None:
        self.slept += timedelta(**length)

    def now(self) -> datetime:
        return super().now() + self.slept


@asynccontextmanager
async def connected(
    service: EventApiServer, *, aws: AwsSession | None = None, clock: RealClock | None = None, **pace: Any
) -> AsyncIterator[tuple[AppSyncTransport, Heard]]:
    session = aws or service.session()
    heard = Heard()
    transport = AppSyncTransport(
        aws=session, api=API, app=APP, stage=STAGE, clock=clock or RealClock(), pace=replace(HURRIED, **pace)
    )
    try:
        await transport.connect(heard)
        yield transport, heard
    finally:
        await transport.close()
        session.close()
