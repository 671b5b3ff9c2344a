"""Rules of event buses match and deliver as EventBridge does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, eventually, make_mighty
from kit.triggers import Called, counts, fail, make_function, make_queue, make_topic, queue_arn, receive


def bus_arn(name: str) -> str:
    return f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}"


def make_rule(cloud: RunningCloud, bus: str, pattern: Any, *targets: dict[str, Any]) -> str:
    events = cloud.client("events")
    if bus not in {one["Name"] for one in events.list_event_buses()["EventBuses"]}:
        events.create_event_bus(Name=bus)
    arn: str = events.put_rule(Name=f"{bus}-rule", EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
    made = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    assert events.put_targets(Rule=f"{bus}-rule", EventBusName=bus, Targets=made)["FailedEntryCount"] == 0
    return arn


def put(cloud: RunningCloud, bus: str, detail: Any, **options: Any) -> str:
    entry = {"Source": "shop", "DetailType": "Order", "Detail": json.dumps(detail), "EventBusName": bus, **options}
    answer = cloud.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    event_id: str = answer["Entries"][0]["EventId"]
    return event_id


def test_a_function_gets_the_event_and_is_retried(cloud: RunningCloud) -> None:
    called = Called(lambda event, count: fail() if count == 1 else None)
    make_rule(cloud, "plain", {"source": ["shop"]}, {"Arn": make_function(cloud, "on-order", called)})

    event_id = put(cloud, "plain", {"id": 1}, Resources=["arn:aws:x"])

    called.wait(2)
    assert called.request_ids[0] == called.request_ids[1]
    event = called.events[1]
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0",
        "id": event_id,
        "detail-type": "Order",
        "source": "shop",
        "account": ACCOUNT,
        "region": REGION,
        "resources": ["arn:aws:x"],
        "detail": {"id": 1},
    }


@pytest.mark.parametrize(
    ("name", "pattern", "matching", "other"),
    [
        ("prefix", {"a": [{"prefix": "ord"}]}, {"a": "order"}, {"a": "border"}),
        ("suffix", {"a": [{"suffix": ".png"}]}, {"a": "x.png"}, {"a": "x.jpg"}),
        ("but", {"a": [{"anything-but": ["x", "y"]}]}, {"a": "z"}, {"a": "x"}),
        ("but-prefix", {"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "y"}, {"a": "xy"}),
        ("numeric", {"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 5}, {"a": 5.1}),
        ("exists", {"a": {"b": [{"exists": True}]}}, {"a": {"b": None}}, {"a": {}}),
        ("missing", {"a": [{"exists": False}]}, {"b": 1}, {"a": 1}),
        ("cidr", {"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "10.0.0.7"}, {"a": "10.0.1.7"}),
        ("wildcard", {"a": [{"wildcard": "a*z"}]}, {"a": "abcz"}, {"a": "abc"}),
        ("case", {"a": [{"equals-ignore-case": "Yes"}]}, {"a": "yES"}, {"a": "yess"}),
        ("or", {"$or": [{"a": [1]}, {"b": [2]}]}, {"b": 2}, {"a": 2}),
        ("array", {"a": ["x"]}, {"a": ["w", "x"]}, {"a": ["w"]}),
        ("null", {"a": [None]}, {"a": None}, {"a": ""}),
    ],
)
def test_a_pattern_matches_what_it_matches_on_aws(
    cloud: RunningCloud, name: str, pattern: Any, matching: Any, other: Any
) -> None:
    url = make_queue(cloud, f"pattern-{name}")
    make_rule(cloud, f"pattern-{name}", {"detail": pattern}, {"Arn": queue_arn(f"pattern-{name}")})

    put(cloud, f"pattern-{name}", other)
    put(cloud, f"pattern-{name}", matching)

    assert json.loads(receive(cloud, url)["Body"])["detail"] == matching
    assert counts(cloud, url) == (0, 0)


def test_a_target_gets_the_input_it_asks_for(cloud: RunningCloud) -> None:
    url = make_queue(cloud, "inputs")
    arn = queue_arn("inputs")
    rule = make_rule(
        cloud, "inputs", {"source": ["shop"]},
        {"Arn": arn, "Input": '{"fixed": true}'},
        {"Arn": arn, "InputPath": "$.detail.items[1].name"},
        {
            "Arn": arn,
            "InputTransformer": {
                "InputPathsMap": {"who": "$.detail.who", "first": "$.detail.items[0]", "nobody": "$.detail.nobody"},
                "InputTemplate": '{"text": "for <who>", "item": <first>, "rule": <aws.events.rule-arn>, '
                '"no": "<nobody>"}',
            },
        },
    )  # fmt: skip

    put(cloud, "inputs", {"who": "Ada", "items": [{"name": "pen"}, {"name": "ink"}]})

    got = sorted((receive(cloud, url)["Body"] for _ in range(3)), key=len)
    assert [json.loads(one) for one in got] == [
        "ink",
        {"fixed": True},
        {"text": "for Ada", "item": {"name": "pen"}, "rule": rule, "no": ""},
    ]


def test_a_fifo_queue_a_topic_and_another_bus_are_targets(cloud: RunningCloud) -> None:
    fifo = make_queue(cloud, "target.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    other, told = make_queue(cloud, "other-bus"), make_queue(cloud, "told")
    topic = make_topic(cloud, "target")
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("told"))
    make_rule(cloud, "second", {"detail-type": ["Order"]}, {"Arn": queue_arn("other-bus")})
    make_rule(
        cloud, "first", {"source": ["shop"]},
        {"Arn": queue_arn("target.fifo"), "SqsParameters": {"MessageGroupId": "orders"}},
        {"Arn": topic},
        {"Arn": bus_arn("second"), "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/any"},
    )  # fmt: skip

    make_mighty(cloud, "any")
    event_id = put(cloud, "first", {"id": 1})

    message = receive(cloud, fifo)
    assert json.loads(message["Body"])["id"] == event_id
    assert message["Attributes"]["MessageGroupId"] == "orders"
    assert message["Attributes"]["SequenceNumber"].isdecimal()
    assert json.loads(json.loads(receive(cloud, told)["Body"])["Message"])["detail"] == {"id": 1}
    assert json.loads(receive(cloud, other)["Body"])["detail"] == {"id": 1}


def test_what_cannot_be_delivered_goes_to_the_targets_dead_letter_queue(cloud: RunningCloud) -> None:
    dead = make_queue(cloud, "undelivered")
    make_queue(cloud, "groupless.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    function = make_function(cloud, "gone", Called())
    letter = {"DeadLetterConfig": {"Arn": queue_arn("undelivered")}}
    rule = make_rule(
        cloud, "undelivered", {"source": ["shop"]},
        {"Arn": function, **letter}, {"Arn": queue_arn("groupless.fifo"), **letter},
    )  # fmt: skip
    cloud.client("lambda").delete_function(FunctionName="gone")

    put(cloud, "undelivered", {"id": 1})

    first, second = receive(cloud, dead), receive(cloud, dead)
    assert json.loads(first["Body"])["detail"] == {"id": 1}
    attributes = {name: one["StringValue"] for name, one in first["MessageAttributes"].items()}
    assert "Function not found" in attributes.pop("ERROR_MESSAGE")
    assert attributes == {"RULE_ARN": rule, "TARGET_ARN": function, "ERROR_CODE": "NO_RESOURCE"}
    assert second["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "MissingParameter"


def test_rules_that_eventbridge_refuses_are_refused(cloud: RunningCloud) -> None:
    events = cloud.client("events")
    events.create_event_bus(Name="strict")
    with pytest.raises(ClientError, match="EventPattern or ScheduleExpression must be specified"):
        events.put_rule(Name="nothing")
    with pytest.raises(ClientError, match="only on the default event bus"):
        events.put_rule(Name="timed", EventBusName="strict", ScheduleExpression="rate(1 day)")
    events.put_rule(Name="many", EventPattern='{"source": ["many"]}')
    targets = [{"Id": str(number), "Arn": queue_arn("many")} for number in range(6)]
    events.put_targets(Rule="many", Targets=targets[:5])
    with pytest.raises(ClientError, match="exceeds the maximum number allowed"):
        events.put_targets(Rule="many", Targets=targets[5:])


def test_an_entry_that_eventbridge_refuses_is_refused_and_the_others_of_the_call_are_taken(cloud: RunningCloud) -> None:
    url = make_queue(cloud, "picked")
    make_rule(cloud, "picky", {"source": ["shop"]}, {"Arn": queue_arn("picked")})
    good = {"Source": "shop", "DetailType": "Order", "Detail": '{"id": 1}', "EventBusName": "picky"}
    without_detail = {key: value for key, value in good.items() if key != "Detail"}

    answer = cloud.client("events").put_events(
        Entries=[{**good, "Detail": "no JSON"}, good, {**good, "Detail": "[1]"}, {**good, "Source": ""}, without_detail]
    )

    assert answer["FailedEntryCount"] == 4
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        "MalformedDetail", None, "MalformedDetail", "InvalidArgument", "InvalidArgument"
    ]  # fmt: skip
    message = receive(cloud, url)
    assert json.loads(message["Body"])["id"] == answer["Entries"][1]["EventId"]


def test_a_stream_is_a_target_and_a_target_of_another_kind_is_said_to_be_none(cloud: RunningCloud) -> None:
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName="target", ShardCount=1)
    stream = kinesis.describe_stream(StreamName="target")["StreamDescription"]
    make_rule(
        cloud, "streamed", {"source": ["shop"]},
        {"Arn": stream["StreamARN"], "KinesisParameters": {"PartitionKeyPath": "$.detail.id"}},
        {"Arn": f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/x"},
    )  # fmt: skip

    put(cloud, "streamed", {"id": "k"})

    shard = kinesis.get_shard_iterator(
        StreamName="target", ShardId=stream["Shards"][0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    [record] = kinesis.get_records(ShardIterator=shard["ShardIterator"])["Records"]
    assert (json.loads(record["Data"])["detail"], record["PartitionKey"]) == ({"id": "k"}, "k")
    assert eventually(
        lambda: [one for one in cloud.recorder.events if getattr(one, "notice", "") == "target-unsupported"]
    )
