"""Buckets tell functions, queues and topics of their objects as S3 does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import REGION, RunningCloud
from kit.triggers import Called, counts, fail, make_function, make_queue, make_topic, queue_arn, receive


def make_bucket(cloud: RunningCloud, name: str, **configuration: Any) -> Any:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    return s3


def only(**rules: str) -> dict[str, Any]:
    return {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules.items()]}}


def test_a_function_gets_s3s_record_with_the_key_encoded_and_is_retried(cloud: RunningCloud) -> None:
    called = Called(lambda event, count: fail() if count == 1 else None)
    wanted = {
        "LambdaFunctionArn": make_function(cloud, "on-object", called),
        "Events": ["s3:ObjectCreated:*"],
        "Id": "mine",
    }
    s3 = make_bucket(
        cloud, "told", LambdaFunctionConfigurations=[{**wanted, "Filter": only(prefix="in/", suffix=".txt")}]
    )

    s3.put_object(Bucket="told", Key="out/a.txt", Body=b"x")
    s3.put_object(Bucket="told", Key="in/a.png", Body=b"x")
    answer = s3.put_object(Bucket="told", Key="in/my file+é.txt", Body=b"hello")

    called.wait(2)
    assert called.request_ids[0] == called.request_ids[1]
    [record] = called.events[1]["Records"]
    assert (record["eventSource"], record["eventName"], record["awsRegion"]) == ("aws:s3", "ObjectCreated:Put", REGION)
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["bucket"]["name"] == "told"
    assert record["s3"]["bucket"]["arn"] == "arn:aws:s3:::told"
    assert int(record["s3"]["object"].pop("sequencer"), 16)
    assert record["s3"]["object"] == {"key": "in/my+file%2B%C3%A9.txt", "size": 5, "eTag": answer["ETag"].strip('"')}


def test_a_queue_and_a_topic_are_told_after_a_test_event(cloud: RunningCloud) -> None:
    url, told = make_queue(cloud, "objects"), make_queue(cloud, "told")
    topic = make_topic(cloud, "objects")
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("told"))
    s3 = make_bucket(
        cloud, "both",
        QueueConfigurations=[{"QueueArn": queue_arn("objects"), "Events": ["s3:ObjectCreated:Put"]}],
        TopicConfigurations=[{"TopicArn": topic, "Events": ["s3:ObjectRemoved:*"]}],
    )  # fmt: skip
    test_event = json.loads(receive(cloud, url)["Body"])
    assert (test_event["Service"], test_event["Event"], test_event["Bucket"]) == ("Amazon S3", "s3:TestEvent", "both")
    receive(cloud, told)

    for number in range(5):
        s3.put_object(Bucket="both", Key=str(number), Body=b"x")
    s3.delete_object(Bucket="both", Key="1")

    assert [json.loads(receive(cloud, url)["Body"])["Records"][0]["s3"]["object"]["key"] for _ in range(5)] == list(
        "01234"
    )
    notification = json.loads(receive(cloud, told)["Body"])
    assert notification["Subject"] == "Amazon S3 Notification"
    [record] = json.loads(notification["Message"])["Records"]
    assert record["eventName"] == "ObjectRemoved:Delete"
    assert set(record["s3"]["object"]) == {"key", "sequencer"}
    assert counts(cloud, url) == (0, 0)


def test_the_default_bus_is_told_if_the_bucket_says_so(cloud: RunningCloud) -> None:
    url = make_queue(cloud, "bus-objects")
    events = cloud.client("events")
    events.put_rule(Name="objects", EventPattern='{"source": ["aws.s3"], "detail": {"bucket": {"name": ["to-bus"]}}}')
    events.put_targets(Rule="objects", Targets=[{"Id": "q", "Arn": queue_arn("bus-objects")}])
    s3 = make_bucket(cloud, "to-bus", EventBridgeConfiguration={})

    s3.put_object(Bucket="to-bus", Key="a b.txt", Body=b"x")

    event = json.loads(receive(cloud, url)["Body"])
    assert (event["detail-type"], event["detail"]["object"]["key"]) == ("Object Created", "a b.txt")
    assert event["detail"]["reason"] == "PutObject"


def test_configurations_that_would_tell_twice_are_refused(cloud: RunningCloud) -> None:
    make_queue(cloud, "twice")
    queue = {"QueueArn": queue_arn("twice"), "Events": ["s3:ObjectCreated:*"]}
    with pytest.raises(ClientError, match="Configurations overlap"):
        make_bucket(cloud, "twice", QueueConfigurations=[queue, {**queue, "Events": ["s3:ObjectCreated:Put"]}])
    make_bucket(
        cloud, "once",
        QueueConfigurations=[{**queue, "Filter": only(suffix=".png")}, {**queue, "Filter": only(suffix=".jpg")}],
    )  # fmt: skip
