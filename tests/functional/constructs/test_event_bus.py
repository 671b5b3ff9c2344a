"""What `EventBus` puts into templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.policies import arn_of, logical_id, ref_to, resource_policy, role_policies
from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_events as events  # noqa: E402
from aws_cdk import aws_sns as sns  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import App, EventBus, Function, Queue, Stack, Topic  # noqa: E402

SHOP = {"source": ["shop"]}
BUS = "arn:aws:events:eu-west-1:111111111111:event-bus/shop"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {"functions/placed.py": "def receipt(event, context): ...\n"})


def rules(built: Built, stack: str = "NotesStack") -> dict[str, dict[str, Any]]:
    return {
        one["Metadata"]["aws:cdk:path"].removesuffix("/Resource"): one["Properties"]
        for one in built.resources("AWS::Events::Rule", stack)
    }


def test_only_the_rule_may_reach_its_targets(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        targets = {
            "receipt": "functions/placed.receipt",
            "orders": Queue(stack, "Orders"),
            "placed": Topic(stack, "Placed"),
            "audit": EventBus(stack, "Audit"),
        }
        EventBus(stack, "Bus", rules={"placed": {"pattern": SHOP, "targets": targets}})

    built = build(project, define)
    rule = arn_of(built, "NotesStack/Bus/placed/Resource")
    orders = arn_of(built, "NotesStack/Orders/Resource/Resource")
    topic = ref_to(built, "NotesStack/Placed/Resource/Resource")
    audit = arn_of(built, "NotesStack/Audit/Resource/Resource")
    function = arn_of(built, "NotesStack/Bus/placed.receipt/Resource/Resource")
    assert built.only("AWS::Lambda::Permission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": function,
        "Principal": "events.amazonaws.com",
        "SourceArn": rule,
    }
    assert resource_policy(built, "AWS::SQS::QueuePolicy", "NotesStack/Orders/Resource/Policy/Resource")[1:] == [
        {
            "Action": ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"],
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
            "Principal": {"Service": "events.amazonaws.com"},
            "Resource": orders,
        }
    ]
    # SNS takes no condition here: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    assert resource_policy(built, "AWS::SNS::TopicPolicy", "NotesStack/Placed/Resource/Policy/Resource")[1:] == [
        {"Action": "sns:Publish", "Principal": {"Service": "events.amazonaws.com"}, "Resource": topic}
    ]
    assert role_policies(built) == {
        "NotesStack/Bus/placed/EventsRole/DefaultPolicy/Resource": [{"Action": "events:PutEvents", "Resource": audit}]
    }
    assert rules(built) == {
        "NotesStack/Bus/placed": {
            "EventBusName": ref_to(built, "NotesStack/Bus/Resource/Resource"),
            "EventPattern": {"source": ["shop"]},
            "State": "ENABLED",
            "Targets": [
                {"Id": "Target0", "Arn": function},
                {"Id": "Target1", "Arn": orders},
                {"Id": "Target2", "Arn": topic},
                {
                    "Id": "Target3",
                    "Arn": audit,
                    "RoleArn": arn_of(built, "NotesStack/Bus/placed/EventsRole/Resource"),
                },
            ],
        }
    }
    assert [one.id for one in built.manifest.functions] == ["NotesStack/Bus/placed.receipt"]
    assert template_errors(built.directory) == []


def test_every_setting_of_rule_and_target_reaches_the_template(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        ordered = Queue(stack, "Ordered", fifo=True, content_based_deduplication=True)
        failed = sqs.Queue(stack, "Failed")
        bus = EventBus(
            stack,
            "Bus",
            description="the shop's",
            defaults={"function": {"memory_size": 256}},
            archive={"retention_period": aws_cdk.Duration.days(7), "pattern": SHOP},
            rules={
                "placed": {
                    "pattern": {
                        "source": [{"prefix": "shop"}],
                        "detail_type": ["Placed"],
                        "detail": {"price": [{"numeric": [">=", 5]}], "gift": [{"exists": False}]},
                    },
                    "description": "what is placed",
                    "enabled": False,
                    "targets": {
                        "receipt": {
                            "function": {"handler": "functions/placed.receipt", "timeout": 3},
                            "retry_attempts": 0,
                            "max_event_age": aws_cdk.Duration.minutes(5),
                            "dead_letter_queue": True,
                            "input": {"kind": "receipt"},
                        },
                        "ordered": {"queue": ordered, "message_group_id": "shop", "dead_letter_queue": failed},
                        "topic": {"topic": sns.Topic(stack, "Plain"), "input": "placed"},
                        "audit": {
                            "event_bus": events.EventBus(stack, "Audit", event_bus_name="audit"),
                            "retry_attempts": 3,
                            "max_event_age": 60,
                        },
                    },
                }
            },
        )
        bus.add_rules({"later": {"pattern": {"region": ["eu-west-1"]}, "targets": {"work": "functions/notes.get"}}})
        assert sorted(bus.cdk.functions) == [("later", "work"), ("placed", "receipt")]
        assert bus.get_function("later", "work") is not None

    built = build(project, define)
    found = rules(built)
    placed = found["NotesStack/Bus/placed"]
    assert placed["EventPattern"] == {
        "source": [{"prefix": "shop"}],
        "detail-type": ["Placed"],
        "detail": {"price": [{"numeric": [">=", 5]}], "gift": [{"exists": False}]},
    }
    assert (placed["Description"], placed["State"]) == ("what is placed", "DISABLED")
    dead = arn_of(built, "NotesStack/Bus/placed.receipt.DeadLetterQueue/Resource/Resource")
    failed = arn_of(built, "NotesStack/Failed/Resource")
    assert [{key: value for key, value in one.items() if key not in ("Arn", "Id")} for one in placed["Targets"]] == [
        {
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300},
            "DeadLetterConfig": {"Arn": dead},
            "Input": '{"kind":"receipt"}',
        },
        {"SqsParameters": {"MessageGroupId": "shop"}, "DeadLetterConfig": {"Arn": failed}},
        {"Input": '"placed"'},
        {
            "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
            "RoleArn": arn_of(built, "NotesStack/Bus/placed/EventsRole/Resource"),
        },
    ]
    for path, queue in (("Bus/placed.receipt.DeadLetterQueue/Resource", dead), ("Failed", failed)):
        statement = resource_policy(built, "AWS::SQS::QueuePolicy", f"NotesStack/{path}/Policy/Resource")[-1]
        assert statement == {
            "Action": "sqs:SendMessage",
            "Condition": {"ArnEquals": {"aws:SourceArn": arn_of(built, "NotesStack/Bus/placed/Resource")}},
            "Principal": {"Service": "events.amazonaws.com"},
            "Resource": queue,
        }
    assert built.only("AWS::Events::Archive") == {
        "SourceArn": arn_of(built, "NotesStack/Bus/Resource/Resource"),
        "RetentionDays": 7,
        "EventPattern": SHOP,
    }
    bus = next(one for one in built.resources("AWS::Events::EventBus") if one["Properties"]["Name"] != "audit")
    assert bus["Properties"] == {"Name": "alice-notes-NotesStack-Bus", "Description": "the shop's"}
    assert found["NotesStack/Bus/later"]["EventPattern"] == {"region": ["eu-west-1"]}
    assert {one["Properties"]["MemorySize"] for one in built.resources("AWS::Lambda::Function")} == {256}
    assert template_errors(built.directory) == []


def test_stages_of_one_account_have_buses_of_their_own(project: Path) -> None:
    def define(app: App) -> None:
        EventBus(Stack(app, "NotesStack"), "Bus")
        EventBus(Stack(app, "Other"), "Bus")

    names = [
        built.only("AWS::Events::EventBus", stack)["Name"]
        for built in (build(project, define), build(project, define, stage="bob"))
        for stack in ("NotesStack", "Other")
    ]
    assert len(set(names)) == 4


def test_linking_a_bus_allows_putting_events_and_no_more(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "Sender", "functions/notes.get", link=[EventBus(stack, "Bus")])

    built = build(project, define)
    bus = logical_id(built, "NotesStack/Bus/Resource/Resource")
    assert list(role_policies(built).values()) == [
        [{"Action": "events:PutEvents", "Resource": {"Fn::GetAtt": [bus, "Arn"]}}]
    ]
    assert built.only("AWS::Lambda::Function")["Environment"]["Variables"]["KITE_RESOURCE_Bus"] == {
        "Fn::Join": [
            "",
            [
                '{"type":"EventBus","name":"',
                {"Ref": bus},
                '","arn":"',
                {"Fn::GetAtt": [bus, "Arn"]},
                '"}',
            ],
        ]
    }


@pytest.mark.parametrize(("existing", "name"), [("default", "default"), (BUS, "shop"), (None, None)])
def test_an_existing_bus_gets_rules_and_is_not_made(project: Path, existing: str | None, name: Any) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        bus = EventBus(
            stack,
            "Bus",
            existing=existing or events.EventBus(stack, "Plain", event_bus_name="plain"),
            rules={"placed": {"pattern": SHOP, "targets": {"receipt": "functions/placed.receipt"}}},
        )
        Function(stack, "Sender", "functions/notes.get", link=[bus])

    built = build(project, define)
    if existing is None:
        name = ref_to(built, "NotesStack/Plain/Resource")
    assert len(built.resources("AWS::Events::EventBus")) == (0 if existing else 1)
    assert rules(built)["NotesStack/Bus/placed"]["EventBusName"] == name
    assert [one["Action"] for (one,) in role_policies(built).values()] == ["events:PutEvents"]
    assert template_errors(built.directory) == []


def test_a_rule_is_where_its_queue_is(project: Path) -> None:
    """The queue's policy names the rule and the rule its queue: in two stacks each would wait for the other."""

    def define(app: App) -> None:
        others = Stack(app, "Others")
        orders = Queue(others, "Orders")
        stack = Stack(app, "NotesStack")
        bus = EventBus(
            stack,
            "Bus",
            rules={
                "placed": {
                    "pattern": SHOP,
                    "targets": {"orders": orders, "receipt": "functions/placed.receipt", "topic": Topic(stack, "T")},
                },
                "again": {"pattern": SHOP, "targets": {"orders": orders}},
            },
        )
        bus.add_rules({"here": {"pattern": SHOP, "targets": {"work": "functions/placed.receipt"}}})

    built = build(project, define)
    assert {stack.path: stack.dependencies for stack in built.manifest.stacks} == {
        "Others": ("alice-notes-NotesStack",),
        "NotesStack": (),
    }
    assert list(rules(built)) == ["NotesStack/Bus/here"]
    assert len(rules(built, "Others")) == 2
    assert template_errors(built.directory) == []


@pytest.mark.parametrize(
    ("stage", "archive", "policy"),
    [("alice", True, "Delete"), ("prod", True, "Retain"), ("prod", False, None)],
)
def test_a_bus_is_kept_with_its_archive_in_production(
    project: Path, stage: str, archive: bool, policy: str | None
) -> None:
    built = build(project, lambda app: EventBus(Stack(app, "NotesStack"), "Bus", archive=archive), stage=stage)
    resources = built.template()["Resources"].values()
    assert {one.get("DeletionPolicy") for one in resources} == {policy}
    assert len(resources) == (2 if archive else 1)
