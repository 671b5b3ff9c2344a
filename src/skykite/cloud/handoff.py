"""Takes the Lambda invocations of the embedded cloud and gives them to an `Invoker`.

The cloud's process connects over loopback, shows a token, and then sends one invocation at a time on each connection
and waits for its outcome; invocations that run at once use as many connections. Payloads pass as bytes, untouched.

The wire: a frame is a header and a payload, each preceded by its length as four bytes, big-endian. The header is JSON.
The first frame of a connection is `{"token"}`. A request is `{"function", "request_id", "invoked", "client_context",
"trace_id"}` with the event as payload; an answer is `{"result": "succeeded" | "failed" | "unregistered", "log"}` with
what the Lambda API returns as payload. `skykite_cloud.handoff` is the other end.

To a keeper, which runs deployed functions, a request also says what is deployed (`cloud.deployed`). If it lacks the
code, it answers `{"result": "code-needed", "code": [digest, …]}`, gets one frame `{"code": digest}` with the zip for
each, and answers the request then.

I/O: one listening socket on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Literal, TypeVar, assert_never

import msgspec

from skykite.cloud.deployed import DeployedFunction, DeployedInvoker
from skykite.model.invocation import Failed, Invocation, Outcome, Succeeded
from skykite.model.names import FunctionId, RequestId
from skykite.model.triggers import trigger_of
from skykite.ports import Ids, Invoker

_LENGTH: Final = struct.Struct(">I")
_BACKLOG: Final = 1024  # invocations that may begin at one moment
_HEADER_LIMIT: Final = 1024 * 1024
_PAYLOAD_LIMIT: Final = 64 * 1024 * 1024  # far above Lambda's own limits, which are the runtime's to enforce
_CODE_LIMIT: Final = 256 * 1024 * 1024  # a zip; Lambda takes 250 MB unpacked


class _Hello(msgspec.Struct):
    token: str


class _Request(msgspec.Struct):
    function: str
    request_id: str
    invoked: bool
    client_context: str | None = None
    trace_id: str | None = None
    deployed: DeployedFunction | None = None


class _Code(msgspec.Struct):
    code: str


class _Answer(msgspec.Struct):
    result: Literal["succeeded", "failed", "unregistered", "code-needed"]
    log: str = ""  # base64
    code: tuple[str, ...] = ()


_Header = TypeVar("_Header", _Hello, _Request, _Code)


class _RefusedError(Exception):
    """The peer is not our cloud or does not speak as agreed; the connection is dropped."""


class HandoffServer:
    """Listens for the embedded cloud. `register` says which functions run on this machine, by their Lambda names; all
    others go to `deployed`, if it is there and the cloud knows how to describe them."""

    def __init__(
        self,
        *,
        ids: Ids,
        invoker: Invoker | None = None,
        deployed: DeployedInvoker | None = None,
        find: Callable[[str], Awaitable[FunctionId | None]] | None = None,
    ) -> None:
        """`find` is asked about names that are not registered: a deployment calls functions it has only just made."""
        self._invoker = invoker
        self._find = find
        self._deployed = deployed
        self._token = ids.token()
        self._functions: dict[str, FunctionId] = {}
        self._names: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def token(self) -> str:
        return self._token

    @property
    def takes_deployed(self) -> bool:
        return self._deployed is not None

    @property
    def port(self) -> int:
        """Where it listens. Only while it runs."""
        if self._server is None:
            raise RuntimeError("the hand-off server is not running")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def register(self, functions: Mapping[str, FunctionId], *, names: Mapping[str, str] | None = None) -> None:
        """These functions, and no others, run on this machine from now on. Invocations in flight finish.

        `functions` is by physical name. `names` says what to call other resources of the app, by physical name, where
        they trigger a function.
        """
        self._functions = dict(functions)
        self._names = dict(names or {})

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Stop listening and drop the connections; invocations in flight are cancelled."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._serve(reader, writer)
        except (_RefusedError, asyncio.IncompleteReadError, ConnectionError):
            pass  # a peer that leaves, or that is not ours, gets no answer
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello, _ = await _read_frame(reader, _Hello, payload_limit=0)
        if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            raise _RefusedError
        while True:
            request, payload = await _read_frame(reader, _Request)
            outcome = await self._invoke(request, payload, _CodeSource(reader, writer))
            await _answer(writer, outcome)

    async def _invoke(self, request: _Request, payload: bytes, source: _CodeSource) -> Outcome | None:
        """None if nobody here runs the function."""
        function = self._functions.get(request.function)
        if function is None and self._find is not None:
            function = await self._find(request.function)
        deployed = self._deployed if function is None else None
        if function is None and (deployed is None or request.deployed is None):
            return None
        context = request.client_context
        invocation = Invocation(
            request_id=RequestId(request.request_id),
            function=function or FunctionId(request.function),
            payload=payload,
            trigger=trigger_of(payload, invoked=request.invoked, names=self._names),
            client_context=base64.b64decode(context) if context else None,
            trace_id=request.trace_id,
        )
        if deployed is not None and request.deployed is not None:
            return await deployed.invoke(request.deployed, invocation, source.fetch)
        assert self._invoker is not None  # functions are registered for it
        return await self._invoker.invoke(invocation)


class _CodeSource:
    """The cloud on the other end of a connection, in the middle of a request, asked for zips."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def fetch(self, digests: Collection[str]) -> dict[str, bytes]:
        """The zips, each checked to be the one that was asked for."""
        await _write_frame(self._writer, _Answer(result="code-needed", code=tuple(digests)), b"")
        found: dict[str, bytes] = {}
        for digest in digests:
            _, data = await _read_frame(self._reader, _Code, payload_limit=_CODE_LIMIT)
            if (await asyncio.to_thread(hashlib.sha256, data)).hexdigest() != digest:
                raise _RefusedError
            found[digest] = data
        return found


async def _answer(writer: asyncio.StreamWriter, outcome: Outcome | None) -> None:
    if outcome is None:
        await _write_frame(writer, _Answer(result="unregistered"), b"")
        return
    log = base64.b64encode(outcome.report.log).decode()
    match outcome:
        case Succeeded():
            await _write_frame(writer, _Answer(result="succeeded", log=log), outcome.payload)
        case Failed():
            await _write_frame(writer, _Answer(result="failed", log=log), outcome.payload)
        case _:
            assert_never(outcome)


async def _write_frame(writer: asyncio.StreamWriter, answer: _Answer, payload: bytes) -> None:
    header = msgspec.json.encode(answer)
    writer.write(_LENGTH.pack(len(header)) + header + _LENGTH.pack(len(payload)) + payload)
    await writer.drain()


async def _read_frame(
    reader: asyncio.StreamReader, kind: type[_Header], *, payload_limit: int = _PAYLOAD_LIMIT
) -> tuple[_Header, bytes]:
    header = await _read_part(reader, _HEADER_LIMIT)
    try:
        decoded = msgspec.json.decode(header, type=kind)
    except msgspec.MsgspecError as error:
        raise _RefusedError from error
    return decoded, await _read_part(reader, payload_limit)


async def _read_part(reader: asyncio.StreamReader, limit: int) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > limit:
        raise _RefusedError
    return await reader.readexactly(length)
