"""What a server says that means no good, or nothing at all: it is no message and no lease, and ends nothing."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest

from skykite_lambda.live import messages
from skykite_lambda.live.http import Response
from skykite_lambda.live.lease import judge

NOW = 1_795_000_000
DEEP = "[" * 200_000


@pytest.mark.parametrize("given", ["1" + "0" * 400, "1e999", "NaN", "-1", "0", "true", '"300000"', "null"])
def test_a_time_out_that_is_none_is_the_documented_one(given: str) -> None:
    text = f'{{"type":"connection_ack","connectionTimeoutMs":{given}}}'
    assert messages.parse(text) == messages.Acknowledged(300.0)


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        json.dumps({"open": True, "ttl_s": float("nan")}),
        '{"open":true,"ttl_s":"nan"}',
        '{"open":true,"ttl_s":1e999}',
        '{"open":true,"ttl_s":-1}',
        f'{{"open":true,"ttl_s":1{"0" * 400}}}',
        '{"open":true,"ttl_s":60,"epoch":1e999}',
    ],
    ids=lambda body: body[:40],
)
def test_a_lease_that_would_last_for_ever_or_is_none_does_not_count_as_alive(body: str) -> None:
    headers = {"date": formatdate(NOW, usegmt=True), "last-modified": formatdate(NOW - 7200, usegmt=True)}
    found = judge(Response(200, headers, body.encode()))
    assert found.alive is None
    assert "cannot be read" in found.why
