from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.embedded_cloud import RunningCloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """One running cloud per module: the names its tests use differ."""
    directory: Path = tmp_path_factory.mktemp("project") / ".kite" / "local"
    running = RunningCloud(directory).start()
    yield running
    running.close()
