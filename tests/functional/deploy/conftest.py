"""One embedded cloud for all deploys of these tests; each test deploys an app of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.assembly import Workbench
from kit.cloud import running_cloud, session_at
from skykite.aws import AwsSession


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsSession]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        session = session_at(address)
        yield session
        session.close()


@pytest.fixture
def bench(session: AwsSession, tmp_path: Path, request: pytest.FixtureRequest) -> Workbench:
    return Workbench(session=session, root=tmp_path, app=f"app{abs(hash(request.node.name)) % 10**8}")
