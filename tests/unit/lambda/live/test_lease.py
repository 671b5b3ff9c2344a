"""Which answers of S3 mean that nobody is there."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest

from skykite_lambda.live.http import Response
from skykite_lambda.live.lease import judge

NOW = 1_795_000_000
DOCUMENT = {"v": 1, "epoch": 7, "session": "00" * 16, "ttl_s": 60, "who": "alice@laptop", "pid": 1, "open": True}


def answer(*, age: float = 0, status: int = 200, without: str = "", **changes: Any) -> Response:
    headers = {"date": formatdate(NOW, usegmt=True), "last-modified": formatdate(NOW - age, usegmt=True)}
    headers.pop(without, None)
    return Response(status, headers, json.dumps({**DOCUMENT, **changes}).encode())


def refused(status: int, code: str) -> Response:
    return Response(status, {"date": formatdate(NOW, usegmt=True)}, f"<Error><Code>{code}</Code></Error>".encode())


@pytest.mark.parametrize("age", [0, 59, 60])
def test_a_lease_that_was_renewed_in_time_is_alive(age: float) -> None:
    found = judge(answer(age=age))
    assert (found.alive, found.who, found.epoch) == (True, "alice@laptop", 7)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (answer(age=61), "nothing was heard of it for 61 s"),
        (answer(age=11, ttl_s=10), "nothing was heard of it for 11 s"),
        (answer(open=False), "it ended"),
        (refused(403, "AccessDenied"), "nobody ever was"),
        (refused(404, "NoSuchKey"), "nobody ever was"),
        (refused(404, "NoSuchBucket"), "nobody ever was"),
    ],
)
def test_a_lease_that_ran_out_ended_or_never_was_means_that_nobody_is_there(response: Response, why: str) -> None:
    found = judge(response)
    assert (found.alive, found.why) == (False, why)


@pytest.mark.parametrize(
    "response",
    [
        refused(403, "ExpiredToken"),
        refused(403, "SignatureDoesNotMatch"),
        refused(403, "RequestTimeTooSkewed"),
        refused(403, "InvalidAccessKeyId"),
        refused(500, "InternalError"),
        refused(503, "SlowDown"),
        answer(without="date"),
        answer(without="last-modified"),
        answer(ttl_s="long"),
        Response(200, {}, b"<html>"),
        Response(200, {}, b"[]"),
    ],
)
def test_what_says_nothing_of_the_lease_is_no_verdict(response: Response) -> None:
    found = judge(response)
    assert found.alive is None
    assert found.why.startswith("the lease cannot be read")
