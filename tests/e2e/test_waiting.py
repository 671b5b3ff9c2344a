"""`kite dev` whose stacks do not work at the start: it waits on a terminal, and ends elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.http import fetch
from kit.kite import KITE, clean_environment, dev, kite

APP = """\
from aws_cdk import CfnResource
from skykite import Api, App, Stack


def main(app: App) -> None:
    stack = Stack(app, "S")
    Api(stack, "Api", routes={"GET /": "functions/hello.handler"})
"""
BROKEN = "def main(app):\n    values = {}\n    values['queue']\n"
REFUSED = APP + '    CfnResource(stack, "Q", type="AWS::SQS::Queue", properties={"NoSuch": True})\n'
HELLO = "def handler(event, context):\n    return 'hello'\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    for folder in ("stacks", "functions"):
        (root / folder).mkdir(parents=True)
    (root / "kite.toml").write_text('name = "app"\n')
    (root / "functions" / "hello.py").write_text(HELLO)
    return root


def save(project: Path, text: str) -> None:
    (project / "stacks" / "app.py").write_text(text)


@pytest.mark.parametrize("bridge", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["local", "bridge"])
async def test_with_wait_the_save_that_mends_the_stacks_starts_the_session(project: Path, bridge: bool) -> None:
    save(project, BROKEN)
    options = ["--bridge"] if bridge else ["--port", "0"]
    async with dev(project, "--stage", "test", "--wait", *options) as session:
        failed = await session.event("error")
        assert (failed["error"], "KeyError" in failed["message"]) == ("main-failed", True)
        assert (await session.event("notice", lambda e: e["notice"] != "iam-off"))["notice"] == "waiting-for-change"

        save(project, APP.replace("functions/hello.handler", "functions/helo.handler"))
        assert (await session.event("reload.failed"))["reason"] == "handler-not-found"
        (project / "functions" / "helo.py").write_text(HELLO)
        ready = await session.ready()
        assert (await fetch("GET", ready["endpoints"][0]["url"])).text == "hello"
        save(project, BROKEN)
        assert (await session.event("reload.failed"))["reason"] == "main-failed"
        assert (await fetch("GET", ready["endpoints"][0]["url"])).text == "hello"
        assert await session.stop() == 0


async def test_with_wait_a_deployment_that_fails_is_tried_again_once_something_is_saved(project: Path) -> None:
    save(project, REFUSED)
    async with dev(project, "--stage", "test", "--port", "0", "--wait") as session:
        failed = await session.event("error", lambda e: "NoSuch" in str(e))
        assert "S/Q" in failed["message"]
        await session.event("notice", lambda e: e["notice"] == "waiting-for-change")
        save(project, APP)
        ready = await session.ready()
        assert (await fetch("GET", ready["endpoints"][0]["url"])).text == "hello"


async def test_off_a_terminal_it_ends_so_that_scripts_notice(project: Path) -> None:
    save(project, REFUSED)
    result = await kite("dev", "--local", "--stage", "test", "--port", "0", cwd=project)
    assert result.code == 1
    assert "waiting" not in result.stderr
    assert result.stderr.count("error: ") == 1


async def test_what_no_save_mends_is_not_waited_for(project: Path) -> None:
    save(project, APP)
    arguments = ("dev", "--local", "--stage", "test", "--port", "0", "--wait", "--functions", "functions/none.handler")
    result = await kite(*arguments, cwd=project)
    assert result.code == 1
    assert "waiting" not in result.stderr


class Terminal:
    """`kite` at a terminal of its own, and what it shows there."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader) -> None:
        self.process = process
        self.shown = ""
        self._reader = reader

    async def until(self, text: str) -> None:
        async with asyncio.timeout(60):
            while text not in self.shown:
                self.shown += (await self._reader.read(4096)).decode(errors="replace")


@contextlib.asynccontextmanager
async def at_a_terminal(project: Path, *arguments: str) -> AsyncIterator[Terminal]:
    import pty

    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        KITE,
        *arguments,
        cwd=project,
        env=clean_environment({"TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb"))
    try:
        yield Terminal(process, reader)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        transport.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
async def test_on_a_terminal_it_shows_the_error_and_waits(project: Path) -> None:
    save(project, BROKEN)
    async with at_a_terminal(project, "dev", "--local", "--stage", "test", "--port", "0") as terminal:
        await terminal.until("waiting for a change")
        assert "KeyError: 'queue'" in terminal.shown
        save(project, APP)
        await terminal.until("ready in")
        terminal.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(terminal.process.wait(), 15) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
async def test_ctrl_c_ends_the_waiting(project: Path) -> None:
    save(project, BROKEN)
    async with at_a_terminal(project, "dev", "--local", "--stage", "test", "--port", "0") as terminal:
        await terminal.until("waiting for a change")
        terminal.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(terminal.process.wait(), 15) == 0
        assert "Traceback" not in terminal.shown


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
async def test_no_wait_ends_it_on_a_terminal_too(project: Path) -> None:
    save(project, BROKEN)
    async with at_a_terminal(project, "dev", "--local", "--no-wait", "--stage", "test", "--port", "0") as terminal:
        assert await asyncio.wait_for(terminal.process.wait(), 60) == 1
