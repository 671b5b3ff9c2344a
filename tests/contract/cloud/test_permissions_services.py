"""AWS's services deliver only where they are trusted, and read for a function only what its role may read."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from kit.embedded_cloud import REGION, RunningCloud, eventually
from kit.permissions import allow, arn, make_role, refused
from skykite.model.events import Notice


@pytest.fixture
def name() -> str:
    return f"x{uuid.uuid4().hex[:10]}"


def make_queue(cloud: RunningCloud, name: str, *, trusting: str | None = None, source: str = "") -> str:
    """Returns its URL. `trusting` is a service that may send to it from `source`."""
    url: str = cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    if trusting:
        statement = {
            **allow("sqs:SendMessage", arn("sqs", name)),
            "Principal": {"Service": f"{trusting}.amazonaws.com"},
            "Condition": {"ArnEquals": {"aws:SourceArn": source}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url


def received(cloud: RunningCloud, url: str) -> list[str]:
    messages = cloud.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=3).get("Messages", [])
    return [message["Body"] for message in messages]


def said(cloud: RunningCloud, word: str) -> Notice:
    def look() -> list[Notice]:
        notices = [event for event in cloud.recorder.events if isinstance(event, Notice)]
        return [event for event in notices if event.notice == "delivery-failed" and word in event.message]

    return eventually(look)[0]


def test_a_topic_delivers_to_a_queue_that_trusts_it(cloud: RunningCloud, name: str) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    trusting = make_queue(cloud, f"{name}-trusting", trusting="sns", source=topic)
    of_another = make_queue(cloud, f"{name}-other", trusting="sns", source=f"{topic}-other")
    for queue in ("trusting", "other"):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", f"{name}-{queue}"))

    sns.publish(TopicArn=topic, Message="hello")

    assert json.loads(received(cloud, trusting)[0])["Message"] == "hello"
    assert f"{name}-other" in said(cloud, f"{name}-other").message
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=of_another, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "0"


@pytest.mark.parametrize("service", ["sns", "events", "s3"])
def test_a_function_is_called_by_services_that_may(cloud: RunningCloud, name: str, service: str) -> None:
    called: list[Any] = []
    function = cloud.function(name, lambda event, _: called.append(event))
    source, fire = SOURCES[service](cloud, name, function)

    fire()
    assert name in said(cloud, name).message
    assert not called

    cloud.client("lambda").add_permission(
        FunctionName=name,
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal=f"{service}.amazonaws.com",
        SourceArn=source,
    )
    fire()
    assert eventually(lambda: called)


def _topic(cloud: RunningCloud, name: str, function: str) -> tuple[str, Callable[[], object]]:
    topic = cloud.client("sns").create_topic(Name=name)["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    return topic, lambda: cloud.client("sns").publish(TopicArn=topic, Message="m")


def _rule(cloud: RunningCloud, name: str, function: str) -> tuple[str, Callable[[], object]]:
    events = cloud.client("events")
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function}])
    entry = {"Source": name, "DetailType": "d", "Detail": "{}"}
    return rule, lambda: events.put_events(Entries=[entry])


def _bucket(cloud: RunningCloud, name: str, function: str) -> tuple[str, Callable[[], object]]:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}]
        },
        SkipDestinationValidation=True,
    )
    return f"arn:aws:s3:::{name}", lambda: s3.put_object(Bucket=name, Key=str(time.time()), Body=b"")


SOURCES = {"sns": _topic, "events": _rule, "s3": _bucket}


def test_what_a_target_does_not_take_goes_to_the_dead_letter_queue(cloud: RunningCloud, name: str) -> None:
    dead = make_queue(cloud, f"{name}-dead")
    make_queue(cloud, name)
    events = cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    target = {"Id": "1", "Arn": arn("sqs", name), "DeadLetterConfig": {"Arn": arn("sqs", f"{name}-dead")}}
    events.put_targets(Rule=name, Targets=[target])

    events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": "{}"}])

    (message,) = cloud.client("sqs").receive_message(QueueUrl=dead, WaitTimeSeconds=3, MessageAttributeNames=["All"])[
        "Messages"
    ]
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_a_queue_is_read_for_functions_whose_role_may_read_it(cloud: RunningCloud, name: str) -> None:
    make_queue(cloud, name)
    reading = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    lambda_, source = cloud.client("lambda"), arn("sqs", name)
    cloud.function(name, lambda event, _: None, Role=make_role(cloud, allow(reading[:2], source)))

    def create() -> Any:
        return lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=source)

    error = refused(create).response
    assert error["Error"]["Code"] == "InvalidParameterValueException"
    assert error["Error"]["Message"] == (
        "The function execution role does not have permissions to call GetQueueAttributes on SQS"
    )
    lambda_.update_function_configuration(FunctionName=name, Role=make_role(cloud, allow(reading, source)))
    assert create()["State"]


def test_a_stream_is_read_for_functions_whose_role_may_read_it(cloud: RunningCloud, name: str) -> None:
    table = cloud.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    cloud.function(name, lambda event, _: None, Role=make_role(cloud))

    error = refused(
        lambda: cloud.client("lambda").create_event_source_mapping(
            FunctionName=name, EventSourceArn=table["LatestStreamArn"], StartingPosition="LATEST"
        )
    ).response

    assert error["Error"]["Message"].startswith(f"Cannot access stream {table['LatestStreamArn']}. Please ensure")
