"""The bridge over AppSync Events, S3 and SSM of the embedded cloud, with the stub that functions are deployed with."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kit.bridge import Functions, Raising
from kit.cloud import RealClock, RecordedEvents
from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy
from skykite.aws import AwsSession
from skykite.deploy.bootstrap import bootstrap_template
from skykite.live.bridge import Bridge
from skykite.live.cleanup import LiveRemains
from skykite.live.opening import open_bridge
from skykite.model.bootstrap import EventApi, bootstrap_bucket, parse_event_api
from skykite.model.events import BridgeConnected, BridgeTakenOver, Notice
from skykite.model.invocation import Invocation
from skykite.model.live import lease_key, payload_prefix, replies_prefix, requests_channel, stage_key_name
from skykite.model.names import FunctionId
from skykite_lambda.faults import Fault
from skykite_lambda.live.clock import Clock
from skykite_lambda.live.stub import Stub

APP = "notes"
ECHO = FunctionId("NotesStack/Echo")
BUCKET = bootstrap_bucket(ACCOUNT, REGION)


class Context:
    """As Lambda's, as far as the stub looks."""

    invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:notes-alice-Echo"
    client_context: Any = None
    identity: Any = None

    def __init__(self, request_id: str = "8f507cfc-1234-4697-b07a-ac58fc914c95", seconds: float = 60) -> None:
        self.aws_request_id = request_id
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0, self._until - time.monotonic()) * 1000)


