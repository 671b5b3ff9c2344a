"""One address where debuggers of Node find all workers, as long as `kite dev --inspect` runs.

A debugger that attaches to the port gets a process with nothing in it, and every worker as one of its worker threads
(the `NodeWorker` domain of Node's inspector protocol, which VS Code speaks): so workers may come and go with every
save, and each has its breakpoints before it runs any code. `/json/list` names the workers besides, for debuggers that
attach to one. All that is said passes through here, so it is known when a worker is held, and its time stands still.

In: workers, each with the address of its own inspector. Out: whether a worker is held. I/O: serves on 127.0.0.1; speaks
with the workers' inspectors; starts the process with nothing in it when the first debugger attaches.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skykite.errors import SkykiteError
from skykite.model.events import Notice
from skykite.ports import Clock, EventSink
from skykite.runtime.inspector_sessions import ParentSession, Target, relay

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

PARENT: Final = Path(__file__).parent / "node" / "parent.cjs"
READY_LIMIT: Final = 15.0  # seconds a debugger may take from hearing of a worker to having set its breakpoints
_LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Inspector:
    """`find_node` is for the process with nothing in it."""

    def __init__(self, port: int, *, find_node: Callable[[], Path], clock: Clock, events: EventSink) -> None:
        self.port = port
        self._events = events
        self._find_node = find_node
        self._clock = clock
        self._server: Server | None = None
        self._parent_id = str(uuid.uuid4())
        self._parent: asyncio.subprocess.Process | None = None
        self._parent_url: str | None = None
        self._starting = asyncio.Lock()
        self._targets: dict[str, Target] = {}
        self._sessions: set[ParentSession] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises `inspector-port`."""
        from websockets.asyncio.server import serve

        try:
            self._server = await serve(
                self._connected,
                "127.0.0.1",
                self.port,
                process_request=self._answer,
                compression=None,
                max_size=None,
                ping_interval=None,
            )
        except OSError as error:
            raise SkykiteError(
                "inspector-port",
                f"port {self.port}, where debuggers of Node are to find functions, is taken",
                hint="end the program that has it, or choose another: `--inspect 9230`",
            ) from error
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self._events.emit(
            Notice(notice="inspector", message=f"debuggers of Node find functions at 127.0.0.1:{self.port}")
        )

    async def stop(self) -> None:
        """No debugger reaches anything any more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for task in list(self._tasks):
            task.cancel()
        if self._parent is not None:
            with contextlib.suppress(ProcessLookupError):
                self._parent.kill()
            await self._parent.wait()

    @property
    def waits(self) -> bool:
        """Whether a debugger wants to hear of a worker before that runs any code."""
        return any(session.follows_workers for session in self._sessions)

    def add(self, *, title: str, file: Path, url: str, waiting: bool, on_held: Callable[[bool], None]) -> Target:
        """A worker is there. If it is `waiting`, it does nothing until a debugger, or this, lets it go."""
        target = Target(id=str(uuid.uuid4()), title=title, file=file, url=url, on_held=on_held, clock=self._clock)
        self._targets[target.id] = target
        if waiting:
            target.hold()
            self._begin(self._let_go(target))
        else:
            target.released.set()
        for session in self._sessions:
            session.add(target)
        return target

    def remove(self, target: Target) -> None:
        """The worker has ended."""
        self._targets.pop(target.id, None)
        target.ended.set()

    async def _let_go(self, target: Target) -> None:
        """No worker waits for a debugger that has gone, or does not answer."""
        try:
            async with asyncio.timeout(READY_LIMIT):
                while self.waits and not target.released.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await target.released.wait()
        except TimeoutError:
            pass
        if not target.released.is_set():
            await target.release()

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What debuggers ask

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Node's own pages. As Node does, answer nobody who came by another name: that would be a web page."""
        host = request.headers.get("Host", "")
        if host.rpartition(":")[0] not in _LOCAL_NAMES and host not in _LOCAL_NAMES:
            return connection.respond(HTTPStatus.FORBIDDEN, "loopback only\n")
        path = request.path.partition("?")[0].rstrip("/")
        if path == "/json/version":
            return _json(connection, {"Browser": "node.js/kite", "Protocol-Version": "1.1"})
        if path in ("/json", "/json/list"):
            return _json(
                connection, [self._entry(self._parent_id, "kite", "file://"), *map(self._worker, self._listed())]
            )
        known = path.removeprefix("/") == self._parent_id or path.removeprefix("/") in self._targets
        return None if known else connection.respond(HTTPStatus.NOT_FOUND, "no such target\n")

    def _listed(self) -> list[Target]:
        return list(self._targets.values())

    def _worker(self, target: Target) -> dict[str, str]:
        return self._entry(target.id, target.title, target.file.as_uri())

    def _entry(self, id: str, title: str, url: str) -> dict[str, str]:
        address = f"127.0.0.1:{self.port}/{id}"
        return {
            "description": "node.js instance",
            "devtoolsFrontendUrl": f"devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws={address}",
            "id": id,
            "title": title,
            "type": "node",
            "url": url,
            "webSocketDebuggerUrl": f"ws://{address}",
        }

    async def _connected(self, client: ServerConnection) -> None:
        assert client.request is not None
        chosen = client.request.path.partition("?")[0].strip("/")
        if chosen != self._parent_id:
            await relay(client, self._targets[chosen])
            return
        session = ParentSession(client, await self._parent_address())
        self._sessions.add(session)
        try:
            await session.run(self._listed)
        finally:
            self._sessions.discard(session)

    async def _parent_address(self) -> str:
        async with self._starting:
            if self._parent is None or self._parent.returncode is not None:
                self._parent = await asyncio.create_subprocess_exec(
                    str(self._find_node()),
                    "--inspect-publish-uid=http",
                    str(PARENT),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                assert self._parent.stdout is not None
                self._parent_url = (await self._parent.stdout.readline()).decode().strip()
            assert self._parent_url is not None
            return self._parent_url


def _json(connection: ServerConnection, document: object) -> Response:
    response = connection.respond(HTTPStatus.OK, json.dumps(document, indent=2) + "\n")
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json; charset=UTF-8"
    return response
