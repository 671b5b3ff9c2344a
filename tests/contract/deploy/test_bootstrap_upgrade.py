"""A bootstrap stack of an older Skykite is brought up to date where it stands: what is in its bucket stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from kit.assembly import Workbench
from kit.cloud import running_cloud, session_at
from skykite.aws import AwsSession
from skykite.cloud import CloudAddress
from skykite.model.bootstrap import BOOTSTRAP_STACK, EventApi, bootstrap_bucket
from skykite.model.events import StepFinished, StepStarted

VERSION_1 = (Path(__file__).parent / "bootstrap_version_1.json").read_text()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[CloudAddress]:
    with running_cloud(tmp_path / "cloud") as address:
        yield address


@pytest.fixture
def bench(address: CloudAddress, tmp_path: Path) -> Iterator[Workbench]:
    session: AwsSession = session_at(address)
    yield Workbench(session=session, root=tmp_path, app="notes")
    session.close()


def _client(address: CloudAddress, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=address.url,
        region_name=address.region,
        aws_access_key_id=address.access_key_id,
        aws_secret_access_key=address.secret_access_key,
    )


async def test_version_1_becomes_version_2_and_keeps_its_bucket(address: CloudAddress, bench: Workbench) -> None:
    cloudformation, s3 = _client(address, "cloudformation"), _client(address, "s3")
    cloudformation.create_stack(StackName=BOOTSTRAP_STACK, TemplateBody=VERSION_1)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=BOOTSTRAP_STACK, WaiterConfig={"Delay": 1})
    bucket = bootstrap_bucket(address.account, address.region)
    s3.put_object(Bucket=bucket, Key="assets/x.zip", Body=b"code")

    api = await bench.deployer().event_api()

    (stack,) = cloudformation.describe_stacks(StackName=BOOTSTRAP_STACK)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert (outputs["Version"], outputs["BucketName"]) == ("2", bucket)
    assert api == EventApi(
        api_id=outputs["EventApiId"],
        arn=outputs["EventApiArn"],
        http_host=outputs["EventHttpHost"],
        realtime_host=outputs["EventRealtimeHost"],
    )
    assert s3.get_object(Bucket=bucket, Key="assets/x.zip")["Body"].read() == b"code"
    events = cloudformation.describe_stack_events(StackName=BOOTSTRAP_STACK)["StackEvents"]
    of_bucket = [event["ResourceStatus"] for event in events if event["LogicalResourceId"] == "AssetBucket"]
    assert of_bucket == ["UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_IN_PROGRESS"]
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert rules["ForgetLive"]["Expiration"] == {"Days": 1}
    assert rules["ForgetLive"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert rules["ForgetLive"]["Filter"] == {"Prefix": "live/"}
    assert rules["ForgetSuperseded"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert bench.events.of(StepFinished)[-1].message == "stack skykite-bootstrap updated"
    assert bench.asker.asked == []


async def test_a_stack_that_is_up_to_date_is_only_asked(address: CloudAddress, bench: Workbench) -> None:
    first = await bench.deployer().event_api()

    assert await bench.deployer().event_api() == first

    assert bench.events.of(StepStarted) == []
