"""A debugger of Node, as VS Code's is one: it attaches to one address and gets workers as worker threads."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect


@dataclass
class Heard:
    """A message; `worker` is the session it came from, empty for the process that sessions belong to."""

    worker: str
    message: dict[str, Any]

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.message.get("params", {})
        return params


@dataclass
class NodeDebugger:
    """`attach` makes one."""

    socket: ClientConnection
    heard: list[Heard] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _last: int = 0
    _read: int = 0

    async def listen(self) -> None:
        async for text in self.socket:
            message = json.loads(text)
            worker = ""
            if message.get("method") == "NodeWorker.receivedMessageFromWorker":
                worker, message = message["params"]["sessionId"], json.loads(message["params"]["message"])
            self.heard.append(Heard(worker, message))
            self._news.set()

    async def ask(self, method: str, worker: str = "", **params: Any) -> Any:
        """Send a command and wait for its result."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params}
        if worker:
            self._last += 1
            inner = {"sessionId": worker, "message": json.dumps(message)}
            message = {"id": self._last, "method": "NodeWorker.sendMessageToWorker", "params": inner}
        await self.socket.send(json.dumps(message))
        answer = await self._find(lambda one: one.worker == worker and one.message.get("id") == number, 0)
        assert "error" not in answer.message, answer
        return answer.message["result"]

    async def next(self, method: str, where: Callable[[Heard], bool] = lambda heard: True) -> Heard:
        """The next such event since the last one that was asked for."""
        found = await self._find(lambda one: one.message.get("method") == method and where(one), self._read)
        self._read = self.heard.index(found) + 1
        return found

    async def next_worker(self, *breakpoints: tuple[str, int]) -> str:
        """Take the next worker as an editor does: with breakpoints (end of a URL, line from one) before it runs."""
        attached = await self.next("NodeWorker.attachedToWorker")
        worker: str = attached.params["sessionId"]
        await self.ask("Runtime.enable", worker)
        await self.ask("Debugger.enable", worker)
        for url, line in breakpoints:
            await self.ask("Debugger.setBreakpointByUrl", worker, urlRegex=f".*{url}", lineNumber=line - 1)
        await self.ask("Runtime.runIfWaitingForDebugger", worker)
        return worker

    async def _find(self, matches: Callable[[Heard], bool], start: int) -> Heard:
        async with asyncio.timeout(10):
            while True:
                for heard in self.heard[start:]:
                    if matches(heard):
                        return heard
                self._news.clear()
                await self._news.wait()


async def targets(port: int) -> list[dict[str, str]]:
    """What `/json/list` says."""

    def ask() -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            found: bytes = answer.read()
            return found

    listed: list[dict[str, str]] = json.loads(await asyncio.to_thread(ask))
    return listed


@asynccontextmanager
async def attach(port: int) -> AsyncIterator[NodeDebugger]:
    """Attach to the first target, as an editor does that is given a port, and follow workers."""
    url = (await targets(port))[0]["webSocketDebuggerUrl"]
    async with connect(url, max_size=None, proxy=None) as socket:
        debugger = NodeDebugger(socket)
        listening = asyncio.create_task(debugger.listen())
        try:
            await debugger.ask("Runtime.enable")
            await debugger.ask("NodeWorker.enable", waitForDebuggerOnStart=True)
            yield debugger
        finally:
            listening.cancel()
