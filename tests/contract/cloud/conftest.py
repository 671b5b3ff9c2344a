from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.embedded_cloud import RunningCloud


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """One running cloud per module: the names its tests use differ. It enforces permissions, but not on triggers,
    which `test_permissions_services` looks after."""
    directory: Path = tmp_path_factory.mktemp("project") / ".kite" / "local"
    running = RunningCloud(directory, iam=not request.module.__name__.startswith("test_triggers")).start()
    yield running
    running.close()
