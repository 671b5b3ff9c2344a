"""What these tests share: an Event API on loopback, somebody who listens, and an authority for certificates."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from kit.appsync import REGION
from kit.cloud import running_cloud, session_at
from kit.event_api import EventApiServer, event_api
from skykite.aws import AwsSession

BUCKET = "live-bucket"


@pytest.fixture
async def service() -> AsyncIterator[EventApiServer]:
    async with event_api() as running:
        yield running


@pytest.fixture(scope="package")
def cloud_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsSession]:
    """The embedded cloud, with a bucket that keeps versions."""
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        session = session_at(address)
        client = session.s3._caller.client()
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield session
        session.close()


@pytest.fixture
def nowhere() -> Iterator[AwsSession]:
    """A cloud that does not answer."""
    session = AwsSession(
        region="eu-west-1", endpoint_url="http://127.0.0.1:1", access_key_id="AKIDEXAMPLE", secret_access_key="secret"
    )
    yield session
    session.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="session")
def aws_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What AWS's hosts show."""
    domain = f"{REGION}.amazonaws.com"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(f"*.appsync-api.{domain}", f"*.appsync-realtime-api.{domain}").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without AWS configuration and proxies."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
