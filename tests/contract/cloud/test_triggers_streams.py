"""Streams run functions as Lambda's event source mappings do: in order, in batches, retried, split, given up."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, ROLE, RunningCloud, deploy, eventually
from kit.triggers import Called, fail, make_queue, queue_arn, receive


def stream_arn(name: str) -> str:
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"


def put(cloud: RunningCloud, stream: str, *records: str) -> list[str]:
    """`a1` has the partition key a. Their sequence numbers."""
    entries = [{"Data": one.encode(), "PartitionKey": one[0]} for one in records]
    answer = cloud.client("kinesis").put_records(StreamName=stream, Records=entries)
    return [one["SequenceNumber"] for one in answer["Records"]]


def map_stream(cloud: RunningCloud, name: str, called: Called, *, shards: int = 1, **options: Any) -> str:
    """A stream and a function of that name, mapped. The mapping's UUID."""
    cloud.client("kinesis").create_stream(StreamName=name, ShardCount=shards)
    cloud.function(name, called)
    given = {"StartingPosition": "LATEST", **options}
    made = cloud.client("lambda").create_event_source_mapping(
        EventSourceArn=stream_arn(name), FunctionName=name, **given
    )
    uuid: str = made["UUID"]
    return uuid


def texts(event: Any) -> list[str]:
    return [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]


def all_texts(called: Called) -> list[list[str]]:
    return [texts(event) for event in list(called.events)]


# ----------------------------------------------------------------------
# Reading


def test_a_record_comes_as_lambda_shows_it(cloud: RunningCloud) -> None:
    called = Called()
    map_stream(cloud, "shape", called)

    [sequence] = put(cloud, "shape", "a1")

    [record] = called.wait(1)[0]["Records"]
    assert abs(record["kinesis"].pop("approximateArrivalTimestamp") - time.time()) < 30
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "a",
            "sequenceNumber": sequence,
            "data": base64.b64encode(b"a1").decode(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": ROLE,
        "awsRegion": REGION,
        "eventSourceARN": stream_arn("shape"),
    }


def test_records_come_in_order_in_batches_of_one_shard_one_at_a_time(cloud: RunningCloud) -> None:
    running: list[int] = []

    def work(event: Any, count: int) -> None:
        running.append(1)
        assert len(running) == 1
        time.sleep(0.02)
        running.pop()

    called = Called(work)
    map_stream(cloud, "ordered", called, BatchSize=3)

    for start in (0, 4):
        put(cloud, "ordered", *[f"{number}" for number in range(start, start + 4)])

    eventually(lambda: sum(map(len, all_texts(called))) >= 8)
    assert [one for batch in all_texts(called) for one in batch] == list("01234567")
    assert all(len(batch) <= 3 for batch in all_texts(called))


def test_a_window_gathers_records(cloud: RunningCloud) -> None:
    called = Called()
    map_stream(cloud, "window", called, MaximumBatchingWindowInSeconds=1)
    started = time.monotonic()

    put(cloud, "window", "a1")
    put(cloud, "window", "a2")

    called.wait(1)
    assert called.times[0] - started > 0.9
    assert all_texts(called) == [["a1", "a2"]]


def test_reading_starts_where_it_was_asked_to(cloud: RunningCloud) -> None:
    kinesis, client = cloud.client("kinesis"), cloud.client("lambda")
    kinesis.create_stream(StreamName="starts", ShardCount=1)
    put(cloud, "starts", "a1")
    eventually(lambda: time.time() % 1 < 0.5)  # the next second is not this one
    time.sleep(1.1)
    moment = int(time.time())
    put(cloud, "starts", "a2")
    heard = {position: Called() for position in ("TRIM_HORIZON", "AT_TIMESTAMP", "LATEST")}
    for position, called in heard.items():
        name = f"from-{position.lower().replace('_', '-')}"
        cloud.function(name, called)
        extra = {"StartingPositionTimestamp": moment} if position == "AT_TIMESTAMP" else {}
        client.create_event_source_mapping(
            EventSourceArn=stream_arn("starts"), FunctionName=name, StartingPosition=position, **extra
        )

    put(cloud, "starts", "a3")

    eventually(lambda: all(any("a3" in one for one in all_texts(called)) for called in heard.values()))
    assert {position: [one for batch in all_texts(called) for one in batch] for position, called in heard.items()} == {
        "TRIM_HORIZON": ["a1", "a2", "a3"], "AT_TIMESTAMP": ["a2", "a3"], "LATEST": ["a3"],
    }  # fmt: skip


