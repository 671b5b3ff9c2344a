"""Sessions: what they import, whose configuration they read, and what they say when nobody answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from kit.internet import Asked, running_internet
from kit.loopback import running_server
from skykite.aws import AwsError, AwsSession, Sts
from skykite.aws.connection import Caller, Connector, Target


def closed_port_session(**options: str) -> AwsSession:
    return AwsSession(
        region="eu-west-1",
        endpoint_url="http://127.0.0.1:1",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="secret-of-the-test",
        **options,
    )


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without AWS configuration."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_importing_and_making_a_session_does_not_import_botocore() -> None:
    code = (
        "import sys, skykite.aws, skykite.deploy, skykite.bundle\n"
        "skykite.aws.AwsSession(region='eu-west-1')\n"
        "sys.exit('botocore' in sys.modules or 'boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_without_credentials_the_error_says_so() -> None:
    session = AwsSession(region="eu-west-1")
    with pytest.raises(AwsError) as raised:
        session.sts.identity()
    assert raised.value.code == "aws-no-credentials"


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    with pytest.raises(AwsError) as raised:
        AwsSession(region="eu-west-1").sts.identity()
    assert raised.value.message == "there is no AWS profile `nobody-has-this` in your AWS configuration"


def test_given_credentials_neither_read_nor_fail_on_the_users_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:2")
    with pytest.raises(AwsError) as raised:
        closed_port_session().sts.identity()
    assert raised.value.code == "aws-unreachable"
    assert "127.0.0.1:1" in raised.value.message
    assert "proxy" not in raised.value.message


@pytest.mark.parametrize("body", [b"<html><br>Sign in to the network</html>", b""])
def test_a_page_of_a_network_between_us_and_aws_is_told_as_that_and_not_as_a_bug_of_ours(body: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))

    with running_server(serve) as (port, _):
        session = AwsSession(
            region="eu-west-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            access_key_id="AKIDEXAMPLE",
            secret_access_key="secret-of-the-test",
        )
        with pytest.raises(AwsError) as raised:
            session.sts.identity()
    assert raised.value.code == "aws-answer-unreadable"
    assert raised.value.message.startswith("what answered `sts:GetCallerIdentity` was not AWS, or was cut short: ")
    assert raised.value.hint is not None
    assert "HTTPS_PROXY" in raised.value.hint


def sts_behind(monkeypatch: pytest.MonkeyPatch, proxy: str) -> Sts:
    """AWS's, which is asked once."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    target = Target(region="eu-west-1", access_key_id="AKIDEXAMPLE", secret_access_key="secret-of-the-test")
    return Sts(Caller(Connector(target), "sts", attempts=1))


@pytest.mark.parametrize(
    ("user", "hint"),
    [
        ("", "put `user:password@` before the proxy's host in HTTPS_PROXY"),
        ("alice:wrong@", "it does not know the user and the password that HTTPS_PROXY has for it"),
    ],
)
def test_a_proxy_that_wants_another_password_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, user: str, hint: str
) -> None:
    with running_internet(1, trustme.CA()) as internet:
        sts = sts_behind(monkeypatch, f"http://{user}127.0.0.1:{internet.port}")
        with pytest.raises(AwsError) as raised:
            sts.identity()
    assert raised.value.message == (
        f"cannot reach `sts` in `eu-west-1`: the proxy `http://127.0.0.1:{internet.port}` answers with "
        "407 Proxy Authentication Required"
    )
    assert (raised.value.hint or "").startswith(hint)


def test_a_proxy_that_lets_nobody_through_to_aws_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_internet(1, trustme.CA()) as internet:
        internet.refuses = lambda host: host.startswith("sts.")
        sts = sts_behind(monkeypatch, internet.url)
        with pytest.raises(AwsError, match="answers with 403 Forbidden") as raised:
            sts.identity()
    assert "docs/guides/proxies.md" in (raised.value.hint or "")


