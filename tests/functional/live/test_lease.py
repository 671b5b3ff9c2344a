"""Who serves a stage, in the bucket of the embedded cloud; and whether a stub reads it as it is meant."""

from __future__ import annotations

import asyncio
import json
import uuid
from email.utils import format_datetime
from typing import Any

import pytest

from kit.bridge import running_bridge
from kit.cloud import RealClock
from kit.loopback import running_server
from skykite.aws import AwsSession
from skykite.errors import SkykiteError
from skykite.live.lease import Lease, LeaseDocument
from skykite.live.transport import Disconnection
from skykite.model.events import BridgeTakenOver, ErrorRaised, Notice
from skykite_lambda import wire
from skykite_lambda.live import lease as stub_lease
from skykite_lambda.live.http import Response

BUCKET = "live-bucket"


class Stage:
    """A stage's lease, fresh for each test."""

    def __init__(self, aws: AwsSession) -> None:
        self.aws = aws
        self.key = f"live/{uuid.uuid4().hex}/lease.json"

    def lease(self, number: int, **changes: Any) -> Lease:
        given: dict[str, Any] = {"who": f"user{number}@laptop", "pid": 4711 + number, "clock": RealClock()}
        return Lease(aws=self.aws, bucket=BUCKET, key=self.key, session=bytes([number] * 16), **{**given, **changes})

    def stored(self) -> Any:
        found = self.aws.s3.get(BUCKET, self.key, limit=4096)
        assert found is not None
        return json.loads(found.body)

    def as_a_stub_sees_it(self) -> stub_lease.Lease:
        found = self.aws.s3.get(BUCKET, self.key, limit=4096)
        assert found is not None
        headers = {
            "date": format_datetime(found.served, usegmt=True),
            "last-modified": format_datetime(found.modified, usegmt=True),
        }
        return stub_lease.judge(Response(200, headers, found.body))


@pytest.fixture
def stage(cloud_session: AwsSession) -> Stage:
    return Stage(cloud_session)


async def kept(lease: Lease, troubles: list[SkykiteError] | None = None) -> LeaseDocument:
    return await lease.keep(on_trouble=lambda error: (troubles if troubles is not None else []).append(error))


async def test_the_first_session_writes_what_stubs_read(stage: Stage) -> None:
    lease = stage.lease(1)
    assert await lease.read() is None
    assert await lease.take() is None
    assert stage.stored() == {
        "v": 1,
        "epoch": lease.epoch,
        "session": "01" * 16,
        "ttl_s": 60,
        "who": "user1@laptop",
        "pid": 4712,
        "open": True,
    }
    seen = stage.as_a_stub_sees_it()
    assert seen == stub_lease.Lease(True, "", "user1@laptop", lease.epoch, seen.written)


async def test_a_second_session_takes_it_over_and_knows_from_whom(stage: Stage) -> None:
    first, second = stage.lease(1), stage.lease(2)
    await first.take()
    former = await second.take()
    assert former is not None
    assert former.document.holder == "user1@laptop, process 4712"
    assert second.epoch == first.epoch + 1


async def test_of_sessions_that_start_at_once_each_gets_an_epoch_of_its_own(stage: Stage) -> None:
    leases = [stage.lease(number) for number in range(1, 6)]
    await asyncio.gather(*(lease.take() for lease in leases))
    lowest = min(lease.epoch for lease in leases)
    assert sorted(lease.epoch - lowest for lease in leases) == [0, 1, 2, 3, 4]
    last = max(leases, key=lambda lease: lease.epoch)
    assert stage.stored()["session"] == last._session


async def test_the_first_session_notices_that_it_is_superseded(stage: Stage) -> None:
    first, second = stage.lease(1), stage.lease(2)
    await first.take()
    keeping = asyncio.create_task(kept(first))
    await second.take()
    first.nudge()
    taker = await asyncio.wait_for(keeping, 10)
    assert taker.holder == "user2@laptop, process 4713"
    assert first.superseded_by == taker


