"""Large payloads of invocations that end at an inconvenient moment: nothing of them is stored, and nothing kept."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, cast

from kit.cloud import RealClock
from skykite.errors import SkykiteError
from skykite.live.payloads import Payloads
from skykite.live.transfers import Transfers
from skykite_lambda import wire


class Machine:
    """What the wire's machine is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bytes]] = []

    def failed(self, id: bytes, reason: str, now: float) -> None:
        self.told.append(("failed", id))

    def download_url(self, id: bytes, url: str, now: float) -> None:
        self.told.append(("download_url", id))

    def upload_url(self, id: bytes, url: str, headers: Any, now: float) -> None:
        self.told.append(("upload_url", id))


class S3:
    """As much of it as payloads need. While `gate` is clear, writing takes its time."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.stored: set[str] = set()
        self.broken: Exception | None = None

    def put_version(self, bucket: str, key: str, payload: bytes, *, content_type: str) -> str:
        self.stored.add(key)
        return "1"

    def presign_get(self, bucket: str, key: str, *, seconds: int) -> str:
        return "https://url"

    def presign_put(self, bucket: str, key: str, *, size: int, seconds: int) -> str:
        if self.broken is not None:
            raise self.broken
        return "https://url"

    def head(self, bucket: str, key: str) -> None:
        return None

    def delete(self, bucket: str, key: str, *, version: str) -> None:
        self.stored.discard(key)


class Aws:
    def __init__(self) -> None:
        self.s3 = S3()

    async def run(self, call: Any, *arguments: Any, **named: Any) -> Any:
        if call == self.s3.put_version:
            await self.s3.gate.wait()
        return call(*arguments, **named)


class Bench:
    def __init__(self) -> None:
        self.machine = Machine()
        self.aws = Aws()
        self.complaints: list[SkykiteError] = []
        self.payloads = Payloads(
            aws=cast(Any, self.aws), bucket="b", prefix="live/00/payload/", on_left_behind=self.complaints.append
        )
        self.transfers = Transfers(
            machine=cast(wire.DevMachine, self.machine),
            payloads=self.payloads,
            clock=RealClock(),
            room=lambda: True,
            moved=lambda: None,
            complain=self.complaints.append,
        )

    async def done(self) -> None:
        async with asyncio.timeout(10):
            while len(self.transfers):
                await asyncio.sleep(0)


def result(number: int) -> wire.NeedDownloadUrl:
    return wire.NeedDownloadUrl(bytes([number] * 16), b"x", hashlib.sha256(b"x").digest())


async def test_a_result_whose_invocation_ends_while_it_waits_its_turn_is_not_stored() -> None:
    bench = Bench()
    for number in range(6):  # more than are stored at a time
        bench.transfers.want(result(number))
    await asyncio.sleep(0)
    for number in range(6):
        bench.transfers.discard(bytes([number] * 16))
    bench.aws.s3.gate.set()
    await bench.done()
    assert bench.aws.s3.stored == set()
    assert bench.payloads.kept == 0


async def test_nothing_is_kept_for_a_request_that_was_given_up_at_once() -> None:
    bench = Bench()
    bench.transfers.want(wire.NeedUploadUrl(bytes(16), 2_000_000, bytes(32)))
    bench.transfers.discard(bytes(16))
    await bench.done()
    assert bench.payloads.kept == 0


async def test_a_fault_of_ours_fails_the_invocation_instead_of_leaving_it_without_an_end() -> None:
    bench = Bench()
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    bench.aws.s3.broken = RuntimeError("a bug")
    bench.transfers.want(wire.NeedUploadUrl(bytes(16), 2_000_000, bytes(32)))
    await bench.done()
    assert bench.machine.told == [("failed", bytes(16))]
    assert [str(fault["exception"]) for fault in faults] == ["a bug"]


async def test_what_is_ended_with_the_session_moves_nothing_any_more() -> None:
    bench = Bench()
    moved: list[bool] = []
    bench.transfers._moved = lambda: moved.append(True)
    bench.transfers.want(result(1))
    await asyncio.sleep(0)
    await bench.transfers.close()
    assert moved == []
