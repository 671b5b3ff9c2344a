"""The `kite` command as a user has it: a real process, read through `--output json`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KITE = str(Path(sys.executable).with_name("kite.exe" if sys.platform == "win32" else "kite"))
Event = dict[str, Any]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The host's environment without what would steer Skykite or an AWS client."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KITE_")) and k != "VIRTUAL_ENV"}
    return kept | dict(extra or {})


@dataclass
class Finished:
    code: int
    stdout: str
    stderr: str


async def kite(*args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> Finished:
    """Run one command to its end."""
    process = await asyncio.create_subprocess_exec(
        KITE,
        *args,
        cwd=cwd,
        env=clean_environment(env),
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


@dataclass
class Dev:
    """A running `kite dev`. `events` holds everything it said; `seen` is how far `event()` has read."""

    process: asyncio.subprocess.Process
    events: list[Event] = field(default_factory=list)
    seen: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.events.append(json.loads(line))
            self._news.set()
        self._ended = True
        self._news.set()

    async def event(self, code: str, where: Callable[[Event], bool] = lambda _: True, timeout: float = 60) -> Event:
        """The next event of that code (after the last one returned) for which `where` holds."""
        async with asyncio.timeout(timeout):
            while True:
                while self.seen < len(self.events):
                    event = self.events[self.seen]
                    self.seen += 1
                    if event["code"] == code and where(event):
                        return event
                assert not self._ended, f"kite ended without {code}; it said {self.tail()}"
                self._news.clear()
                await self._news.wait()

    def tail(self, count: int = 12) -> str:
        return "\n".join(json.dumps(event) for event in self.events[-count:])

    async def ready(self, timeout: float = 90) -> Event:
        return await self.event("dev.ready", timeout=timeout)

    async def stop(self, sig: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sig)
        async with asyncio.timeout(15):
            return await self.process.wait()


@asynccontextmanager
async def dev(cwd: Path, *args: str, env: Mapping[str, str] | None = None, local: bool = True) -> AsyncIterator[Dev]:
    """`kite dev --local` in a folder, or `kite dev`, stopped at the end if the test has not done so."""
    process = await asyncio.create_subprocess_exec(
        KITE,
        "dev",
        *(["--local"] if local else []),
        "--output",
        "json",
        *args,
        cwd=cwd,
        env=clean_environment(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    running = Dev(process)
    reader = asyncio.create_task(running._read())
    try:
        yield running
    finally:
        if process.returncode is None:
            try:
                await running.stop()
            except TimeoutError:
                process.kill()
                await process.wait()
        await reader


def descendants(pid: int) -> set[int]:
    """All processes below `pid`, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    pending = [pid]
    while pending:
        for child in children.get(pending.pop(), []):
            found.add(child)
            pending.append(child)
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of `pids` that still run (a zombie does not)."""
    running = set()
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if stat.rsplit(")", 1)[1].split()[0] != "Z":
            running.add(pid)
    return running
