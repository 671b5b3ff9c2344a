"""A WebSocket over a real socket: handshakes that are wrong, ends of all kinds, and answers it owes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import queue
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from select import select

import pytest

from kit.live import PushedClock
from kit.loopback import running_server
from kit.websocket import Connection, server_frame, unmask
from skykite_lambda.live.network import Network, Unreachable
from skykite_lambda.live.websocket import Refused, WebSocket, open_websocket

Script = Callable[[Connection], Awaitable[None]]
Open = Callable[..., WebSocket]

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Protocol": "aws-appsync-event-ws",
    "Sec-WebSocket-Accept": "",
}


@pytest.fixture
def opened() -> Iterator[Open]:
    """Connects to a server that shakes hands with these headers and then follows the script."""
    with ExitStack() as stack:

        def open_one(
            script: Script | None = None, status: str = "101 Switching Protocols", **changes: str
        ) -> WebSocket:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                key = next(line for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key: "))[19:]
                accept = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
                headers = {**UPGRADE, "Sec-WebSocket-Accept": base64.b64encode(accept).decode()}
                headers |= {name.replace("_", "-"): value for name, value in changes.items()}
                lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items() if value)]
                writer.write("\r\n".join([*lines, "", ""]).encode())
                if script is not None:
                    await script(Connection(reader, writer))
                else:
                    await reader.read()

            port, _ = stack.enter_context(running_server(serve))
            clock = PushedClock()
            network = Network({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}, clock)
            protocols = ["aws-appsync-event-ws", "header-e30"]
            return open_websocket(network, "host.example", "/event/realtime", protocols, deadline=clock.elapsed() + 5)

        yield open_one


def everything(socket: WebSocket) -> list[str]:
    """All that comes until the connection is over."""
    texts = socket.receive()
    while socket.ended is None:
        assert select([socket], [], [], 5)[0]
        texts += socket.receive()
    return texts


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "h2c"},
        {"Upgrade": ""},
        {"Connection": "keep-alive"},
        {"Sec-WebSocket-Accept": "AAAA"},
        {"Sec-WebSocket-Protocol": "header-e30"},
        {"Sec-WebSocket-Protocol": ""},
        {"Sec-WebSocket-Extensions": "permessage-deflate"},
    ],
)
def test_a_handshake_that_is_not_what_was_asked_for_is_refused(opened: Open, changes: dict[str, str]) -> None:
    with pytest.raises(Unreachable, match="takes no WebSocket: its answer is no WebSocket's"):
        opened(**changes)


def test_a_refusal_is_told_in_the_servers_words(opened: Open) -> None:
    async def explain(connection: Connection) -> None:
        connection.writer.write(b'{"errors":\r\n ["no"]} and more')

    with pytest.raises(Refused) as refusal:
        opened(explain, "429 Too Many", **{"Content-Length": "21", "Date": "Fri, 27 Nov 2026 22:16:00 GMT"})
    assert str(refusal.value).startswith('429 Too Many: {"errors": ["no"]}')
    assert refusal.value.date == 1795817760.0


def test_what_comes_with_the_handshake_is_not_lost(opened: Open) -> None:
    async def eager(connection: Connection) -> None:
        connection.writer.write(server_frame(1, b"at once") + server_frame(8, b"\x03\xe8bye"))

    socket = opened(eager)
    assert everything(socket) == ["at once"]
    assert socket.ended == "the server closed it: 1000 bye"


def test_pings_are_answered_with_what_they_hold_and_the_close_is_returned(opened: Open) -> None:
    answers: queue.Queue[tuple[int, bytes]] = queue.Queue()

    async def ping(connection: Connection) -> None:
        connection.writer.write(server_frame(9, b"are you there") + server_frame(10, b"unasked") + server_frame(8, b""))
        for _ in range(2):
            first, second = await connection.reader.readexactly(2)
            assert second & 0x80
            mask = await connection.reader.readexactly(4)
            answers.put((first & 15, unmask(await connection.reader.readexactly(second & 127), mask)))

    socket = opened(ping)
    assert everything(socket) == []
    assert socket.ended == "the server closed it: 1005"
    assert answers.get(timeout=5) == (10, b"are you there")
    assert answers.get(timeout=5) == (8, b"\x03\xe8")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (server_frame(2, b"x"), "the server sent bytes instead of text"),
        (server_frame(1, b"\xff"), "the server sent text that is not UTF-8"),
        (b"\xc1\x01x", "the server sent a frame with bits that were not agreed on"),
        (b"HTTP/1.1 400 Bad", "the server sent a frame with bits that were not agreed on"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_left(opened: Open, data: bytes, why: str) -> None:
    async def misbehave(connection: Connection) -> None:
        connection.writer.write(server_frame(1, b"fine") + data)
        await connection.reader.read()

    socket = opened(misbehave)
    assert everything(socket) == ["fine"]
    assert socket.ended == why
    with pytest.raises(ConnectionResetError):
        socket.send("x")


def test_a_connection_that_ends_or_breaks_says_so_after_what_came_before(opened: Open) -> None:
    async def leave(connection: Connection) -> None:
        connection.writer.write(server_frame(1, b"last words"))

    socket = opened(leave)
    assert everything(socket) == ["last words"]
    assert socket.ended == "the server ended the connection"


def test_a_quarter_of_a_megabyte_goes_both_ways(opened: Open) -> None:
    async def echo(connection: Connection) -> None:
        first, second, length = (await connection.reader.readexactly(1))[0], 0, 0
        second = (await connection.reader.readexactly(1))[0]
        length = int.from_bytes(await connection.reader.readexactly(8), "big")
        mask = await connection.reader.readexactly(4)
        data = unmask(await connection.reader.readexactly(length), mask)
        assert (first, second) == (0x81, 0xFF)
        connection.writer.write(server_frame(1, data) + server_frame(8, b""))
        await connection.writer.drain()

    socket = opened(echo)
    text = "0123456789abcdef" * 16 * 1024 + "ü"
    socket.send(text)
    assert everything(socket) == [text]


def test_nothing_to_read_is_no_reason_to_wait(opened: Open) -> None:
    socket = opened()
    assert socket.receive() == []
    assert socket.heard is False
    assert socket.ended is None
    socket.close()
    assert socket.ended == "closed by us"
    assert socket.receive() == []
