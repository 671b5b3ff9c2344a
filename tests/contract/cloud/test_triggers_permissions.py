"""What AWS would not deliver for want of a permission is not delivered here, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, eventually
from kit.triggers import Called, counts, fail, make_function, make_queue, make_topic, queue_arn, receive
from skykite.model.events import Notice

CLOSED: dict[str, Any] = {"Policy": {"Statement": []}}


def only_for(queue: str, service: str, source: str) -> dict[str, Any]:
    """The policy that CDK would write."""
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn(queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    return {"Policy": {"Statement": [allow]}}


def refusals(cloud: RunningCloud, text: str) -> list[Notice]:
    found = [one for one in cloud.recorder.events if isinstance(one, Notice) and one.notice == "delivery-failed"]
    return [one for one in found if text in one.message]


def make_role(cloud: RunningCloud, name: str, *actions: str) -> str:
    iam = cloud.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    if actions:
        policy = {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return arn


def test_a_topic_delivers_only_where_the_policy_names_it(cloud: RunningCloud) -> None:
    topic, other = make_topic(cloud, "named"), make_topic(cloud, "unnamed")
    url = make_queue(cloud, "only-named", **only_for("only-named", "sns.amazonaws.com", topic))
    for one in (topic, other):
        cloud.client("sns").subscribe(TopicArn=one, Protocol="sqs", Endpoint=queue_arn("only-named"))

    cloud.client("sns").publish(TopicArn=other, Message="unwanted")
    cloud.client("sns").publish(TopicArn=topic, Message="wanted")

    assert json.loads(receive(cloud, url)["Body"])["Message"] == "wanted"
    assert counts(cloud, url) == (0, 0)
    [refused] = eventually(lambda: refusals(cloud, "topic `unnamed`"))
    assert "does not let sns.amazonaws.com perform sqs:SendMessage" in refused.message


def test_a_rule_and_a_topic_invoke_no_function_that_does_not_let_them(cloud: RunningCloud) -> None:
    called = Called()
    arn = cloud.function("closed", called)
    topic = make_topic(cloud, "to-closed")
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    events = cloud.client("events")
    events.put_rule(Name="to-closed", EventPattern='{"source": ["closed"]}')
    events.put_targets(Rule="to-closed", Targets=[{"Id": "f", "Arn": arn}])

    cloud.client("sns").publish(TopicArn=topic, Message="x")
    events.put_events(Entries=[{"Source": "closed", "DetailType": "d", "Detail": "{}"}])

    assert eventually(lambda: refusals(cloud, "topic `to-closed`"))
    assert eventually(lambda: refusals(cloud, "rule `to-closed`"))
    cloud.client("lambda").add_permission(
        FunctionName="closed", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/to-closed",
    )  # fmt: skip
    events.put_events(Entries=[{"Source": "closed", "DetailType": "d", "Detail": "{}"}])
    assert called.wait(1)[0]["source"] == "closed"
    assert len(called.events) == 1


def test_a_bucket_tells_nobody_who_does_not_let_it(cloud: RunningCloud) -> None:
    make_queue(cloud, "deaf", **CLOSED)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="mute", CreateBucketConfiguration={"LocationConstraint": REGION})
    for kind, target in (
        ("QueueConfigurations", {"QueueArn": queue_arn("deaf")}),
        ("LambdaFunctionConfigurations", {"LambdaFunctionArn": cloud.function("deaf", Called())}),
    ):
        with pytest.raises(ClientError, match="Unable to validate the following destination configurations"):
            s3.put_bucket_notification_configuration(
                Bucket="mute", NotificationConfiguration={kind: [{**target, "Events": ["s3:ObjectCreated:*"]}]}
            )


def test_a_mapping_whose_function_may_not_read_the_source_is_refused_with_lambdas_words(cloud: RunningCloud) -> None:
    make_queue(cloud, "unread")
    cloud.client("kinesis").create_stream(StreamName="unread", ShardCount=1)
    role = make_role(cloud, "reads-half", "sqs:ReceiveMessage", "kinesis:GetRecords")
    cloud.function("unread", Called(), Role=role)
    client = cloud.client("lambda")

    with pytest.raises(ClientError, match="does not have permissions to call DeleteMessage on SQS"):
        client.create_event_source_mapping(EventSourceArn=queue_arn("unread"), FunctionName="unread")
    with pytest.raises(ClientError, match=r"Cannot access stream .*GetRecords, GetShardIterator, DescribeStream"):
        client.create_event_source_mapping(
            EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/unread",
            FunctionName="unread",
            StartingPosition="LATEST",
        )


def test_a_destination_needs_the_functions_role_and_a_schedule_its_own(cloud: RunningCloud) -> None:
    url = make_queue(cloud, "unsent", **CLOSED)
    role = make_role(cloud, "sends-nothing")
    called = Called(lambda event, count: fail())
    make_function(cloud, "sends-nothing", called, Role=role, DeadLetterConfig={"TargetArn": queue_arn("unsent")})
    cloud.client("lambda").put_function_event_invoke_config(FunctionName="sends-nothing", MaximumRetryAttempts=0)
    cloud.client("scheduler").create_schedule(
        Name="sends-nothing", ScheduleExpression="at(2020-01-01T00:00:00)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue_arn("unsent"), "RoleArn": role},
    )  # fmt: skip

    cloud.client("lambda").invoke(FunctionName="sends-nothing", InvocationType="Event")

    called.wait(1)
    [refused] = eventually(lambda: refusals(cloud, "schedule `default/sends-nothing`"))
    assert f"the role {role} is not allowed to perform sqs:SendMessage" in refused.message
    assert eventually(
        lambda: [
            one for one in cloud.recorder.events if isinstance(one, Notice) and "it is lost" in str(one.hint)
            and one.notice == "event-given-up"
        ]
    )  # fmt: skip
    assert counts(cloud, url) == (0, 0)


@pytest.fixture
def lenient_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local", iam=False).start()
    yield running
    running.close()


def test_nothing_is_asked_without_permissions(lenient_cloud: RunningCloud) -> None:
    topic, called = make_topic(lenient_cloud, "open"), Called()
    lenient_cloud.client("sns").subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=lenient_cloud.function("open", called)
    )
    lenient_cloud.client("sns").publish(TopicArn=topic, Message="x")
    called.wait(1)
