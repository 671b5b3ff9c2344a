"""One TCP port on 127.0.0.1 and the API behind it. I/O: the listening socket, and calls to the invoker.

Requests come from `connection`, decisions from `api`; here they meet the invoker, the clock and the event stream.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final

from skykite.errors import SkykiteError
from skykite.gateway.api import Answer, Call, CompiledApi, timeout_s
from skykite.gateway.connection import Connection, Limits, Reply
from skykite.gateway.deadlines import Deadlines
from skykite.gateway.occupant import find_occupant
from skykite.gateway.request import Arrival, Request, decode_path, format_time
from skykite.gateway.response import HttpResponse
from skykite.model.events import ErrorRaised, HttpFinished
from skykite.model.names import FunctionId, RequestId
from skykite.ports import Admission, Clock, EventSink, Ids, Invoker

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every door of a gateway works with."""

    invoker: Invoker
    events: EventSink
    clock: Clock
    ids: Ids
    integration_timeouts: bool
    limits: Limits
    admission: Admission | None


class Door:
    """One port. `api` is swapped whole; each request lives with the one it began with."""

    def __init__(self, equipment: Equipment, api: CompiledApi) -> None:
        self.api = api
        self.port = 0
        self.equipment = equipment
        self.tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._deadlines: dict[float, Deadlines] = {}  # by how far away they are
        self.port_text = ""

    async def open(self, port: int) -> None:
        try:
            self._server = await self._loop.create_server(
                lambda: Connection(self, self.equipment.limits, self._loop), HOST, port, backlog=1024
            )
        except OSError as error:
            raise await _explain(error, port, f"`{self.api.served.entry.path}`") from error
        self.port = self._server.sockets[0].getsockname()[1]
        self.port_text = str(self.port)

    async def close(self, *, grace_s: float) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.finish()
        deadline = self._loop.time() + grace_s
        # A request that waited for admission starts another task when its first one ends, hence the loop.
        while self.tasks and (left := deadline - self._loop.time()) > 0:
            await asyncio.wait(self.tasks, timeout=left)
        while self.tasks:
            for task in self.tasks:
                task.cancel()
            await asyncio.wait(self.tasks)
        for deadlines in self._deadlines.values():
            deadlines.stop()
        await asyncio.sleep(0)  # lets the last answers out
        for connection in tuple(self._connections):
            connection.abort()

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def begin(self, request: Request, source_ip: str, reply: Reply) -> None:
        exchange = _Exchange(self, request, source_ip, reply)
        admission = self.equipment.admission
        if admission is None or admission.is_open():
            exchange.begin()
        else:
            self.start(exchange.begin_later(admission))

    def deadlines(self, after_s: float) -> Deadlines:
        found = self._deadlines.get(after_s)
        if found is None:
            found = self._deadlines[after_s] = Deadlines(self._loop, after_s)
        return found

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def refuse(self, method: str, path: str, response: HttpResponse) -> str:
        request_id = self.equipment.ids.request_id()
        self.finished(request_id, method, path, response.status, 0.0, None)
        return request_id

    def finished(
        self, request_id: RequestId, method: str, path: str, status: int, duration_s: float, function: FunctionId | None
    ) -> None:
        self.equipment.events.emit(
            HttpFinished(
                request_id=request_id,
                method=method,
                path=path,
                status=status,
                duration_ms=duration_s * 1000,
                function=function,
            )
        )


class _Exchange:
    """One request and its answer. It is answered once, by the function or by the clock, whichever comes first."""

    __slots__ = (
        "_answered",
        "_api",
        "_call",
        "_deadlines",
        "_door",
        "_reply",
        "_request",
        "_request_id",
        "_since",
        "_source_ip",
    )

    def __init__(self, door: Door, request: Request, source_ip: str, reply: Reply) -> None:
        self._door = door
        self._api = door.api
        self._request = request
        self._request_id = door.equipment.ids.request_id()
        self._source_ip = source_ip
        self._reply = reply
        self._since = door.equipment.clock.monotonic()
        self._answered = False
        self._deadlines: Deadlines | None = None
        self._call: Call | None = None

    async def begin_later(self, admission: Admission) -> None:
        try:
            await admission.wait()
        except asyncio.CancelledError:
            self.answer(self._api.stop(self._request))
            raise
        self._api = self._door.api  # what was saved may be a route
        self.begin()

    def begin(self) -> None:
        now = self._door.equipment.clock.now().timestamp()
        arrival = Arrival(
            request_id=self._request_id,
            time=format_time(int(now)),
            epoch_ms=int(now * 1000),
            source_ip=self._source_ip,
            port=self._door.port_text,
        )
        try:
            decision = self._api.decide(self._request, arrival)
        except Exception as error:  # noqa: BLE001  (whatever it is, one request must not take the server down)
            self._break(f"`{self._request.method} {self._request.path}` could not be routed", error)
            return
        if isinstance(decision, Answer):
            self.answer(decision)
            return
        self._call = decision
        if self._door.equipment.integration_timeouts:
            self._deadlines = self._door.deadlines(timeout_s(decision.route))
            self._deadlines.set(self.time_out)
        self._door.start(self._invoke(decision))

    def time_out(self) -> None:
        assert self._call is not None
        self._deadlines = None
        self.answer(self._api.time_out(self._request, self._call))

    async def _invoke(self, call: Call) -> None:
        try:
            outcome = await self._door.equipment.invoker.invoke(call.invocation)
            self.answer(self._api.conclude(self._request, call, outcome))
        except asyncio.CancelledError:
            self.answer(self._api.stop(self._request))
            raise
        except SkykiteError as error:
            self._door.equipment.events.emit(ErrorRaised.of(error))
            self.answer(self._api.fail(self._request))
        except Exception as error:  # noqa: BLE001  (the same)
            self._break(f"`{call.route.function}` could not be asked", error)

    def _break(self, what: str, error: Exception) -> None:
        self._door.equipment.events.emit(
            ErrorRaised(error="invocation-failed", message=f"{what}: {type(error).__name__}: {error}", blame="skykite")
        )
        self.answer(self._api.fail(self._request))

    def answer(self, answer: Answer) -> None:
        if self._answered:
            return
        self._answered = True
        if self._deadlines is not None:
            self._deadlines.clear(self.time_out)
        if answer.notice is not None:
            self._door.equipment.events.emit(answer.notice)
        self._reply(answer.response, self._request_id)
        self._door.finished(
            self._request_id,
            self._request.method,
            decode_path(self._request.path),
            answer.response.status,
            self._door.equipment.clock.monotonic() - self._since,
            None if self._call is None else self._call.route.function,
        )


async def check_port(port: int) -> None:
    """Raises the SkykiteError that `Gateway.serve` would raise for the first API on this port now."""
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, HOST, port)
    except OSError as error:
        raise await _explain(error, port, "the first API") from error
    server.close()


async def _explain(error: OSError, port: int, what: str) -> SkykiteError:
    windows = getattr(error, "winerror", None)
    if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) or windows == 10048:
        occupant = await asyncio.to_thread(find_occupant, port)
        return SkykiteError(
            "port-in-use",
            f"{what} cannot be served on port `{port}`: {occupant or 'another process'} listens there",
            hint="stop that process, or choose another port with `--port`",
        )
    if error.errno in (errno.EACCES, errno.EPERM) or windows == 10013:
        return SkykiteError(
            "port-forbidden",
            f"{what} cannot be served on port `{port}`: the system does not allow it",
            hint="choose a port above 1023 with `--port`",
        )
    return SkykiteError("port-unusable", f"{what} cannot be served on port `{port}`: {error}", blame="skykite")
