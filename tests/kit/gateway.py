"""A gateway on a real port before a function that is written in the test, and a client that speaks raw bytes."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from skykite.gateway import Gateway, Limits, ServedApi
from skykite.model.events import Event, HttpFinished, Notice
from skykite.model.invocation import Failed, Invocation, Outcome, Report, Succeeded
from skykite.model.manifest import Cors, HttpApiEntry, RouteEntry
from skykite.model.names import ConstructPath, FunctionId, LogicalId, RequestId, StackName
from skykite.ports import Admission

API_ID = "a1b2c3d4e5"
ACCOUNT = "123456789012"

Handler = Callable[[dict[str, Any], Invocation], Any]


class System:
    """The real clock, real ids."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def request_id(self) -> RequestId:
        return RequestId(str(uuid.uuid4()))

    def token(self) -> str:
        return uuid.uuid4().hex


@dataclass
class Recorder:
    """An event sink that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    @property
    def finished(self) -> list[HttpFinished]:
        return [event for event in self.events if isinstance(event, HttpFinished)]

    @property
    def notices(self) -> list[Notice]:
        return [event for event in self.events if isinstance(event, Notice)]


@dataclass
class Functions:
    """An invoker whose functions are Python functions. What they return is the return value, or an `Outcome`."""

    handler: Handler
    invocations: list[Invocation] = field(default_factory=list)
    done: list[RequestId] = field(default_factory=list)

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.invocations.append(invocation)
        result = self.handler(json.loads(invocation.payload), invocation)
        if isinstance(result, Awaitable):
            result = await result
        self.done.append(invocation.request_id)
        return result if isinstance(result, Succeeded | Failed) else succeeded(result)


class Gate:
    """An Admission that opens when told to."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()

    def open(self) -> None:
        self._opened.set()

    def is_open(self) -> bool:
        return self._opened.is_set()

    async def wait(self) -> None:
        await self._opened.wait()


def succeeded(value: Any) -> Succeeded:
    payload = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Succeeded(payload=payload, report=Report(duration_ms=1))


def failed(kind: str = "handled", error: str = "ValueError", text: str = "no") -> Failed:
    return Failed(
        kind=kind,  # type: ignore[arg-type]
        error_type=error,
        message=text,
        report=Report(duration_ms=1),
        request_id=RequestId("r"),
        trace=(),
    )


def make_api(
    *keys: str | RouteEntry,
    cors: Cors | None = None,
    stage: str = "$default",
    port: int = 0,
    path: str = "Notes/Api",
    api_id: str = API_ID,
) -> ServedApi:
    routes = tuple(
        key if isinstance(key, RouteEntry) else RouteEntry(key=key, function=FunctionId(f"Notes/{key}")) for key in keys
    )
    entry = HttpApiEntry(
        path=ConstructPath(path),
        stack=StackName("test-notes-Notes"),
        logical_id=LogicalId("Api"),
        name="notes",
        stage=stage,
        cors=cors,
        routes=routes,
    )
    return ServedApi(entry=entry, api_id=api_id, account=ACCOUNT, port=port)


@dataclass
class Response:
    """`headers` keep order and repetition, names as they came."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, *, head_only: bool = False, timeout: float = 10) -> Response:
        async with asyncio.timeout(timeout):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")[:-2]
            version, status, reason = lines[0].split(" ", 2)
            assert version == "HTTP/1.1", lines[0]
            headers = [(line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines[1:]]
            length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
            body = b"" if head_only else await self.reader.readexactly(length)
        return Response(int(status), reason, headers, body)

    async def at_end(self, timeout: float = 10) -> bool:
        """Whether the server has closed, with nothing more to say."""
        async with asyncio.timeout(timeout):
            return await self.reader.read() == b""

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@dataclass
class Running:
    """A gateway that serves, and everything around it."""

    gateway: Gateway
    functions: Functions
    events: Recorder
    url: str

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        wire = Wire(reader, writer)
        try:
            yield wire
        finally:
            writer.close()

    async def ask(
        self,
        method: str = "GET",
        target: str = "/",
        *,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """One request on a connection of its own."""
        async with self.wire() as wire:
            await wire.send(make_request(method, target, headers=headers, body=body))
            return await wire.receive(head_only=method == "HEAD")

    @property
    def event(self) -> dict[str, Any]:
        """What the function was given last."""
        return json.loads(self.functions.invocations[-1].payload)


def make_request(
    method: str = "GET", target: str = "/", *, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    lines = {"Host": "127.0.0.1", **(headers or {})}
    if body:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def running(
    *apis: ServedApi,
    handler: Handler = lambda event, invocation: "ok",
    integration_timeouts: bool = True,
    limits: Limits | None = None,
    admission: Admission | None = None,
) -> AsyncIterator[Running]:
    """Serve until the test is through; the first API's URL is the one asked."""
    system, events, functions = System(), Recorder(), Functions(handler)
    gateway = Gateway(
        invoker=functions,
        events=events,
        clock=system,
        ids=system,
        integration_timeouts=integration_timeouts,
        limits=limits,
        admission=admission,
    )
    endpoints = await gateway.serve(apis or (make_api("$default"),))
    try:
        yield Running(gateway=gateway, functions=functions, events=events, url=endpoints[0].url)
    finally:
        await gateway.stop()


async def until(condition: Callable[[], bool], timeout: float = 10) -> None:
    """Wait for something that comes without telling."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)
