"""What the session policy says, and how sessions are named."""

from __future__ import annotations

import json
import re

import pytest

from skykite.live.sessionpolicy import POLICY_LIMIT, role_session_name, session_policy
from skykite.model.bootstrap import EventApi


def _policy(*, app: str, stage: str, region: str = "eu-west-1", partition: str = "aws") -> str:
    api = EventApi(
        api_id="a" * 26,
        arn=f"arn:{partition}:appsync:{region}:123456789012:apis/{'a' * 26}",
        http_host="h",
        realtime_host="r",
    )
    return session_policy(api=api, bucket=f"skykite-bootstrap-123456789012-{region}", app=app, stage=stage)


def test_the_longest_names_fit() -> None:
    policy = _policy(app="a" * 64, stage="s" * 32, region="ap-northeast-1", partition="aws-us-gov")
    assert len(policy) <= POLICY_LIMIT


def test_the_key_and_every_path_above_it_are_denied_and_nothing_beside_it() -> None:
    allow, _, ssm, s3 = json.loads(_policy(app="notes", stage="alice"))["Statement"]
    assert allow == {"Effect": "Allow", "Action": "*", "Resource": "*"}
    of = "arn:aws:ssm:eu-west-1:123456789012:parameter"
    assert ssm["Resource"] == [
        f"{of}/",
        f"{of}/skykite",
        f"{of}/skykite/notes",
        f"{of}/skykite/notes/alice",
        f"{of}/skykite/notes/alice/live-key",
    ]
    assert s3["Resource"] == "arn:aws:s3:::skykite-bootstrap-123456789012-eu-west-1/live/*"


@pytest.mark.parametrize("function", ["alice-notes-Get1A2B3C", "f", "x" * 140, "arn:aws:lambda:f/1", "fä"])
def test_a_session_is_named_after_its_function_as_sts_takes_it(function: str) -> None:
    name = role_session_name(function)
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII)
    assert name[0] == function[0]
