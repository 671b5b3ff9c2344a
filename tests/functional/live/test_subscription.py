"""A session's WebSocket to a server that refuses, takes leave or stops in every way that there is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kit.websocket import Connection, read_message, server_frame
from skykite.live import subscription
from skykite.live.network import Route, Trouble
from skykite.live.subscription import Subscription, subscribe
from skykite_lambda.live import messages

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
DENIED = b'{"errors":[{"errorType":"UnauthorizedException","message":"not for you"}]}'
TOLD = "`events.example` refuses the connection: 400 UnauthorizedException: not for you"


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[Route]:
    """`serve` gets the head of the request."""
    serving: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await serve(reader, writer, await reader.readuntil(b"\r\n\r\n"))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield Route(host="events.example", address=listening.sockets[0].getsockname()[:2], tls=None)
    finally:
        listening.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def connect(route: Route) -> Subscription:
    return await subscribe(route, sign=lambda _: {}, channel="/a", received=lambda _: None)


def subscribed(then: Serve) -> Serve:
    """`then` once a session has subscribed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: %b\r\nSec-WebSocket-Accept: %b\r\n\r\n" % (messages.SUBPROTOCOL.encode(), accept)
        )
        connection = Connection(reader, writer)
        for answer in ("connection_ack", "subscribe_success"):
            await read_message(connection)
            connection.send({"type": answer})
        await then(reader, writer, head)

    return serve


async def ends_with_the_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("end", [ends_with_the_connection, never_ends])
@pytest.mark.parametrize(
    "answer",
    [
        b"Transfer-Encoding: chunked\r\n\r\n%X\r\n%b\r\n0\r\n\r\n" % (len(DENIED), DENIED),
        b"\r\n" + DENIED,
        b"Content-Length: 2000\r\n\r\n" + DENIED,
        b"Content-Length: %d\r\n\r\n%b" % (len(DENIED), DENIED),
    ],
    ids=["in chunks", "without a length", "with too large a length", "with its length"],
)
async def test_a_refusal_is_told_with_what_it_says_however_it_comes(
    answer: bytes,
    end: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "ATTEMPT_LIMIT_S", 0.5)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n" + answer)
        await end(reader, writer)

    async with server(refuse) as route:
        with pytest.raises(Trouble) as raised:
            await connect(route)
    assert (raised.value.reason, raised.value.message) == ("denied", TOLD)


async def test_a_leave_ends_it_at_once_whatever_follows_and_what_was_published_is_handed_back() -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        assert await read_message(Connection(reader, writer)) is not None
        writer.write(server_frame(8, b"\x03\xe9bye") + b"\xff\xff\xff")
        await asyncio.Event().wait()  # the connection stays

    async with server(subscribed(leave)) as route, asyncio.timeout(2):
        opened = await connect(route)
        answers: asyncio.Queue[object] = asyncio.Queue()
        opened.publish('{"channel":"/a"}', {}, answers.put_nowait)
        ended = await opened.ended
        assert (ended.reason, ended.message) == ("closed", "`events.example` closed the connection (1001 bye)")
        assert answers.get_nowait() is None


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", b""),
        (b"\x03", b"\x03\xea"),
        (b"\x03\xee", b"\x03\xea"),
        (b"\x00\x00", b"\x03\xea"),
        (b"\x03\xe9bye", b"\x03\xe9"),
        (b"\x0f\xa0", b"\x0f\xa0"),
    ],
)
async def test_a_leave_is_answered_with_its_code_if_that_is_one(payload: bytes, answer: bytes) -> None:
    answered: asyncio.Queue[bytes] = asyncio.Queue()

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(server_frame(8, payload))
        head, mask, rest = await reader.readexactly(2), await reader.readexactly(4), await reader.read()
        assert head[0] == 0x88
        answered.put_nowait(bytes(byte ^ mask[place] for place, byte in enumerate(rest)))

    async with server(subscribed(leave)) as route, asyncio.timeout(5):
        opened = await connect(route)
        await opened.ended
        assert await answered.get() == answer


async def test_text_that_is_no_text_ends_it() -> None:
    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(server_frame(1, b'{"type":"data","event":"\xff"}'))
        await never_ends(reader, writer)

    async with server(subscribed(send)) as route, asyncio.timeout(5):
        ended = await (await connect(route)).ended
        assert ended.message == "`events.example` sent text that is not UTF-8"


async def test_leaving_a_service_that_reads_nothing_any_more_hands_back_what_was_published_and_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "_LEAVE_S", 0.2)
    left = asyncio.Event()

    async def read_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await left.wait()

    async with server(subscribed(read_nothing)) as route, asyncio.timeout(5):
        opened = await connect(route)
        answers: asyncio.Queue[object] = asyncio.Queue()
        opened.publish(messages.publish_body("requests", ["x" * 20_000_000]), {}, answers.put_nowait)
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        inherited = opened.connection_lost

        def connection_lost(error: Exception | None) -> None:
            inherited(error)
            lost.set_result(None)

        monkeypatch.setattr(opened, "connection_lost", connection_lost)
        opened.close()
        await lost
        assert answers.get_nowait() is None
        left.set()


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not exist there")
def test_leaving_a_connection_that_is_gone_says_nothing_and_breaks_nothing() -> None:
    """On the loop that `kite` runs on, which raises where asyncio's own ignores what is written too late."""
    import uvloop

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.transport.abort()

    async def main() -> None:
        async with server(subscribed(cut)) as route, asyncio.timeout(5):
            opened = await connect(route)
            assert (await opened.ended).reason == "closed"
            opened.say("too late")
            opened.close()

    uvloop.run(main())
