"""The hand-off of deployed functions: code follows when it is asked for, and only what was asked for is taken."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kit.embedded_cloud import RealIds
from skykite.cloud import DeployedFunction, FetchCode, HandoffServer
from skykite.model.invocation import Invocation, Outcome, Report, Succeeded

CODE = b"the zip"
DIGEST = hashlib.sha256(CODE).hexdigest()
FUNCTION = {
    "name": "hello", "arn": "arn:aws:lambda:eu-west-1:0:function:hello", "version": "$LATEST", "runtime": "python3.13",
    "handler": "index.handler", "timeout_s": 3, "memory_mb": 128, "environment": {}, "credentials": {"KEY": "secret"},
    "code": DIGEST,
}  # fmt: skip
REQUEST = {"function": "hello", "request_id": "r", "invoked": True}


class Runner:
    """Fetches the code of a function, once, and returns it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def invoke(self, function: DeployedFunction, invocation: Invocation, fetch: FetchCode) -> Outcome:
        if not self.got:
            self.got += (await fetch([function.code])).values()
        return Succeeded(payload=json.dumps([function.name, len(self.got)]).encode(), report=Report(duration_ms=1))


class Peer:
    """The cloud's end, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        head = json.dumps(header).encode()
        self._writer.write(struct.pack(">I", len(head)) + head + struct.pack(">I", len(payload)) + payload)

    async def receive(self) -> tuple[Any, bytes]:
        return json.loads(await self._part()), await self._part()

    async def _part(self) -> bytes:
        (length,) = struct.unpack(">I", await self._reader.readexactly(4))
        return await self._reader.readexactly(length)

    async def is_dropped(self) -> bool:
        return await self._reader.read() == b""

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
async def peer(runner: Runner) -> AsyncIterator[Peer]:
    server = HandoffServer(ids=RealIds(), deployed=runner)
    await server.start()
    peer = Peer(*await asyncio.open_connection("127.0.0.1", server.port))
    peer.send({"token": server.token})
    yield peer
    peer.close()
    await server.stop()


async def test_code_is_asked_for_where_it_is_needed_and_the_request_then_answered(peer: Peer, runner: Runner) -> None:
    peer.send({**REQUEST, "deployed": FUNCTION}, b"{}")
    assert (await peer.receive())[0] == {"result": "code-needed", "log": "", "code": [DIGEST]}
    peer.send({"code": DIGEST}, CODE)
    assert await peer.receive() == ({"result": "succeeded", "log": "", "code": []}, b'["hello", 1]')
    assert runner.got == [CODE]

    peer.send({**REQUEST, "deployed": FUNCTION}, b"{}")

    assert (await peer.receive())[1] == b'["hello", 1]'


async def test_code_that_is_not_what_was_asked_for_is_not_taken(peer: Peer, runner: Runner) -> None:
    peer.send({**REQUEST, "deployed": FUNCTION}, b"{}")
    await peer.receive()
    peer.send({"code": DIGEST}, b"something else")

    assert await peer.is_dropped()
    assert runner.got == []


async def test_what_the_cloud_does_not_describe_is_the_clouds_to_run(peer: Peer) -> None:
    peer.send(REQUEST, b"{}")

    assert (await peer.receive())[0]["result"] == "unregistered"


def test_a_deployed_function_shows_no_secret_of_itself() -> None:
    shown = repr(DeployedFunction(**{**FUNCTION, "environment": {"TOKEN": "hidden"}}))  # type: ignore[arg-type]

    assert "hidden" not in shown
    assert "secret" not in shown
