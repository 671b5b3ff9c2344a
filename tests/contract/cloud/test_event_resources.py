"""CloudFormation of what events pass through: every property of queues, topics, buses, schedules, streams and mappings
has its effect, seen through the services' own APIs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
READS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["sqs:*", "kinesis:*"], "Resource": "*"}],
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": TRUST,
        "Policies": [{"PolicyName": "reads", "PolicyDocument": READS}],
    },
}
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": "def handler(event, context):\n    return event\n"},
    },
}
ARN: dict[str, Any] = {"Fn::GetAtt": ["Function", "Arn"]}
LETS_SERVICES_SEND: dict[str, Any] = {
    "Type": "AWS::SQS::QueuePolicy",
    "Properties": {
        "Queues": [{"Ref": "Queue"}],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]},
                    "Action": "sqs:SendMessage",
                    "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                }
            ],
        },
    },
}
QUEUE: dict[str, Any] = {"Type": "AWS::SQS::Queue"}
MAY_SEND = {
    "Type": "AWS::SQS::QueuePolicy",
    "Properties": {
        "Queues": [{"Ref": "Queue"}],
        "PolicyDocument": {
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]},
                "Action": "sqs:SendMessage",
                "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
            }
        },
    },
}


def _of(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_name, "Properties": properties}


def _deploy(cloud: RunningCloud, name: str, resources: dict[str, Any], **outputs: Any) -> dict[str, str]:
    values = {key: {"Value": value} for key, value in outputs.items()}
    stack = deploy(cloud, name, resources, **({"Outputs": values} if values else {}))
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack["Failures"]
    found: dict[str, str] = stack["OutputValues"]
    return found


def test_a_topic_gets_every_attribute_and_loses_what_an_update_leaves_out(cloud: RunningCloud) -> None:
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}}
    topic = _of(
        "AWS::SNS::Topic",
        TopicName="full",
        DisplayName="Full",
        KmsMasterKeyId={"Ref": "Key"},
        TracingConfig="Active",
        Tags=[{"Key": "app", "Value": "notes"}],
    )
    arn = _deploy(cloud, "topic", {"Key": key, "Topic": topic}, Arn={"Ref": "Topic"}, Key={"Ref": "Key"})

    sns = cloud.client("sns")
    attributes = sns.get_topic_attributes(TopicArn=arn["Arn"])["Attributes"]
    assert attributes["DisplayName"] == "Full"
    assert attributes["KmsMasterKeyId"] == arn["Key"]
    assert attributes["TracingConfig"] == "Active"
    assert {"Key": "app", "Value": "notes"} in sns.list_tags_for_resource(ResourceArn=arn["Arn"])["Tags"]

    _deploy(cloud, "topic", {"Key": key, "Topic": _of("AWS::SNS::Topic", TopicName="full")})

    attributes = sns.get_topic_attributes(TopicArn=arn["Arn"])["Attributes"]
    assert attributes.get("KmsMasterKeyId", "") == ""
    assert attributes["TracingConfig"] == "PassThrough"


@pytest.mark.parametrize("name", [{}, {"TopicName": "named.fifo"}], ids=["generated", "named"])
def test_a_fifo_topic_is_one(cloud: RunningCloud, name: dict[str, str]) -> None:
    topic = _of("AWS::SNS::Topic", FifoTopic=True, ContentBasedDeduplication=True, **name)
    queue = _of("AWS::SQS::Queue", FifoQueue=True)
    subscription = _of(
        "AWS::SNS::Subscription",
        TopicArn={"Ref": "Topic"},
        Protocol="sqs",
        Endpoint={"Fn::GetAtt": ["Queue", "Arn"]},
        RawMessageDelivery=True,
    )
    resources = {"Topic": topic, "Queue": queue, "Subscription": subscription, "MaySend": MAY_SEND}
    made = _deploy(cloud, f"fifo-{len(name)}", resources, Arn={"Ref": "Topic"}, Url={"Ref": "Queue"})

    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    assert made["Arn"].endswith(".fifo")
    attributes = sns.get_topic_attributes(TopicArn=made["Arn"])["Attributes"]
    assert (attributes["FifoTopic"], attributes["ContentBasedDeduplication"]) == ("true", "true")
    for _ in range(2):
        sns.publish(TopicArn=made["Arn"], Message="once", MessageGroupId="a")
    messages = sqs.receive_message(QueueUrl=made["Url"], MaxNumberOfMessages=10, WaitTimeSeconds=1)["Messages"]
    assert [message["Body"] for message in messages] == ["once"]
    _deploy(
        cloud,
        f"fifo-{len(name)}",
        {**resources, "Topic": {**topic, "Properties": {**topic["Properties"], "DisplayName": "x"}}},
    )
    assert sns.get_topic_attributes(TopicArn=made["Arn"])["Attributes"]["DisplayName"] == "x"


def test_a_subscription_gets_every_attribute(cloud: RunningCloud) -> None:
    subscription = _of(
        "AWS::SNS::Subscription",
        TopicArn={"Ref": "Topic"},
        Protocol="sqs",
        Endpoint={"Fn::GetAtt": ["Queue", "Arn"]},
        FilterPolicy={"kind": ["new"]},
        FilterPolicyScope="MessageBody",
        RawMessageDelivery=True,
        RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}},
    )
    resources = {"Topic": _of("AWS::SNS::Topic"), "Queue": QUEUE, "Dead": QUEUE, "Subscription": subscription}
    made = _deploy(
        cloud,
        "subscription",
        resources,
        Arn={"Ref": "Subscription"},
        Dead={"Fn::GetAtt": ["Dead", "Arn"]},
        Topic={"Ref": "Topic"},
    )

    sns = cloud.client("sns")
    attributes = sns.get_subscription_attributes(SubscriptionArn=made["Arn"])["Attributes"]
    assert json.loads(attributes["FilterPolicy"]) == {"kind": ["new"]}
    assert attributes["FilterPolicyScope"] == "MessageBody"
    assert attributes["RawMessageDelivery"] == "true"
    assert json.loads(attributes["RedrivePolicy"]) == {"deadLetterTargetArn": made["Dead"]}
    assert sns.get_topic_attributes(TopicArn=made["Topic"])["Attributes"]["SubscriptionsConfirmed"] == "1"


def test_a_bus_its_policy_its_rule_and_its_archive(cloud: RunningCloud) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "events:PutEvents",
        "Resource": {"Fn::GetAtt": ["Bus", "Arn"]},
    }
    target = {
        "Id": "a",
        "Arn": {"Fn::GetAtt": ["Queue", "Arn"]},
        "InputTransformer": {"InputPathsMap": {"id": "$.detail.id"}, "InputTemplate": '{"id": <id>}'},
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Dead", "Arn"]}},
    }
    resources = {
        "Queue": QUEUE,
        "MaySend": MAY_SEND,
        "Dead": QUEUE,
        "Bus": _of("AWS::Events::EventBus", Name="full", Description="d", KmsKeyIdentifier="alias/k"),
        "Policy": _of(
            "AWS::Events::EventBusPolicy", EventBusName={"Ref": "Bus"}, StatementId="mine", Statement=statement
        ),
        "Rule": _of(
            "AWS::Events::Rule",
            Name="placed",
            EventBusName={"Ref": "Bus"},
            EventPattern={"source": ["orders"]},
            State="ENABLED",
            Description="d",
            Targets=[target],
        ),
        "Archive": _of(
            "AWS::Events::Archive",
            ArchiveName="kept",
            SourceArn={"Fn::GetAtt": ["Bus", "Arn"]},
            EventPattern={"source": ["orders"]},
            RetentionDays=3,
            Description="d",
        ),
    }
    made = _deploy(
        cloud,
        "bus",
        resources,
        Url={"Ref": "Queue"},
        Archive={"Fn::GetAtt": ["Archive", "Arn"]},
        Dead={"Fn::GetAtt": ["Dead", "Arn"]},
    )

    events = cloud.client("events")
    bus = events.describe_event_bus(Name="full")
    assert (bus["Description"], bus["KmsKeyIdentifier"]) == ("d", "alias/k")
    (written,) = json.loads(bus["Policy"])["Statement"]
    assert (written["Sid"], written["Action"], written["Resource"]) == ("mine", "events:PutEvents", bus["Arn"])
    (found,) = events.list_targets_by_rule(Rule="placed", EventBusName="full")["Targets"]
    assert found["RetryPolicy"] == {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}
    assert found["DeadLetterConfig"] == {"Arn": made["Dead"]}
    archive = events.describe_archive(ArchiveName="kept")
    assert (archive["RetentionDays"], archive["ArchiveArn"]) == (3, made["Archive"])
    assert json.loads(archive["EventPattern"]) == {"source": ["orders"]}
    events.put_events(
        Entries=[{"EventBusName": "full", "Source": "orders", "DetailType": "placed", "Detail": '{"id": 7}'}]
    )
    (message,) = cloud.client("sqs").receive_message(QueueUrl=made["Url"], WaitTimeSeconds=2)["Messages"]
    assert json.loads(message["Body"]) == {"id": 7}
    assert events.describe_archive(ArchiveName="kept")["EventCount"] == 1

    changed = _of("AWS::Events::Archive", ArchiveName="kept", SourceArn={"Fn::GetAtt": ["Bus", "Arn"]}, RetentionDays=9)
    del resources["Policy"]
    resources["Bus"] = _of("AWS::Events::EventBus", Name="full")
    _deploy(cloud, "bus", {**resources, "Archive": changed})

    assert events.describe_archive(ArchiveName="kept")["RetentionDays"] == 9
    bus = events.describe_event_bus(Name="full")
    assert "Policy" not in bus
    assert (bus.get("Description", ""), bus.get("KmsKeyIdentifier", "")) == ("", "")


def test_a_schedule_gets_everything_and_an_update_changes_it(cloud: RunningCloud) -> None:
    def resources(**changed: Any) -> dict[str, Any]:
        given = {
            "Name": "nightly",
            "GroupName": {"Ref": "Group"},
            "ScheduleExpression": "cron(0 3 * * ? *)",
            "ScheduleExpressionTimezone": "Europe/Berlin",
            "StartDate": "2030-01-01T00:00:00Z",
            "EndDate": "2031-01-01T00:00:00Z",
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
            "State": "DISABLED",
            "Description": "d",
            "Target": {
                "Arn": ARN,
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "Input": '{"a": 1}',
                "RetryPolicy": {"MaximumRetryAttempts": "2", "MaximumEventAgeInSeconds": 3600},
                "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Queue", "Arn"]}},
            },
            **changed,
        }
        return {
            "Role": ROLE,
            "Function": FUNCTION,
            "Queue": QUEUE,
            "Group": _of("AWS::Scheduler::ScheduleGroup", Name="jobs"),
            "Schedule": _of("AWS::Scheduler::Schedule", **{k: v for k, v in given.items() if v is not None}),
        }

    _deploy(cloud, "schedule", resources())

    scheduler = cloud.client("scheduler")
    found = scheduler.get_schedule(Name="nightly", GroupName="jobs")
    assert found["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert (found["StartDate"].year, found["EndDate"].year) == (2030, 2031)
    assert found["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}
    assert (found["State"], found["Description"]) == ("DISABLED", "d")
    assert found["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    assert found["Target"]["Input"] == '{"a": 1}'

    _deploy(
        cloud,
        "schedule",
        resources(ScheduleExpressionTimezone=None, EndDate=None, State=None, ScheduleExpression="rate(1 minute)"),
    )

    found = scheduler.get_schedule(Name="nightly", GroupName="jobs")
    assert (found["ScheduleExpression"], found["State"]) == ("rate(1 minute)", "ENABLED")
    assert found["ScheduleExpressionTimezone"] == "UTC"
    assert found.get("EndDate") is None

    _deploy(cloud, "schedule", resources(GroupName=None))

    assert scheduler.get_schedule(Name="nightly")["GroupName"] == "default"
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name="nightly", GroupName="jobs")


def test_a_stream_gets_everything(cloud: RunningCloud) -> None:
    def stream(**properties: Any) -> dict[str, Any]:
        return {"Stream": _of("AWS::Kinesis::Stream", Name="full", **properties)}

    _deploy(
        cloud,
        "stream",
        stream(
            ShardCount=2,
            RetentionPeriodHours=48,
            StreamEncryption={"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
            DesiredShardLevelMetrics=["IncomingBytes"],
            Tags=[{"Key": "app", "Value": "notes"}],
        ),
    )

    kinesis = cloud.client("kinesis")
    found = kinesis.describe_stream_summary(StreamName="full")["StreamDescriptionSummary"]
    assert (found["OpenShardCount"], found["RetentionPeriodHours"]) == (2, 48)
    assert found["EncryptionType"] == "KMS"
    tags = kinesis.list_tags_for_stream(StreamName="full")["Tags"]
    assert {"Key": "app", "Value": "notes"} in tags

    _deploy(cloud, "stream", stream(ShardCount=3))

    found = kinesis.describe_stream_summary(StreamName="full")["StreamDescriptionSummary"]
    assert (found["OpenShardCount"], found["EncryptionType"]) == (3, "NONE")
    assert found["RetentionPeriodHours"] == 24

    _deploy(cloud, "on-demand", {"Stream": _of("AWS::Kinesis::Stream", StreamModeDetails={"StreamMode": "ON_DEMAND"})})


def test_a_mapping_gets_everything_and_an_update_takes_back_what_it_leaves_out(cloud: RunningCloud) -> None:
    def resources(**properties: Any) -> dict[str, Any]:
        mapping = _of(
            "AWS::Lambda::EventSourceMapping",
            FunctionName=ARN,
            EventSourceArn={"Fn::GetAtt": ["Stream", "Arn"]},
            StartingPosition="TRIM_HORIZON",
            **properties,
        )
        stream = _of("AWS::Kinesis::Stream", ShardCount=1)
        allow = {"Statement": {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}}
        reads = [{"PolicyName": "reads", "PolicyDocument": allow}]
        return {
            "Role": _of("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST, Policies=reads),
            "Function": FUNCTION,
            "Queue": QUEUE,
            "Stream": stream,
            "Mapping": mapping,
        }

    dead = {"OnFailure": {"Destination": {"Fn::GetAtt": ["Queue", "Arn"]}}}
    made = _deploy(
        cloud,
        "mapping",
        resources(
            BatchSize="7",
            MaximumBatchingWindowInSeconds=1,
            BisectBatchOnFunctionError=True,
            DestinationConfig=dead,
            Enabled=False,
            FilterCriteria={"Filters": [{"Pattern": '{"data": {"a": [1]}}'}]},
            FunctionResponseTypes=["ReportBatchItemFailures"],
            MaximumRecordAgeInSeconds=3600,
            MaximumRetryAttempts=2,
            ParallelizationFactor=3,
            TumblingWindowInSeconds=30,
            Tags=[{"Key": "app", "Value": "notes"}],
        ),
        Id={"Ref": "Mapping"},
        Arn={"Fn::GetAtt": ["Mapping", "EventSourceMappingArn"]},
        Dead={"Fn::GetAtt": ["Queue", "Arn"]},
    )

    client = cloud.client("lambda")
    found = client.get_event_source_mapping(UUID=made["Id"])
    assert made["Arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{made['Id']}"
    assert (found["BatchSize"], found["MaximumBatchingWindowInSeconds"], found["State"]) == (7, 1, "Disabled")
    assert (found["MaximumRecordAgeInSeconds"], found["MaximumRetryAttempts"]) == (3600, 2)
    assert (found["ParallelizationFactor"], found["BisectBatchOnFunctionError"]) == (3, True)
    assert found["FilterCriteria"]["Filters"] == [{"Pattern": '{"data": {"a": [1]}}'}]
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["DestinationConfig"]["OnFailure"] == {"Destination": made["Dead"]}
    assert client.list_tags(Resource=made["Arn"])["Tags"]["app"] == "notes"

    assert _deploy(cloud, "mapping", resources(), Id={"Ref": "Mapping"})["Id"] == made["Id"]

    found = client.get_event_source_mapping(UUID=made["Id"])
    assert (found["BatchSize"], found["State"]) == (100, "Enabled")
    assert (found["MaximumRecordAgeInSeconds"], found["MaximumRetryAttempts"]) == (-1, -1)
    assert found["FunctionResponseTypes"] == []
    assert found["FilterCriteria"]["Filters"] == []


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (
            _of(
                "AWS::SNS::Subscription", TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:gone", Protocol="sqs", Endpoint="x"
            ),
            "Topic does not exist",
        ),
        (
            _of("AWS::SNS::Topic", FifoTopic=True, TopicName="plain"),
            "Invalid parameter: Topic names with FIFO attribute must end with .fifo suffix",
        ),
        (
            _of("AWS::SNS::Topic", ArchivePolicy={"MessageRetentionPeriod": 30}),
            "The embedded cloud does not support the property ArchivePolicy of AWS::SNS::Topic",
        ),
        (
            _of(
                "AWS::SQS::Queue",
                RedrivePolicy={"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone", "maxReceiveCount": 3},
            ),
            (
                f'Value {{"deadLetterTargetArn": "arn:aws:sqs:{REGION}:{ACCOUNT}:gone", "maxReceiveCount": 3}} for '
                "parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
            ),
        ),
        (
            _of("AWS::SQS::QueuePolicy", Queues=["https://sqs/gone"], PolicyDocument={}),
            "The specified queue does not exist: https://sqs/gone",
        ),
        (
            _of("AWS::Events::Rule", EventBusName="gone", EventPattern={"source": ["a"]}),
            "Event bus gone does not exist.",
        ),
        (
            _of("AWS::Events::Rule", ScheduleExpression="cron(0 3 * * *)"),
            "Parameter ScheduleExpression is not valid.",
        ),
        (
            _of(
                "AWS::Events::Rule",
                EventPattern={"source": ["a"]},
                Targets=[{"Id": "a", "Arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/c", "EcsParameters": {}}],
            ),
            "The embedded cloud does not support Targets.EcsParameters of AWS::Events::Rule",
        ),
        (
            _of(
                "AWS::Scheduler::Schedule",
                ScheduleExpression="cron(0 3 * *)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": "arn:aws:sqs:::q", "RoleArn": "r"},
            ),
            "Invalid Schedule Expression cron(0 3 * *).",
        ),
        (
            _of(
                "AWS::Scheduler::Schedule",
                ScheduleExpression="rate(1 minute)",
                ScheduleExpressionTimezone="Europe/Nowhere",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": "arn:aws:sqs:::q", "RoleArn": "r"},
            ),
            "Invalid ScheduleExpressionTimezone Europe/Nowhere.",
        ),
        (
            _of("AWS::Kinesis::Stream", StreamModeDetails={"StreamMode": "ON_DEMAND"}, ShardCount=1),
            "ShardCount must not be given when StreamMode is ON_DEMAND",
        ),
        (
            _of(
                "AWS::Lambda::EventSourceMapping",
                FunctionName="f",
                EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone",
            ),
            f"Error occurred while ReceiveMessage. The event source arn:aws:sqs:{REGION}:{ACCOUNT}:gone does not exist",
        ),
        (
            _of("AWS::Lambda::EventSourceMapping", FunctionName="f", Topics=["t"], SelfManagedEventSource={}),
            "The embedded cloud does not support the property Topics of AWS::Lambda::EventSourceMapping",
        ),
        (_of("AWS::Lambda::Version", FunctionName="gone"), "Function not found: gone"),
        (
            _of("AWS::Lambda::Alias", FunctionName="gone", FunctionVersion="1", Name="live"),
            "Function not found: gone",
        ),
        (
            _of("AWS::Lambda::LayerVersion", Content={"S3Bucket": "gone", "S3Key": "k"}),
            (
                "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket "
                "does not exist (s3://gone/k)"
            ),
        ),
    ],
    ids=lambda value: value["Type"].rpartition(":")[2] if isinstance(value, dict) else None,
)
def test_what_aws_would_refuse_fails_with_the_reason(
    cloud: RunningCloud, request: pytest.FixtureRequest, resource: dict[str, Any], reason: str
) -> None:
    stack = deploy(cloud, f"refused-{abs(hash(request.node.name))}", {"Wrong": resource})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("Wrong", reason) in stack["Failures"]


@pytest.mark.parametrize(
    ("type_name", "properties", "key"),
    [
        ("AWS::SQS::Queue", {}, "QueueName"),
        ("AWS::SNS::Topic", {}, "TopicName"),
        ("AWS::Kinesis::Stream", {"ShardCount": 1}, "Name"),
        ("AWS::Events::EventBus", {}, "Name"),
        ("AWS::Scheduler::ScheduleGroup", {}, "Name"),
        ("AWS::SecretsManager::Secret", {}, "Name"),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": "v"}, "Name"),
        (
            "AWS::DynamoDB::Table",
            {
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
            "TableName",
        ),
    ],
)
def test_a_name_that_is_taken_fails(cloud: RunningCloud, type_name: str, properties: dict[str, Any], key: str) -> None:
    name = f"taken-{type_name.rpartition(':')[2].lower()}"
    resource = _of(type_name, **properties, **{key: name})
    _deploy(cloud, f"first-{name}", {"One": resource})

    stack = deploy(cloud, f"second-{name}", {"Two": resource})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert [logical_id for logical_id, reason in stack["Failures"] if "exist" in reason.lower()] == ["Two"]


def test_what_a_deleted_stack_left_is_not_overwritten_by_the_next_one(cloud: RunningCloud) -> None:
    kept = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain"}
    first = _deploy(cloud, "comes-again", {"Kept": kept}, Url={"Ref": "Kept"})["Url"]
    sqs, cloudformation = cloud.client("sqs"), cloud.client("cloudformation")
    sqs.send_message(QueueUrl=first, MessageBody="still here")
    cloudformation.delete_stack(StackName="comes-again")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="comes-again", WaiterConfig={"Delay": 0.05, "MaxAttempts": 100}
    )

    second = _deploy(cloud, "comes-again", {"Kept": kept}, Url={"Ref": "Kept"})["Url"]

    assert second != first
    assert sqs.receive_message(QueueUrl=first)["Messages"][0]["Body"] == "still here"
    changed = {**kept, "Properties": {"DelaySeconds": 1}}
    assert _deploy(cloud, "comes-again", {"Kept": changed}, Url={"Ref": "Kept"})["Url"] == second
