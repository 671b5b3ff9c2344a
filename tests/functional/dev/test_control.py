"""Questions to a keeper: answered on loopback to whoever knows the token, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest

from kit.embedded_cloud import RealIds
from skykite.dev.control import ControlPlace, ControlServer, KeeperStatus, KeptApis, ask, ask_to_stop
from skykite.errors import SkykiteError
from skykite.model.events import CloudApi

API = CloudApi(id="a1", name="shop", url="http://127.0.0.1:4000")
STATUS = KeeperStatus(
    url="http://127.0.0.1:5000",
    since=datetime(2026, 1, 2, tzinfo=UTC),
    functions=3,
    running=1,
    memory_mb=None,
    apis=(API,),
)


@dataclass
class Keeper:
    """The part that answers."""

    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    failure: SkykiteError | None = None

    async def status(self) -> KeeperStatus:
        return STATUS

    async def apis(self) -> KeptApis:
        if self.failure is not None:
            raise self.failure
        return KeptApis(apis=(API,))


@pytest.fixture
async def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
async def place(keeper: Keeper) -> AsyncIterator[ControlPlace]:
    server = ControlServer(ids=RealIds(), status=keeper.status, apis=keeper.apis, stop=keeper.stopped.set)
    yield await server.start()
    server.close()


async def test_questions_are_answered(place: ControlPlace) -> None:
    assert await ask(place, "status", KeeperStatus, patience_s=5) == STATUS
    assert await ask(place, "apis", KeptApis, patience_s=5) == KeptApis(apis=(API,))


async def test_a_failure_comes_back_as_what_it_was(place: ControlPlace, keeper: Keeper) -> None:
    keeper.failure = SkykiteError("aws-unreachable", "nobody is at `x`", hint="look", blame="aws")

    with pytest.raises(SkykiteError) as raised:
        await ask(place, "apis", KeptApis, patience_s=5)

    told = raised.value
    assert (told.code, told.message, told.hint, told.blame) == ("aws-unreachable", "nobody is at `x`", "look", "aws")


@pytest.mark.parametrize("question", ["status", "stop"])
async def test_who_does_not_know_the_token_gets_nothing(place: ControlPlace, keeper: Keeper, question: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    writer.write(msgspec.json.encode({"token": "guessed", "ask": question}) + b"\n")

    assert await reader.read() == b""
    assert not keeper.stopped.is_set()
    writer.close()


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"{}\n", b"\xff\n", b"\n"])
async def test_who_speaks_something_else_gets_nothing(place: ControlPlace, line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    writer.write(line)

    assert await reader.read() == b""
    writer.close()


async def test_who_asks_it_to_stop_waits_for_its_end(place: ControlPlace, keeper: Keeper) -> None:
    with pytest.raises(TimeoutError):  # this process does not end
        await ask_to_stop(place, patience_s=0.2)

    assert keeper.stopped.is_set()


async def test_a_keeper_that_is_gone_is_an_error(place: ControlPlace) -> None:
    nobody = ControlPlace(port=1, token=place.token)

    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says of it
        await ask(nobody, "status", KeeperStatus, patience_s=5)
