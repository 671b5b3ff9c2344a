"""Our signatures against botocore's, over whatever a request may hold."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from skykite_lambda.live.clock import Clock
from skykite_lambda.live.sigv4 import Credentials, Signer

keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
regions = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-4", "us-gov-west-1", "cn-north-1"])
moments = st.integers(1_600_000_000, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
segments = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
paths = st.lists(segments | st.sampled_from(["", ".", "..", "~", "a b", "%20"]), max_size=6).map(
    lambda parts: "/" + "/".join(quote(part, safe="") for part in parts)
)
queries = st.lists(st.tuples(segments, segments), max_size=4).map(
    lambda pairs: "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
headers = st.dictionaries(
    st.sampled_from(["accept", "content-type", "content-encoding", "X-Amz-Target", "User-Agent", "X-Amzn-Trace-Id"]),
    header_values,
)


class Stopped(Clock):
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def time(self) -> float:
        return self.moment.timestamp()


def theirs(
    service: str, region: str, credentials: Credentials, method: str, url: str, headers: dict[str, str], body: bytes
) -> AWSRequest:
    request = AWSRequest(method, url, data=body, headers=headers)
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer(BotocoreCredentials(*credentials), service, region).add_auth(request)
    return request


@settings(max_examples=300, deadline=None)
@given(
    service=st.sampled_from(["appsync", "ssm", "s3"]),
    region=regions,
    access_key=keys,
    secret_key=keys,
    token=st.none() | keys,
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=paths,
    query=queries,
    headers=headers,
    body=st.binary(max_size=200),
    moment=moments,
)
def test_every_signature_is_botocores(
    service: str,
    region: str,
    access_key: str,
    secret_key: str,
    token: str | None,
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    moment: datetime,
) -> None:
    credentials = Credentials(access_key, secret_key, token)
    host = f"{service}.{region}.amazonaws.com"
    target = f"{path}?{query}" if query else path
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda *_: moment.replace(tzinfo=None))
        expected = theirs(service, region, credentials, method, f"https://{host}{target}", headers, body)
    found = Signer(region, lambda: credentials, Stopped(moment)).sign(service, method, host, target, headers, body)
    assert found["authorization"] == expected.headers["Authorization"]
    assert found["x-amz-date"] == expected.headers["X-Amz-Date"]
    assert found.get("x-amz-security-token") == expected.headers.get("X-Amz-Security-Token")
    assert found.get("x-amz-content-sha256") == expected.headers.get("X-Amz-Content-SHA256")


def test_a_kept_signing_key_is_not_used_for_another_day_service_or_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Stopped(datetime(2026, 11, 27, 23, 59, 59, tzinfo=UTC))
    secret = "one"
    signer = Signer("us-east-1", lambda: Credentials("AKID", secret, None), clock)
    days = (clock.moment, datetime(2026, 11, 28, 0, 0, 1, tzinfo=UTC))
    for service in ("appsync", "s3", "appsync"):
        for secret in ("one", "two"):
            for clock.moment in days:
                monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: clock.moment.replace(tzinfo=None))
                host = f"{service}.example"
                expected = theirs(
                    service, "us-east-1", Credentials("AKID", secret, None), "POST", f"https://{host}/", {}, b"x"
                )
                found = signer.sign(service, "POST", host, "/", {}, b"x")
                assert found["authorization"] == expected.headers["Authorization"]