@dataclass(frozen=True)
class Cloud:
    """The embedded cloud, bootstrapped."""

    url: str
    keys: dict[str, str]
    api: EventApi

    def session(self) -> AwsSession:
        return AwsSession(region=REGION, endpoint_url=self.url, **self.keys)

    def stub(self, stage: str, function: str = ECHO) -> Stub:
        """A container that has started. Blocks."""
        live = {
            "v": 1,
            "http": self.api.http_host,
            "ws": self.api.realtime_host,
            "requests": requests_channel(APP, stage),
            "replies": replies_prefix(APP, stage),
            "lease": {"bucket": BUCKET, "key": lease_key(APP, stage)},
            "key": stage_key_name(APP, stage),
            "function": function,
            "app": APP,
            "stage": stage,
        }
        environment = {
            "KITE_LIVE": json.dumps(live),
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.keys["secret_access_key"],
        }
        stub = Stub(environment, Clock(), os.urandom)
        stub.warm_up()
        return stub


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    running = RunningCloud(tmp_path_factory.mktemp("project") / ".kite" / "local").start()
    template = bootstrap_template(REGION)
    stack = deploy(running, "skykite-bootstrap", template["Resources"], Outputs=template["Outputs"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]
    address = running.address
    assert address is not None
    keys = {"access_key_id": address.access_key_id, "secret_access_key": address.secret_access_key}
    yield Cloud(url=address.url, keys=keys, api=parse_event_api(stack["OutputValues"], region=REGION))
    running.close()


@dataclass
class Running:
    bridge: Bridge
    functions: Functions
    events: RecordedEvents
    aws: AwsSession


async def echo(event: Any, invocation: Invocation) -> Any:
    return event


@asynccontextmanager
async def running(cloud: Cloud, stage: str, tmp_path: Path) -> AsyncIterator[Running]:
    aws, functions, events = cloud.session(), Functions({ECHO: echo}), RecordedEvents()
    bridge = await open_bridge(
        aws=aws,
        api=cloud.api,
        bucket=BUCKET,
        app=APP,
        stage=stage,
        invoker=functions,
        events=events,
        clock=RealClock(),
        state=tmp_path,
    )
    try:
        bridge.serve([ECHO])
        await bridge.start()
        yield Running(bridge, functions, events, aws)
    finally:
        await bridge.stop()
        aws.close()


async def handle(stub: Stub, event: Any, **context: Any) -> Any:
    payload = await asyncio.to_thread(stub.handle, event, Context(**context))
    return json.loads(payload)


async def test_an_invocation_in_the_cloud_runs_here(cloud: Cloud, tmp_path: Path) -> None:
    async with running(cloud, "one", tmp_path) as here:
        stub = await asyncio.to_thread(cloud.stub, "one")
        assert await handle(stub, {"n": 1}) == {"n": 1}
        assert await handle(stub, {"text": "näh " * 20_000}) == {"text": "näh " * 20_000}
        assert here.events.of(BridgeConnected) == [BridgeConnected(outage_ms=None)]
        assert [one.bridge_ms is not None and one.bridge_ms < 2000 for one in here.functions.invocations] == [
            True,
            True,
        ]


async def test_what_a_function_raises_is_raised_in_the_cloud(cloud: Cloud, tmp_path: Path) -> None:
    async with running(cloud, "two", tmp_path) as here:

        async def fail(event: Any, invocation: Invocation) -> Any:
            raise Raising("OutOfStock", "no more of `x`", '  File "functions/a.py", line 3, in b\n')

        here.functions.handlers[ECHO] = fail
        stub = await asyncio.to_thread(cloud.stub, "two")
        with pytest.raises(Fault) as raised:
            await handle(stub, {})
        fault = raised.value
        assert (fault.kind, fault.message) == ("OutOfStock", "no more of `x`")


async def test_six_megabytes_go_both_ways_through_the_bucket_and_nothing_is_left(cloud: Cloud, tmp_path: Path) -> None:
    async with running(cloud, "three", tmp_path) as here:
        stub = await asyncio.to_thread(cloud.stub, "three")
        event = {"text": os.urandom(3_000_000).hex()}
        assert await handle(stub, event) == event
        prefix = payload_prefix(APP, "three")
        client = here.aws.s3._caller.client()
        async with asyncio.timeout(10):
            while client.list_object_versions(Bucket=BUCKET, Prefix=prefix).get("Versions"):
                await asyncio.sleep(0.02)
        assert "DeleteMarkers" not in client.list_object_versions(Bucket=BUCKET, Prefix=prefix)


async def test_many_containers_at_once_are_all_answered(cloud: Cloud, tmp_path: Path) -> None:
    async with running(cloud, "four", tmp_path) as here:
        stubs = await asyncio.gather(*(asyncio.to_thread(cloud.stub, "four") for _ in range(12)))
        for turn in range(5):
            events = [{"turn": turn, "container": number} for number in range(12)]
            assert list(await asyncio.gather(*map(handle, stubs, events))) == events
        assert len(here.functions.invocations) == 60


async def test_when_the_session_has_ended_the_next_invocation_is_told_at_once(cloud: Cloud, tmp_path: Path) -> None:
    async with running(cloud, "five", tmp_path):
        stub = await asyncio.to_thread(cloud.stub, "five")
        started = time.monotonic()
        while time.monotonic() - started < 1.2:  # so long, what a container has read of the lease counts as new
            assert await handle(stub, 1) == 1
    began = time.monotonic()
    with pytest.raises(Fault) as raised:
        await handle(stub, 2)
    assert raised.value.kind == "LiveDevOffline"
    assert time.monotonic() - began < 2.0


async def test_a_second_session_takes_the_stage_over_and_both_say_from_whom(cloud: Cloud, tmp_path: Path) -> None:
    async with running(cloud, "six", tmp_path) as first:
        ending = asyncio.create_task(first.bridge.run())
        stub = await asyncio.to_thread(cloud.stub, "six")
        assert await handle(stub, "first") == "first"
        async with running(cloud, "six", tmp_path) as second:
            assert [notice.notice for notice in second.events.of(Notice)] == ["live-took-over"]
            assert f"process {os.getpid()}" in second.events.of(Notice)[0].message
            told = await first.events.wait(BridgeTakenOver)
            assert f"process {os.getpid()}" in told.by
            await asyncio.wait_for(ending, 10)
            assert await handle(stub, "second") == "second"
            assert (len(first.functions.invocations), len(second.functions.invocations)) == (1, 1)


async def test_a_session_that_a_command_ended_learns_it_when_it_asks_and_not_with_its_next_renewal(
    cloud: Cloud, tmp_path: Path
) -> None:
    async with running(cloud, "ended", tmp_path) as here:
        ending = asyncio.create_task(here.bridge.run())
        await here.bridge.check()
        assert here.bridge.serving
        aws = cloud.session()
        command = LiveRemains(aws=aws, events=here.events, app=APP, stage="ended", who="`kite remove` of bob")
        await command.clear(expected=True)
        aws.close()

        await here.bridge.check()
        assert not here.bridge.serving
        assert here.bridge.taker is not None
        assert here.bridge.taker.is_ending
        assert [told.by for told in here.events.of(BridgeTakenOver)] == ["`kite remove` of bob"]
        await asyncio.wait_for(ending, 10)


async def test_a_session_that_restarts_on_its_stage_goes_on_with_the_stubs_there_are(
    cloud: Cloud, tmp_path: Path
) -> None:
    stub = None
    for turn in range(3):
        async with running(cloud, "seven", tmp_path) as here:
            stub = stub or await asyncio.to_thread(cloud.stub, "seven")
            assert await handle(stub, turn) == turn
            assert here.events.of(Notice) == []  # nobody was there any more
