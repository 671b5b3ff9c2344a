"""Payloads above 1 MB through the bucket of the embedded cloud, and what is left of them: nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Sequence

import pytest

from kit.bridge import MemoryStub, request, running_bridge
from skykite.aws import AwsSession
from skykite.errors import SkykiteError
from skykite.live.memory import MemoryNetwork
from skykite.live.payloads import Payloads
from skykite_lambda import wire
from skykite_lambda.wire.limits import RESULT_HELD

BUCKET = "live-bucket"
ID = bytes(16)


class Store:
    """Payloads under a prefix of the test's own."""

    def __init__(self, aws: AwsSession) -> None:
        self.aws = aws
        self.prefix = f"live/{uuid.uuid4().hex}/payload/"
        self.left: list[SkykiteError] = []
        self.payloads = self.made(aws)

    def made(self, aws: AwsSession) -> Payloads:
        return Payloads(aws=aws, bucket=BUCKET, prefix=self.prefix, on_left_behind=self.left.append)

    def versions(self) -> int:
        listed = self.aws.s3._caller.client().list_object_versions(Bucket=BUCKET, Prefix=self.prefix)
        return len([*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())])


@pytest.fixture
def store(cloud_session: AwsSession) -> Iterator[Store]:
    store = Store(cloud_session)
    yield store
    assert store.left == []


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def test_a_request_is_put_by_whoever_has_the_url_fetched_and_gone(store: Store) -> None:
    data = os.urandom(2_000_000)
    url, headers = await store.payloads.upload_url(ID, len(data))
    assert request("PUT", url, data, dict(headers))[0] == 200
    assert store.versions() == 1
    assert await store.payloads.fetch(ID, size=len(data), sha256=digest(data)) == data
    assert store.versions() == 0
    assert not store.payloads.has(ID)


async def test_a_request_of_another_size_is_not_taken(store: Store) -> None:
    url, _ = await store.payloads.upload_url(ID, 10)
    assert request("PUT", url, b"12345678901")[0] == 403
    with pytest.raises(SkykiteError) as raised:
        await store.payloads.fetch(ID, size=10, sha256=digest(b"1234567890"))
    assert raised.value.code == "payload-lost"
    await store.payloads.discard(ID)


async def test_a_request_that_is_not_what_was_announced_is_not_used_and_gone_too(store: Store) -> None:
    url, _ = await store.payloads.upload_url(ID, 10)
    assert request("PUT", url, b"1234567890")[0] == 200
    with pytest.raises(SkykiteError) as raised:
        await store.payloads.fetch(ID, size=10, sha256=digest(b"0987654321"))
    assert raised.value.code == "payload-lost"
    assert store.versions() == 0


async def test_a_result_is_stored_for_whoever_has_the_url_and_discarded(store: Store) -> None:
    data = os.urandom(2_000_000)
    url = await store.payloads.store(ID, data)
    assert request("GET", url) == (200, data)
    await store.payloads.discard(ID)
    assert store.versions() == 0
    assert request("GET", url)[0] == 404


async def test_what_was_put_for_an_invocation_that_is_over_is_deleted(store: Store) -> None:
    url, _ = await store.payloads.upload_url(ID, 3)
    assert request("PUT", url, b"abc")[0] == 200
    await store.payloads.discard(ID)
    assert store.versions() == 0


async def test_what_was_never_put_needs_no_deleting(store: Store) -> None:
    await store.payloads.upload_url(ID, 3)
    await store.payloads.discard_all()
    assert (store.versions(), store.payloads.kept) == (0, 0)


async def test_a_result_whose_invocation_ends_while_it_is_stored_is_deleted(store: Store) -> None:
    storing = asyncio.create_task(store.payloads.store(ID, os.urandom(1_000_000)))
    await asyncio.sleep(0)
    await store.payloads.discard(ID)
    with pytest.raises(SkykiteError):
        await storing
    assert store.versions() == 0


