"""The way from other commands to a running keeper: one question per connection, on loopback, with a token.

A question is a line of JSON, `{"token", "ask"}`, an answer is one, `{"answer"}` or `{"error"}`. Who has asked to `stop`
gets no answer but the end of the connection, which is the end of the process. I/O: a listening socket on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec

from skykite.errors import SkykiteError
from skykite.model.events import CloudApi, ErrorRaised
from skykite.ports import Ids

_LINE_LIMIT: Final = 4 * 1024 * 1024
_HASTE_S: Final = 5.0  # for a question to arrive

Ask = Literal["status", "apis", "stop"]
_T = TypeVar("_T")


class ControlPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a keeper takes questions. The token is a secret."""

    port: int
    token: str


class KeeperStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a keeper is. `memory_mb` is that of all its processes, `None` where the system does not tell."""

    url: str
    since: datetime
    functions: int
    running: int
    memory_mb: int | None
    apis: tuple[CloudApi, ...]


class KeptApis(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP APIs that are deployed, each with its URL."""

    apis: tuple[CloudApi, ...]


class _Question(msgspec.Struct):
    token: str
    ask: Ask


class ControlServer:
    """Takes questions until `close`; an asker of `stop` waits for the end of the process."""

    def __init__(
        self,
        *,
        ids: Ids,
        status: Callable[[], Awaitable[KeeperStatus]],
        apis: Callable[[], Awaitable[KeptApis]],
        stop: Callable[[], None],
    ) -> None:
        self._token = ids.token()
        self._status = status
        self._apis = apis
        self._stop = stop
        self._server: asyncio.Server | None = None
        self._leaving: list[asyncio.StreamWriter] = []  # who waits for our end

    async def start(self) -> ControlPlace:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return ControlPlace(port=self._server.sockets[0].getsockname()[1], token=self._token)

    def close(self) -> None:
        """Take no more questions."""
        if self._server is not None:
            self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = await self._question(reader)
            if question is None:
                writer.close()
            elif question.ask == "stop":
                self._leaving.append(writer)
                self._stop()
            else:
                writer.write(await self._answer(question.ask) + b"\n")
                await writer.drain()
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.close()

    async def _question(self, reader: asyncio.StreamReader) -> _Question | None:
        """None from whoever does not know the token."""
        async with asyncio.timeout(_HASTE_S):
            line = await reader.readline()
        try:
            question = msgspec.json.decode(line, type=_Question)
        except msgspec.MsgspecError:
            return None
        return question if hmac.compare_digest(question.token.encode(), self._token.encode()) else None

    async def _answer(self, ask: Literal["status", "apis"]) -> bytes:
        try:
            found = await (self._status() if ask == "status" else self._apis())
        except SkykiteError as error:
            return msgspec.json.encode({"error": ErrorRaised.of(error)})
        return msgspec.json.encode({"answer": found})


async def ask(place: ControlPlace, question: Literal["status", "apis"], kind: type[_T], *, patience_s: float) -> _T:
    """The keeper's answer. Raises TimeoutError, OSError or EOFError if it gives none, and the SkykiteError it met."""
    async with asyncio.timeout(patience_s):
        reader, writer = await _put(place, question)
        with contextlib.closing(writer):
            line = await reader.readline()
    if not line:
        raise EOFError
    found = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    if "error" in found:
        raised = msgspec.json.decode(found["error"], type=ErrorRaised)
        raise SkykiteError(
            raised.error,
            raised.message,
            context=raised.context,
            hint=raised.hint,
            link=raised.link,
            blame=raised.blame,
        )
    return msgspec.json.decode(found["answer"], type=kind)


async def ask_to_stop(place: ControlPlace, *, patience_s: float) -> None:
    """Return when the keeper has ended. Raises TimeoutError or OSError if it does not."""
    async with asyncio.timeout(patience_s):
        reader, writer = await _put(place, "stop")
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await reader.read()


async def _put(place: ControlPlace, question: Ask) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, limit=_LINE_LIMIT)
    writer.write(msgspec.json.encode(_Question(token=place.token, ask=question)) + b"\n")
    return reader, writer
