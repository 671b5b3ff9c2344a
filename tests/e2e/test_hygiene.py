"""What happens to `kite dev --local` when its processes are killed, flooded or stopped, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from kit.http import fetch
from kit.kite import alive, descendants, dev, kite

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

HANDLER = """
import os, signal, subprocess

def handler(event, context):
    if event["rawPath"] == "/":
        return str(os.getpid())
"""


@pytest.fixture
async def hello(tmp_path: Path) -> Path:
    made = await kite("init", "hello", "--template", "hello", cwd=tmp_path)
    assert made.code == 0, made.stderr
    (tmp_path / "hello" / "functions" / "hello.py").write_text(HANDLER)
    return tmp_path / "hello"


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


async def test_a_session_survives_the_death_of_its_workers_and_their_zygote(hello: Path) -> None:
    async with dev(hello, "--port", "0") as session:
        url = (await session.ready())["endpoints"][0]["url"]
        assert (await fetch("GET", url)).status == 200

        workers = [pid for pid in descendants(session.pid) if "worker.py" in command(pid)]
        for pid in workers:  # the zygote is one of them
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while alive(set(workers)):
                await asyncio.sleep(0.02)
        assert (await fetch("GET", url)).status == 200

        children = descendants(session.pid)
        assert await session.stop() == 0
        assert not alive(children)


async def test_nobody_else_can_read_what_a_session_keeps(hello: Path) -> None:
    """Templates hold the values of environment variables, the state of the cloud everything else."""
    async with dev(hello, "--port", "0") as session:
        await session.ready()
        assert stat.S_IMODE((hello / ".kite").stat().st_mode) == 0o700
