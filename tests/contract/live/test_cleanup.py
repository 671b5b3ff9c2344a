"""What is left of Live after a deploy or a removal, in the embedded cloud: nothing, unless somebody is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from kit.assembly import Workbench
from kit.cloud import Answers, RealClock, RecordedEvents, running_cloud, session_at
from skykite.aws import AwsSession
from skykite.cloud import CloudAddress
from skykite.errors import SkykiteError
from skykite.live.cleanup import LiveRemains
from skykite.live.key import obtain_stage_key
from skykite.live.lease import Lease
from skykite.model.bootstrap import bootstrap_bucket
from skykite.model.events import Notice
from skykite.model.live import lease_key, payload_prefix, stage_key_name, stage_prefix

APP = "notes"
WHO = "`kite deploy` of bob@desk"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        yield address


@pytest.fixture
def session(address: CloudAddress) -> Iterator[AwsSession]:
    session = session_at(address)
    yield session
    session.close()


@pytest.fixture
async def bucket(session: AwsSession, address: CloudAddress, tmp_path: Path) -> str:
    await Workbench(session=session, root=tmp_path, app=APP).deployer().bootstrap()
    return bootstrap_bucket(address.account, address.region)


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


def _remains(session: AwsSession, events: RecordedEvents, stage: str) -> LiveRemains:
    return LiveRemains(aws=session, events=events, app=APP, stage=stage, who=WHO)


def _lease(session: AwsSession, bucket: str, stage: str, *, id: bytes = b"a" * 16, ttl_s: int = 60) -> Lease:
    return Lease(
        aws=session,
        bucket=bucket,
        key=lease_key(APP, stage),
        session=id,
        who="alice@laptop",
        pid=7,
        clock=RealClock(),
        ttl_s=ttl_s,
    )


def _client(address: CloudAddress, service: str, **keys: str) -> Any:
    own = {"aws_access_key_id": address.access_key_id, "aws_secret_access_key": address.secret_access_key}
    return boto3.client(service, endpoint_url=address.url, region_name=address.region, **{**own, **keys})


def _versions(address: CloudAddress, bucket: str, stage: str) -> list[str]:
    page = _client(address, "s3").list_object_versions(Bucket=bucket, Prefix=stage_prefix(APP, stage))
    return [entry["Key"] for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))]


async def test_key_lease_and_payloads_are_gone_with_all_their_versions(
    session: AwsSession, address: CloudAddress, bucket: str, events: RecordedEvents
) -> None:
    await obtain_stage_key(session, app=APP, stage="alice")
    await obtain_stage_key(session, app=APP, stage="bob")
    for _ in range(2):
        lease = _lease(session, bucket, "alice")
        await lease.take()
        await lease.release()
    for stage in ("alice", "bob"):
        for name in ("left", "hidden"):
            session.s3.put(bucket, f"{payload_prefix(APP, stage)}{name}", b"x", content_type="text/plain")
        session.s3.delete(bucket, f"{payload_prefix(APP, stage)}hidden")
    assert len(_versions(address, bucket, "alice")) > 4

    await _remains(session, events, "alice").clear(expected=True)

    assert _versions(address, bucket, "alice") == []
    assert session.ssm.get_secret(stage_key_name(APP, "alice")) is None
    assert len(_versions(address, bucket, "bob")) == 3
    assert session.ssm.get_secret(stage_key_name(APP, "bob")) is not None
    assert events.all == []


async def test_where_there_is_nothing_it_is_only_looked(
    session: AwsSession, bucket: str, events: RecordedEvents
) -> None:
    remains = _remains(session, events, "never")
    assert await remains.holder() is None
    calls: list[str] = []
    for service in (session.s3, session.ssm, session.sts):
        client = service._caller.client()
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    await remains.clear(expected=True)
    assert sorted(calls) == ["DeleteParameter", "ListObjectVersions"]
    assert events.all == []


async def test_an_account_that_was_never_prepared_has_nothing(tmp_path: Path, events: RecordedEvents) -> None:
    with running_cloud(tmp_path / "cloud") as address:
        session = session_at(address)
        remains = _remains(session, events, "alice")
        assert await remains.holder() is None
        await remains.clear(expected=True)
        assert events.all == []
        session.close()


async def test_whoever_serves_the_stage_is_asked_about(
    session: AwsSession, bucket: str, events: RecordedEvents
) -> None:
    lease = _lease(session, bucket, "busy")
    await lease.take()
    remains = _remains(session, events, "busy")
    holder = await remains.holder()
    assert holder is not None

    nobody = Answers()
    with pytest.raises(SkykiteError) as raised:
        await remains.agree_to_end(holder, nobody, doing="deploying")
    assert (raised.value.code, raised.value.message, raised.value.hint) == (
        "live-session-connected",
        "nothing was done: `kite dev` runs on stage `busy` of `notes` (alice@laptop, process 7)",
        "stop it first, or agree to end it with `--yes`",
    )
    (question,) = nobody.asked
    assert question == (
        "alice@laptop, process 7, runs `kite dev` on stage `busy` of `notes` right now. Deploying puts the code in "
        "place of its stubs and ends that session. Go on?"
    )
    await remains.agree_to_end(holder, Answers(answer=True), doing="removing")

    await lease.release()
    assert await remains.holder() is None
    quiet = Answers()
    await remains.agree_to_end(None, quiet, doing="deploying")
    assert quiet.asked == []


async def test_a_session_that_is_still_there_learns_that_it_has_ended(
    session: AwsSession, address: CloudAddress, bucket: str, events: RecordedEvents
) -> None:
    lease = _lease(session, bucket, "ended")
    await lease.take()
    session.s3.put(bucket, f"{payload_prefix(APP, 'ended')}left", b"x", content_type="text/plain")

    await _remains(session, events, "ended").clear(expected=True)
    keeping = asyncio.create_task(lease.keep(on_trouble=lambda error: pytest.fail(str(error))))
    await asyncio.sleep(0)  # it listens
    lease.nudge()
    async with asyncio.timeout(10):
        successor = await keeping

    assert (successor.who, successor.open, successor.epoch) == (WHO, False, lease.epoch + 1)
    await lease.release()
    found = await lease.read()
    assert found is not None
    assert not found.alive
    assert set(_versions(address, bucket, "ended")) == {lease_key(APP, "ended")}
    await _remains(session, events, "ended").clear(expected=True)
    assert _versions(address, bucket, "ended") == []


class Forbidden:
    """Makes a session's clients answer as AWS does to who may not."""

    def __init__(self, session: AwsSession) -> None:
        for service in (session.s3, session.ssm):
            service._caller.client().meta.events.register("before-call", self._refuse)

    def _refuse(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        from botocore.awsrequest import AWSResponse

        body = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        return AWSResponse("", 403, {}, None), body


async def test_who_may_not_look_is_bothered_only_if_something_was_there(
    session: AwsSession, bucket: str, events: RecordedEvents
) -> None:
    await obtain_stage_key(session, app=APP, stage="closed")
    Forbidden(session)
    remains = _remains(session, events, "closed")
    assert await remains.holder() is None
    await remains.clear(expected=False)
    assert events.all == []
    await remains.clear(expected=True)
    said = events.of(Notice)
    assert [event.notice for event in said] == ["live-remains", "live-remains"]
    assert said[0].message.startswith("what `kite dev` left of stage `closed` could not be taken away: the AWS cred")
    assert json.dumps([event.hint for event in said]).count("allow `") == 2
