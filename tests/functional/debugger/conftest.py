"""A debug session on `host.py`: the runtime in little, run as `launch.json` says but for the program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kit.dap import Editor, editor

HOST = Path(__file__).with_name("host.py")
LAUNCH = Path(__file__).parents[3] / "src/skykite/templates/hello/.vscode/launch.json"
CONFIGURATION = "kite dev --local"


@dataclass
class Call:
    """One request in a worker of its own. `said` is what the worker tells, as it comes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    said: list[dict[str, Any]] = field(default_factory=list)

    async def hears(self, what: str) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while line := await self.reader.readline():
                self.said.append(json.loads(line))
                if self.said[-1]["say"] == what:
                    return self.said[-1]
        raise AssertionError(f"the worker ended without saying {what}; it said {self.said}")

    async def end(self) -> list[dict[str, Any]]:
        """Everything but the greeting, to the end."""
        await self.hears("exit")
        self.writer.close()
        return [{k: v for k, v in one.items() if k != "thread"} for one in self.said if one["say"] != "attached"]


@dataclass
class Host:
    window: Editor
    facts: dict[str, Any]
    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    async def call(
        self, path: Path, event: Any = None, python: str = sys.executable, function: str = "handler", limit: float = 20
    ) -> Call:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.facts["port"])
        request = {"python": python, "file": str(path), "function": function, "event": event, "limit": limit}
        writer.write(json.dumps(request).encode() + b"\n")
        return Call(reader, writer)


@asynccontextmanager
async def run_host(folder: Path, changes: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Host]:
    """F5 on the template's `launch.json`, with the host in place of `kite`."""
    (folder / ".vscode").mkdir()
    shutil.copy(LAUNCH, folder / ".vscode")
    facts = folder / "facts.json"
    program = {"module": None, "program": str(HOST), "args": [str(facts)]}
    async with editor(folder, **options) as window:
        await window.run(CONFIGURATION, program | (changes or {}))
        await window.sees("host is ready")
        yield Host(window, json.loads(facts.read_text()), folder)


class Hosts:
    """One host for the tests of a module, and another one after a test that left it with something under way: a test
    that timed out must not take those behind it along. Each lives in a task of its own, as the editor's task group
    needs."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._folders = tmp_path_factory
        self._host: Host | None = None
        self._life: asyncio.Task[None] | None = None
        self._done = asyncio.Event()

    async def idle(self) -> Host:
        """One that nothing stops or runs in."""
        if self._host is not None and not (self._host.window.stops.empty() and self._host.window.workers == []):
            with contextlib.suppress(Exception):  # it is not in order: that is why it goes
                await self.end()
        if self._host is None:
            self._host = await self._start()
        self._host.window.breakpoints.clear()
        return self._host

    async def _start(self) -> Host:
        started: asyncio.Future[Host] = asyncio.get_running_loop().create_future()
        done = self._done = asyncio.Event()

        async def live() -> None:
            async with run_host(self._folders.mktemp("project")) as host:
                started.set_result(host)
                await done.wait()

        life = self._life = asyncio.create_task(live())
        await asyncio.wait({life, started}, return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            await life  # raises why it did not start
        return await started

    async def end(self) -> None:
        life, self._life, self._host = self._life, None, None
        self._done.set()
        if life is not None:
            await asyncio.wait_for(life, 20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosts]:
    kept = Hosts(tmp_path_factory)
    yield kept
    await kept.end()


@pytest_asyncio.fixture(loop_scope="module")
async def host(hosts: Hosts) -> Host:
    return await hosts.idle()
