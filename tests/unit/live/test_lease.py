"""A lease and an S3 that answers at inconvenient moments."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from kit.clock import ManualClock
from skykite.aws import AwsError
from skykite.live.lease import Lease, LeaseDocument
from skykite_lambda import wire

NOW = datetime(2026, 11, 27, tzinfo=UTC)


class Found(msgspec.Struct):
    body: bytes
    etag: str
    served: datetime = NOW
    modified: datetime = NOW


class S3:
    """One object. Who `hides` it lets it be written and not read."""

    def __init__(self) -> None:
        self.s3 = self
        self.body: bytes | None = None
        self.version = 0
        self.hides = False
        self.writes = 0

    async def run(self, call: Any, *arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(0)
        return call(*arguments, **named)

    def get(self, bucket: str, key: str, *, limit: int) -> Found | None:
        if self.hides:
            raise AwsError("aws-access-denied", "denied")
        return None if self.body is None else Found(self.body, str(self.version))

    def replace(self, bucket: str, key: str, body: bytes, *, etag: str | None, content_type: str) -> str | None:
        self.writes += 1
        if etag != (None if self.body is None else str(self.version)):
            return None
        self.body, self.version = body, self.version + 1
        return str(self.version)

    @property
    def document(self) -> LeaseDocument:
        assert self.body is not None
        return msgspec.json.decode(self.body, type=LeaseDocument)


def lease(s3: S3, number: int = 1) -> Lease:
    return Lease(
        aws=cast(Any, s3), bucket="b", key="k", session=bytes([number] * 16), who="a@b", pid=1, clock=ManualClock()
    )


async def test_a_session_that_ends_while_its_lease_is_being_renewed_leaves_it_closed() -> None:
    s3 = S3()
    ours = lease(s3)
    await ours.take()
    s3.version += 1  # the renewal is written, and its answer still on its way
    await ours.release()
    assert s3.document.open is False


async def test_a_lease_that_can_be_written_by_others_and_not_read_by_us_is_not_asked_for_without_a_pause() -> None:
    s3 = S3()
    ours, others = lease(s3, 1), lease(s3, 2)
    await ours.take()
    await others.take()
    s3.hides, before = True, s3.writes
    keeping = asyncio.create_task(ours.keep(on_trouble=lambda _: None))
    await asyncio.sleep(0)
    ours.nudge()
    for _ in range(500):
        await asyncio.sleep(0)
    keeping.cancel()
    assert s3.writes - before <= 3


async def test_what_a_session_said_before_the_bucket_forgot_its_lease_ends_no_session_after_it() -> None:
    s3, key = S3(), bytes(32)
    former = lease(s3, 1)
    for number in range(2, 10):  # it was the ninth
        await former.take()
        former = lease(s3, number)
    await former.take()
    machine = wire.DevMachine(bytes([1] * 16), former.epoch, key, os.urandom, 0.0)
    machine.take_over(0.0)
    recorded = [datagram for _, datagram in machine.outgoing()]
    s3.body = None
    ours = lease(s3, 10)
    cast(ManualClock, ours._clock).advance(86_400)
    await ours.take()
    next_machine = wire.DevMachine(bytes([10] * 16), ours.epoch, key, os.urandom, 0.0)
    for datagram in recorded:
        next_machine.receive(datagram, 1.0)
    assert next_machine.serving
