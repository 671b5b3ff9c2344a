"""A bridge and stubs on a network in memory, with functions that are plain Python."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kit.cloud import RealClock, RecordedEvents
from skykite.live.bridge import Bridge
from skykite.live.memory import Faults, MemoryNetwork, MemoryTransport
from skykite.live.saved_events import SavedEvents
from skykite.model.invocation import Failed, Invocation, Outcome, Report, Succeeded
from skykite.model.names import FunctionId
from skykite_lambda import wire

KEY = bytes(range(32))
ECHO = FunctionId("Stack/Echo")
Function = Callable[[Any, Invocation], Awaitable[Any]]


class Raising(Exception):  # noqa: N818
    """What a function of the test's raises, with a trace."""

    def __init__(self, type: str, message: str, *trace: str) -> None:
        super().__init__(message)
        self.type, self.message, self.trace = type, message, trace


@dataclass
class Functions:
    """An invoker. `most` is how many ran at once."""

    handlers: dict[FunctionId, Function] = field(default_factory=dict)
    invocations: list[Invocation] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.invocations.append(invocation)
        self.running += 1
        self.most = max(self.most, self.running)
        report = Report(duration_ms=1.0)
        try:
            value = await self.handlers[invocation.function](json.loads(invocation.payload), invocation)
        except Raising as error:
            return Failed(
                kind="handled",
                error_type=error.type,
                message=error.message,
                report=report,
                request_id=invocation.request_id,
                trace=tuple(error.trace),
            )
        finally:
            self.running -= 1
        return Succeeded(payload=value if isinstance(value, bytes) else json.dumps(value).encode(), report=report)


class MemoryStub:
    """One container: the wire's stub machine on a network in memory, with what `wants` asks for done by `transfer`."""

    def __init__(self, network: MemoryNetwork, *, key: bytes = KEY) -> None:
        self._network = network
        self._clock = RealClock()
        self.session = os.urandom(16)
        self.machine = wire.StubMachine(self.session, key, os.urandom, self._clock.monotonic())
        self.lease_alive = True
        self.payload = b""
        self._moved = asyncio.Event()
        network.add_stub(self.session, self._receive)

    def _receive(self, datagram: bytes) -> None:
        self.machine.receive(datagram, self._clock.monotonic())
        self._send()
        self._moved.set()

    def _send(self) -> None:
        for _, datagram in self.machine.outgoing():
            self._network.request(datagram)

    def begin(self, event: Any, *, function: str = ECHO, request_id: str = "", **head: Any) -> None:
        self.payload = payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        fields = {"function": function, "request_id": request_id or str(uuid.uuid4()), "invoked_function_arn": "arn"}
        self.machine.begin(wire.InvocationHead(**{**fields, **head}), payload, self._clock.monotonic())
        self._send()

    async def outcome(self) -> wire.Outcome:
        """Drive the machine until it knows."""
        while self.machine.outcome is None:
            if self.machine.wants is not None:
                await self._fulfil(self.machine.wants)
                self._send()
                continue
            at = self.machine.next_timer()
            self._moved.clear()
            try:
                async with asyncio.timeout(None if at is None else max(0.0, at - self._clock.monotonic())):
                    await self._moved.wait()
            except TimeoutError:
                self.machine.tick(self._clock.monotonic())
                self._send()
        self._send()
        return self.machine.outcome

    async def _fulfil(self, want: wire.Want) -> None:
        """What a stub's shell does."""
        match want:
            case wire.AskLease():
                if self.lease_alive:
                    self.machine.online(self._clock.monotonic())
                else:
                    self.machine.offline("nobody is there", self._clock.monotonic())
            case wire.Upload():
                status, _ = await asyncio.to_thread(request, "PUT", want.url, self.payload, dict(want.headers))
                if status == 200:
                    self.machine.uploaded(self._clock.monotonic())
                else:
                    self.machine.transfer_failed(f"{status}", self._clock.monotonic())
            case wire.Download():
                status, body = await asyncio.to_thread(request, "GET", want.url)
                if status == 200:
                    self.machine.downloaded(body, self._clock.monotonic())
                else:
                    self.machine.transfer_failed(f"{status}", self._clock.monotonic())

    async def invoke(self, event: Any, **head: Any) -> wire.Outcome:
        self.begin(event, **head)
        return await self.outcome()

    async def returned(self, event: Any, **head: Any) -> Any:
        outcome = await self.invoke(event, **head)
        assert isinstance(outcome, wire.Returned), outcome
        return json.loads(outcome.payload)

    async def raised(self, event: Any, **head: Any) -> wire.Raised:
        outcome = await self.invoke(event, **head)
        assert isinstance(outcome, wire.Raised), outcome
        return outcome

    def freeze(self) -> None:
        """Hear nothing any more, as a container that is gone."""
        self._network.remove_stub(self.session)


def request(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Of somebody who has nothing but a URL."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=20)
    try:
        connection.request(method, f"{place.path}?{place.query}", body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@dataclass
class Running:
    """A bridge that has started."""

    bridge: Bridge
    machine: wire.DevMachine
    transport: MemoryTransport
    functions: Functions
    events: RecordedEvents
    network: MemoryNetwork

    def stub(self, **options: Any) -> MemoryStub:
        return MemoryStub(self.network, **options)


async def _echo(event: Any, invocation: Invocation) -> Any:
    return event


@asynccontextmanager
async def running_bridge(
    network: MemoryNetwork | None = None,
    *,
    faults: Faults | None = None,
    epoch: int = 1,
    saved: Path | None = None,
    serving: Sequence[FunctionId] = (ECHO,),
    **options: Any,
) -> AsyncIterator[Running]:
    """A bridge with an `ECHO` function. Stopped in the end, if it is not stopped already."""
    network = network or MemoryNetwork(faults)
    clock = RealClock()
    machine = wire.DevMachine(os.urandom(16), epoch, KEY, os.urandom, clock.monotonic())
    functions, events, transport = Functions({ECHO: _echo}), RecordedEvents(), network.transport()
    bridge = Bridge(
        transport=transport,
        machine=machine,
        invoker=functions,
        events=events,
        clock=clock,
        saved=None if saved is None else SavedEvents(saved),
        **options,
    )
    if serving:
        bridge.serve(serving)
    await bridge.start()
    try:
        yield Running(bridge, machine, transport, functions, events, network)
    finally:
        await bridge.stop()
