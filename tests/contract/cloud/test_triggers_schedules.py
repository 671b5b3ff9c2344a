"""Schedules run their targets on time, as rules of EventBridge and as EventBridge Scheduler's own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, ROLE, RunningCloud, eventually, make_mighty
from kit.triggers import Called, make_function, make_queue, make_topic, queue_arn, receive


def make_schedule(cloud: RunningCloud, name: str, expression: str, target: dict[str, Any], **options: Any) -> str:
    make_mighty(cloud, ROLE.rpartition("/")[2])
    arn: str = cloud.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"RoleArn": ROLE, **target},
        **options,
    )["ScheduleArn"]
    return arn


def soon(zone: str = "UTC", seconds: float = 2) -> tuple[str, float]:
    """An expression for a moment ahead, and the moment."""
    moment = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
    return f"at({moment.astimezone(ZoneInfo(zone)).strftime('%Y-%m-%dT%H:%M:%S')})", moment.timestamp()


def test_a_schedule_of_one_time_runs_a_function_on_time_in_its_timezone_and_goes_away(cloud: RunningCloud) -> None:
    called = Called()
    expression, moment = soon("Asia/Tokyo")
    arn = make_schedule(
        cloud, "once", expression, {"Arn": make_function(cloud, "once", called)},
        ScheduleExpressionTimezone="Asia/Tokyo", ActionAfterCompletion="DELETE",
    )  # fmt: skip

    [event] = called.wait(1)

    assert 0 <= time.time() - moment < 1
    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [arn],
        "detail": "{}",
    }
    assert not cloud.client("scheduler").list_schedules()["Schedules"]


def test_a_schedule_gives_queues_topics_and_buses_its_input(cloud: RunningCloud) -> None:
    fifo = make_queue(cloud, "timed.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    told, on_bus = make_queue(cloud, "timed-told"), make_queue(cloud, "timed-bus")
    sns, events = cloud.client("sns"), cloud.client("events")
    topic = make_topic(cloud, "timed")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("timed-told"))
    events.create_event_bus(Name="timed")
    events.put_rule(Name="timed", EventBusName="timed", EventPattern='{"source": ["mine"]}')
    events.put_targets(Rule="timed", EventBusName="timed", Targets=[{"Id": "q", "Arn": queue_arn("timed-bus")}])
    expression, _ = soon()
    made = make_schedule(
        cloud, "to-queue", expression,
        {
            "Arn": queue_arn("timed.fifo"), "SqsParameters": {"MessageGroupId": "g"},
            "Input": '{"by": "<aws.scheduler.schedule-arn>"}',
        },
    )  # fmt: skip
    make_schedule(cloud, "to-topic", expression, {"Arn": topic, "Input": "plain"})
    make_schedule(
        cloud, "to-bus", expression,
        {
            "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/timed", "Input": '{"n": 1}',
            "EventBridgeParameters": {"Source": "mine", "DetailType": "Timed"},
        },
    )  # fmt: skip

    message = receive(cloud, fifo)
    assert (json.loads(message["Body"]), message["Attributes"]["MessageGroupId"]) == ({"by": made}, "g")
    assert json.loads(receive(cloud, told)["Body"])["Message"] == "plain"
    event = json.loads(receive(cloud, on_bus)["Body"])
    assert (event["detail-type"], event["detail"]) == ("Timed", {"n": 1})


def test_a_target_that_is_gone_leaves_the_event_in_the_dead_letter_queue(cloud: RunningCloud) -> None:
    dead = make_queue(cloud, "missed")
    expression, _ = soon()
    target = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nobody"
    arn = make_schedule(
        cloud, "missed", expression,
        {"Arn": target, "Input": "{}", "DeadLetterConfig": {"Arn": queue_arn("missed")}},
    )  # fmt: skip

    message = receive(cloud, dead)

    attributes = {name: one["StringValue"] for name, one in message["MessageAttributes"].items()}
    assert message["Body"] == "{}"
    assert (attributes["SCHEDULE_ARN"], attributes["TARGET_ARN"]) == (arn, target)
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"


def test_a_disabled_schedule_and_one_before_its_start_do_not_run(cloud: RunningCloud) -> None:
    called, later = Called(), Called()
    expression, moment = soon(seconds=1)
    make_schedule(cloud, "off", expression, {"Arn": make_function(cloud, "off", called)}, State="DISABLED")
    make_schedule(cloud, "on", expression, {"Arn": make_function(cloud, "on", later)})

    later.wait(1)

    assert time.time() >= moment
    assert not called.events


@pytest.mark.parametrize(
    ("expression", "zone"), [("cron(0 12 * * *)", "UTC"), ("rate(1 fortnight)", "UTC"), ("rate(1 day)", "Mars/Base")]
)
def test_an_expression_that_aws_refuses_is_refused(cloud: RunningCloud, expression: str, zone: str) -> None:
    with pytest.raises(ClientError, match=r"Invalid Schedule ?Expression"):
        make_schedule(cloud, "bad", expression, {"Arn": queue_arn("x")}, ScheduleExpressionTimezone=zone)
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        cloud.client("events").put_rule(Name="bad", ScheduleExpression="rate(1 minutes)")


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local").start()
    yield running
    running.close()


def test_a_schedule_of_one_time_that_was_missed_runs_after_the_next_start_and_only_once(
    own_cloud: RunningCloud,
) -> None:
    url = make_queue(own_cloud, "missed")
    expression, moment = soon()
    make_schedule(own_cloud, "missed", expression, {"Arn": queue_arn("missed")})
    own_cloud.snapshot()
    own_cloud.kill()
    eventually(lambda: time.time() > moment)

    own_cloud.start()
    receive(own_cloud, url)
    own_cloud.stop()
    own_cloud.start()

    own_cloud.client("sqs").send_message(QueueUrl=url, MessageBody="after")
    assert receive(own_cloud, url)["Body"] == "after"


@pytest.mark.slow
def test_a_rule_runs_its_targets_every_minute(cloud: RunningCloud) -> None:
    called = Called()
    events = cloud.client("events")
    for name, expression in (("minutely", "rate(1 minute)"), ("cron", "cron(* * * * ? *)")):
        events.put_rule(Name=name, ScheduleExpression=expression)
    rule = events.describe_rule(Name="minutely")["Arn"]
    arn = make_function(cloud, "minutely", called)
    events.put_targets(Rule="minutely", Targets=[{"Id": "f", "Arn": arn}])
    events.put_targets(Rule="cron", Targets=[{"Id": "f", "Arn": arn, "Input": '"cron"'}])
    made = time.time()

    called.wait(2, within=65)

    assert time.time() - made < 62
    [event] = [one for one in called.events if one != "cron"]
    assert event.pop("id")
    assert event.pop("time")
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [rule],
        "detail": {},
    }
