"""A zygote as the runtime sees it: what it has imported, and forks of it. Linux only.

In: modules to import and the environment to do it in. Out: `Process`es. I/O: starts a process and speaks with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from skykite.runtime.freshness import importable_names
from skykite.runtime.launch import Process, SpawnLauncher
from skykite_lambda import frames
from skykite_lambda.tracking import Stat, stat_of
from skykite_lambda.zygote import EVERY_VARIABLE

_FORK_LIMIT: Final = 5.0  # seconds


class Prepared(msgspec.Struct):
    """What the imports did."""

    rejected: str | None
    loaded: frozenset[str]  # top-level modules
    in_vain: frozenset[str]
    variables: frozenset[str]
    packages: list[tuple[str, Stat | None]]


class _Forked(msgspec.Struct):
    ticket: int
    pid: int


class _Exited(msgspec.Struct):
    pid: int
    status: int


class ZygoteGone(Exception):  # noqa: N818
    """It ended; workers have to come from elsewhere."""


class Zygote:
    """One zygote. `prepare` first."""

    def __init__(self, process: Process, environment: Mapping[str, str]) -> None:
        self._process = process
        self._environment = dict(environment)
        self._loop = asyncio.get_running_loop()
        self._parser = frames.Parser()
        self._prepared: asyncio.Future[Prepared] = self._loop.create_future()
        self._forks: dict[int, asyncio.Future[int]] = {}
        self._children: dict[int, asyncio.Future[int | None]] = {}
        self._last_ticket = 0
        self._retired = False
        self.prepared: Prepared | None = None
        self._loop.add_reader(process.channel, self._receive)
        process.ended.add_done_callback(lambda _: self._gone())

    @classmethod
    async def start(cls, spawn: SpawnLauncher, environment: Mapping[str, str]) -> Zygote:
        """Raises SkykiteError."""
        return cls(await spawn.launch(environment, role="zygote"), environment)

    @property
    def ended(self) -> asyncio.Future[int | None]:
        return self._process.ended

    @property
    def alive(self) -> bool:
        return not self._process.ended.done()

    async def prepare(self, modules: Iterable[str], *, debugger: str | None = None) -> Prepared:
        """Import these, and the debugger that workers will attach to. Raises ZygoteGone."""
        order = {"modules": list(modules), "environment": self._environment, "debugger": debugger}
        await self._loop.sock_sendall(self._process.channel, frames.json_frame(frames.PREPARE, order))
        self.prepared = await self._prepared
        return self.prepared

    def is_fresh(self) -> bool:
        """Whether the packages it imported are still those that are installed."""
        assert self.prepared is not None
        return all(stat_of(path) == known for path, known in self.prepared.packages)

    def suits(self, environment: Mapping[str, str], folders: Iterable[Path]) -> bool:
        """Whether a fork is the same as a fresh start for a function that imports from `folders` first."""
        prepared = self.prepared
        if prepared is None or not self.alive:
            return False
        if EVERY_VARIABLE in prepared.variables:
            return False
        if any(environment.get(name) != self._environment.get(name) for name in prepared.variables):
            return False
        own = {name for folder in folders for name in importable_names(folder)}
        return own.isdisjoint(prepared.loaded | prepared.in_vain)

    async def fork(self, folders: Iterable[Path] = ()) -> Process:
        """A worker process that waits for its configuration, and imports from `folders` first. Raises ZygoteGone."""
        ours, theirs = socket.socketpair()
        output, output_end = os.pipe()
        lifeline_end, lifeline = os.pipe()
        self._last_ticket += 1
        forked: asyncio.Future[int] = self._loop.create_future()
        self._forks[self._last_ticket] = forked
        order = frames.json_frame(frames.FORK, {"ticket": self._last_ticket})
        with contextlib.ExitStack() as unused, contextlib.ExitStack() as handed_over:
            unused.callback(forked.cancel)  # or its end, which nobody waits for, is reported as an error of the loop
            unused.callback(ours.close)
            for end in (output, lifeline):
                unused.callback(os.close, end)
            handed_over.callback(theirs.close)
            for end in (output_end, lifeline_end):
                handed_over.callback(os.close, end)
            try:
                # Small enough for an empty socket buffer: all of it goes out, or the other side is stuck or gone.
                socket.send_fds(self._process.channel, [order], [theirs.fileno(), output_end, lifeline_end])
                async with asyncio.timeout(_FORK_LIMIT):
                    pid = await forked
            except (OSError, TimeoutError, ZygoteGone) as error:
                self._process.kill()
                raise ZygoteGone from error
            unused.pop_all()
        ours.setblocking(False)
        prepared = self._prepared.result()
        return Process(
            pid=pid,
            channel=ours,
            output=output,
            lifeline=lifeline,
            ended=self._children[pid],
            end=lambda: self._kill(pid),
            looked_up=dict.fromkeys(map(str, folders), prepared.loaded | prepared.in_vain),
        )

    def retire(self) -> None:
        """Fork no more, and end with the last child: somebody has to tell how it ended."""
        self._retired = True
        if not self._children and not self._forks:
            self.kill()

    def kill(self) -> None:
        self._process.kill()

    def _kill(self, pid: int) -> None:
        if self.alive and pid in self._children:
            try:
                self._process.channel.send(frames.json_frame(frames.KILL, {"pid": pid}))
            except OSError:  # it is stuck, or has just gone; its children go with it
                self._process.kill()

    def _receive(self) -> None:
        try:
            data = self._process.channel.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._process.channel)
            self._process.kill()
            return
        self._parser.feed(data)
        while (found := self._parser.next()) is not None:
            kind, body = found
            if kind == frames.PREPARED:
                if not self._prepared.done():  # whoever waited for it may have gone
                    self._prepared.set_result(msgspec.json.decode(body, type=Prepared))
            elif kind == frames.FORKED:
                fork = msgspec.json.decode(body, type=_Forked)
                self._children[fork.pid] = self._loop.create_future()
                waiting = self._forks.pop(fork.ticket)
                if not waiting.done():
                    waiting.set_result(fork.pid)
            elif kind == frames.EXITED:
                end = msgspec.json.decode(body, type=_Exited)
                child = self._children.pop(end.pid)
                if not child.done():
                    child.set_result(end.status)
                if self._retired and not self._children and not self._forks:
                    self.kill()

    def _gone(self) -> None:
        self._loop.remove_reader(self._process.channel)
        self._process.channel.close()
        os.close(self._process.output)
        self._process.kill()
        if not self._prepared.done():
            self._prepared.set_exception(ZygoteGone())
            self._prepared.exception()  # nobody may be waiting
        for waiting in self._forks.values():
            if not waiting.done():
                waiting.set_exception(ZygoteGone())
        for child in self._children.values():
            if not child.done():
                child.set_result(None)
        self._children.clear()


def encode_modules(modules: Iterable[str], rejected: Iterable[str]) -> bytes:
    """What is remembered between runs."""
    return json.dumps({"modules": list(modules), "rejected": sorted(rejected)}, indent=1).encode() + b"\n"


def decode_modules(data: bytes) -> tuple[list[str], list[str]]:
    """Nothing, if it is not what `encode_modules` wrote: it is only a cache."""
    try:
        found = msgspec.json.decode(data, type=dict[str, list[str]])
    except msgspec.MsgspecError:
        return [], []
    return found.get("modules", []), found.get("rejected", [])
