"""What Lambda and its callers are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_lambda.faults import Fault
from skykite_lambda.live.answers import encode_event, exception_for, unavailable

REST = {
    "resource": "/notes",
    "path": "/notes",
    "httpMethod": "GET",
    "headers": {},
    "multiValueHeaders": {},
    "requestContext": {"resourcePath": "/notes", "stage": "prod", "httpMethod": "GET"},
}
HTTP_1 = {"version": "1.0", **REST}
HTTP_2 = {
    "version": "2.0",
    "routeKey": "GET /notes",
    "rawPath": "/notes",
    "requestContext": {"http": {"method": "GET", "path": "/notes"}, "stage": "$default"},
}
URL = {**HTTP_2, "routeKey": "$default", "requestContext": {**HTTP_2["requestContext"], "domainName": "x.lambda-url"}}
ALB = {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/", "headers": {}}
ALB_MULTI = {"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "multiValueHeaders": {}}
OTHERS: dict[str, Any] = {
    "queue": {"Records": [{"messageId": "1", "eventSource": "aws:sqs"}]},
    "schedule": {"source": "aws.events", "detail-type": "Scheduled Event"},
    "authorizer of a REST API": {**REST, "type": "REQUEST", "methodArn": "arn"},
    "authorizer of an HTTP API": {**HTTP_2, "type": "REQUEST", "routeArn": "arn"},
    "WebSocket": {"requestContext": {"routeKey": "$connect", "connectionId": "x", "eventType": "CONNECT"}},
    "resolver": {"info": {}, "request": {"headers": {}}},
    "custom": {"httpMethod": "GET"},
    "text": "httpMethod",
    "nothing": None,
    "list": [HTTP_2],
    "odd": {"requestContext": "http", "httpMethod": "GET"},
}


@pytest.mark.parametrize("event", [REST, HTTP_1, HTTP_2, URL, ALB, ALB_MULTI])
def test_an_http_caller_gets_a_503_that_says_what_to_do(event: dict[str, Any]) -> None:
    answer = unavailable(event, "LiveDevOffline", "run `kite dev`")
    assert answer is not None
    assert answer["statusCode"] == 503
    assert type(answer["statusCode"]) is int  # as text, API Gateway makes a 502 of it
    headers = answer["headers"] if event is not ALB_MULTI else {k: v[0] for k, v in answer["multiValueHeaders"].items()}
    assert headers["content-type"] == "application/json"
    assert headers["retry-after"].isdigit()
    assert json.loads(answer["body"]) == {"error": "LiveDevOffline", "message": "run `kite dev`"}
    assert answer["isBase64Encoded"] is False
    assert answer.get("statusDescription") == ("503 Service Unavailable" if event in (ALB, ALB_MULTI) else None)
    assert ("headers" in answer) is (event is not ALB_MULTI)
    json.dumps(answer)


@pytest.mark.parametrize("name", OTHERS)
def test_for_all_others_the_invocation_has_to_fail(name: str) -> None:
    assert unavailable(OTHERS[name], "LiveDevOffline", "x") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_every_event_arrives_as_it_was(event: Any) -> None:
    encoded = encode_event(event)
    assert json.loads(encoded) == event
    json.loads(encoded, parse_constant=pytest.fail)  # neither NaN nor Infinity, which other languages refuse


def test_an_event_does_not_grow() -> None:
    assert (
        encode_event({"a": ["ü", "\u2028", 1.5, 10**30]})
        == '{"a":["ü","\u2028",1.5,1000000000000000000000000000000]}'.encode()
    )


def test_a_number_beyond_all_floats_stays_one() -> None:
    event = json.loads('[1e400, {"a": -1e400}, "Infinity"]')
    assert encode_event(event) == b'[1e999,{"a":-1e999},"Infinity"]'


def test_half_of_a_surrogate_pair_survives() -> None:
    assert encode_event("ü\ud800") == '"ü\\ud800"'.encode()


def test_without_a_runtime_of_lambdas_the_error_has_the_name_at_least() -> None:
    raised = exception_for("app.KeyError", "'missing'", [])
    assert isinstance(raised, Fault)  # this process has imported the workers'
    assert (raised.kind, raised.message, raised.trace) == ("app.KeyError", "'missing'", [])
