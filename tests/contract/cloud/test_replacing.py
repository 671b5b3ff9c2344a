"""Replacements: the new resource is there before the old one goes, and the old one stays if the update fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy, eventually

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
Listed = Callable[[RunningCloud], list[str]]

CASES: dict[str, tuple[str, dict[str, Any], Listed]] = {
    "AWS::SQS::Queue": (
        "QueueName",
        {},
        lambda cloud: [url.rpartition("/")[2] for url in cloud.client("sqs").list_queues().get("QueueUrls", [])],
    ),
    "AWS::SNS::Topic": (
        "TopicName",
        {},
        lambda cloud: [one["TopicArn"].rpartition(":")[2] for one in cloud.client("sns").list_topics()["Topics"]],
    ),
    "AWS::Kinesis::Stream": (
        "Name",
        {"ShardCount": 1},
        lambda cloud: cloud.client("kinesis").list_streams()["StreamNames"],
    ),
    "AWS::Events::EventBus": (
        "Name",
        {},
        lambda cloud: [one["Name"] for one in cloud.client("events").list_event_buses()["EventBuses"]],
    ),
    "AWS::Events::Rule": (
        "Name",
        {"EventPattern": {"source": ["a"]}},
        lambda cloud: [one["Name"] for one in cloud.client("events").list_rules()["Rules"]],
    ),
    "AWS::Events::Archive": (
        "ArchiveName",
        {"SourceArn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"},
        lambda cloud: [one["ArchiveName"] for one in cloud.client("events").list_archives()["Archives"]],
    ),
    "AWS::Scheduler::Schedule": (
        "Name",
        SCHEDULE,
        lambda cloud: [one["Name"] for one in cloud.client("scheduler").list_schedules()["Schedules"]],
    ),
    "AWS::Scheduler::ScheduleGroup": (
        "Name",
        {},
        lambda cloud: [one["Name"] for one in cloud.client("scheduler").list_schedule_groups()["ScheduleGroups"]],
    ),
    "AWS::DynamoDB::Table": (
        "TableName",
        TABLE,
        lambda cloud: cloud.client("dynamodb").list_tables()["TableNames"],
    ),
    "AWS::SSM::Parameter": (
        "Name",
        {"Type": "String", "Value": "v"},
        lambda cloud: [one["Name"] for one in cloud.client("ssm").describe_parameters()["Parameters"]],
    ),
    "AWS::SecretsManager::Secret": (
        "Name",
        {"SecretString": "s"},
        lambda cloud: [one["Name"] for one in cloud.client("secretsmanager").list_secrets()["SecretList"]],
    ),
    "AWS::IAM::Group": (
        "GroupName",
        {},
        lambda cloud: [one["GroupName"] for one in cloud.client("iam").list_groups()["Groups"]],
    ),
    "AWS::Logs::LogGroup": (
        "LogGroupName",
        {},
        lambda cloud: [one["logGroupName"] for one in cloud.client("logs").describe_log_groups()["logGroups"]],
    ),
}


@pytest.mark.parametrize("type_name", sorted(CASES))
def test_a_resource_that_is_renamed_is_replaced_and_only_when_the_update_succeeds(
    cloud: RunningCloud, type_name: str
) -> None:
    key, properties, listed = CASES[type_name]
    kind = type_name.rpartition(":")[2].lower()
    stack, one, two, three = (f"{name}-{kind}" for name in ("renames", "one", "two", "three"))

    def resources(name: str) -> dict[str, Any]:
        return {"It": {"Type": type_name, "Properties": {**properties, key: name}}}

    assert deploy(cloud, stack, resources(one))["StackStatus"] == "CREATE_COMPLETE"
    replaced = deploy(cloud, stack, resources(two))
    assert replaced["StackStatus"] == "UPDATE_COMPLETE", replaced["Failures"]
    assert (one in listed(cloud), two in listed(cloud)) == (False, True)

    wrong = {"Type": "AWS::SQS::Queue", "Properties": {"Colour": "red"}, "DependsOn": "It"}
    failed = deploy(cloud, stack, {**resources(three), "Wrong": wrong})

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (two in listed(cloud), three in listed(cloud)) == (True, False)

    cloud.client("cloudformation").delete_stack(StackName=stack)


def test_a_mapping_to_another_queue_is_another_mapping(cloud: RunningCloud) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }

    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    reads = [{"PolicyName": "reads", "PolicyDocument": allowed}]

    def resources(queue: str) -> dict[str, Any]:
        function = {
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"ZipFile": "def handler(event, context): ..."},
        }
        mapping = {"FunctionName": {"Ref": "Function"}, "EventSourceArn": {"Fn::GetAtt": [queue, "Arn"]}}
        return {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, "Policies": reads}},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "One": {"Type": "AWS::SQS::Queue"},
            "Two": {"Type": "AWS::SQS::Queue"},
            "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
        }

    outputs = {"Id": {"Value": {"Ref": "Mapping"}}, "Queue": {"Value": {"Fn::GetAtt": ["Two", "Arn"]}}}
    first = deploy(cloud, "maps", resources("One"), Outputs=outputs)["OutputValues"]

    made = deploy(cloud, "maps", resources("Two"), Outputs=outputs)
    assert made["StackStatus"] == "UPDATE_COMPLETE", made["Failures"]
    second = made["OutputValues"]

    client = cloud.client("lambda")
    assert first["Id"] != second["Id"]
    (left,) = client.list_event_source_mappings()["EventSourceMappings"]
    assert (left["UUID"], left["EventSourceArn"]) == (second["Id"], second["Queue"])


def test_a_nested_stack_is_held_to_the_same(cloud: RunningCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="nested", CreateBucketConfiguration={"LocationConstraint": REGION})

    def parent(name: str, **properties: Any) -> dict[str, Any]:
        nested = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": properties}}}
        s3.put_object(Bucket="nested", Key=name, Body=json.dumps(nested).encode())
        url = f"https://s3.{REGION}.amazonaws.com/nested/{name}"
        return {"Nested": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}}

    good = deploy(cloud, "parent", parent("a.json", QueueName="nested-queue"))
    assert good["StackStatus"] == "CREATE_COMPLETE", good["Failures"]

    bad = deploy(cloud, "parent", parent("b.json", QueueName="nested-queue", Colour="red"))

    assert bad["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    events = cloud.client("cloudformation").describe_stack_events(StackName="parent")["StackEvents"]
    reasons = [one["ResourceStatusReason"] for one in events if one["ResourceStatus"] == "UPDATE_FAILED"]
    assert "Encountered unsupported property Colour" in reasons[0]


def test_a_bucket_that_is_not_empty_stays_and_its_stack_says_why(cloud: RunningCloud) -> None:
    deploy(cloud, "full", {"Files": {"Type": "AWS::S3::Bucket"}})
    cloudformation, s3 = cloud.client("cloudformation"), cloud.client("s3")
    bucket = cloudformation.describe_stack_resource(StackName="full", LogicalResourceId="Files")
    name = bucket["StackResourceDetail"]["PhysicalResourceId"]
    s3.put_object(Bucket=name, Key="kept", Body=b"kept")

    cloudformation.delete_stack(StackName="full")

    assert eventually(lambda: status_of(cloud, "full") == "DELETE_FAILED")
    events = cloudformation.describe_stack_events(StackName="full")["StackEvents"]
    reasons = [one.get("ResourceStatusReason", "") for one in events if one["ResourceStatus"] == "DELETE_FAILED"]
    assert any("The bucket you tried to delete is not empty" in reason for reason in reasons)
    assert s3.get_object(Bucket=name, Key="kept")["Body"].read() == b"kept"

    s3.delete_object(Bucket=name, Key="kept")
    cloudformation.delete_stack(StackName="full")
    assert eventually(lambda: status_of(cloud, "full") is None)
    assert name not in [one["Name"] for one in s3.list_buckets()["Buckets"]]


def status_of(cloud: RunningCloud, stack: str) -> str | None:
    listed = cloud.client("cloudformation").list_stacks()["StackSummaries"]
    found = [one["StackStatus"] for one in listed if one["StackName"] == stack]
    return found[0] if found and found[0] != "DELETE_COMPLETE" else None
