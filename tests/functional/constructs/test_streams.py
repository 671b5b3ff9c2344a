"""What reads streams: the consumers of `KinesisStream` and `Table`, in templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors
from skykite.errors import SkykiteError

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_dynamodb as dynamodb  # noqa: E402
from aws_cdk import aws_kinesis as kinesis  # noqa: E402
from aws_cdk import aws_kms as kms  # noqa: E402
from aws_cdk import aws_s3 as s3  # noqa: E402
from aws_cdk import aws_sns as sns  # noqa: E402

from skykite import App, Function, KinesisStream, Queue, Stack, Table  # noqa: E402

KEYS: dict[str, Any] = {"fields": {"id": "string"}, "primary_index": {"partition_key": "id"}}
EVERY_OPTION: dict[str, Any] = {
    "batch_size": 500,
    "max_batching_window": 5,
    "starting_position": "trim_horizon",
    "filters": [{"eventName": ["INSERT"]}, {"eventName": [{"prefix": "MOD"}]}],
    "bisect_batch_on_error": True,
    "report_batch_item_failures": False,
    "retry_attempts": 3,
    "max_record_age": aws_cdk.Duration.hours(1),
    "parallelization_factor": 2,
    "tumbling_window": 30,
    "enabled": False,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def statements(built: Built) -> list[dict[str, Any]]:
    return [
        statement
        for policy in built.resources("AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def mappings(built: Built) -> list[dict[str, Any]]:
    return [mapping["Properties"] for mapping in built.resources("AWS::Lambda::EventSourceMapping")]


def test_a_kinesis_stream_is_on_demand_encrypted_and_read_by_its_consumers_only(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        clicks = KinesisStream(stack, "Clicks", consumers={"count": "functions/notes.get"})
        stack.add_outputs(Name=clicks.name, Arn=clicks.arn)

    built = build(project, define)
    (function,) = built.manifest.functions
    (stream,) = built.resources("AWS::Kinesis::Stream")
    arn = mappings(built)[0]["EventSourceArn"]
    assert function.id == "NotesStack/Clicks/count"
    assert stream["Properties"] == {
        "RetentionPeriodHours": 24,
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
    }
    assert stream["DeletionPolicy"] == "Delete"
    assert mappings(built) == [
        {
            "BatchSize": 100,
            "Enabled": True,
            "EventSourceArn": arn,
            "FunctionName": {"Ref": function.logical_id},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "StartingPosition": "LATEST",
        }
    ]
    assert statements(built) == [
        {
            "Action": [
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamConsumer",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
                "kinesis:ListStreams",
                "kinesis:SubscribeToShard",
            ],
            "Effect": "Allow",
            "Resource": arn,
        }
    ]
    assert template_errors(built.directory) == []


def test_a_kinesis_streams_settings_reach_it(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        KinesisStream(
            stack,
            "Clicks",
            name="clicks",
            shards=2,
            retention_period=aws_cdk.Duration.days(7),
            encryption_key=kms.Key(stack, "Key"),
            consumers={"count": "functions/notes.get"},
        )

    built = build(project, define, stage="prod")
    (stream,) = built.resources("AWS::Kinesis::Stream")
    properties = stream["Properties"]
    assert (properties["Name"], properties["ShardCount"], properties["RetentionPeriodHours"]) == ("clicks", 2, 168)
    assert properties["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert stream["DeletionPolicy"] == stream["UpdateReplacePolicy"] == "Retain"
    assert any("kms:Decrypt" in statement["Action"] for statement in statements(built))
    assert template_errors(built.directory) == []


def kinesis_of(stack: Stack, consumers: Any) -> KinesisStream:
    return KinesisStream(stack, "Source", consumers=consumers)


def table_of(stack: Stack, consumers: Any) -> Table:
    return Table(stack, "Source", **KEYS, consumers=consumers)


@pytest.mark.parametrize("make", [kinesis_of, table_of])
def test_every_option_of_a_consumer_reaches_its_mapping(project: Path, make: Callable[..., Any]) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        make(stack, {"all": {"function": {"handler": "functions/notes.get", "timeout": 30}, **EVERY_OPTION}})

    built = build(project, define)
    (mapping,) = mappings(built)
    del mapping["EventSourceArn"], mapping["FunctionName"]
    patterns = [json.loads(one["Pattern"]) for one in mapping.pop("FilterCriteria")["Filters"]]
    assert patterns == EVERY_OPTION["filters"]
    assert mapping == {
        "BatchSize": 500,
        "BisectBatchOnFunctionError": True,
        "Enabled": False,
        "MaximumBatchingWindowInSeconds": 5,
        "MaximumRecordAgeInSeconds": 3600,
        "MaximumRetryAttempts": 3,
        "ParallelizationFactor": 2,
        "StartingPosition": "TRIM_HORIZON",
        "TumblingWindowInSeconds": 30,
    }
    assert built.manifest.functions[0].timeout_s == 30
    assert template_errors(built.directory) == []


@pytest.mark.parametrize("make", [kinesis_of, table_of])
def test_batches_given_up_go_to_a_queue_a_topic_or_a_bucket_that_the_function_may_write_to(
    project: Path, make: Callable[..., Any]
) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        make(
            stack,
            {
                "a": {"function": "functions/notes.get", "on_failure": Queue(stack, "Lost")},
                "b": {"function": "functions/notes.get", "on_failure": sns.Topic(stack, "Told")},
                "c": {"function": "functions/notes.get", "on_failure": s3.Bucket(stack, "Kept")},
            },
        )

    built = build(project, define)
    destinations = [mapping["DestinationConfig"]["OnFailure"]["Destination"] for mapping in mappings(built)]
    written = [next(iter(destination.values())) for destination in destinations]
    assert [(name[0] if isinstance(name, list) else name)[:4] for name in written] == ["Lost", "Told", "Kept"]
    granted = {action for statement in statements(built) for action in _listed(statement["Action"])}
    assert {"sqs:SendMessage", "sns:Publish", "s3:PutObject"} <= granted
    assert template_errors(built.directory) == []


def test_a_kinesis_stream_can_be_read_from_a_time_on(project: Path) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)

    def define(app: App) -> None:
        consumer: Any = {"function": "functions/notes.get", "starting_position": start}
        KinesisStream(Stack(app, "NotesStack"), "Clicks", consumers={"count": consumer})

    (mapping,) = mappings(build(project, define))
    assert (mapping["StartingPosition"], mapping["StartingPositionTimestamp"]) == ("AT_TIMESTAMP", start.timestamp())


def test_consumers_turn_a_tables_stream_on_and_may_read_it_and_not_the_table(project: Path) -> None:
    def define(app: App) -> None:
        table = Table(Stack(app, "NotesStack"), "Notes", **KEYS, consumers={"index": "functions/notes.get"})
        assert list(table.cdk.functions) == ["index"]

    built = build(project, define)
    (function,) = built.manifest.functions
    stream = {"Fn::GetAtt": [_only_id(built, "AWS::DynamoDB::Table"), "StreamArn"]}
    assert function.id == "NotesStack/Notes/index"
    assert built.only("AWS::DynamoDB::Table")["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert mappings(built)[0]["EventSourceArn"] == stream
    assert statements(built) == [
        {"Action": "dynamodb:ListStreams", "Effect": "Allow", "Resource": "*"},
        {
            "Action": ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
            "Effect": "Allow",
            "Resource": stream,
        },
    ]
    assert template_errors(built.directory) == []


def test_a_stream_that_was_chosen_stays_and_consumers_can_come_later(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        shared = Function(stack, "Shared", "functions/notes.get")
        table = Table(stack, "Notes", **KEYS, stream="keys-only", defaults={"function": {"memory_size": 256}})
        table.add_consumers({"one": "functions/notes.create", "two": shared})
        clicks = KinesisStream(stack, "Clicks")
        clicks.add_consumers({"two": shared})
        assert table.get_function("two") is clicks.get_function("two") is shared

    built = build(project, define)
    assert built.only("AWS::DynamoDB::Table")["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}
    assert len(mappings(built)) == 3
    assert {function.id: function.memory_mb for function in built.manifest.functions} == {
        "NotesStack/Shared": 1024,
        "NotesStack/Notes/one": 256,
    }
    assert template_errors(built.directory) == []


STREAM_ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"
TABLE_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/Notes"
TABLE_STREAM_ARN = f"{TABLE_ARN}/stream/2026-11-01T00:00:00.000"


def test_existing_streams_are_read_where_they_are(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        consumers: Any = {"count": "functions/notes.get"}
        KinesisStream(stack, "ByArn", existing=STREAM_ARN, consumers=consumers)
        KinesisStream(stack, "ByObject", existing=kinesis.Stream(stack, "Made"), consumers=consumers)
        Table(stack, "TableByArn", existing=TABLE_STREAM_ARN, consumers=consumers)
        made = dynamodb.Table(
            stack,
            "MadeTable",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            stream=dynamodb.StreamViewType.NEW_IMAGE,
        )
        Table(stack, "TableByObject", existing=made, consumers=consumers)
        linked = Table(stack, "Linked", existing=TABLE_ARN)
        assert linked.arn == TABLE_ARN
        Function(stack, "Reader", "functions/notes.create", link=[linked])

    built = build(project, define)
    assert len(built.resources("AWS::Kinesis::Stream")) == len(built.resources("AWS::DynamoDB::Table")) == 1
    sources = [mapping["EventSourceArn"] for mapping in mappings(built)]
    assert STREAM_ARN in sources
    assert TABLE_STREAM_ARN in sources
    resources = [statement["Resource"] for statement in statements(built)]
    assert [TABLE_ARN, f"{TABLE_ARN}/index/*"] in resources, "a linked table is granted with its indexes"
    assert template_errors(built.directory) == []


def test_a_linked_stream_may_be_written_to_and_not_read(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        clicks = KinesisStream(stack, "Clicks")
        Function(stack, "Sender", "functions/notes.get", link=[clicks, kinesis.Stream(stack, "Plain")])

    built = build(project, define)
    variables = built.only("AWS::Lambda::Function")["Environment"]["Variables"]
    assert {"KITE_RESOURCE_Clicks", "KITE_RESOURCE_Plain"} <= set(variables)
    actions = [statement["Action"] for statement in statements(built)]
    assert all(action == ["kinesis:ListShards", "kinesis:PutRecord", "kinesis:PutRecords"] for action in actions)


def test_a_consumer_of_no_name_is_unknown(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        with pytest.raises(SkykiteError, match="has no consumer `count`"):
            KinesisStream(stack, "Clicks").get_function("count")
        with pytest.raises(SkykiteError, match="has no consumer `count`"):
            Table(stack, "Notes", **KEYS).get_function("count")

    build(project, define)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _only_id(built: Built, type: str) -> str:
    (found,) = (name for name, resource in built.template()["Resources"].items() if resource["Type"] == type)
    return str(found)
