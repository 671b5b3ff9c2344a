"""What these tests share: an AWS on loopback, a clock, and an authority for certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from kit.appsync import REGION, Aws, running_aws
from kit.live import PushedClock, make_cloud
from skykite_lambda.live.cloud import Cloud


@pytest.fixture
def aws() -> Iterator[Aws]:
    with running_aws() as service:
        yield service


@pytest.fixture
def clock() -> PushedClock:
    return PushedClock()


@pytest.fixture
def environment(aws: Aws) -> dict[str, str]:
    return aws.environment()


@pytest.fixture
def cloud(environment: dict[str, str], clock: PushedClock) -> Cloud:
    return make_cloud(environment, clock)


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
    names = (f"*.{domain}", f"*.appsync-api.{domain}", f"*.appsync-realtime-api.{domain}")
    authority.issue_cert(*names).configure_cert(context)
    return context
