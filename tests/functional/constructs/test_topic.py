"""What `Topic` puts into templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.policies import arn_of, logical_id, ref_to, resource_policy, role_policies
from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

from aws_cdk import aws_sns as sns  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import App, Function, Queue, Stack, Topic  # noqa: E402

PLACED = "arn:aws:sns:eu-west-1:111111111111:placed"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    code = "def receipt(event, context): ...\ndef stock(event, context): ...\n"
    return write_project(tmp_path, {"functions/placed.py": code})


def subscriptions(built: Built, stack: str = "NotesStack") -> dict[str, dict[str, Any]]:
    return {
        one["Metadata"]["aws:cdk:path"].removesuffix("/Resource"): one["Properties"]
        for one in built.resources("AWS::SNS::Subscription", stack)
    }


def lets_in(topic: dict[str, Any], queue: dict[str, Any]) -> dict[str, Any]:
    return {
        "Action": "sqs:SendMessage",
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        "Principal": {"Service": "sns.amazonaws.com"},
        "Resource": queue,
    }


def test_only_the_topic_may_run_its_functions_and_fill_its_queues(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        orders = Queue(stack, "Orders")
        Topic(stack, "Placed", subscribers={"receipt": "functions/placed.receipt", "orders": orders})

    built = build(project, define)
    topic = ref_to(built, "NotesStack/Placed/Resource/Resource")
    function = arn_of(built, "NotesStack/Placed/receipt/Resource/Resource")
    orders = arn_of(built, "NotesStack/Orders/Resource/Resource")
    assert built.only("AWS::Lambda::Permission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": function,
        "Principal": "sns.amazonaws.com",
        "SourceArn": topic,
    }
    (_, statement) = resource_policy(built, "AWS::SQS::QueuePolicy", "NotesStack/Orders/Resource/Policy/Resource")
    assert statement == lets_in(topic, orders)
    assert resource_policy(built, "AWS::SNS::TopicPolicy", "NotesStack/Placed/Resource/Policy/Resource") == [
        {
            "Action": "sns:Publish",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            "Effect": "Deny",
            "Principal": "*",
            "Resource": topic,
        }
    ]
    assert role_policies(built) == {}
    assert subscriptions(built) == {
        "NotesStack/Placed/receipt.Subscription": {"Endpoint": function, "Protocol": "lambda", "TopicArn": topic},
        "NotesStack/Placed/orders.Subscription": {"Endpoint": orders, "Protocol": "sqs", "TopicArn": topic},
    }
    assert [one.id for one in built.manifest.functions] == ["NotesStack/Placed/receipt"]
    assert template_errors(built.directory) == []


def test_every_setting_of_a_subscriber_reaches_the_template(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        shared = Queue(stack, "Shared")
        topic = Topic(
            stack,
            "Placed",
            display_name="Orders",
            defaults={"function": {"memory_size": 256}},
            subscribers={
                "receipt": {
                    "function": {"handler": "functions/placed.receipt", "timeout": 3},
                    "filter_policy": {"kind": ["goods", {"prefix": "gift-"}], "price": [{"numeric": [">", 5]}]},
                    "dead_letter_queue": True,
                },
                "stock": {
                    "queue": sqs.Queue(stack, "Plain"),
                    "filter_policy": {"order": {"kind": ["goods"]}},
                    "filter_scope": "message_body",
                    "raw_message_delivery": True,
                    "dead_letter_queue": shared,
                },
            },
        )
        topic.add_subscribers({"later": Function(stack, "Later", "functions/placed.stock")})
        assert sorted(topic.cdk.functions) == ["later", "receipt"]
        assert list(topic.cdk.queues) == ["stock"]

    built = build(project, define)
    topic = ref_to(built, "NotesStack/Placed/Resource/Resource")
    dead = arn_of(built, "NotesStack/Placed/receipt.DeadLetterQueue/Resource/Resource")
    shared = arn_of(built, "NotesStack/Shared/Resource/Resource")
    assert built.only("AWS::SNS::Topic") == {"DisplayName": "Orders"}
    assert subscriptions(built) == {
        "NotesStack/Placed/receipt.Subscription": {
            "Endpoint": arn_of(built, "NotesStack/Placed/receipt/Resource/Resource"),
            "Protocol": "lambda",
            "TopicArn": topic,
            "FilterPolicy": {"kind": ["goods", {"prefix": "gift-"}], "price": [{"numeric": [">", 5]}]},
            "RedrivePolicy": {"deadLetterTargetArn": dead},
        },
        "NotesStack/Placed/stock.Subscription": {
            "Endpoint": arn_of(built, "NotesStack/Plain/Resource"),
            "Protocol": "sqs",
            "TopicArn": topic,
            "FilterPolicy": {"order": {"kind": ["goods"]}},
            "FilterPolicyScope": "MessageBody",
            "RawMessageDelivery": True,
            "RedrivePolicy": {"deadLetterTargetArn": shared},
        },
        "NotesStack/Placed/later.Subscription": {
            "Endpoint": arn_of(built, "NotesStack/Later/Resource/Resource"),
            "Protocol": "lambda",
            "TopicArn": topic,
        },
    }
    policies = {
        path: resource_policy(built, "AWS::SQS::QueuePolicy", f"NotesStack/{path}/Policy/Resource")[-1]
        for path in ("Placed/receipt.DeadLetterQueue/Resource", "Shared/Resource", "Plain")
    }
    assert policies == {
        "Placed/receipt.DeadLetterQueue/Resource": lets_in(topic, dead),
        "Shared/Resource": lets_in(topic, shared),
        "Plain": lets_in(topic, arn_of(built, "NotesStack/Plain/Resource")),
    }
    functions = {one["Properties"]["Handler"]: one["Properties"] for one in built.resources("AWS::Lambda::Function")}
    receipt = functions["functions/placed.receipt"]
    assert (receipt["MemorySize"], receipt["Timeout"]) == (256, 3)
    assert template_errors(built.directory) == []


def test_a_fifo_topic_feeds_queues(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        ordered = Queue(stack, "Ordered", fifo=True)
        Topic(
            stack,
            "Placed",
            fifo=True,
            content_based_deduplication=True,
            name="placed",
            subscribers={
                "ordered": {"queue": ordered, "dead_letter_queue": True},
                "any": {"queue": Queue(stack, "Any"), "dead_letter_queue": True},
            },
        )

    built = build(project, define)
    assert built.only("AWS::SNS::Topic") == {
        "TopicName": "placed.fifo",
        "FifoTopic": True,
        "ContentBasedDeduplication": True,
    }
    kinds = {
        one["Metadata"]["aws:cdk:path"]: one["Properties"].get("FifoQueue", False)
        for one in built.resources("AWS::SQS::Queue")
    }
    assert kinds["NotesStack/Placed/ordered.DeadLetterQueue/Resource/Resource"] is True
    assert kinds["NotesStack/Placed/any.DeadLetterQueue/Resource/Resource"] is True, "SNS wants the topic's kind"
    assert template_errors(built.directory) == []


def test_linking_a_topic_allows_publishing_and_no_more(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "Publisher", "functions/notes.get", link=[Topic(stack, "Placed")])

    built = build(project, define)
    topic = logical_id(built, "NotesStack/Placed/Resource/Resource")
    assert list(role_policies(built).values()) == [[{"Action": "sns:Publish", "Resource": {"Ref": topic}}]]
    assert built.only("AWS::Lambda::Function")["Environment"]["Variables"]["KITE_RESOURCE_Placed"] == {
        "Fn::Join": [
            "",
            [
                '{"type":"Topic","name":"',
                {"Fn::GetAtt": [topic, "TopicName"]},
                '","arn":"',
                {"Ref": topic},
                '"}',
            ],
        ]
    }


def test_an_existing_topic_is_subscribed_to_and_not_made(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Topic(stack, "Placed", existing=PLACED, subscribers={"receipt": "functions/placed.receipt"})
        Topic(stack, "Same", existing=sns.Topic(stack, "Plain"), subscribers={"orders": Queue(stack, "Orders")})
        assert Topic(stack, "Ordered", existing=f"{PLACED}.fifo").fifo

    built = build(project, define)
    assert len(built.resources("AWS::SNS::Topic")) == 1
    assert [one["TopicArn"] for one in subscriptions(built).values()] == [
        PLACED,
        ref_to(built, "NotesStack/Plain/Resource"),
    ]
    assert built.only("AWS::Lambda::Permission")["SourceArn"] == PLACED
    assert template_errors(built.directory) == []


def test_subscribers_in_other_stacks_make_no_circle(project: Path) -> None:
    """Their permissions name the topic, so their subscriptions are with them."""

    def define(app: App) -> None:
        others = Stack(app, "Others")
        function = Function(others, "Worker", "functions/placed.stock")
        orders = Queue(others, "Orders")
        stack = Stack(app, "NotesStack")
        topic = Topic(stack, "Placed", subscribers={"worker": function, "orders": orders})
        Topic(stack, "Cancelled", subscribers={"worker": function})
        function.add_link(topic)

    built = build(project, define)
    assert {stack.path: stack.dependencies for stack in built.manifest.stacks} == {
        "Others": ("alice-notes-NotesStack",),
        "NotesStack": (),
    }
    assert subscriptions(built) == {}
    assert len(subscriptions(built, "Others")) == 3
    assert template_errors(built.directory) == []


def test_dead_letters_in_another_stack_make_no_circle(project: Path) -> None:
    def define(app: App) -> None:
        failed = Queue(Stack(app, "Others"), "Failed")
        stack = Stack(app, "NotesStack")
        subscribers = {
            name: {"function": f"functions/placed.{name}", "dead_letter_queue": failed} for name in ("receipt", "stock")
        }
        Topic(stack, "Placed", subscribers=subscribers)

    built = build(project, define)
    assert {stack.path: stack.dependencies for stack in built.manifest.stacks} == {
        "Others": ("alice-notes-NotesStack",),
        "NotesStack": (),
    }
    assert len(subscriptions(built, "Others")) == 2
