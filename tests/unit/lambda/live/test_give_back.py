"""Events that only look like a queue's: whoever may invoke a function writes them, and no outcome is lost for it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from skykite_lambda.live.clock import Clock
from skykite_lambda.live.driver import Driver
from skykite_lambda.live.settings import VARIABLE, Misconfigured, settings_from
from skykite_lambda.wire import Raised, Returned

_TOLD: dict[str, Any] = {
    "v": 1,
    "http": "a.appsync-api.eu-west-1.amazonaws.com",
    "ws": "a.appsync-realtime-api.eu-west-1.amazonaws.com",
    "requests": "/kite-requests/00",
    "replies": "/kite-replies/00",
    "lease": {"bucket": "b", "key": "k"},
    "key": "/skykite/notes/alice/live-key",
    "function": "Notes/Worker",
    "app": "notes",
    "stage": "alice",
    "visibility": 30,
}


def environment(**changes: Any) -> dict[str, str]:
    return {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        VARIABLE: json.dumps({**_TOLD, **changes}),
    }


def driver() -> Driver:
    given = environment()
    return Driver(given, settings_from(given), Clock(), os.urandom)


MESSAGE = {"eventSource": "aws:sqs", "receiptHandle": "h", "messageId": "m", "eventSourceARN": "arn:aws:sqs:r:1:q"}
ODD = {
    "no ARN": {"eventSource": "aws:sqs", "receiptHandle": "h"},
    "a number for an ARN": {**MESSAGE, "eventSourceARN": 7},
    "a list for an ARN": {**MESSAGE, "eventSourceARN": []},
    "a short ARN": {**MESSAGE, "eventSourceARN": "arn"},
    "a list for an id": {**MESSAGE, "messageId": []},
}


@pytest.mark.parametrize("record", ODD.values(), ids=ODD)
def test_the_outcome_of_an_event_that_is_no_real_queues_stays_what_it_is(record: dict[str, Any]) -> None:
    event = {"Records": [record]}
    driver().give_back(event, Raised("ValueError", "no"))
    driver().give_back(event, Returned(b'{"batchItemFailures":[{"itemIdentifier":"m"}]}'))


def test_a_result_that_is_nested_beyond_all_measure_is_passed_on() -> None:
    result = b'{"batchItemFailures":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    driver().give_back({"Records": [MESSAGE]}, Returned(result))


def test_a_queue_that_cannot_be_told_is_said_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    driver().give_back({"Records": [MESSAGE]}, Raised("ValueError", "no"))
    assert "1 messages stay hidden" in capsys.readouterr().out


@pytest.mark.parametrize("visibility", ["30", [], -1, 1e9, True])
def test_a_visibility_that_is_none_is_found_before_anything_runs(visibility: Any) -> None:
    with pytest.raises(Misconfigured):
        settings_from(environment(visibility=visibility))


def test_settings_that_are_nested_beyond_all_measure_are_no_settings() -> None:
    with pytest.raises(Misconfigured):
        settings_from({"AWS_REGION": "eu-west-1", VARIABLE: "[" * 200_000})
