"""A lease and an S3 that answers at inconvenient moments."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from kit.clock import ManualClock
from skykite.aws import AwsError
from skykite.live.lease import Lease, LeaseDocument

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
