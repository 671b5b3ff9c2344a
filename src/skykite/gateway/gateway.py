"""The front door of `--local`: one TCP port on 127.0.0.1 per HTTP API, straight into the invoker.

In: the APIs to serve, and requests. Out: invocations, responses, and `http.finished` for each request. I/O: sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from skykite.gateway.api import CompiledApi, ServedApi, check_alike
from skykite.gateway.connection import Limits
from skykite.gateway.door import HOST, Door, Equipment
from skykite.model.events import Endpoint
from skykite.model.names import ConstructPath
from skykite.ports import Admission, Clock, EventSink, Ids, Invoker

_GRACE_S: Final = 1.0


class Gateway:
    """Serves HTTP APIs until `stop`.

    Requests wait for `admission` before they are routed. `integration_timeouts=False` lets functions take as long as
    they like, for when they stand in a debugger.
    """

    def __init__(
        self,
        *,
        invoker: Invoker,
        events: EventSink,
        clock: Clock,
        ids: Ids,
        integration_timeouts: bool = True,
        limits: Limits | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._equipment = Equipment(
            invoker=invoker,
            events=events,
            clock=clock,
            ids=ids,
            integration_timeouts=integration_timeouts,
            limits=limits or Limits(),
            admission=admission,
        )
        self._doors: dict[ConstructPath, Door] = {}
        self._changing = asyncio.Lock()

    async def serve(self, apis: Sequence[ServedApi]) -> tuple[Endpoint, ...]:
        """Serve exactly these APIs from now on, each under its construct path.

        Called again it changes what is served in one go: an API that stays keeps its port, its connections and the
        requests under way. If it raises SkykiteError (`port-in-use`, `route-invalid`, `routes-alike`), nothing has
        changed.
        """
        async with self._changing:
            check_alike(tuple(apis))
            compiled = [CompiledApi(served) for served in apis]
            opened: list[Door] = []
            doors: dict[ConstructPath, Door] = {}
            try:
                for api in compiled:
                    path = api.served.entry.path
                    door = self._doors.get(path)
                    if door is None or api.served.port not in (0, door.port):
                        door = Door(self._equipment, api)
                        await door.open(api.served.port)
                        opened.append(door)
                    doors[path] = door
            except BaseException:
                for door in opened:
                    await door.close(grace_s=0)
                raise
            gone = [door for path, door in self._doors.items() if doors.get(path) is not door]
            self._doors = doors
            for api in compiled:
                doors[api.served.entry.path].api = api
            await asyncio.gather(*(door.close(grace_s=_GRACE_S) for door in gone))
            return tuple(
                Endpoint(path=path, url=f"http://{HOST}:{door.port}{door.api.base_path}")
                for path, door in doors.items()
            )

    async def stop(self) -> None:
        """Accept nothing more, give requests under way a second, close."""
        async with self._changing:
            doors, self._doors = self._doors, {}
            await asyncio.gather(*(door.close(grace_s=_GRACE_S) for door in doors.values()))
