"""A debugger's messages on their way to workers and back.

In and out: messages of Node's inspector protocol, as text. What is looked at on the way: whether a worker is held, and
what lets it go on; before that, the worker is told how long it was held, so that its own clock knows. I/O: WebSockets.
https://chromedevtools.github.io/devtools-protocol/v8/Debugger/
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from skykite.ports import Clock

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.asyncio.server import ServerConnection

_GOES_ON: Final = frozenset(
    {"Debugger.resume", "Debugger.stepOver", "Debugger.stepInto", "Debugger.stepOut", "Debugger.continueToLocation"}
)
_RUN: Final = "Runtime.runIfWaitingForDebugger"
_OVER: Final = '{"method":"Runtime.executionContextDestroyed"'
_OWN_ID: Final = 2**30  # of messages that are ours; a debugger counts from one
_CLOCK: Final = "globalThis[Symbol.for('skykite.clock')]?.({held_ms})"


class Target:
    """One worker. `released` is set once it need no longer wait for a debugger."""

    def __init__(
        self, *, id: str, title: str, file: Path, url: str, on_held: Callable[[bool], None], clock: Clock
    ) -> None:
        self.id = id
        self.title = title
        self.file = file
        self.url = url
        self.released = asyncio.Event()
        self.ended = asyncio.Event()
        self._on_held = on_held
        self._clock = clock
        self._held_since: float | None = None

    def hold(self) -> None:
        if self._held_since is None:
            self._held_since = self._clock.monotonic()
            self._on_held(True)

    def let_go(self) -> None:
        if self._held_since is not None:
            self._held_since = None
            self._on_held(False)

    def held_ms(self) -> float:
        return 0.0 if self._held_since is None else (self._clock.monotonic() - self._held_since) * 1000

    async def release(self) -> None:
        """Have it run, though no debugger says so."""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            async with await connect(self.url) as worker:
                await worker.send(json.dumps({"id": 1, "method": _RUN}))
                await worker.recv()
        self.released.set()
        self.let_go()

    # What passes

    async def to_worker(self, worker: ClientConnection, message: str) -> None:
        """Pass on what a debugger says."""
        method = json.loads(message).get("method")
        if method in _GOES_ON and self._held_since is not None:
            expression = _CLOCK.format(held_ms=self.held_ms())
            params = {"expression": expression, "silent": True}
            await worker.send(json.dumps({"id": _OWN_ID, "method": "Runtime.evaluate", "params": params}))
        await worker.send(message)
        if method == _RUN:
            self.released.set()
            self.let_go()

    def from_worker(self, message: str) -> bool:
        """Look at what the worker says. Whether it is for the debugger."""
        if message.startswith('{"method":"Debugger.paused"'):
            self.hold()
        elif message.startswith('{"method":"Debugger.resumed"'):
            self.let_go()
        return not message.startswith(f'{{"id":{_OWN_ID},')

    def session_ended(self) -> None:
        """A debugger that goes lets go of what it held."""
        if self.released.is_set():
            self.let_go()


async def connect(url: str) -> ClientConnection:
    """With an inspector."""
    from websockets.asyncio.client import connect as connect_to

    return await connect_to(url, compression=None, max_size=None, ping_interval=None, proxy=None)


async def relay(client: ServerConnection, target: Target) -> None:
    """A debugger that attached to one worker."""
    from websockets.exceptions import ConnectionClosed

    async with await connect(target.url) as worker:

        async def back() -> None:
            async for message in worker:
                if target.from_worker(_text(message)):
                    await client.send(message)
                if _text(message).startswith(_OVER):
                    break
            await client.close()

        answers = asyncio.create_task(back())
        try:
            async for message in client:
                await target.to_worker(worker, _text(message))
        except ConnectionClosed:
            pass
        finally:
            answers.cancel()
            target.session_ended()


class ParentSession:
    """A debugger that attached to all of them: what it says of worker threads is about workers, the rest about the
    process with nothing in it."""

    def __init__(self, client: ServerConnection, parent_url: str) -> None:
        self._client = client
        self._parent_url = parent_url
        self._workers: dict[str, ClientConnection] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._targets: dict[str, Target] = {}
        self.follows_workers = False

    async def run(self, targets: Callable[[], list[Target]]) -> None:
        """Until the debugger goes."""
        from websockets.exceptions import ConnectionClosed

        try:
            async with await connect(self._parent_url) as parent, asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                back = tasks.create_task(self._from_parent(parent))
                try:
                    async for message in self._client:
                        await self._take(_text(message), parent, targets)
                except ConnectionClosed:
                    pass
                self.follows_workers = False
                back.cancel()
                for worker in list(self._workers.values()):
                    await worker.close()
        finally:
            self.follows_workers = False
            self._tasks = None

    def add(self, target: Target) -> None:
        """A worker is there."""
        if self.follows_workers and self._tasks is not None:
            self._tasks.create_task(self._follow(target))

    async def _from_parent(self, parent: ClientConnection) -> None:
        async for message in parent:
            await self._client.send(message)
        await self._client.close()

    async def _take(self, text: str, parent: ClientConnection, targets: Callable[[], list[Target]]) -> None:
        message: dict[str, Any] = json.loads(text)
        params = message.get("params") or {}
        match message.get("method"):
            case "NodeWorker.enable":
                self.follows_workers = True
                await self._reply(message)
                for target in targets():
                    self.add(target)
            case "NodeWorker.disable":
                self.follows_workers = False
                for worker in list(self._workers.values()):
                    await worker.close()
                await self._reply(message)
            case "NodeWorker.detach":
                detached = self._workers.get(params["sessionId"])
                if detached is not None:
                    await detached.close()
                await self._reply(message)
            case "NodeWorker.sendMessageToWorker":
                await self._reply(message)
                session = params["sessionId"]
                if session in self._workers:
                    await self._targets[session].to_worker(self._workers[session], params["message"])
            case _:
                await parent.send(text)

    async def _follow(self, target: Target) -> None:
        """One worker, from the debugger's hearing of it to its end."""
        from websockets.exceptions import ConnectionClosed

        try:
            worker = await connect(target.url)
        except OSError:  # it has ended already
            return
        self._workers[target.id], self._targets[target.id] = worker, target
        waiting = not target.released.is_set()
        info = {"workerId": target.id, "type": "worker", "title": target.title, "url": target.file.as_uri()}
        with contextlib.suppress(ConnectionClosed):
            await self._tell("attachedToWorker", sessionId=target.id, workerInfo=info, waitingForDebugger=waiting)
            async for message in worker:
                if target.from_worker(_text(message)):
                    await self._tell("receivedMessageFromWorker", sessionId=target.id, message=_text(message))
                if _text(message).startswith(_OVER):  # it waits for debuggers to leave before it ends
                    break
        with contextlib.suppress(ConnectionClosed):
            await self._tell("detachedFromWorker", sessionId=target.id)
        del self._workers[target.id], self._targets[target.id]
        target.session_ended()
        await worker.close()

    async def _tell(self, event: str, **params: object) -> None:
        await self._client.send(json.dumps({"method": f"NodeWorker.{event}", "params": params}))

    async def _reply(self, message: dict[str, Any]) -> None:
        await self._client.send(json.dumps({"id": message["id"], "result": {}}))


def _text(message: str | bytes) -> str:
    return message if isinstance(message, str) else message.decode()
