"""Requests over kept connections, to servers of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from skykite.live.http import HttpPool
from skykite.live.network import Route, Trouble

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers the n-th request as it is told; counts connections. An answer that closes the writer ends it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.bodies: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                await self.answer(len(self.bodies), writer)
        writer.close()


@asynccontextmanager
async def serving(answer: Answer, **options: float) -> AsyncIterator[tuple[Server, HttpPool]]:
    service = Server(answer)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = HttpPool(Route(host="aws.example", address=("127.0.0.1", port), tls=None), **options)  # type: ignore[arg-type]
    try:
        yield service, pool
    finally:
        pool.close()
        server.close()


async def well(number: int, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


async def test_one_connection_serves_requests_that_follow_each_other() -> None:
    async with serving(well) as (server, pool):
        for number in range(5):
            answer = await pool.post("/event", {"host": "aws.example"}, str(number).encode())
            assert (answer.status, answer.body) == (200, b"ok")
        assert server.connections == 1
        assert server.bodies == [b"0", b"1", b"2", b"3", b"4"]


async def test_requests_at_the_same_time_have_connections_of_their_own_that_are_kept() -> None:
    async with serving(well) as (server, pool):
        for _ in range(3):
            await asyncio.gather(*(pool.post("/", {}, b"x") for _ in range(4)))
        assert server.connections == 4


async def test_an_answer_in_chunks_and_one_after_continue_are_whole() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n")
        writer.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    async with serving(answer) as (server, pool):
        for _ in range(2):
            found = await pool.post("/", {}, b"")
            assert (found.status, found.body, found.headers["x-a"]) == (200, b"abcde", "b")
        assert server.connections == 1


async def test_a_server_that_says_it_closes_is_believed() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    async with serving(answer) as (server, pool):
        await pool.post("/", {}, b"")
        await pool.post("/", {}, b"")
        assert server.connections == 2


async def test_a_kept_connection_that_ends_before_its_answer_is_replaced_and_the_request_sent_again() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 2:
            writer.close()
        else:
            writer.write(OK)

    async with serving(answer) as (server, pool):
        await pool.post("/", {}, b"first")
        assert (await pool.post("/", {}, b"second")).status == 200
        assert server.bodies == [b"first", b"second", b"second"]


async def test_a_fresh_connection_that_ends_before_its_answer_is_trouble() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(answer) as (server, pool):
        with pytest.raises(Trouble, match=r"`aws\.example` closed the connection without an answer"):
            await pool.post("/", {}, b"")
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"\x00" * 100]
)
async def test_what_is_no_whole_answer_is_trouble(answer: bytes) -> None:
    async def say(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with serving(say) as (_, pool):
        with pytest.raises(Trouble) as raised:
            await pool.post("/", {}, b"")
        assert raised.value.reason == "unreachable"


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    async with serving(answer) as (_, pool):
        with pytest.raises(Trouble, match="too large"):
            await pool.post("/", {}, b"")


async def test_a_server_that_does_not_answer_is_left_with_all_that_was_kept_to_it() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number != 4:
            writer.write(OK)

    async with serving(answer, limit_s=0.2) as (server, pool):
        await asyncio.gather(*(pool.post("/", {}, b"") for _ in range(3)))
        assert server.connections == 3
        with pytest.raises(Trouble, match="did not answer"):
            await pool.post("/", {}, b"")
        await pool.post("/", {}, b"")
        assert server.connections == 4


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_ones() -> None:
    late = asyncio.Event()

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            await late.wait()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}".encode())

    async with serving(answer, limit_s=0.1) as (_, pool):
        with pytest.raises(Trouble):
            await pool.post("/", {}, b"")
        late.set()
        assert (await pool.post("/", {}, b"")).body == b"2"


async def test_a_request_that_was_cancelled_leaves_no_connection_behind() -> None:
    hang = asyncio.Event()

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        await hang.wait()

    async with serving(answer) as (server, pool):
        asking = asyncio.create_task(pool.post("/", {}, b""))
        while not server.bodies:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(5):
            while pool._open:
                await asyncio.sleep(0)
        hang.set()
