"""What a signer makes of a server's clock. The signatures themselves are compared to botocore's in `contract`."""

from __future__ import annotations

import pytest

from kit.clock import ManualClock
from skykite_lambda.live.clock import Clock
from skykite_lambda.live.sigv4 import Credentials, NoCredentials, Signer, credentials_from


class Noon(Clock):
    def time(self) -> float:
        return ManualClock().now().timestamp()


def make() -> Signer:
    return Signer("eu-central-1", lambda: Credentials("AKID", "secret", None), Noon())


def date(signer: Signer) -> str:
    return signer.sign("appsync", "POST", "host", "/event", {}, b"")["x-amz-date"]


def test_the_next_signature_is_of_the_servers_time() -> None:
    signer = make()
    assert date(signer) == "20261123T120000Z"
    assert signer.learn(Noon().time() - 600, signer.offset)
    assert date(signer) == "20261123T115000Z"


def test_two_whose_signatures_failed_at_once_both_try_again() -> None:
    signer = make()
    before = signer.offset
    assert signer.learn(Noon().time() + 600, before)
    assert signer.learn(Noon().time() + 600, before)


def test_a_signature_that_was_of_the_right_time_failed_for_another_reason() -> None:
    signer = make()
    assert not signer.learn(Noon().time() + 30, signer.offset)
    assert not signer.learn(None, signer.offset)
    assert date(signer) == "20261123T120000Z"


def test_a_token_that_is_empty_is_none() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": ""}
    assert credentials_from(environment) == Credentials("a", "b", None)
    with pytest.raises(NoCredentials):
        credentials_from({"AWS_ACCESS_KEY_ID": "a"})