async def test_it_is_renewed_by_itself(stage: Stage) -> None:
    lease = stage.lease(1, ttl_s=1)
    await lease.take()
    before = lease._etag
    keeping = asyncio.create_task(kept(lease))
    versions = stage.aws.s3._caller.client().list_object_versions
    async with asyncio.timeout(10):
        while len(versions(Bucket=BUCKET, Prefix=stage.key)["Versions"]) < 3:
            await asyncio.sleep(0.05)
    keeping.cancel()
    assert stage.stored()["epoch"] == lease.epoch
    assert before is not None


async def test_a_session_that_ends_says_so_and_the_next_has_nobody_to_take_it_from(stage: Stage) -> None:
    first, second = stage.lease(1), stage.lease(2)
    await first.take()
    await first.release()
    assert stage.stored()["open"] is False
    assert stage.as_a_stub_sees_it().alive is False
    assert await second.take() is None
    assert second.epoch == first.epoch + 1


async def test_a_session_that_ends_does_not_close_the_lease_of_who_took_over(stage: Stage) -> None:
    first, second = stage.lease(1), stage.lease(2)
    await first.take()
    await second.take()
    await first.release()  # it does not know yet
    assert stage.stored()["session"] == "02" * 16
    assert stage.stored()["open"] is True


async def test_a_lease_whose_session_died_is_dead_by_the_servers_clock(stage: Stage) -> None:
    first, second = stage.lease(1, ttl_s=0), stage.lease(2)
    await first.take()
    async with asyncio.timeout(10):
        while (found := await second.read()) is None or found.alive:  # until S3's clock shows the next second
            await asyncio.sleep(0.05)
    assert await second.take() is None
    assert second.epoch == first.epoch + 1


async def test_a_renewal_that_seemed_to_fail_and_did_not_is_no_take_over(stage: Stage) -> None:
    lease = stage.lease(1)
    await lease.take()
    # The answer to a renewal was lost: what is there is ours, under an ETag that we have not heard of.
    await asyncio.to_thread(
        stage.aws.s3.put, BUCKET, stage.key, json.dumps({**stage.stored()}).encode(), content_type="a/b"
    )
    unheard = stage.aws.s3.head(BUCKET, stage.key)
    keeping = asyncio.create_task(kept(lease))
    await asyncio.sleep(0)
    lease.nudge()
    async with asyncio.timeout(10):
        while stage.aws.s3.head(BUCKET, stage.key) == unheard:
            await asyncio.sleep(0.02)
    assert not keeping.done()
    keeping.cancel()


async def test_a_lease_that_somebody_deleted_is_written_again(stage: Stage) -> None:
    lease = stage.lease(1)
    await lease.take()
    stage.aws.s3.delete(BUCKET, stage.key)
    keeping = asyncio.create_task(kept(lease))
    await asyncio.sleep(0)
    lease.nudge()
    async with asyncio.timeout(10):
        while stage.aws.s3.head(BUCKET, stage.key) is None:
            await asyncio.sleep(0.02)
    assert not keeping.done()
    keeping.cancel()


async def test_what_is_no_lease_is_replaced(stage: Stage) -> None:
    stage.aws.s3.put(BUCKET, stage.key, b"<html>", content_type="text/html")
    lease = stage.lease(1)
    assert await lease.take() is None
    assert stage.stored()["epoch"] == lease.epoch


async def test_a_bucket_that_is_out_of_reach_is_told_once_when_the_lease_has_died(
    stage: Stage, nowhere: AwsSession
) -> None:
    lease = stage.lease(1, ttl_s=1)
    await lease.take()
    troubles: list[SkykiteError] = []
    lease._aws = nowhere
    keeping = asyncio.create_task(kept(lease, troubles))
    async with asyncio.timeout(20):
        while not troubles:
            await asyncio.sleep(0.05)
    lease._aws = stage.aws
    lease.nudge()
    second = stage.lease(2)
    await second.take()
    async with asyncio.timeout(20):
        await keeping
    (trouble,) = troubles
    assert trouble.code == "live-lease-died"
    assert trouble.message.startswith("invocations do not reach this machine any more, since its lease of the stage ")