def test_a_proxy_that_is_not_there_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    sts = sts_behind(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(
        AwsError, match=r"the proxy `http://127\.0\.0\.1:1` cannot be used: Connection refused"
    ) as raised:
        sts.identity()
    assert "HTTPS_PROXY" in (raised.value.hint or "")


def test_a_certificate_of_a_proxys_own_authority_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    with running_internet(1, authority) as internet:
        sts = sts_behind(monkeypatch, internet.url)
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        with pytest.raises(AwsError) as raised:
            sts.identity()
        assert raised.value.message.startswith("the certificate of `sts` in `eu-west-1` is not trusted: ")
        assert "AWS_CA_BUNDLE" in (raised.value.hint or "")


@pytest.mark.parametrize("bundle", ["/nothing/here.pem", "", "no certificates"])
def test_a_file_of_authorities_that_is_none_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: str
) -> None:
    if " " in bundle:
        (tmp_path / "authorities.pem").write_text(bundle)
        bundle = str(tmp_path / "authorities.pem")
    with running_internet(1, trustme.CA()) as internet:
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        sts = sts_behind(monkeypatch, internet.url)
        with pytest.raises(AwsError) as raised:
            sts.identity()
    assert raised.value.code == "ca-bundle-unusable"
    assert "AWS_CA_BUNDLE" in (raised.value.hint or "")


EXPIRED = b"<ErrorResponse><Error><Code>ExpiredToken</Code><Message>it is</Message></Error></ErrorResponse>"
IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/alice</Arn>"
    b"<UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Writes the user's credentials file."""
    path = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))

    def sign_in(key: str) -> None:
        path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")

    return sign_in


def test_who_signs_in_anew_is_served_by_the_session_that_was_there_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, signed_in: Callable[[str], None]
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    monkeypatch.setattr("skykite.aws.connection._LOOK_EVERY_S", 0.0)
    monkeypatch.delenv("NO_PROXY", raising=False)
    signed_in("AKIDOLD")

    def answer(asked: Asked) -> tuple[int, bytes]:
        return (403, EXPIRED) if "AKIDOLD" in asked.headers["authorization"] else (200, IDENTITY)

    with running_server_of_nothing() as nothing, running_internet(nothing, authority) as internet:
        internet.answers = answer
        monkeypatch.setenv("HTTPS_PROXY", internet.url)
        session = AwsSession(region="eu-west-1")
        with pytest.raises(AwsError) as raised:
            session.sts.identity()
        assert raised.value.code == "aws-login-expired"
        assert "`kite dev` then goes on by itself" in (raised.value.hint or "")
        signed_in("AKIDNEW")
        assert session.sts.identity().account == "123456789012"


def test_what_s3_refuses_without_a_reason_has_expired(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, signed_in: Callable[[str], None]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    signed_in("AKIDOLD")
    with running_server(serve) as (port, _):
        session = AwsSession(region="eu-west-1", endpoint_url=f"http://127.0.0.1:{port}")
        with pytest.raises(AwsError, match="gave no reason") as raised:
            session.s3.head("a-bucket", "key")
    assert raised.value.code == "aws-login-expired"


@contextmanager
def running_server_of_nothing() -> Iterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with running_server(serve) as (port, _):
        yield port


def test_buckets_are_asked_for_at_their_regions_host_in_the_oldest_region_too() -> None:
    session = AwsSession(region="us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key="secret-of-the-test")
    url = session.s3.presign_get("a-bucket", "key", seconds=60)
    assert url.startswith("https://a-bucket.s3.us-east-1.amazonaws.com/key?")


def test_a_session_never_shows_its_secret() -> None:
    session = closed_port_session(session_token="token-of-the-test")
    shown = repr(session._connector.target)
    assert "secret-of-the-test" not in shown
    assert "token-of-the-test" not in shown
    assert "AKIDEXAMPLE" not in shown


async def test_calls_run_beside_each_other_in_threads() -> None:
    session = closed_port_session()
    assert await session.run(max, 1, 2) == 2
    session.close()
