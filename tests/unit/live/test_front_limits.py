"""Which API waits in front of a function, by the event it sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skykite.live.front_limits import HTTP_API, REST_API, WEBSOCKET_API, FrontLimit, front_limit

API = {"apiId": "a1b2c3", "domainName": "a1b2c3.execute-api.eu-west-1.amazonaws.com"}
URL = {"apiId": "xyz", "domainName": "xyz.lambda-url.eu-west-1.on.aws", "http": {"method": "GET"}}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"version": "2.0", "routeKey": "GET /", "requestContext": {**API, "http": {"method": "GET"}}}, HTTP_API),
        ({"version": "1.0", "httpMethod": "GET", "requestContext": {**API, "resourceId": None}}, HTTP_API),
        ({"httpMethod": "GET", "requestContext": {**API, "resourceId": "x1"}}, REST_API),
        ({"httpMethod": "GET", "requestContext": {"apiId": "a1b2c3", "domainName": None}}, REST_API),  # its test button
        ({"requestContext": {**API, "connectionId": "L0=", "eventType": "MESSAGE"}}, WEBSOCKET_API),
        ({"version": "2.0", "requestContext": URL}, None),
        ({"httpMethod": "GET", "requestContext": {"elb": {"targetGroupArn": "arn"}}}, None),
        ({"version": "0", "detail-type": "Scheduled Event", "source": "aws.events"}, None),
        ({"Records": []}, None),
        ({"requestContext": "mine"}, None),
        ({"requestContext": {"apiId": 7}}, None),
        ([1], None),
        (None, None),
    ],
)
def test_the_api_is_known_by_its_event(event: Any, expected: FrontLimit | None) -> None:
    assert front_limit(json.dumps(event).encode()) == expected


def test_what_is_no_json_comes_from_no_api() -> None:
    assert front_limit(b"\xff") is None


def test_limits_are_those_of_aws() -> None:
    assert (HTTP_API.seconds, REST_API.seconds, WEBSOCKET_API.seconds) == (30, 29, 29)