async def test_a_sign_in_that_has_ended_is_told_while_the_lease_still_lives(stage: Stage) -> None:
    async def expired(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<Error><Code>ExpiredToken</Code><Message>it has</Message></Error>"
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    lease = stage.lease(1, ttl_s=60)
    await lease.take()
    troubles: list[SkykiteError] = []
    with running_server(expired) as (port, _):
        lease._aws = AwsSession(
            region="eu-west-1", endpoint_url=f"http://127.0.0.1:{port}", access_key_id="A", secret_access_key="s"
        )
        keeping = asyncio.create_task(kept(lease, troubles))
        async with asyncio.timeout(20):
            while not troubles:
                lease.nudge()
                await asyncio.sleep(0.05)
        keeping.cancel()
    assert [trouble.code for trouble in troubles] == ["aws-login-expired"]


async def test_a_bucket_that_is_gone_is_told_with_what_brings_it_back(stage: Stage) -> None:
    lease = stage.lease(1, ttl_s=1)
    await lease.take()
    troubles: list[SkykiteError] = []
    lease._bucket = "a-bucket-that-is-gone"
    keeping = asyncio.create_task(kept(lease, troubles))
    async with asyncio.timeout(20):
        while not troubles:
            await asyncio.sleep(0.05)
    keeping.cancel()
    assert troubles[0].code == "live-lease-died"
    assert "NoSuchBucket" in troubles[0].message
    assert "start `kite dev` again" in (troubles[0].hint or "")


def test_a_holder_without_a_name_is_somebody() -> None:
    assert LeaseDocument(epoch=1, session="").holder == "somebody"
    assert LeaseDocument(epoch=1, session="", who="a@b").holder == "a@b"


# With a bridge


async def test_a_session_that_was_away_renews_its_lease_as_soon_as_it_is_back(stage: Stage) -> None:
    lease = stage.lease(1)
    await lease.take()
    async with running_bridge(lease=lease) as running:
        keeping = asyncio.create_task(running.bridge.run())
        before = stage.aws.s3.head(BUCKET, stage.key)
        await asyncio.sleep(0)
        running.transport.cut(Disconnection(reason="slept", message="it slept"))
        running.transport.restore()
        versions = stage.aws.s3._caller.client().list_object_versions
        async with asyncio.timeout(10):
            while len(versions(Bucket=BUCKET, Prefix=stage.key)["Versions"]) < 2:
                await asyncio.sleep(0.02)
        assert before is not None
        assert not keeping.done()
        keeping.cancel()
    assert stage.stored()["open"] is False


async def test_a_session_that_hears_no_frame_learns_from_its_lease_that_another_took_over(stage: Stage) -> None:
    first, second = stage.lease(1), stage.lease(2)
    await first.take()
    async with running_bridge(lease=first) as running:
        ending = asyncio.create_task(running.bridge.run())
        await second.take()
        first.nudge()
        await asyncio.wait_for(ending, 10)
        told = await running.events.wait(BridgeTakenOver)
        assert told.by == "user2@laptop, process 4713"
        stub = running.stub()
        stub.begin("after")
        stub.lease_alive = False
        assert isinstance(await stub.outcome(), wire.Raised)
        assert running.functions.invocations == []
    assert stage.stored()["session"] == "02" * 16
    assert stage.stored()["open"] is True


async def test_a_lease_that_dies_and_one_that_lives_again_are_told_once_each(stage: Stage, nowhere: AwsSession) -> None:
    lease = stage.lease(1, ttl_s=1)
    await lease.take()
    lease._aws = nowhere
    async with running_bridge(lease=lease) as running:
        keeping = asyncio.create_task(running.bridge.run())
        told = await running.events.wait(ErrorRaised)
        assert told.error == "live-lease-died"
        assert await running.stub().returned("still here") == "still here"
        lease._aws = stage.aws
        lease.nudge()
        mended = await running.events.wait(Notice)
        assert mended.message == "invocations reach this machine again"
        keeping.cancel()
    assert len(running.events.of(ErrorRaised)) == 1
