"""The variable a stub is deployed with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.appsync import stub_environment
from skykite_lambda.live.settings import Misconfigured, settings_from


def changed(**changes: Any) -> dict[str, str]:
    environment = stub_environment()
    return {**environment, "KITE_LIVE": json.dumps({**json.loads(environment["KITE_LIVE"]), **changes})}


def test_what_the_spec_writes_is_read() -> None:
    settings = settings_from(stub_environment())
    assert settings.function == "Api/Notes"
    assert settings.host_of("s3") == "s3.eu-central-1.amazonaws.com"


def test_china_has_a_domain_of_its_own() -> None:
    settings = settings_from({**stub_environment(), "AWS_REGION": "cn-north-1"})
    assert settings.host_of("ssm") == "ssm.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "no variable `KITE_LIVE`"),
        ({"KITE_LIVE": "{}"}, "no variable `AWS_REGION`"),
        ({"KITE_LIVE": "{", "AWS_REGION": "x"}, "cannot be read"),
        ({"KITE_LIVE": "[]", "AWS_REGION": "x"}, "cannot be read"),
        (changed(v=2), "of version `2`"),
        (changed(ws=""), "no text"),
        (changed(lease={}), "KeyError 'bucket'"),
        (changed(http=7), "no text"),
    ],
)
def test_what_is_wrong_with_it_is_said(environment: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        settings_from(environment)
