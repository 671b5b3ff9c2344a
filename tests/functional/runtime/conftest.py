from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.runtime import FunctionProject, running_project


@pytest.fixture(params=["fork", "spawn"])
async def project(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FunctionProject]:
    async with running_project(tmp_path, mode=request.param) as found:
        yield found


@pytest.fixture
async def forking(tmp_path: Path) -> AsyncIterator[FunctionProject]:
    async with running_project(tmp_path) as found:
        yield found
