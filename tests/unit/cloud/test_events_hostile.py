"""Signatures that mean no good are refused, and break nothing."""

from __future__ import annotations

import time

import pytest

from skykite_cloud.events.refusals import Refusal
from skykite_cloud.events.signatures import parse_signature


@pytest.mark.parametrize("date", ["20261399T000000Z", "20260001T000000Z", "00000101T000000Z"])
def test_a_month_that_there_is_not_is_no_date(date: str) -> None:
    scope = f"AKIA1/{date[:8]}/eu-west-1/appsync/aws4_request"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00",
        "x-amz-date": date,
        "host": "h",
    }
    assert isinstance(parse_signature(headers, host="h", region="eu-west-1", now=time.time()), Refusal)