async def test_what_cannot_be_deleted_is_told(store: Store, nowhere: AwsSession) -> None:
    payloads = store.made(nowhere)
    await payloads.upload_url(ID, 3)
    await payloads.discard(ID)
    assert [error.code for error in store.left] == ["aws-unreachable"]
    store.left.clear()


async def test_nobody_can_guess_where_a_payload_lies(store: Store) -> None:
    urls = {(await store.payloads.upload_url(os.urandom(16), 3))[0].partition("?")[0] for _ in range(20)}
    assert len(urls) == 20
    assert all(len(url.rpartition("/")[2]) == 32 for url in urls)
    await store.payloads.discard_all()


# With a bridge


async def test_six_megabytes_go_both_ways_and_nothing_is_left(store: Store) -> None:
    """SST #305, #2723, #3147: large payloads."""
    async with running_bridge(payloads=store.payloads) as running:
        event = {"text": os.urandom(3_100_000).hex()}  # 6.2 MB
        assert await running.stub().returned(event) == event
        await settled(store)


@pytest.mark.parametrize("more", [0, 1])
async def test_lambdas_limit_for_requests_holds_to_the_byte(store: Store, more: int) -> None:
    async with running_bridge(payloads=store.payloads) as running:
        event = b'"' + b"x" * (wire.LARGEST_REQUEST - 2 + more) + b'"'
        outcome = await running.stub().invoke(event)
        if more:
            assert isinstance(outcome, wire.Raised)
            assert outcome.error_type == "RequestTooLarge"
            assert running.functions.invocations == []
        else:
            assert outcome == wire.Returned(event)
        await settled(store)


async def test_a_result_above_lambdas_limit_is_lambdas_own_error(store: Store) -> None:
    async with running_bridge(payloads=store.payloads) as running:

        async def much(event: object, invocation: object) -> bytes:
            return b'"' + b"x" * (wire.LARGEST_RESULT - 1) + b'"'

        running.functions.handlers[next(iter(running.functions.handlers))] = much
        raised = await running.stub().raised({})
        assert raised.error_type == "Function.ResponseSizeTooLarge"
        await settled(store)


async def test_large_payloads_survive_a_bad_network(store: Store) -> None:
    network = MemoryNetwork(seed=3)
    from dataclasses import replace

    network.faults = replace(network.faults, loss=0.2, duplication=0.1, jitter_s=0.01)
    async with running_bridge(network, payloads=store.payloads) as running:
        stubs = [running.stub() for _ in range(5)]
        events = [{"n": number, "text": "y" * 1_500_000} for number in range(5)]
        outcomes = await asyncio.gather(*(stub.invoke(event) for stub, event in zip(stubs, events, strict=True)))
        assert [json.loads(one.payload) for one in outcomes if isinstance(one, wire.Returned)] == events
        # Whether a result arrived is told anew where that was lost, by containers that are used again.
        await settled(store, stubs)


async def test_a_bucket_that_is_out_of_reach_fails_the_invocation_and_is_told(nowhere: AwsSession) -> None:
    payloads = Payloads(aws=nowhere, bucket=BUCKET, prefix="live/x/payload/", on_left_behind=lambda error: None)
    async with running_bridge(payloads=payloads) as running:
        event = {"text": "x" * 10}

        async def much(event: object, invocation: object) -> bytes:
            return b'"' + b"x" * 2_000_000 + b'"'

        running.functions.handlers[next(iter(running.functions.handlers))] = much
        raised = await running.stub().raised(event)
        assert raised.error_type == "LivePayloadLost"
        from skykite.model.events import ErrorRaised

        assert [error.error for error in running.events.of(ErrorRaised)] == ["aws-unreachable"]


async def settled(store: Store, stubs: Sequence[MemoryStub] = ()) -> None:
    """Deleting is done behind the answer's back, or when nobody has acknowledged the answer for too long."""
    async with asyncio.timeout(RESULT_HELD + 10):
        while store.versions() or store.payloads.kept:
            await asyncio.gather(*(stub.returned({}) for stub in stubs))
            await asyncio.sleep(0.02)
