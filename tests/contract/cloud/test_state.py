"""What the embedded cloud holds survives SIGKILL at any moment, of the cloud or of its owner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.embedded_cloud import REGION, RunningCloud, deploy, empty_zip, eventually
from skykite.model.events import Notice

TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": "notes",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local").start()
    yield running
    running.close()


def test_everything_is_there_after_a_kill(cloud: RunningCloud) -> None:
    deploy(cloud, "app", {"Table": TABLE, "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "jobs"}}})
    address = cloud.address
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="files", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="files", Key="large", Body=b"1" * 50_000)["VersionId"]
    s3.put_object(Bucket="files", Key="large", Body=b"2" * 50_000, Metadata={"a": "b"})
    s3.put_object(Bucket="files", Key="small", Body=b"tiny", Tagging="k=v")
    cloud.client("dynamodb").put_item(TableName="notes", Item={"id": {"S": "1"}, "raw": {"B": b"\x00\xff"}})
    url = cloud.client("sqs").get_queue_url(QueueName="jobs")["QueueUrl"]
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="waiting")
    source = "def handler(event, context):\n    return 'from the zip'\n" + "#" * 10_000
    cloud.function("own", None, Handler="index.handler", Code={"ZipFile": empty_zip(index__py=source)})
    key = cloud.client("iam").create_user(UserName="u") and cloud.client("iam").create_access_key(UserName="u")
    cloud.snapshot()

    error = cloud.kill()
    cloud.start()

    assert error.code == "cloud-died"
    assert error.message == "the embedded cloud ended by signal SIGKILL"
    assert cloud.address == address
    assert s3.get_object(Bucket="files", Key="large")["Body"].read() == b"2" * 50_000
    assert s3.get_object(Bucket="files", Key="large", VersionId=first)["Body"].read() == b"1" * 50_000
    assert s3.head_object(Bucket="files", Key="large")["Metadata"] == {"a": "b"}
    assert s3.get_object_tagging(Bucket="files", Key="small")["TagSet"] == [{"Key": "k", "Value": "v"}]
    item = cloud.client("dynamodb").get_item(TableName="notes", Key={"id": {"S": "1"}})["Item"]
    assert item == {"id": {"S": "1"}, "raw": {"B": b"\x00\xff"}}
    assert cloud.client("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"] == "waiting"
    assert json.loads(cloud.client("lambda").invoke(FunctionName="own")["Payload"].read()) == "from the zip"
    assert deploy(cloud, "app", {"Table": TABLE})["StackStatus"] == "UPDATE_COMPLETE"
    assert key["AccessKey"]["UserName"] == "u"
    known = cloud.client(
        "sts",
        aws_access_key_id=key["AccessKey"]["AccessKeyId"],
        aws_secret_access_key=key["AccessKey"]["SecretAccessKey"],
    )
    assert known.get_caller_identity()["Account"] == "000000000000"


def test_without_being_asked_a_change_is_saved_within_a_moment(cloud: RunningCloud) -> None:
    cloud.client("sqs").create_queue(QueueName="soon")
    saved = cloud.directory / "cloud" / "state.snapshot"
    assert eventually(lambda: saved.exists() and b"soon" in saved.read_bytes(), within=2)

    cloud.kill()
    cloud.start()

    assert cloud.client("sqs").get_queue_url(QueueName="soon")


def test_a_graceful_stop_loses_nothing(cloud: RunningCloud) -> None:
    cloud.client("sqs").create_queue(QueueName="last")
    cloud.stop()

    cloud.start()

    assert cloud.client("sqs").get_queue_url(QueueName="last")


def test_a_damaged_snapshot_falls_back_to_the_one_before_and_says_so(cloud: RunningCloud) -> None:
    cloud.client("sqs").create_queue(QueueName="older")
    cloud.snapshot()
    cloud.client("sqs").create_queue(QueueName="newer")
    cloud.snapshot()
    cloud.kill()
    snapshot = cloud.directory / "cloud" / "state.snapshot"
    snapshot.write_bytes(snapshot.read_bytes()[:-10])

    cloud.start()

    names = [url.rsplit("/", 1)[-1] for url in cloud.client("sqs").list_queues()["QueueUrls"]]
    assert names == ["older"]
    assert (
        Notice(
            notice="cloud-state-damaged",
            message="the last saved state of the embedded cloud cannot be read: "
            "`state.snapshot` is damaged: its checksum is wrong",
            hint="the one before it is used",
        )
        in cloud.recorder.events
    )


def test_an_interrupted_deployment_is_rolled_back_on_the_next_start(cloud: RunningCloud) -> None:
    deploy(cloud, "app", {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "kept"}}})
    arn = cloud.function("never", lambda event, _: None)  # answers, but never calls the ResponseURL back
    resources = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "kept", "VisibilityTimeout": 99}},
        "Added": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "added"}},
        "Slow": {"Type": "Custom::Slow", "Properties": {"ServiceToken": arn}, "DependsOn": ["Queue", "Added"]},
    }
    cloudformation = cloud.client("cloudformation")
    cloudformation.update_stack(
        StackName="app", TemplateBody=json.dumps({"Resources": resources}), ClientRequestToken="who-waits"
    )
    cloudformation.create_stack(
        StackName="fresh",
        TemplateBody=json.dumps({"Resources": {"Slow": {**resources["Slow"], "DependsOn": []}}}),
    )
    assert eventually(lambda: len([one for one in cloud.functions.invocations if one.function == "never"]) == 2)
    cloud.snapshot()

    cloud.kill()
    cloud.start()

    assert eventually(lambda: _status(cloudformation, "app") == "UPDATE_ROLLBACK_COMPLETE")
    assert eventually(lambda: _status(cloudformation, "fresh") == "ROLLBACK_COMPLETE")
    last = cloudformation.describe_stack_events(StackName="app")["StackEvents"][0]
    assert (last["ResourceStatus"], last["ClientRequestToken"]) == ("UPDATE_ROLLBACK_COMPLETE", "who-waits")
    sqs = cloud.client("sqs")
    assert [url.rsplit("/", 1)[-1] for url in sqs.list_queues()["QueueUrls"]] == ["kept"]
    url = sqs.get_queue_url(QueueName="kept")["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"] == "30"
    again = {key: value for key, value in resources.items() if key != "Slow"}
    assert deploy(cloud, "app", again)["StackStatus"] == "UPDATE_COMPLETE"


def _status(cloudformation: Any, name: str) -> str:
    status: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    return status
