"""The Runtime API over real connections, also from who means it no good."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from skykite.runtime.runtime_api import Endpoint
from skykite.runtime.runtime_api import endpoint as endpoint_module
from skykite.runtime.runtime_api.peers import is_same_user
from skykite_lambda import frames

ID = "8f507cfc-1234-4697-b07a-ac58fc914c95"
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: HOST\r\n\r\n"


@dataclass
class Worker:
    """Both ends of one endpoint."""

    endpoint: Endpoint
    channel: socket.socket
    parser: frames.Parser = field(default_factory=frames.Parser)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.endpoint.address.split(":")
        return await asyncio.open_connection(host, int(port))

    async def say(self, data: bytes) -> bytes:
        """Everything that is answered on a connection of its own, until that ends."""
        reader, writer = await self.connect()
        with suppress(ConnectionError):
            writer.write(data.replace(b"HOST", self.endpoint.address.encode()))
            await writer.drain()
        answer = b""
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    async def ask(self, data: bytes) -> bytes:
        return await self.say(data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    async def frame(self) -> tuple[int, bytes]:
        while (found := self.parser.next()) is None:
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.channel, 65536), 10)
            assert data
            self.parser.feed(data)
        return found

    async def invoke(self, payload: bytes = b"{}", client_context: bytes = b"") -> None:
        head = frames.INVOKE_HEAD.pack(10.0, len(ID), 0, len(client_context))
        await self.send(frames.frame(frames.INVOKE, head, ID.encode(), client_context, payload))

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.channel, data)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    endpoint = Endpoint(memory_kb=lambda: 1024, clock=lambda: 1_000_000.0)
    channel = await endpoint.open()
    found = Worker(endpoint, channel)
    assert (await found.frame())[0] == frames.HELLO
    await found.send(frames.json_frame(frames.CONFIGURE, {"arn": "arn:aws:lambda:x", "nonce": "n"}))
    yield found
    endpoint.close()
    channel.close()


async def still_works(worker: Worker) -> None:
    asking = asyncio.create_task(worker.ask(NEXT))
    kind, _ = await worker.frame()
    assert kind == frames.READY
    await worker.invoke(b'{"still":"here"}')
    assert (await asking).endswith(b'{"still":"here"}')


async def test_an_event_arrives_with_everything_lambda_says_of_it(worker: Worker) -> None:
    asking = asyncio.create_task(worker.ask(NEXT))
    assert (await worker.frame())[0] == frames.READY
    await worker.invoke(b'{"a":1}', b'{\r\n"custom": "\xc3\xbc"}')
    head, _, body = (await asking).partition(b"\r\n\r\n")
    assert body == b'{"a":1}'
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Lambda-Runtime-Aws-Request-Id: " + ID.encode(),
        b'Lambda-Runtime-Client-Context: {  "custom": "\xc3\xbc"}',
        b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:x",
        b"Lambda-Runtime-Deadline-Ms: 1000010000",
        b"Content-Type: application/json",
        b"Content-Length: 7",
        b"Connection: close",
    ]


async def test_a_streamed_result_comes_whole_and_its_trailers_count(worker: Worker) -> None:
    await still_works(worker)
    answer = await worker.ask(
        b"POST /2018-06-01/runtime/invocation/" + ID.encode() + b"/response HTTP/1.1\r\nHost: HOST\r\n"
        b"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
        b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
        b"3\r\nabc\r\n3\r\ndef\r\n0\r\nLambda-Runtime-Function-Error-Type: Stream.Broken\r\n"
        b"Lambda-Runtime-Function-Error-Body: e30=\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 202 Accepted")
    kind, body = await worker.frame()
    assert kind == frames.ERROR
    assert b"Stream.Broken" in body


async def test_a_large_result_is_asked_for_before_it_is_sent(worker: Worker) -> None:
    """As curl does from 1 MB on."""
    await still_works(worker)
    reader, writer = await worker.connect()
    head = (
        f"POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: {worker.endpoint.address}\r\n"
        f"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"x" * 2_000_000)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202")
    assert len((await worker.frame())[1]) == frames.RESULT_HEAD.size + 2_000_000
    writer.close()


async def test_a_result_that_is_cut_off_is_an_error_at_once(worker: Worker) -> None:
    await still_works(worker)
    _, writer = await worker.connect()
    writer.write(
        f"POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: {worker.endpoint.address}\r\n"
        f"Content-Length: 100\r\n\r\nhalf".encode()
    )
    writer.close()
    kind, body = await worker.frame()
    assert kind == frames.ERROR
    assert b"Runtime.TruncatedResponse" in body


async def test_requests_sent_ahead_are_answered_in_order(worker: Worker) -> None:
    await still_works(worker)
    one = f"POST /2018-06-01/runtime/invocation/{ID}/response HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n\r\n1"
    last = b"GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
    answer = await worker.say(one.encode() * 2 + last)
    assert [line[9:12] for line in answer.split(b"\n") if line.startswith(b"HTTP/1.1")] == [b"202", b"403", b"404"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET  \r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"400"),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: HOST\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 1_200_000 + b" HTTP/1.1\r\nHost: HOST\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: HOST\r\nX: " + b"x" * 1_200_000 + b"\r\n\r\n", b"431"),
        (NEXT.replace(b"\r\n\r\n", b"\r\nOrigin: https://evil.example\r\n\r\n"), b"403"),
        (NEXT.replace(b"\r\n\r\n", b"\r\nSec-Fetch-Site: cross-site\r\n\r\n"), b"403"),
        (NEXT.replace(b"HOST", b"evil.example"), b"403"),
    ],
)
async def test_what_is_no_request_of_a_worker_is_refused_and_hurts_nothing(
    worker: Worker, data: bytes, status: bytes
) -> None:
    answer = await worker.say(data)
    assert not answer or answer[9:12] == status
    if len(data) < 1000:
        assert answer
    await still_works(worker)


async def test_a_head_without_end_is_cut_off(worker: Worker) -> None:
    reader, writer = await worker.connect()
    writer.write(b"GET / HTTP/1.1\r\nX: ")
    with suppress(ConnectionError):
        for _ in range(400):
            writer.write(b"x" * 10_000)
            await writer.drain()
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await still_works(worker)


async def test_slow_and_silent_clients_are_in_nobodys_way(worker: Worker) -> None:
    silent = [await worker.connect() for _ in range(20)]
    _, slow = await worker.connect()
    slow.write(NEXT[:30])
    await still_works(worker)
    for _, writer in [*silent, (None, slow)]:
        writer.close()


async def test_connections_are_bounded(worker: Worker) -> None:
    many = [await worker.connect() for _ in range(endpoint_module._CONNECTIONS_LIMIT)]
    reader, writer = await worker.connect()
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    for _, one in [*many, (None, writer)]:
        one.close()


async def test_a_port_closes_with_its_worker(worker: Worker) -> None:
    reader, writer = await worker.connect()
    worker.endpoint.close()
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await worker.connect()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is")
async def test_other_users_of_the_machine_are_not_let_in(worker: Worker) -> None:
    host, port = worker.endpoint.address.split(":")
    with socket.create_connection((host, int(port))) as own:
        assert is_same_user(own.getsockname(), own.getpeername())
    if os.getuid() != 0:
        return
    code = f"""
import encodings.idna, os, socket
os.setuid(65534)
s = socket.create_connection(({host!r}, {port}))
try:
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: {worker.endpoint.address}\\r\\n\\r\\n")
    print(s.recv(100))
except ConnectionError:
    print(b"")
"""
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await other.communicate()
    assert said.strip() == b"b''"