def test_lanes_run_side_by_side_and_each_key_keeps_its_order(cloud: RunningCloud) -> None:
    both = threading.Barrier(2, timeout=20)
    called = Called(lambda event, count: both.wait() if count <= 2 else None)
    map_stream(cloud, "lanes", called, ParallelizationFactor=10, BatchSize=1)

    put(cloud, "lanes", "a1", "b1", "a2", "b2", "a3", "b3")  # a and b are in different lanes of ten

    called.wait(6)
    for key in "ab":
        assert [one[0] for one in all_texts(called) if one[0][0] == key] == [f"{key}1", f"{key}2", f"{key}3"]


def test_what_no_filter_wants_is_passed_over(cloud: RunningCloud) -> None:
    called = Called()
    map_stream(
        cloud, "filtered", called,
        FilterCriteria={"Filters": [{"Pattern": '{"data": {"kind": ["x"]}, "partitionKey": ["{"]}'}]},
    )  # fmt: skip

    put(cloud, "filtered", '{"kind": "y"}', "no json", '{"kind": "x"}')

    called.wait(1)
    assert all_texts(called) == [['{"kind": "x"}']]


# ----------------------------------------------------------------------
# Failures


def test_a_failed_batch_is_retried_as_often_as_allowed_and_then_told_of(cloud: RunningCloud) -> None:
    told = make_queue(cloud, "given-up")
    called = Called(lambda event, count: fail() if "a1" in texts(event) else None)
    map_stream(
        cloud, "retried", called, MaximumRetryAttempts=2, BatchSize=2,
        DestinationConfig={"OnFailure": {"Destination": queue_arn("given-up")}},
    )  # fmt: skip

    sequences = put(cloud, "retried", "a1", "a2", "a3")

    called.wait(4)
    assert all_texts(called) == [["a1", "a2"]] * 3 + [["a3"]]
    document = json.loads(receive(cloud, told)["Body"])
    assert document.pop("timestamp").endswith("Z")
    info = document.pop("KinesisBatchInfo")
    assert info.pop("approximateArrivalOfFirstRecord") <= info.pop("approximateArrivalOfLastRecord")
    assert info == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": sequences[0],
        "endSequenceNumber": sequences[1],
        "batchSize": 2,
        "streamArn": stream_arn("retried"),
    }
    assert document.pop("requestContext") == {
        "requestId": called.request_ids[2],
        "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:retried",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    }
    assert document == {
        "version": "1.0",
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    }


def test_a_failed_batch_is_split_until_the_bad_record_is_alone(cloud: RunningCloud) -> None:
    told = make_queue(cloud, "split")
    called = Called(lambda event, count: fail() if "a3" in texts(event) else None)
    map_stream(
        cloud, "split", called, BisectBatchOnFunctionError=True, MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue_arn("split")}},
    )  # fmt: skip

    sequences = put(cloud, "split", "a1", "a2", "a3", "a4")

    info = json.loads(receive(cloud, told)["Body"])["KinesisBatchInfo"]
    assert (info["startSequenceNumber"], info["batchSize"]) == (sequences[2], 1)
    called.wait(6)
    assert all_texts(called) == [
        ["a1", "a2", "a3", "a4"], ["a1", "a2"], ["a3", "a4"], ["a3"], ["a3"], ["a4"],
    ]  # fmt: skip


def test_a_report_moves_the_checkpoint_to_the_first_failed_record(cloud: RunningCloud) -> None:
    def answer(event: Any, count: int) -> Any:
        names = {
            text: record["kinesis"]["sequenceNumber"]
            for text, record in zip(texts(event), event["Records"], strict=True)
        }
        failed = [names[one] for one in ("a3", "a2") if one in names] if count == 1 else []
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    called = Called(answer)
    map_stream(cloud, "reported", called, FunctionResponseTypes=["ReportBatchItemFailures"])

    put(cloud, "reported", "a1", "a2", "a3", "a4")

    called.wait(2)
    assert all_texts(called) == [["a1", "a2", "a3", "a4"], ["a2", "a3", "a4"]]


