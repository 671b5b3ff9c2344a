"""Signatures of Event APIs, with botocore as the one who signs."""

from __future__ import annotations

import calendar
import json
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from skykite.deploy.eventapi import REPLIES_HANDLER, REQUESTS_HANDLER
from skykite_cloud.events.handlers import is_known, on_subscribe
from skykite_cloud.events.limits import Rate
from skykite_cloud.events.refusals import Refusal
from skykite_cloud.events.signatures import check_signature, parse_signature, publish_body, subscribe_body, to_json

HOST = "abc.appsync-api.eu-west-1.amazonaws.com"
REGION = "eu-west-1"
SECRET = "wJalrXUtnFEMI/K7MDENG"


def _sign(body: bytes, *, token: str | None = None, region: str = REGION, service: str = "appsync") -> dict[str, str]:
    headers = {"accept": "application/json,  text/javascript", "content-encoding": "amz-1.0", "host": HOST}
    request = AWSRequest("POST", f"https://{HOST}/event", headers, body)
    SigV4Auth(Credentials("AKIA1", SECRET, token), service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def _check(headers: dict[str, str], body: bytes, *, now: float | None = None, secret: str = SECRET) -> Refusal | None:
    signature = parse_signature(headers, host=HOST, region=REGION, now=time.time() if now is None else now)
    return signature if isinstance(signature, Refusal) else check_signature(signature, secret, headers, body)


@given(channel=st.text(), events=st.lists(st.text(), max_size=5), token=st.none() | st.just("token/+="))
def test_what_botocore_signs_is_accepted_whatever_is_in_it(channel: str, events: list[str], token: str | None) -> None:
    if not channel.isascii() or any(not event.isascii() for event in events):
        # What JavaScript cannot write as UTF-8 cannot be published either.
        channel, events = channel.encode(errors="ignore").decode(), [e.encode(errors="ignore").decode() for e in events]
    content = {"channel": channel, "events": events}
    compact = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()

    body = publish_body(channel, [to_json(event) for event in events])

    assert body == compact
    assert _check(_sign(compact, token=token), body) is None


def test_the_body_to_subscribe_is_the_channel() -> None:
    assert subscribe_body("/kite-requests/0f") == b'{"channel":"/kite-requests/0f"}'


@pytest.mark.parametrize("part", ["accept", "content-encoding", "x-amz-date", "x-amz-security-token"])
def test_a_header_that_changed_on_the_way_breaks_the_signature(part: str) -> None:
    headers = _sign(b"{}", token="t")
    later = headers["x-amz-date"][:-2] + ("1Z" if headers["x-amz-date"][-2] == "0" else "0Z")
    headers[part] = later if part == "x-amz-date" else headers[part] + "x"

    refused = _check(headers, b"{}")

    assert refused is not None
    assert refused.error_type == "BadRequestException"
    assert refused.message.startswith("The request signature we calculated does not match the signature you provided.")


@pytest.mark.parametrize(("secret", "body"), [("other", b"{}"), (SECRET, b"{ }"), (SECRET, b"")])
def test_another_secret_or_body_breaks_the_signature_and_shows_what_should_have_been_signed(
    secret: str, body: bytes
) -> None:
    refused = _check(_sign(b"{}"), body, secret=secret)

    assert refused is not None
    assert f"POST\n/event\n\naccept:application/json, text/javascript\ncontent-encoding:amz-1.0\nhost:{HOST}\n" in (
        refused.message
    )


@pytest.mark.parametrize(("minutes", "accepted"), [(-5.1, False), (-4.9, True), (0, True), (4.9, True), (5.1, False)])
def test_a_signature_holds_for_five_minutes_either_way(minutes: float, accepted: bool) -> None:
    headers = _sign(b"{}")
    signed = calendar.timegm(time.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))

    refused = _check(headers, b"{}", now=signed + minutes * 60)

    assert (refused is None) is accepted
    if refused is not None:
        assert refused.message.startswith("Signature expired: " if minutes > 0 else "Signature not yet current: ")


@pytest.mark.parametrize(
    ("region", "service", "message"),
    [
        ("us-east-1", "appsync", "Credential should be scoped to a valid region, not 'us-east-1'. "),
        (REGION, "execute-api", "Credential should be scoped to correct service: 'appsync'. "),
    ],
)
def test_a_signature_for_elsewhere_is_refused(region: str, service: str, message: str) -> None:
    refused = _check(_sign(b"{}", region=region, service=service), b"{}")

    assert refused is not None
    assert (refused.status, refused.message) == (403, message)


def test_a_signature_that_leaves_out_the_host_is_refused() -> None:
    headers = _sign(b"{}")
    headers["authorization"] = headers["authorization"].replace(";host", "")

    refused = _check(headers, b"{}")

    assert refused is not None
    assert refused.status == 403


def test_a_signature_for_another_host_is_refused() -> None:
    headers = _sign(b"{}")

    refused = parse_signature(headers, host="other.appsync-api.eu-west-1.amazonaws.com", region=REGION, now=time.time())

    assert isinstance(refused, Refusal)
    assert refused.status == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/eu-west-1/appsync, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/eu-west-1/appsync/aws4_request, SignedHeaders=host",
        "Bearer x",
        "",
    ],
)
def test_what_is_no_signature_is_refused(authorization: str) -> None:
    refused = _check({"authorization": authorization, "host": HOST, "x-amz-date": "20260101T000000Z"}, b"{}")

    assert refused is not None
    assert refused.error_type == "IncompleteSignatureException"


@pytest.mark.parametrize(
    ("code", "path", "allowed"),
    [
        (REQUESTS_HANDLER, ("kite-requests", "0f"), True),
        (REQUESTS_HANDLER, ("kite-requests", "*"), False),
        (REQUESTS_HANDLER, ("kite-requests",), False),
        (REPLIES_HANDLER, ("kite-replies", "0f", "a1"), True),
        (REPLIES_HANDLER, ("kite-replies", "0f", "*"), False),
        (REPLIES_HANDLER, ("kite-replies", "0f"), False),
        (REPLIES_HANDLER, ("kite-replies", "0f", "a1", "b"), False),
    ],
)
def test_the_handlers_that_the_bootstrap_stack_deploys_are_known(
    code: str, path: tuple[str, ...], allowed: bool
) -> None:
    assert is_known(code)
    handler = on_subscribe(code)
    assert handler is not None
    assert handler(path) is allowed


def test_any_other_handler_is_not() -> None:
    assert not is_known(REQUESTS_HANDLER + "\n")


def test_a_websocket_may_publish_so_often_and_no_more() -> None:
    rate = Rate(25, 100.0)

    assert sum(rate.take(100.0) for _ in range(100)) == 30
    assert sum(rate.take(101.0) for _ in range(100)) == 25
    assert not rate.take(101.0)
    assert rate.take(101.1)
    assert all(Rate(0, 0.0).take(0.0) for _ in range(1000))
