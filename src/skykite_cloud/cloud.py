"""Put the parts together: MiniStack's application with its seams replaced, behind the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import ministack.app

from skykite_cloud import endpoints
from skykite_cloud.executor import Executor
from skykite_cloud.handoff import HandoffClient
from skykite_cloud.settings import Settings

Say = Callable[[dict[str, Any]], None]


class Cloud:
    """One per process, as MiniStack's state is the process's."""

    def __init__(self, settings: Settings, port: int, *, say: Say) -> None:
        self._say = say
        endpoints.install(port)
        client = HandoffClient(settings.handoff) if settings.handoff else None
        Executor(client, invoked=self._changed).install()

    async def application(self, scope: dict[str, Any], receive: Any, send: Callable[..., Awaitable[None]]) -> None:
        await ministack.app.app(scope, receive, send)

    def start(self) -> None:
        pass

    def snapshot_soon(self, request: int) -> None:
        self._say({"event": "snapshot", "id": request})

    def save(self) -> None:
        pass

    def _changed(self) -> None:
        pass