def test_records_that_are_too_old_are_given_up(cloud: RunningCloud) -> None:
    bucket = "too-old"
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    called = Called(lambda event, count: fail() if "a1" in texts(event) else None)
    uuid = map_stream(
        cloud, "old", called, MaximumRecordAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )  # fmt: skip

    put(cloud, "old", "a1")
    [found] = eventually(lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"))

    assert found["Key"].startswith(f"aws/lambda/{uuid}/shardId-000000000000/")
    document = json.loads(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"
    assert texts(json.loads(document["payload"])) == ["a1"]
    assert document["requestContext"]["approximateInvokeCount"] == len(called.events) > 1
    put(cloud, "old", "a2")
    eventually(lambda: all_texts(called)[-1] == ["a2"])


# ----------------------------------------------------------------------
# Windows with state


def test_a_tumbling_window_carries_its_state_and_ends_with_a_final_invocation(cloud: RunningCloud) -> None:
    def count_up(event: Any, count: int) -> Any:
        return {"state": {"sum": event["state"].get("sum", 0) + len(event["Records"])}}

    called = Called(count_up)
    map_stream(cloud, "tumbling", called, TumblingWindowInSeconds=2, BatchSize=1)
    eventually(lambda: time.time() % 2 < 0.5)

    put(cloud, "tumbling", "a1", "a2")

    called.wait(3)
    first, second, last = called.events[:3]
    assert [event["state"] for event in (first, second, last)] == [{}, {"sum": 1}, {"sum": 2}]
    assert [event["isFinalInvokeForWindow"] for event in (first, second, last)] == [False, False, True]
    assert last["Records"] == []
    assert (last["shardId"], last["eventSourceARN"]) == ("shardId-000000000000", stream_arn("tumbling"))
    assert not last["isWindowTerminatedEarly"]
    assert first["window"] == second["window"] == last["window"]
    put(cloud, "tumbling", "a3")
    called.wait(4)
    assert called.events[3]["state"] == {}
    assert called.events[3]["window"]["start"] >= last["window"]["end"]


# ----------------------------------------------------------------------
# Tables


def make_table(cloud: RunningCloud, name: str) -> str:
    """Its stream's ARN."""
    made = cloud.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    arn: str = made["TableDescription"]["LatestStreamArn"]
    return arn


def test_a_tables_changes_come_in_order_with_both_images(cloud: RunningCloud) -> None:
    called = Called(lambda event, count: fail() if count == 1 else None)
    arn = make_table(cloud, "notes")
    cloud.function("on-note", called)
    cloud.client("lambda").create_event_source_mapping(
        EventSourceArn=arn, FunctionName="on-note", StartingPosition="LATEST",
        FilterCriteria={"Filters": [{"Pattern": '{"dynamodb": {"Keys": {"id": {"S": [{"prefix": "n"}]}}}}'}]},
    )  # fmt: skip
    table = cloud.client("dynamodb")

    for number, item in enumerate(("n1", "other", "n1")):
        table.put_item(TableName="notes", Item={"id": {"S": item}, "v": {"N": str(number)}})
    table.delete_item(TableName="notes", Key={"id": {"S": "n1"}})

    eventually(lambda: sum(len(event["Records"]) for event in called.events[1:]) >= 3)
    records = [record for event in called.events[1:] for record in event["Records"]]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert records[1]["dynamodb"]["OldImage"] == {"id": {"S": "n1"}, "v": {"N": "0"}}
    assert records[1]["dynamodb"]["NewImage"] == {"id": {"S": "n1"}, "v": {"N": "2"}}
    assert records[1]["eventSourceARN"] == arn
    assert called.events[1]["Records"][0]["eventID"] == called.events[0]["Records"][0]["eventID"]


def test_a_tables_failure_is_told_to_a_topic(cloud: RunningCloud) -> None:
    told = make_queue(cloud, "table-failed")
    topic = cloud.client("sns").create_topic(Name="table-failed")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("table-failed"))
    arn = make_table(cloud, "failing")
    cloud.function("on-failing", Called(lambda event, count: fail()))
    cloud.client("lambda").create_event_source_mapping(
        EventSourceArn=arn, FunctionName="on-failing", StartingPosition="TRIM_HORIZON", MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": topic}},
    )  # fmt: skip

    cloud.client("dynamodb").put_item(TableName="failing", Item={"id": {"S": "1"}})

    document = json.loads(json.loads(receive(cloud, told)["Body"])["Message"])
    assert document["DDBStreamBatchInfo"]["streamArn"] == arn
    assert document["DDBStreamBatchInfo"]["batchSize"] == 1


# ----------------------------------------------------------------------
# Mappings


def test_a_mapping_keeps_what_it_was_given_with_lambdas_defaults(cloud: RunningCloud) -> None:
    uuid = map_stream(cloud, "kept", Called(), TumblingWindowInSeconds=30)
    found = cloud.client("lambda").get_event_source_mapping(UUID=uuid)
    names = (
        "BatchSize", "TumblingWindowInSeconds", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds",
        "ParallelizationFactor", "BisectBatchOnFunctionError",
    )  # fmt: skip
    assert [found[name] for name in names] == [100, 30, -1, -1, 1, False]
    for options, message in (
        ({"StartingPosition": "MIDDLE"}, "startingPosition"),
        ({"ParallelizationFactor": 11}, "less than or equal to 10"),
        ({"MaximumRecordAgeInSeconds": 30}, "at least 60"),
    ):
        with pytest.raises(ClientError, match=message):
            cloud.client("lambda").create_event_source_mapping(
                **{
                    "EventSourceArn": stream_arn("kept"),
                    "FunctionName": "kept",
                    "StartingPosition": "LATEST",
                    **options,
                }
            )


def test_a_mapping_that_a_template_makes_reads_what_is_put_right_after(cloud: RunningCloud) -> None:
    called = Called()
    cloud.client("kinesis").create_stream(StreamName="deployed", ShardCount=1)
    cloud.function("deployed", called)
    put(cloud, "deployed", "a1")
    mapping = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": stream_arn("deployed"), "FunctionName": "deployed", "StartingPosition": "LATEST",
        },
    }  # fmt: skip

    assert deploy(cloud, "streams", {"Mapping": mapping})["StackStatus"] == "CREATE_COMPLETE"
    put(cloud, "deployed", "a2")

    called.wait(1)
    assert all_texts(called) == [["a2"]]


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local").start()
    yield running
    running.close()


