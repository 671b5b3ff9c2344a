"""What `Queue` puts into templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.policies import arn_of, logical_id, resource_policy, role_policies
from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_kms as kms  # noqa: E402
from aws_cdk import aws_lambda as lambda_  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import App, Function, Queue, Stack  # noqa: E402

CONSUME = [
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
]
SEND = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]
ORDERS = "arn:aws:sqs:eu-west-1:111111111111:orders"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {"functions/orders.py": "def work(event, context): ...\n"})


def without_tls(queue: dict[str, Any]) -> dict[str, Any]:
    return {
        "Action": "sqs:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Resource": queue,
    }


def queues(built: Built) -> dict[str, dict[str, Any]]:
    return {
        one["Metadata"]["aws:cdk:path"].removesuffix("/Resource/Resource"): one
        for one in built.resources("AWS::SQS::Queue")
    }


def test_a_consumer_may_consume_its_queue_and_nothing_else(project: Path) -> None:
    def define(app: App) -> None:
        Queue(Stack(app, "NotesStack"), "Orders", consumer="functions/orders.work")

    built = build(project, define)
    orders = arn_of(built, "NotesStack/Orders/Resource/Resource")
    assert role_policies(built) == {
        "NotesStack/Orders/Consumer/Resource/ServiceRole/DefaultPolicy/Resource": [
            {"Action": CONSUME, "Resource": orders}
        ]
    }
    assert resource_policy(built, "AWS::SQS::QueuePolicy", "NotesStack/Orders/Resource/Policy/Resource") == [
        without_tls(orders)
    ]
    assert built.only("AWS::SQS::Queue") == {"SqsManagedSseEnabled": True, "VisibilityTimeout": 60}
    function = logical_id(built, "NotesStack/Orders/Consumer/Resource/Resource")
    assert built.only("AWS::Lambda::EventSourceMapping") == {
        "EventSourceArn": orders,
        "FunctionName": {"Ref": function},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    assert [one.id for one in built.manifest.functions] == ["NotesStack/Orders/Consumer"]
    assert template_errors(built.directory) == []


def test_linking_a_queue_allows_sending_and_no_more(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        plain = sqs.Queue(stack, "Plain")
        orders = Queue(stack, "Orders")
        Function(stack, "Sender", "functions/notes.get", link=[orders, plain])
        Function(stack, "Drainer", "functions/notes.get", permissions=[(orders, "grant_consume_messages")])

    built = build(project, define)
    orders = arn_of(built, "NotesStack/Orders/Resource/Resource")
    plain = arn_of(built, "NotesStack/Plain/Resource")
    assert role_policies(built) == {
        "NotesStack/Sender/Resource/ServiceRole/DefaultPolicy/Resource": [
            {"Action": SEND, "Resource": [orders, plain]}
        ],
        "NotesStack/Drainer/Resource/ServiceRole/DefaultPolicy/Resource": [{"Action": CONSUME, "Resource": orders}],
    }
    variables = next(
        one["Properties"]["Environment"]["Variables"]
        for one in built.resources("AWS::Lambda::Function")
        if "KITE_RESOURCE_Orders" in one["Properties"]["Environment"]["Variables"]
    )
    orders_id = logical_id(built, "NotesStack/Orders/Resource/Resource")
    assert variables["KITE_RESOURCE_Orders"] == {
        "Fn::Join": [
            "",
            [
                '{"type":"Queue","name":"',
                {"Fn::GetAtt": [orders_id, "QueueName"]},
                '","arn":"',
                {"Fn::GetAtt": [orders_id, "Arn"]},
                '","url":"',
                {"Ref": orders_id},
                '"}',
            ],
        ]
    }


def test_every_setting_of_queue_and_consumer_reaches_the_template(project: Path) -> None:
    def define(app: App) -> None:
        Queue(
            Stack(app, "NotesStack"),
            "Orders",
            consumer={
                "function": {"handler": "functions/orders.work", "timeout": 20},
                "batch_size": 500,
                "max_batching_window": aws_cdk.Duration.seconds(30),
                "report_batch_item_failures": False,
                "max_concurrency": 2,
                "filters": [{"body": {"kind": ["placed"]}}, {"body": {"price": [{"numeric": [">", 5]}]}}],
            },
            defaults={"function": {"memory_size": 256}},
            retention_period=600,
            delay=5,
            name="my-orders",
        )

    built = build(project, define)
    assert built.only("AWS::SQS::Queue") == {
        "QueueName": "my-orders",
        "MessageRetentionPeriod": 600,
        "DelaySeconds": 5,
        "SqsManagedSseEnabled": True,
        "VisibilityTimeout": 6 * 20 + 30,
    }
    mapping = built.only("AWS::Lambda::EventSourceMapping")
    del mapping["EventSourceArn"], mapping["FunctionName"]
    assert mapping == {
        "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 30,
        "ScalingConfig": {"MaximumConcurrency": 2},
        "FilterCriteria": {
            "Filters": [
                {"Pattern": '{"body":{"kind":["placed"]}}'},
                {"Pattern": '{"body":{"price":[{"numeric":[">",5]}]}}'},
            ]
        },
    }
    assert built.only("AWS::Lambda::Function")["MemorySize"] == 256
    assert template_errors(built.directory) == []


@pytest.mark.parametrize(
    ("given", "timeout", "hidden"),
    [(None, 10, 60), (None, 1, 30), (None, 900, 5400), (900, 900, 900), (45, 10, 45)],
)
def test_a_message_stays_hidden_while_its_consumer_may_be_at_it(
    project: Path, given: int | None, timeout: int, hidden: int
) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        work = Function(stack, "Work", "functions/orders.work", timeout=timeout)
        Queue(stack, "Orders", consumer=work, **({} if given is None else {"visibility_timeout": given}))

    assert build(project, define).only("AWS::SQS::Queue")["VisibilityTimeout"] == hidden


def test_a_plain_cdk_function_can_be_the_consumer(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        code = lambda_.Code.from_inline("def handler(event, context): return 1")
        plain = lambda_.Function(
            stack,
            "Plain",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=code,
            timeout=aws_cdk.Duration.seconds(50),
        )
        orders = Queue(stack, "Orders", consumer=plain)
        assert orders.get_function() is plain
        assert orders.cdk.consumer is plain
        imported = lambda_.Function.from_function_arn(
            stack, "Far", "arn:aws:lambda:eu-west-1:111111111111:function:far"
        )
        Queue(stack, "Others", consumer=imported)

    built = build(project, define)
    assert {path: one["Properties"].get("VisibilityTimeout") for path, one in queues(built).items()} == {
        "NotesStack/Orders": 300,
        "NotesStack/Others": None,
    }


def test_what_fails_goes_to_a_queue_of_the_same_kind_and_waits_there(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        orders = Queue(stack, "Orders", consumer="functions/orders.work", dead_letter_queue=True)
        assert isinstance(orders.dead_letter_queue, Queue)
        orders.dead_letter_queue.add_consumer("functions/notes.get")
        Queue(
            stack,
            "Ordered",
            fifo=True,
            deduplication_scope="message_group",
            fifo_throughput_limit="per_message_group_id",
            content_based_deduplication=True,
            dead_letter_queue={"max_receive_count": 5, "retention_period": aws_cdk.Duration.days(2)},
        )
        plain = sqs.Queue(stack, "Plain")
        Queue(stack, "Shared", dead_letter_queue=orders)
        Queue(stack, "Other", dead_letter_queue={"queue": plain, "max_receive_count": 1})

    built = build(project, define)
    found = {path: one["Properties"] for path, one in queues(built).items() if "Plain" not in path}
    dead = arn_of(built, "NotesStack/Orders/DeadLetterQueue/Resource/Resource")
    assert found["NotesStack/Orders"]["RedrivePolicy"] == {"deadLetterTargetArn": dead, "maxReceiveCount": 3}
    assert found["NotesStack/Orders/DeadLetterQueue"] == {
        "MessageRetentionPeriod": 1_209_600,
        "SqsManagedSseEnabled": True,
        "VisibilityTimeout": 60,
    }
    assert found["NotesStack/Ordered"] == {
        "FifoQueue": True,
        "ContentBasedDeduplication": True,
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "SqsManagedSseEnabled": True,
        "RedrivePolicy": {
            "deadLetterTargetArn": arn_of(built, "NotesStack/Ordered/DeadLetterQueue/Resource/Resource"),
            "maxReceiveCount": 5,
        },
    }
    assert found["NotesStack/Ordered/DeadLetterQueue"] == {
        "FifoQueue": True,
        "MessageRetentionPeriod": 172_800,
        "SqsManagedSseEnabled": True,
    }
    assert found["NotesStack/Shared"]["RedrivePolicy"]["maxReceiveCount"] == 3
    assert found["NotesStack/Other"]["RedrivePolicy"] == {
        "deadLetterTargetArn": arn_of(built, "NotesStack/Plain/Resource"),
        "maxReceiveCount": 1,
    }
    assert [one.id for one in built.manifest.functions] == [
        "NotesStack/Orders/DeadLetterQueue/Consumer",
        "NotesStack/Orders/Consumer",
    ]
    assert template_errors(built.directory) == []


def test_an_existing_queue_is_consumed_and_not_made(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        plain = sqs.Queue(stack, "Plain")
        Queue(stack, "Orders", existing=ORDERS, consumer="functions/orders.work")
        Queue(stack, "Same", existing=plain, consumer="functions/orders.work")
        assert Queue(stack, "Ordered", existing=f"{ORDERS}.fifo").fifo
        Function(stack, "Sender", "functions/notes.get", link=[Queue(stack, "Late", existing=ORDERS)])

    built = build(project, define)
    assert list(queues(built)) == ["NotesStack/Plain/Resource"]
    plain = arn_of(built, "NotesStack/Plain/Resource")
    assert role_policies(built) == {
        "NotesStack/Orders/Consumer/Resource/ServiceRole/DefaultPolicy/Resource": [
            {"Action": CONSUME, "Resource": ORDERS}
        ],
        "NotesStack/Same/Consumer/Resource/ServiceRole/DefaultPolicy/Resource": [
            {"Action": CONSUME, "Resource": plain}
        ],
        "NotesStack/Sender/Resource/ServiceRole/DefaultPolicy/Resource": [{"Action": SEND, "Resource": ORDERS}],
    }
    sources = [one["Properties"]["EventSourceArn"] for one in built.resources("AWS::Lambda::EventSourceMapping")]
    assert sources == [ORDERS, plain]
    assert template_errors(built.directory) == []


def test_a_key_of_ones_own_is_granted_with_the_queue(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Queue(
            stack,
            "Orders",
            consumer="functions/orders.work",
            encryption_key=kms.Key(stack, "Key"),
            dead_letter_queue=True,
        )

    built = build(project, define)
    key = arn_of(built, "NotesStack/Key/Resource")
    orders = arn_of(built, "NotesStack/Orders/Resource/Resource")
    assert [one["Properties"]["KmsMasterKeyId"] for one in queues(built).values()] == [key, key]
    (statements,) = role_policies(built).values()
    assert statements == [
        {"Action": CONSUME, "Resource": orders},
        {"Action": "kms:Decrypt", "Resource": key},
    ]


@pytest.mark.parametrize(("stage", "given", "policy"), [("alice", None, "Delete"), ("prod", None, "Retain")])
def test_messages_are_kept_in_production_and_nowhere_else(project: Path, stage: str, given: Any, policy: str) -> None:
    def define(app: App) -> None:
        Queue(Stack(app, "NotesStack"), "Orders", dead_letter_queue=True, removal_policy=given)

    found = build(project, define, stage=stage).resources("AWS::SQS::Queue")
    assert [one["DeletionPolicy"] for one in found] == [policy, policy]


def test_a_consumer_in_another_stack_makes_no_circle(project: Path) -> None:
    def define(app: App) -> None:
        data = Stack(app, "Data")
        orders = Queue(data, "Orders")
        stack = Stack(app, "NotesStack")
        Queue(stack, "Here", existing=orders.cdk.queue, consumer="functions/orders.work")

    stacks = {stack.path: stack.dependencies for stack in build(project, define).manifest.stacks}
    assert stacks == {"Data": (), "NotesStack": ("alice-notes-Data",)}


def test_local_and_live_templates_hide_messages_as_long_as_deployed_ones(project: Path) -> None:
    def define(app: App) -> None:
        Queue(Stack(app, "NotesStack"), "Orders", consumer={"handler": "functions/orders.work", "timeout": 100})

    for mode in ("deploy", "local", "live"):
        built = build(project, define, mode=mode)  # type: ignore[arg-type]
        assert built.only("AWS::SQS::Queue")["VisibilityTimeout"] == 600, mode
        assert built.manifest.functions[0].timeout_s == 100
