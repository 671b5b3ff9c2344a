"""Names that AWS refuses for how they are spelled are refused here, in its words."""

from __future__ import annotations

from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy

TABLE = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
SCHEDULE = {
    "ScheduleExpression": "rate(1 hour)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "State": "DISABLED",
    "Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"},
}
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "AWS::DynamoDB::Table": ("TableName", TABLE),
    "AWS::Events::Archive": ("ArchiveName", {"SourceArn": BUS}),
    "AWS::Events::EventBus": ("Name", {}),
    "AWS::Events::Rule": ("Name", {"EventPattern": {"source": ["a"]}}),
    "AWS::IAM::Role": ("RoleName", {"AssumeRolePolicyDocument": TRUST}),
    "AWS::Kinesis::Stream": ("Name", {"ShardCount": 1}),
    "AWS::Logs::LogGroup": ("LogGroupName", {}),
    "AWS::S3::Bucket": ("BucketName", {}),
    "AWS::SSM::Parameter": ("Name", {"Type": "String", "Value": "v"}),
    "AWS::Scheduler::Schedule": ("Name", SCHEDULE),
    "AWS::SecretsManager::Secret": ("Name", {}),
}


@pytest.mark.parametrize("type_name", CASES)
def test_a_name_that_the_service_refuses_fails_and_one_that_it_takes_does_not(
    cloud: RunningCloud, type_name: str
) -> None:
    key, properties = CASES[type_name]
    stack = type_name.replace("::", "-").lower()

    bad = deploy(cloud, f"{stack}-bad", {"X": {"Type": type_name, "Properties": {**properties, key: "not so!"}}})
    good = deploy(cloud, f"{stack}-good", {"X": {"Type": type_name, "Properties": {**properties, key: "just-so.1"}}})

    ((_, reason),) = bad["Failures"]
    assert reason.startswith("1 validation error detected: Value 'not so!' at ")
    assert good["StackStatus"] == "CREATE_COMPLETE", good["Failures"]


@pytest.mark.parametrize(
    ("type_name", "properties", "reason"),
    [
        ("AWS::SQS::Queue", {"QueueName": "a.b"}, "Can only include alphanumeric characters"),
        ("AWS::SQS::Queue", {"QueueName": "a.fifo"}, "Can only include alphanumeric characters"),
        ("AWS::SQS::Queue", {"QueueName": "a", "FifoQueue": True}, "must end with .fifo suffix"),
        ("AWS::SQS::Queue", {"QueueName": "x" * 81}, "1 to 80 in length"),
        ("AWS::SNS::Topic", {"TopicName": "a b"}, "Invalid parameter: Topic Name"),
        ("AWS::SNS::Topic", {"TopicName": "a", "FifoTopic": True}, "must end with .fifo suffix"),
        ("AWS::SQS::Queue", {"QueueName": "right.fifo", "FifoQueue": True}, None),
        ("AWS::SNS::Topic", {"TopicName": "right.fifo", "FifoTopic": True}, None),
        ("AWS::SQS::Queue", {"QueueName": "Right_1-a"}, None),
    ],
)
def test_names_of_queues_and_topics_end_in_fifo_if_they_are_that(
    cloud: RunningCloud, type_name: str, properties: dict[str, Any], reason: str | None
) -> None:
    stacks = cloud.client("cloudformation").list_stacks()["StackSummaries"]
    made = deploy(cloud, f"fifo-or-not-{len(stacks)}", {"X": {"Type": type_name, "Properties": properties}})

    assert bool(made["Failures"]) == (reason is not None)
    assert reason is None or reason in made["Failures"][0][1]
