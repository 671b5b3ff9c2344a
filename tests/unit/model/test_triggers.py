from __future__ import annotations

import json
from typing import Any

import pytest

from skykite.model.invocation import Trigger
from skykite.model.triggers import trigger_of

ARN = "arn:aws:{}:eu-west-1:000000000000:{}"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": ARN.format("sqs", "orders"), "body": "x"}]},
            Trigger(kind="event", label="sqs orders"),
        ),
        (
            {"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": ARN.format("sns", "news")}}]},
            Trigger(kind="event", label="sns news"),
        ),
        (
            {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "uploads"}}}]},
            Trigger(kind="event", label="s3 uploads"),
        ),
        (
            {
                "Records": [
                    {"eventSource": "aws:dynamodb", "eventSourceARN": ARN.format("dynamodb", "table/Notes/stream/2026")}
                ]
            },
            Trigger(kind="event", label="dynamodb Notes"),
        ),
        (
            {"Records": [{"eventSource": "aws:kinesis", "eventSourceARN": ARN.format("kinesis", "stream/clicks")}]},
            Trigger(kind="event", label="kinesis clicks"),
        ),
        (
            {
                "source": "aws.events",
                "detail-type": "Scheduled Event",
                "resources": [ARN.format("events", "rule/tick")],
            },
            Trigger(kind="event", label="rule tick"),
        ),
        (
            {
                "source": "aws.scheduler",
                "detail-type": "Scheduled Event",
                "resources": [ARN.format("scheduler", "schedule/default/nightly")],
            },
            Trigger(kind="event", label="schedule nightly"),
        ),
        (
            {"source": "shop", "detail-type": "OrderPlaced", "resources": []},
            Trigger(kind="event", label="events OrderPlaced"),
        ),
        ({"version": "2.0", "routeKey": "GET /notes/{id}"}, Trigger(kind="http", label="GET /notes/{id}")),
        ({"httpMethod": "POST", "path": "/notes"}, Trigger(kind="http", label="POST /notes")),
        (
            {"RequestType": "Create", "LogicalResourceId": "Seed", "ResponseURL": "…"},
            Trigger(kind="event", label="cloudformation Create Seed"),
        ),
        ({"triggerSource": "PreSignUp_SignUp"}, Trigger(kind="event", label="PreSignUp_SignUp")),
        ({"Records": "not a list"}, Trigger(kind="event")),
        ([1, 2], Trigger(kind="event")),
        (None, Trigger(kind="event")),
    ],
    ids=lambda value: value.label or "unknown" if isinstance(value, Trigger) else None,
)
def test_an_events_source_is_named(event: Any, expected: Trigger) -> None:
    assert trigger_of(json.dumps(event).encode(), invoked=False, names={}) == expected


def test_what_somebody_invokes_with_is_not_taken_for_an_event() -> None:
    payload = b'{"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "a:b:orders"}]}'

    assert trigger_of(payload, invoked=True, names={}) == Trigger(kind="invoke")


def test_a_resource_of_the_app_goes_by_its_construct_path() -> None:
    payload = b'{"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:jobs-4711"}]}'

    trigger = trigger_of(payload, invoked=False, names={"jobs-4711": "JobsStack/Jobs"})

    assert trigger == Trigger(kind="event", label="sqs JobsStack/Jobs")


def test_what_a_stranger_calls_does_not_reach_the_terminal_as_it_is() -> None:
    event = {"httpMethod": "GET", "path": "/a\x1b]0;owned\x07\n  GET /b 200\x9b2J", "requestContext": {}}
    found = trigger_of(json.dumps(event).encode(), invoked=False, names={})
    assert found.label == r"GET /a\x1b]0;owned\x07\x0a  GET /b 200\x9b2J"
    event = {"detail-type": "\x1b[2J", "source": "a"}
    assert trigger_of(json.dumps(event).encode(), invoked=False, names={}).label == r"events \x1b[2J"


def test_an_event_that_is_nested_beyond_measure_is_an_event() -> None:
    assert trigger_of(b'{"requestContext":' * 50_000, invoked=False, names={}).kind == "event"
