"""Queues run functions as Lambda's event source mappings do: batches, windows, failures, order, filters, redrive."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import REGION, RunningCloud, eventually
from kit.triggers import Called, counts, fail, make_queue, map_queue, queue_arn, receive


def send(cloud: RunningCloud, url: str, *bodies: str, **options: Any) -> None:
    entries = [{"Id": str(number), "MessageBody": body, **options} for number, body in enumerate(bodies)]
    assert not cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def failures(*names: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


# ----------------------------------------------------------------------
# Batches


def test_a_message_comes_as_lambda_shows_it_and_is_deleted(cloud: RunningCloud) -> None:
    called = Called()
    url, _ = map_queue(cloud, "shape", called)

    sent = cloud.client("sqs").send_message(
        QueueUrl=url,
        MessageBody="hello",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "greeting"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5"}},
    )

    [record] = called.wait(1)[0]["Records"]
    assert record["receiptHandle"]
    assert record["attributes"].pop("SenderId")
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        assert abs(int(record["attributes"].pop(name)) / 1000 - time.time()) < 30
    assert record == {
        "messageId": sent["MessageId"],
        "receiptHandle": record["receiptHandle"],
        "body": "hello",
        "attributes": {"ApproximateReceiveCount": "1", "AWSTraceHeader": "Root=1-5"},
        "messageAttributes": {
            "kind": {
                "stringValue": "greeting", "stringListValues": [], "binaryListValues": [], "dataType": "String",
            },
            "raw": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn("shape"),
        "awsRegion": REGION,
    }  # fmt: skip
    assert eventually(lambda: counts(cloud, url) == (0, 0))


def test_what_is_sent_together_comes_together_up_to_the_batch_size(cloud: RunningCloud) -> None:
    called = Called()
    url, _ = map_queue(cloud, "sized", called, BatchSize=4)

    send(cloud, url, *"abcdefghij")

    called.wait(3)
    assert sorted(called.bodies, key=lambda one: one[0]) == [list("abcd"), list("efgh"), list("ij")]


def test_a_batch_waits_for_its_window_and_may_be_larger_than_ten(cloud: RunningCloud) -> None:
    called = Called()
    url, _ = map_queue(cloud, "window", called, BatchSize=25, MaximumBatchingWindowInSeconds=1)
    started = time.monotonic()

    send(cloud, url, *[str(number) for number in range(10)])
    send(cloud, url, *[str(number) for number in range(10, 13)])

    called.wait(1)
    assert called.times[0] - started > 0.9
    assert called.bodies == [[str(number) for number in range(13)]]
    for start in (0, 10, 20):
        send(cloud, url, *[str(number) for number in range(start, min(start + 10, 25))])
    called.wait(2)
    assert len(called.bodies[1]) == 25
    assert called.times[1] - called.times[0] < 0.9  # full: no reason to wait


def test_at_most_five_batches_run_at_once_or_as_many_as_are_allowed(cloud: RunningCloud) -> None:
    for name, options, most in (
        ("parallel", {}, 5),
        ("narrow", {"ScalingConfig": {"MaximumConcurrency": 2}}, 2),
    ):
        together = threading.Barrier(most, timeout=20)
        running: list[int] = []
        highest: list[int] = []

        def work(
            event: Any, count: int, running: Any = running, highest: Any = highest, all_in: Any = together
        ) -> None:
            running.append(1)
            highest.append(len(running))
            all_in.wait()
            running.pop()

        called = Called(work)
        url, _ = map_queue(cloud, name, called, BatchSize=1, **options)
        send(cloud, url, *[str(number) for number in range(2 * most)])
        called.wait(2 * most)
        assert max(highest) == most


def test_a_delayed_message_comes_when_its_delay_is_over(cloud: RunningCloud) -> None:
    called = Called()
    url, _ = map_queue(cloud, "delayed", called)
    started = time.monotonic()

    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="late", DelaySeconds=1)
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="soon")

    called.wait(2)
    assert called.bodies == [["soon"], ["late"]]
    assert 0.9 < called.times[1] - started < 3


# ----------------------------------------------------------------------
# Failures


def test_a_failed_batch_comes_again_after_the_visibility_timeout_and_goes_to_the_dead_letter_queue_in_the_end(
    cloud: RunningCloud,
) -> None:
    dead = make_queue(cloud, "failing-dead")
    redrive = {"deadLetterTargetArn": queue_arn("failing-dead"), "maxReceiveCount": 2}
    called = Called(lambda event, count: fail())
    url, _ = map_queue(
        cloud, "failing", called, attributes={"VisibilityTimeout": "3", "RedrivePolicy": redrive}, BatchSize=10
    )

    send(cloud, url, "a", "b")

    called.wait(2)
    assert called.bodies == [["a", "b"]] * 2
    assert 2.9 < called.times[1] - called.times[0] < 5
    received = [
        [record["attributes"]["ApproximateReceiveCount"] for record in event["Records"]] for event in called.events
    ]
    assert received == [["1", "1"], ["2", "2"]]
    assert called.request_ids[0] != called.request_ids[1]
    message = receive(cloud, dead)
    assert message["Body"] == "a"
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == queue_arn("failing")
    assert counts(cloud, url) == (0, 0)
    assert len(called.events) == 2
    assert [event.notice for event in cloud.recorder.events if hasattr(event, "notice")] == ["message-dead-lettered"]


def test_only_the_reported_messages_come_again(cloud: RunningCloud) -> None:
    def answer(event: Any, count: int) -> Any:
        if count > 1:
            return {"batchItemFailures": []}
        return failures(*[record["messageId"] for record in event["Records"] if record["body"] in "bd"])

    called = Called(answer)
    url, _ = map_queue(
        cloud, "partial", called, attributes={"VisibilityTimeout": "3"},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )  # fmt: skip

    send(cloud, url, *"abcd")

    called.wait(2)
    assert called.bodies == [list("abcd"), list("bd")]
    assert eventually(lambda: counts(cloud, url) == (0, 0))


def test_a_failed_message_comes_again_when_its_function_has_said_so_and_not_when_the_queue_says(
    cloud: RunningCloud,
) -> None:
    def answer(event: Any, count: int) -> Any:
        [record] = event["Records"]
        if count > 1:
            return None
        cloud.client("sqs").change_message_visibility(
            QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=1
        )
        return failures(record["messageId"])

    called = Called(answer)
    url, _ = map_queue(
        cloud, "soon", called, attributes={"VisibilityTimeout": "300"},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )  # fmt: skip

    send(cloud, url, "a")

    called.wait(2)
    assert called.times[1] - called.times[0] > 0.9
    assert eventually(lambda: counts(cloud, url) == (0, 0))


@pytest.mark.parametrize(
    ("name", "answer", "again"),
    [
        ("null", None, False),
        ("empty", {}, False),
        ("null-list", {"batchItemFailures": None}, False),
        ("other", {"statusCode": 200}, False),
        ("text", "fine", True),
        ("empty-name", failures(""), True),
        ("null-name", {"batchItemFailures": [{"itemIdentifier": None}]}, True),
        ("bad-key", {"batchItemFailures": [{"messageId": "x"}]}, True),
        ("unknown", failures("nobody"), True),
        ("no-list", {"batchItemFailures": "x"}, True),
    ],
)
def test_an_answer_that_means_nothing_fails_the_whole_batch(
    cloud: RunningCloud, name: str, answer: Any, again: bool
) -> None:
    called = Called(lambda event, count: answer)
    url, _ = map_queue(cloud, f"answer-{name}", called, FunctionResponseTypes=["ReportBatchItemFailures"])

    send(cloud, url, "a", "b")

    called.wait(1)
    assert eventually(lambda: counts(cloud, url) == ((0, 2) if again else (0, 0)))


def test_without_reporting_an_answer_with_failures_is_success(cloud: RunningCloud) -> None:
    called = Called(lambda event, count: failures(event["Records"][0]["messageId"]))
    url, _ = map_queue(cloud, "unreported", called)
    send(cloud, url, "a")
    called.wait(1)
    assert eventually(lambda: counts(cloud, url) == (0, 0))


def test_a_message_stays_invisible_while_its_function_is_held_longer_than_its_timeout(cloud: RunningCloud) -> None:
    go_on = threading.Event()
    called = Called(lambda event, count: go_on.wait(20))
    url, _ = map_queue(cloud, "held", called, attributes={"VisibilityTimeout": "3"})
    send(cloud, url, "a")
    called.wait(1)

    time.sleep(3.5)  # no event says that a message did not become visible

    assert counts(cloud, url) == (0, 1)
    assert len(called.events) == 1
    go_on.set()
    assert eventually(lambda: counts(cloud, url) == (0, 0))


def test_a_function_without_free_concurrency_gets_the_batch_when_there_is_some(cloud: RunningCloud) -> None:
    go_on = threading.Event()
    called = Called(lambda event, count: go_on.wait(20))
    cloud.function("busy", called)
    cloud.client("lambda").put_function_concurrency(FunctionName="busy", ReservedConcurrentExecutions=1)
    url = make_queue(cloud, "busy")
    cloud.client("lambda").create_event_source_mapping(
        EventSourceArn=queue_arn("busy"), FunctionName="busy", BatchSize=1
    )

    send(cloud, url, "a", "b")
    called.wait(1)
    assert eventually(lambda: counts(cloud, url) == (0, 2))
    go_on.set()

    called.wait(2)
    assert eventually(lambda: counts(cloud, url) == (0, 0))
    assert [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in called.events] == ["1", "1"]


# ----------------------------------------------------------------------
# FIFO


def send_fifo(cloud: RunningCloud, url: str, *messages: str) -> None:
    """`a1` is message 1 of group a."""
    entries = [
        {"Id": str(number), "MessageBody": one, "MessageGroupId": one[0], "MessageDeduplicationId": one}
        for number, one in enumerate(messages)
    ]
    assert not cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def test_groups_keep_their_order_and_do_not_wait_for_one_another(cloud: RunningCloud) -> None:
    other_came = threading.Event()

    def work(event: Any, count: int) -> None:
        body = event["Records"][0]["body"]
        if body == "a1":
            assert other_came.wait(20)
        if body == "b1":
            other_came.set()

    called = Called(work)
    url, _ = map_queue(cloud, "groups.fifo", called, attributes={"FifoQueue": "true"}, BatchSize=1)

    send_fifo(cloud, url, "a1", "a2", "b1", "b2", "a3")

    called.wait(5)
    bodies = [one for batch in called.bodies for one in batch]
    assert [one for one in bodies if one[0] == "a"] == ["a1", "a2", "a3"]
    assert [one for one in bodies if one[0] == "b"] == ["b1", "b2"]
    attributes = called.events[0]["Records"][0]["attributes"]
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("a", "a1")
    assert attributes["SequenceNumber"].isdecimal()


def test_a_failed_message_of_a_group_comes_again_before_the_next_of_that_group(cloud: RunningCloud) -> None:
    failed = threading.Event()

    def work(event: Any, count: int) -> None:
        if event["Records"][0]["body"] == "a1" and not failed.is_set():
            failed.set()
            fail()

    called = Called(work)
    url, _ = map_queue(
        cloud, "retried.fifo", called, attributes={"FifoQueue": "true", "VisibilityTimeout": "3"}, BatchSize=1
    )

    send_fifo(cloud, url, "a1", "a2", "b1")

    called.wait(4)
    bodies = [one for batch in called.bodies for one in batch]
    assert [one for one in bodies if one[0] == "a"] == ["a1", "a1", "a2"]


# ----------------------------------------------------------------------
# Filters


def test_what_no_filter_wants_is_deleted_and_runs_nothing(cloud: RunningCloud) -> None:
    called = Called()
    patterns = [{"body": {"kind": ["order"], "total": [{"numeric": [">", 10]}]}}, {"body": {"vip": [True]}}]
    url, _ = map_queue(
        cloud, "filtered", called,
        FilterCriteria={"Filters": [{"Pattern": json.dumps(one)} for one in patterns]},
    )  # fmt: skip

    send(cloud, url, '{"kind": "order", "total": 5}', "not json", '{"kind": "refund", "total": 50}')
    assert eventually(lambda: counts(cloud, url) == (0, 0))
    send(cloud, url, '{"kind": "order", "total": 50}', '{"vip": true}', '{"vip": false}')

    called.wait(1)
    assert called.bodies == [['{"kind": "order", "total": 50}', '{"vip": true}']]
    assert eventually(lambda: counts(cloud, url) == (0, 0))


def test_a_filter_on_text_does_not_match_json_and_attributes_can_be_asked_for(cloud: RunningCloud) -> None:
    called = Called()
    patterns = [{"body": ["go"]}, {"messageAttributes": {"kind": {"stringValue": [{"prefix": "urgent"}]}}}]
    url, _ = map_queue(
        cloud, "text-filter", called, BatchSize=1,
        FilterCriteria={"Filters": [{"Pattern": json.dumps(one)} for one in patterns]},
    )  # fmt: skip

    send(cloud, url, "stop", '["go"]', "go")
    send(cloud, url, "now", MessageAttributes={"kind": {"DataType": "String", "StringValue": "urgent-1"}})

    called.wait(2)
    assert sorted(called.bodies) == [["go"], ["now"]]


# ----------------------------------------------------------------------
# A mapping that changes


def test_a_mapping_is_disabled_changed_and_removed_while_it_runs(cloud: RunningCloud) -> None:
    client = cloud.client("lambda")
    first, second = Called(), Called()
    url, mapping = map_queue(cloud, "changing", first, BatchSize=1)
    other = cloud.function("changed-to", second)
    send(cloud, url, "1")
    first.wait(1)

    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    send(cloud, url, "2", "3")
    assert counts(cloud, url) == (2, 0)
    client.update_event_source_mapping(UUID=mapping, Enabled=True, FunctionName=other, BatchSize=10)
    second.wait(1)
    assert second.bodies == [["2", "3"]]
    client.delete_event_source_mapping(UUID=mapping)
    send(cloud, url, "4")

    assert counts(cloud, url) == (1, 0)
    assert (len(first.events), len(second.events)) == (1, 1)


def test_a_queue_that_filled_before_it_was_mapped_is_read_at_once(cloud: RunningCloud) -> None:
    url = make_queue(cloud, "filled")
    send(cloud, url, "1")
    called = Called()
    cloud.function("filled", called)
    cloud.client("lambda").create_event_source_mapping(EventSourceArn=queue_arn("filled"), FunctionName="filled")
    called.wait(1, within=2)


def test_a_message_waits_uncounted_until_somebody_runs_its_function(cloud: RunningCloud) -> None:
    url = make_queue(cloud, "absent")
    cloud.function("absent", None)
    cloud.client("lambda").create_event_source_mapping(EventSourceArn=queue_arn("absent"), FunctionName="absent")
    send(cloud, url, "a")
    time.sleep(0.5)  # it is tried, which nothing tells
    called = Called()

    cloud.serve("absent", called)

    [event] = called.wait(1)
    assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"
    assert eventually(lambda: counts(cloud, url) == (0, 0))


def test_a_queue_without_a_visibility_timeout_is_not_read_twice_at_once(cloud: RunningCloud) -> None:
    go_on = threading.Event()
    called = Called(lambda event, count: go_on.wait(20))
    url, _ = map_queue(cloud, "hasty", called)
    cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})

    send(cloud, url, "a")
    called.wait(1)
    assert counts(cloud, url) == (0, 1)
    go_on.set()

    assert eventually(lambda: counts(cloud, url) == (0, 0))
    assert len(called.events) == 1


# ----------------------------------------------------------------------
# A cloud that stops


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local").start()
    yield running
    running.close()


def test_what_was_in_flight_when_the_cloud_was_killed_comes_again(own_cloud: RunningCloud) -> None:
    never = threading.Event()
    called = Called(lambda event, count: never.wait(30) if count == 1 else None)
    url, _ = map_queue(own_cloud, "inflight", called, attributes={"VisibilityTimeout": "3"}, BatchSize=1)
    send(own_cloud, url, "a")
    called.wait(1)
    own_cloud.snapshot()

    own_cloud.kill()
    own_cloud.start()

    called.wait(2)
    assert called.events[1]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"
    never.set()
    assert eventually(lambda: counts(own_cloud, url) == (0, 0))


def test_a_cloud_stops_at_once_whatever_runs(own_cloud: RunningCloud) -> None:
    never = threading.Event()
    called = Called(lambda event, count: never.wait(30))
    url, _ = map_queue(own_cloud, "stopping", called)
    send(own_cloud, url, "a")
    called.wait(1)
    started = time.monotonic()

    own_cloud.stop()

    assert time.monotonic() - started < 0.9  # a second, and it would be killed
    never.set()


def test_a_mapping_that_lambda_refuses_is_refused(cloud: RunningCloud) -> None:
    make_queue(cloud, "refused", VisibilityTimeout="5")
    make_queue(cloud, "refused.fifo", FifoQueue="true")
    cloud.function("slow", Called(), Timeout=10)
    client = cloud.client("lambda")
    for options, message in (
        ({}, "Queue visibility timeout: 5 seconds is less than Function timeout: 10 seconds"),
        ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater"),
        ({"BatchSize": 10001, "MaximumBatchingWindowInSeconds": 1}, "less than or equal to 10000"),
        ({"EventSourceArn": queue_arn("refused.fifo"), "BatchSize": 11}, "FIFO"),
        ({"FilterCriteria": {"Filters": [{"Pattern": '{"body": "x"}'}]}}, "Invalid filter pattern definition"),
    ):
        with pytest.raises(ClientError, match=message):
            client.create_event_source_mapping(
                **{"EventSourceArn": queue_arn("refused"), "FunctionName": "slow", **options}
            )
