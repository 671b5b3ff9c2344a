"""Topics hand messages on as SNS does: to functions, queues, and dead-letter queues; filtered, raw, in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud
from kit.triggers import Called, counts, fail, make_function, make_queue, make_topic, queue_arn, receive


def subscribe(cloud: RunningCloud, topic: str, protocol: str, endpoint: str, **attributes: Any) -> str:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in attributes.items()}
    arn: str = cloud.client("sns").subscribe(
        TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=texts, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    return arn


KIND = {"kind": {"DataType": "String", "StringValue": "order"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x01"}}


def test_a_function_gets_snss_event_and_is_retried_as_an_asynchronous_invocation(cloud: RunningCloud) -> None:
    called = Called(lambda event, count: fail() if count == 1 else None)
    topic = make_topic(cloud, "heard")
    subscription = subscribe(cloud, topic, "lambda", make_function(cloud, "hears", called))

    sent = cloud.client("sns").publish(TopicArn=topic, Message="hello", MessageAttributes=KIND)

    called.wait(2)
    assert called.events[0] == called.events[1]
    assert called.request_ids[0] == called.request_ids[1]
    [record] = called.events[0]["Records"]
    shown = record["Sns"]
    for name in ("Timestamp", "Signature", "SigningCertUrl", "UnsubscribeUrl"):
        assert shown.pop(name)
    assert record == {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": {
            "Type": "Notification",
            "MessageId": sent["MessageId"],
            "TopicArn": topic,
            "Subject": None,
            "Message": "hello",
            "SignatureVersion": "1",
            "MessageAttributes": {
                "kind": {"Type": "String", "Value": "order"},
                "raw": {"Type": "Binary", "Value": "AQ=="},
            },
        },
    }


def test_a_queue_gets_a_document_or_the_message_itself(cloud: RunningCloud) -> None:
    topic = make_topic(cloud, "news")
    wrapped, raw = make_queue(cloud, "wrapped"), make_queue(cloud, "raw")
    subscribe(cloud, topic, "sqs", queue_arn("wrapped"))
    subscribe(cloud, topic, "sqs", queue_arn("raw"), RawMessageDelivery="true")

    sent = cloud.client("sns").publish(TopicArn=topic, Message="hello", Subject="greeting", MessageAttributes=KIND)

    message = receive(cloud, wrapped)
    document = json.loads(message["Body"])
    assert "MessageAttributes" not in message
    for name in ("Timestamp", "Signature", "SigningCertURL", "UnsubscribeURL"):
        assert document.pop(name)
    assert document == {
        "Type": "Notification",
        "MessageId": sent["MessageId"],
        "TopicArn": topic,
        "Subject": "greeting",
        "Message": "hello",
        "SignatureVersion": "1",
        "MessageAttributes": {
            "kind": {"Type": "String", "Value": "order"},
            "raw": {"Type": "Binary", "Value": "AQ=="},
        },
    }
    message = receive(cloud, raw)
    assert (message["Body"], message["MessageAttributes"]) == ("hello", KIND)


def test_a_filter_policy_looks_at_attributes_or_into_the_body(cloud: RunningCloud) -> None:
    topic = make_topic(cloud, "filtered")
    by_attributes, by_body = Called(), Called()
    subscribe(
        cloud, topic, "lambda", make_function(cloud, "by-attributes", by_attributes),
        FilterPolicy={"kind": ["order", {"prefix": "re"}], "price": [{"numeric": [">", 10]}]},
    )  # fmt: skip
    subscribe(
        cloud, topic, "lambda", make_function(cloud, "by-body", by_body),
        FilterPolicy={"order": {"state": [{"anything-but": ["draft"]}]}}, FilterPolicyScope="MessageBody",
    )  # fmt: skip
    sns = cloud.client("sns")

    def publish(message: str, **attributes: Any) -> None:
        given = {
            name: {"DataType": "Number" if isinstance(value, int) else "String", "StringValue": str(value)}
            for name, value in attributes.items()
        }
        sns.publish(TopicArn=topic, Message=message, MessageAttributes=given)

    publish("cheap", kind="order", price=5)
    publish("other", kind="gift", price=50)
    publish("bare")
    publish('{"order": {"state": "draft"}}')
    publish('{"order": {"state": "paid"}}', kind="return", price=11)

    last = '{"order": {"state": "paid"}}'
    by_attributes.wait(1)
    by_body.wait(1)
    for called in (by_attributes, by_body):
        assert [event["Records"][0]["Sns"]["Message"] for event in called.events] == [last]


def test_what_cannot_be_delivered_goes_to_the_subscriptions_dead_letter_queue(cloud: RunningCloud) -> None:
    dead = make_queue(cloud, "undelivered")
    topic = make_topic(cloud, "broken")
    function = make_function(cloud, "gone", Called())
    gone = make_queue(cloud, "gone")
    redrive = {"deadLetterTargetArn": queue_arn("undelivered")}
    subscribe(cloud, topic, "lambda", function, RedrivePolicy=redrive)
    subscribe(cloud, topic, "sqs", queue_arn("gone"), RedrivePolicy=redrive, RawMessageDelivery="true")
    cloud.client("lambda").delete_function(FunctionName="gone")
    cloud.client("sqs").delete_queue(QueueUrl=gone)

    cloud.client("sns").publish(TopicArn=topic, Message="hello")

    first, second = receive(cloud, dead), receive(cloud, dead)
    assert json.loads(first["Body"])["Message"] == "hello"
    assert "Function not found" in first["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert second["Body"] == "hello"


def test_a_fifo_topic_keeps_order_and_deduplicates_into_fifo_queues(cloud: RunningCloud) -> None:
    topic = make_topic(cloud, "ordered.fifo", FifoTopic="true")
    called = Called()
    make_queue(cloud, "ordered.fifo", FifoQueue="true")
    make_function(cloud, "ordered", called)
    cloud.client("lambda").create_event_source_mapping(EventSourceArn=queue_arn("ordered.fifo"), FunctionName="ordered")
    subscribe(cloud, topic, "sqs", queue_arn("ordered.fifo"))
    sns = cloud.client("sns")

    for text in ("a1", "a2", "a1", "b1", "a3"):
        sns.publish(TopicArn=topic, Message=text, MessageGroupId=text[0], MessageDeduplicationId=text)

    records: list[dict[str, Any]] = []
    while len(records) < 4:
        called.wait(len(called.events) or 1)
        records = [record for event in list(called.events) for record in event["Records"]]
    messages = [json.loads(record["body"]) for record in records]
    assert [one["Message"] for one in messages if one["Message"][0] == "a"] == ["a1", "a2", "a3"]
    assert len(messages) == 4
    assert all(one["SequenceNumber"].isdecimal() for one in messages)
    assert {record["attributes"]["MessageGroupId"] for record in records} == {"a", "b"}
    assert "a1" in {record["attributes"]["MessageDeduplicationId"] for record in records}


def test_subscriptions_that_sns_refuses_are_refused(cloud: RunningCloud) -> None:
    fifo, standard = make_topic(cloud, "strict.fifo", FifoTopic="true"), make_topic(cloud, "strict")
    make_queue(cloud, "strict.fifo", FifoQueue="true")
    function = make_function(cloud, "strict", Called())
    for topic, protocol, endpoint, attributes, message in (
        (standard, "sqs", queue_arn("strict.fifo"), {}, "FIFO SQS Queues can not be subscribed"),
        (fifo, "lambda", function, {}, "Invalid protocol type: lambda"),
        (standard, "lambda", function, {"RawMessageDelivery": "true"}, "does not support raw"),
        (standard, "lambda", function, {"FilterPolicy": "no json"}, "failed to parse JSON"),
    ):
        with pytest.raises(ClientError, match=message):
            subscribe(cloud, topic, protocol, endpoint, **attributes)


def test_a_message_of_a_batch_and_for_one_protocol_arrives(cloud: RunningCloud) -> None:
    topic, url = make_topic(cloud, "batch"), make_queue(cloud, "batch")
    subscribe(cloud, topic, "sqs", queue_arn("batch"), RawMessageDelivery="true")
    text = json.dumps({"default": "for all", "sqs": "for queues"})

    cloud.client("sns").publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[
            {"Id": "1", "Message": text, "MessageStructure": "json"},
            {"Id": "2", "Message": "x"},
        ],
    )

    assert [receive(cloud, url)["Body"], receive(cloud, url)["Body"]] == ["for queues", "x"]
    assert counts(cloud, url) == (0, 0)
    assert topic == f"arn:aws:sns:{REGION}:{ACCOUNT}:batch"