def test_a_reader_goes_on_where_it_was_after_a_kill(own_cloud: RunningCloud) -> None:
    called = Called()
    map_stream(own_cloud, "resumed", called)
    put(own_cloud, "resumed", "a1", "a2")
    called.wait(1)
    eventually(lambda: own_cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"][0][
        "LastProcessingResult"
    ] == "OK")  # fmt: skip
    own_cloud.snapshot()

    own_cloud.kill()
    own_cloud.start()
    put(own_cloud, "resumed", "a3")

    called.wait(2)
    assert all_texts(called) == [["a1", "a2"], ["a3"]]


def test_records_before_a_reported_failure_are_done_for_good(own_cloud: RunningCloud) -> None:
    def answer(event: Any, count: int) -> Any:
        failed = [
            record["kinesis"]["sequenceNumber"]
            for text, record in zip(texts(event), event["Records"], strict=True)
            if text == "a2"
        ]
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    called = Called(answer)
    map_stream(own_cloud, "halfway", called, FunctionResponseTypes=["ReportBatchItemFailures"])
    put(own_cloud, "halfway", "a1", "a2", "a3")
    called.wait(2)
    own_cloud.snapshot()

    own_cloud.kill()
    before = len(called.events)
    own_cloud.start()

    called.wait(before + 1)
    assert all_texts(called)[0] == ["a1", "a2", "a3"]
    assert all(one == ["a2", "a3"] for one in all_texts(called)[1:])
