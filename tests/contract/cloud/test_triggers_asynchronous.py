"""Asynchronous invocations are kept, retried and given up as Lambda does it, only sooner."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, eventually
from kit.triggers import Called, fail, make_function, make_queue, make_topic, queue_arn, receive
from skykite.model.events import Notice
from skykite.model.invocation import Trigger


def invoke(cloud: RunningCloud, name: str, payload: bytes = b'{"n":  1}', **options: Any) -> Any:
    return cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload, **options)


def notices(cloud: RunningCloud, code: str) -> list[Notice]:
    return [event for event in cloud.recorder.events if isinstance(event, Notice) and event.notice == code]


def test_a_failing_event_runs_three_times_under_one_request_id_with_waits(cloud: RunningCloud) -> None:
    called = Called(lambda event, count: fail())
    make_function(cloud, "thrice", called)

    answer = invoke(cloud, "thrice")

    assert answer["StatusCode"] == 202
    called.wait(3)
    assert called.events == [{"n": 1}] * 3
    assert len(set(called.request_ids)) == 1
    first, second, third = called.times
    assert 0.9 < second - first < 2.5
    assert 1.9 < third - second < 4
    runs = [one for one in cloud.functions.invocations if one.function == "thrice"]
    assert [one.payload for one in runs] == [b'{"n":  1}'] * 3
    assert {one.trigger for one in runs} == {Trigger(kind="invoke")}
    assert eventually(lambda: notices(cloud, "event-given-up"))[0].message == (
        "`thrice` failed 3 times on an asynchronous event, at last with `RuntimeError: no`"
    )
    assert notices(cloud, "retry-compressed")[0].message.endswith("runs again in 1 second, where AWS waits 1 minute")


def test_the_destination_gets_lambdas_document_of_a_failure(cloud: RunningCloud) -> None:
    dead = make_queue(cloud, "failures")
    called = Called(lambda event, count: fail("broken"))
    arn = make_function(cloud, "to-failures", called)
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName="to-failures",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue_arn("failures")}},
    )

    invoke(cloud, "to-failures")

    document = json.loads(receive(cloud, dead)["Body"])
    assert document.pop("timestamp").endswith("Z")
    assert document.pop("responsePayload")["errorMessage"] == "broken"
    assert document == {
        "version": "1.0",
        "requestContext": {
            "requestId": called.request_ids[0],
            "functionArn": f"{arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    }
    assert len(called.events) == 1


def test_success_has_a_destination_too_also_another_function_a_topic_or_a_bus(cloud: RunningCloud) -> None:
    heard = Called()
    next_arn = make_function(cloud, "next", heard)
    client, events, sns = cloud.client("lambda"), cloud.client("events"), cloud.client("sns")
    events.create_event_bus(Name="results")
    results = make_queue(cloud, "results")
    events.put_rule(Name="all", EventBusName="results", EventPattern='{"source": ["lambda"]}')
    events.put_targets(Rule="all", EventBusName="results", Targets=[{"Id": "q", "Arn": queue_arn("results")}])
    topic = make_topic(cloud, "results")
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=next_arn)
    arn = make_function(cloud, "succeeds", Called(lambda event, count: {"did": event}))
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/results"

    for number, target in enumerate((next_arn, topic, bus)):
        client.put_function_event_invoke_config(
            FunctionName="succeeds", DestinationConfig={"OnSuccess": {"Destination": target}}
        )
        invoke(cloud, "succeeds", json.dumps({"n": number}).encode())
        if target != bus:
            heard.wait(number + 1)
    event = json.loads(receive(cloud, results)["Body"])

    first, second = heard.events[0], json.loads(heard.events[1]["Records"][0]["Sns"]["Message"])
    for number, document in enumerate((first, second, event["detail"])):
        assert document["requestContext"]["condition"] == "Success"
        assert document["requestContext"]["approximateInvokeCount"] == 1
        assert document["responsePayload"] == {"did": {"n": number}}
        assert document["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert (event["source"], event["detail-type"]) == ("lambda", "Lambda Function Invocation Result - Success")
    assert event["resources"] == [bus, f"{arn}:$LATEST"]


def test_the_dead_letter_queue_gets_the_event_itself(cloud: RunningCloud) -> None:
    dead = make_queue(cloud, "dead")
    called = Called(lambda event, count: fail("broken"))
    make_function(cloud, "to-dead", called, DeadLetterConfig={"TargetArn": queue_arn("dead")})
    cloud.client("lambda").put_function_event_invoke_config(FunctionName="to-dead", MaximumRetryAttempts=1)

    invoke(cloud, "to-dead", b'{"n":  7}')

    message = receive(cloud, dead)
    assert message["Body"] == '{"n":  7}'
    attributes = {name: one["StringValue"] for name, one in message["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": called.request_ids[0], "ErrorCode": "200", "ErrorMessage": "RuntimeError: broken",
    }  # fmt: skip
    assert len(called.events) == 2


def test_an_event_that_would_be_too_old_is_not_retried(cloud: RunningCloud) -> None:
    dead = make_queue(cloud, "old")
    called = Called(lambda event, count: fail())
    make_function(cloud, "old", called)
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName="old",
        MaximumEventAgeInSeconds=100,  # the first retry is after 60 seconds on AWS, the second after 180
        DestinationConfig={"OnFailure": {"Destination": queue_arn("old")}},
    )

    invoke(cloud, "old")

    context = json.loads(receive(cloud, dead)["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 2)


def test_an_event_waits_for_free_concurrency_and_goes_away_if_there_never_is_any(cloud: RunningCloud) -> None:
    go_on = threading.Event()
    called = Called(lambda event, count: go_on.wait(20))
    dead = make_queue(cloud, "never")
    make_function(cloud, "single", called)
    client = cloud.client("lambda")
    client.put_function_concurrency(FunctionName="single", ReservedConcurrentExecutions=1)
    client.put_function_event_invoke_config(
        FunctionName="single", DestinationConfig={"OnFailure": {"Destination": queue_arn("never")}}
    )
    invoke(cloud, "single", b"1")
    invoke(cloud, "single", b"2")
    called.wait(1)
    go_on.set()
    called.wait(2)
    assert sorted(called.events) == [1, 2]

    client.put_function_concurrency(FunctionName="single", ReservedConcurrentExecutions=0)
    invoke(cloud, "single", b"3")

    document = json.loads(receive(cloud, dead)["Body"])
    assert document["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert (document["requestPayload"], len(called.events)) == (3, 2)


def test_an_alias_has_settings_of_its_own(cloud: RunningCloud) -> None:
    called = Called(lambda event, count: fail())
    arn = make_function(cloud, "aliased", called)
    client, dead = cloud.client("lambda"), make_queue(cloud, "aliased")
    version = client.publish_version(FunctionName="aliased")["Version"]
    client.create_alias(FunctionName="aliased", Name="live", FunctionVersion=version)
    client.put_function_event_invoke_config(
        FunctionName="aliased",
        Qualifier="live",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue_arn("aliased")}},
    )

    invoke(cloud, "aliased", Qualifier="live")

    document = json.loads(receive(cloud, dead)["Body"])
    assert document["requestContext"]["functionArn"] == f"{arn}:live"
    assert document["responseContext"]["executedVersion"] == version


def test_an_event_waits_uncounted_until_somebody_runs_its_function(cloud: RunningCloud) -> None:
    make_function(cloud, "absent", None)
    cloud.client("lambda").put_function_event_invoke_config(FunctionName="absent", MaximumRetryAttempts=0)
    invoke(cloud, "absent")
    time.sleep(0.5)  # it is tried, which nothing tells
    called = Called()

    cloud.serve("absent", called)

    called.wait(1)


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local").start()
    yield running
    running.close()


def test_an_event_that_waits_for_its_retry_survives_a_kill(own_cloud: RunningCloud) -> None:
    called = Called(lambda event, count: fail() if count == 1 else None)
    make_function(own_cloud, "kept", called)
    invoke(own_cloud, "kept")
    called.wait(1)
    eventually(lambda: notices(own_cloud, "retry-compressed"))
    own_cloud.snapshot()

    own_cloud.kill()
    own_cloud.start()

    called.wait(2)
    assert called.request_ids[0] == called.request_ids[1]
